"""Assembles: all guards in their order around one app, or inside an app that is already there.

Every layer's module is imported when it is asked for, so that a stack of headers and CORS pays for
neither JWT nor a store.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from inspect import signature
from typing import TYPE_CHECKING, Any, TypeVar

from asgi_security.asgi.pipeline import DEFAULT_ERROR_BODY, Pipeline
from asgi_security.clock import system_clock, system_entropy
from asgi_security.errors import ConfigError, Problem
from asgi_security.events import log_event
from asgi_security.policy.headers import SecurityHeadersConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from asgi_security.asgi.layers import Layer
    from asgi_security.asgi.types import ASGIApp, Receive, Scope, Send
    from asgi_security.clock import Clock, Entropy
    from asgi_security.events import EventSink
    from asgi_security.policy.access_rules import AccessConfig
    from asgi_security.policy.api_keys import ApiKeyConfig
    from asgi_security.policy.clients import ClientConfig
    from asgi_security.policy.cors import CorsConfig
    from asgi_security.policy.csrf import CsrfConfig
    from asgi_security.policy.hosts import HostsConfig
    from asgi_security.policy.introspection import IntrospectionConfig
    from asgi_security.policy.jwt import JwtConfig
    from asgi_security.policy.lockout import LockoutConfig
    from asgi_security.policy.login_routes import LoginRouteConfig
    from asgi_security.policy.sessions import SessionConfig
    from asgi_security.policy.throttle import ThrottleConfig
    from asgi_security.secret import Secret
    from asgi_security.storage.protocols import Store

AppT = TypeVar("AppT")

_PRACTICAL = SecurityHeadersConfig.practical()

ORDER = (
    *("headers", "hosts", "clients", "cors", "csrf", "throttle", "lockout", "sessions"),
    *("jwt", "introspection", "api_keys", "access"),
)
"""From the outside in. Headers stand outermost so that refusals carry them; clients before what
counts by address; cors before credentials, so that a preflight never meets a 401; csrf before a
store is asked; throttle before anything is computed; lockout before a session is loaded or a hash
is paid for."""


class HardenedApp(Pipeline, fusible=True):
    """An app behind the guards that `harden` was given."""

    def move_to(self, app: ASGIApp) -> HardenedApp:
        """Return the same guards, not new ones, around another app."""
        return HardenedApp(app, self.layers, error_body=self._error_body)


def harden(
    app: ASGIApp,
    *,
    headers: SecurityHeadersConfig | None = _PRACTICAL,
    hosts: HostsConfig | None = None,
    clients: ClientConfig | None = None,
    cors: CorsConfig | None = None,
    csrf: CsrfConfig | None = None,
    throttle: ThrottleConfig | None = None,
    lockout: LockoutConfig | None = None,
    login: LoginRouteConfig | None = None,
    sessions: SessionConfig | None = None,
    jwt: JwtConfig | None = None,
    introspection: IntrospectionConfig | None = None,
    api_keys: ApiKeyConfig | None = None,
    access: AccessConfig | None = None,
    store: Store | None = None,
    clock: Clock = system_clock,
    entropy: Entropy = system_entropy,
    events: EventSink = log_event,
    error_body: bytes | None = DEFAULT_ERROR_BODY,
) -> HardenedApp:
    """Put the guards that are given around `app`, in `ORDER`.

    `headers=None` leaves even the security headers out. `login` says where the app's own login
    route is and turns lockout on, with `lockout` for its numbers. `store` keeps attempts, quotas,
    API keys and revocations; without one, attempts and quotas are counted in this process. Sessions
    are where their own configuration says. `csrf` trusts the exact origins of a `cors` with
    credentials, unless it names its own; the CORP of `headers` follows `cors` if it says so.

    Raises:
        ConfigError: for guards that do not go together, and whatever a guard finds wrong.
    """
    ambient: dict[str, Any] = {"clock": clock, "entropy": entropy, "events": events}
    layers: dict[str, Layer | None] = {
        "headers": _build("headers", "SecurityHeadersLayer", _beside(cors, headers), ambient),
        "hosts": _build("hosts", "HostsLayer", hosts, ambient),
        "clients": _build("clients", "ClientLayer", clients, ambient),
        "cors": _build("cors", "CorsLayer", cors, ambient),
        "csrf": _build("csrf", "CsrfLayer", _trusting(csrf, cors), ambient),
        "throttle": _build_throttle(throttle, store, ambient),
        "lockout": _build_lockout(lockout, login, store, ambient),
        "sessions": _build("sessions", "SessionLayer", _revocable(sessions, store), ambient),
        "jwt": _build("jwt", "JwtLayer", _revocable(jwt, store), ambient),
        "introspection": _build_introspection(introspection, jwt, store, ambient),
        "api_keys": _build_api_keys(api_keys, store, ambient),
        "access": _build("access", "AccessLayer", access, ambient),
    }
    present = [layer for word in ORDER if (layer := layers[word]) is not None]
    return HardenedApp(app, present, error_body=error_body)


def add_security(
    app: AppT,
    *,
    cors_origins: Sequence[str] | None = None,
    headers_overrides: Mapping[str, str | None] | None = None,
    allow_credentials: bool | None = None,
    env: Mapping[str, str] | None = None,
    enable_hsts_preload: bool | None = None,
    install_session_middleware: bool = False,
    session_secret_key: str | bytes | Secret | None = None,
    session_cookie_name: str | None = None,
    session_cookie_max_age_seconds: int | None = None,
    session_cookie_samesite: str | None = None,
    session_cookie_https_only: bool | None = None,
    **guards: Any,
) -> AppT:
    """Install headers, CORS and, if asked for, sessions around an app in place, and return it.

    What is omitted is read from `env`, by default the process's environment, as the guide lists
    it. `cors_origins=[]` turns CORS off; None in `headers_overrides` removes a header;
    `enable_hsts_preload` adds `preload` to HSTS (True), takes it out (False) or leaves it.
    `guards` are further arguments of `harden`. The guards stand outside everything the framework
    installs; calling again replaces them.

    Raises:
        ConfigError: for what the arguments or the environment say wrong.
        TypeError: for an app that cannot be changed in place; `harden` wraps any.
    """
    from asgi_security import settings  # noqa: PLC0415 -- it imports what the rest may not need

    headers = SecurityHeadersConfig(
        overrides=dict(headers_overrides or {}), hsts_preload=enable_hsts_preload
    )
    cors = settings.load_cors_config(
        env, allow_origins=cors_origins, allow_credentials=allow_credentials
    )
    sessions = None
    if install_session_middleware:
        sessions = settings.load_session_config(
            env,
            secret=session_secret_key,
            cookie_name=session_cookie_name,
            max_age_seconds=session_cookie_max_age_seconds,
            same_site=session_cookie_samesite,
            secure=session_cookie_https_only,
        )
    chosen: dict[str, Any] = {"headers": headers, "cors": cors, "sessions": sessions, **guards}
    # Built here and not with the app, so that what is wrong is said now.
    _install(app, harden(_nothing, **chosen))
    return app


def _build(module: str, name: str, config: object | None, ambient: Mapping[str, Any]) -> Any:
    """Build one layer, giving it those of clock, entropy and events that it takes."""
    if config is None:
        return None
    kind = getattr(import_module(f"asgi_security.middleware.{module}"), name)
    taken = signature(kind.__init__).parameters
    return kind(config, **{name: value for name, value in ambient.items() if name in taken})


def _revocable(config: AppT, store: Store | None) -> AppT:
    """Let the store keep the revocations of a configuration that names none of its own."""
    if config is None or store is None or getattr(config, "revocations", None) is not None:
        return config
    return replace(config, revocations=store)  # type: ignore[type-var] # a dataclass


def _build_introspection(
    config: Any, jwt: JwtConfig | None, store: Store | None, ambient: Mapping[str, Any]
) -> Any:
    """Let one guard answer for the one Authorization header, not two in turn."""
    if config is not None and jwt is not None:
        reason, hint = "jwt answers for the Authorization header already", "give one of the two"
        raise ConfigError("harden", [Problem("introspection", "given", reason, hint)])
    return _build("introspection", "IntrospectionLayer", _revocable(config, store), ambient)


def _beside(
    cors: CorsConfig | None, headers: SecurityHeadersConfig | None
) -> SecurityHeadersConfig | None:
    return None if headers is None else headers.following(cors)


def _trusting(csrf: CsrfConfig | None, cors: CorsConfig | None) -> CsrfConfig | None:
    """Let pages that may read with credentials also send, where nothing else is said.

    Exact origins only: a pattern is for reading, and too wide for what changes state.
    """
    if csrf is None or csrf.trusted_origins is not None:
        return csrf
    if cors is None or not cors.allow_credentials:
        return csrf
    exact = [origin for origin in cors.allow_origins if "*" not in origin]
    return replace(csrf, trusted_origins=exact)


def _build_lockout(
    lockout: LockoutConfig | None,
    login: LoginRouteConfig | None,
    store: Store | None,
    ambient: Mapping[str, Any],
) -> Layer | None:
    if lockout is not None and login is None:
        hint = 'give login=LoginRouteConfig(outcome="api" or "form", login_paths=[...])'
        problem = Problem("login", "None", "a lockout needs to know the login route", hint)
        raise ConfigError("harden", [problem])
    if login is None:
        return None
    from asgi_security.flows.lockout import Lockout  # noqa: PLC0415 -- on use
    from asgi_security.middleware.lockout import LockoutLayer  # noqa: PLC0415 -- on use
    from asgi_security.policy.lockout import LockoutConfig  # noqa: PLC0415 -- on use

    guard = Lockout(lockout or LockoutConfig(), store or _build_memory(), **ambient)
    return LockoutLayer(guard, login, events=ambient["events"])


def _build_throttle(
    throttle: ThrottleConfig | None, store: Store | None, ambient: Mapping[str, Any]
) -> Layer | None:
    if throttle is None:
        return None
    if throttle.key == "principal":
        hint = "put ThrottleMiddleware around the app itself, inside what harden adds"
        reason = "who asks is not known yet where harden counts requests"
        raise ConfigError("harden", [Problem("throttle.key", "'principal'", reason, hint)])
    from asgi_security.middleware.throttle import ThrottleLayer  # noqa: PLC0415 -- on use

    return ThrottleLayer(throttle, store or _build_memory(), **ambient)


def _build_api_keys(
    api_keys: ApiKeyConfig | None, store: Store | None, ambient: Mapping[str, Any]
) -> Layer | None:
    if api_keys is None:
        return None
    if store is None:
        hint = "give store=open_store(...), the one in which the keys were made"
        raise ConfigError("harden", [Problem("store", "None", "API keys are kept in one", hint)])
    from asgi_security.middleware.api_keys import ApiKeyLayer  # noqa: PLC0415 -- on use

    return ApiKeyLayer(api_keys, store, clock=ambient["clock"], events=ambient["events"])


def _build_memory() -> Store:
    from asgi_security.storage.memory import MemoryStore  # noqa: PLC0415 -- on use

    return MemoryStore()


class _Installed:
    """A framework's own builder of its app, wrapped so that what it builds is hardened."""

    def __init__(self, build: Callable[[], ASGIApp], guards: HardenedApp) -> None:
        self.build = build
        self.guards = guards

    def __call__(self) -> ASGIApp:
        return self.guards.move_to(self.build())


def _install(app: Any, guards: HardenedApp) -> None:
    """Put the guards where the framework keeps its ASGI entry, in the place of earlier ones."""
    build = getattr(app, "build_middleware_stack", None)  # Starlette, FastAPI
    if build is not None:
        if getattr(app, "middleware_stack", None) is not None:
            raise TypeError("the app has served requests already; call add_security before")
        own = build.build if isinstance(build, _Installed) else build
        app.build_middleware_stack = _Installed(own, guards)
        return
    for name in ("asgi_app", "asgi_handler"):  # Quart, Litestar
        entry = getattr(app, name, None)
        if callable(entry):
            setattr(
                app, name, guards.move_to(entry.app if isinstance(entry, HardenedApp) else entry)
            )
            return
    raise TypeError(f"{type(app).__name__} cannot be changed in place; write harden(app, ...)")


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """Stand for the app until the framework has built it."""
