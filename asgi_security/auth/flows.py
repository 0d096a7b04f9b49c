"""Builds all flows around accounts over one store and one secret."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from asgi_security.auth.defaults import (
    DerivedSecrets,
    build_accounts,
    build_endpoint_config,
    find_host,
    find_no_scopes,
)
from asgi_security.clock import system_clock, system_entropy
from asgi_security.errors import ConfigError, Problem
from asgi_security.events import log_event
from asgi_security.flows.account_records import build_account_epoch
from asgi_security.flows.accounts import AccountLife
from asgi_security.flows.lockout import Lockout
from asgi_security.flows.login import Login
from asgi_security.flows.passwords import Passwords
from asgi_security.flows.refresh import RefreshTokens
from asgi_security.flows.refresh_renewal import build_account_claims, renew_from_accounts
from asgi_security.flows.throttle import SendThrottle
from asgi_security.policy.csrf import CsrfConfig
from asgi_security.policy.jwt import JwtConfig
from asgi_security.policy.lockout import LockoutConfig
from asgi_security.policy.refresh import RefreshConfig
from asgi_security.policy.sessions import SessionConfig
from asgi_security.policy.throttle import ThrottleConfig

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

    from asgi_security.asgi.types import ASGIApp
    from asgi_security.clock import Clock, Entropy
    from asgi_security.crypto.passwords import PasswordHasher
    from asgi_security.endpoints.api_keys import FindScopes
    from asgi_security.events import EventSink
    from asgi_security.flows.api_keys import ApiKeys
    from asgi_security.flows.audit import AuditLog
    from asgi_security.flows.breaches import BreachChecker
    from asgi_security.flows.mfa import Mfa
    from asgi_security.flows.oauth import OAuthLogin
    from asgi_security.flows.sending import Sender
    from asgi_security.policy.accounts import AccountConfig
    from asgi_security.policy.api_keys import ApiKeyConfig
    from asgi_security.policy.endpoints import EndpointConfig, Transport
    from asgi_security.policy.login import LoginConfig
    from asgi_security.policy.mfa import MfaConfig
    from asgi_security.policy.oauth import OAuthConfig
    from asgi_security.policy.passwords import PasswordPolicy
    from asgi_security.secret import Secret
    from asgi_security.stack import HardenedApp
    from asgi_security.storage.protocols import Store

_HOUR_SECONDS = 3600.0
_MESSAGES_PER_RECIPIENT = 5
_MESSAGES_PER_CLIENT = 50


class Auth:
    """Every flow around accounts, each with a key of its own derived from one secret.

    What is not given is made with its defaults; a configuration that is given without a secret of
    its own gets a derived one. `accounts`, `api_keys`, `audit`, `lockout`, `login`, `mfa`, `oauth`,
    `passwords` and `refresh` are the flows; `mfa`, `oauth` and `api_keys` are None where they were
    not asked for.

    Args:
        store: where everything is kept; all processes of the app share one.
        secret: at least 32 bytes; `asgi-security keys new` prints one.
        old_secrets: retired ones, under which what is still about is accepted.
        site_url: where the app's pages are, such as "https://app.example.com".
        site_name: as authenticator apps and mails name it; by default the host.
        sender: delivers mail; `ConsoleSender()` prints it, in development.
        policy: what a new password has to be.
        hasher: makes password hashes.
        breaches: looks passwords up; by default at Have I Been Pwned.
        accounts: links and lifetimes; by default with the paths of `auth_pages` at `path`.
        lockout, login, refresh: their configurations.
        jwt: what verifies the access tokens of a `refresh` with keys of its own.
        mfa: True, or its configuration, for second factors (needs `asgi-security[mfa]`).
        oauth: other providers to log in at.
        api_keys: True, or their configuration.
        api_key_scopes: from an account to the scopes that it may give its keys; by default none.
        endpoints: how `auth_routes` speaks, unless it is told otherwise.
        path: where `auth_routes` or `auth_pages` is mounted.
        audit: False for no audit log.
        secure: False only for development over HTTP.
        clock, entropy, events: the outside world.

    Raises:
        ConfigError: for what any of the parts finds wrong.
    """

    def __init__(
        self,
        store: Store,
        *,
        secret: Secret | str | bytes,
        old_secrets: Sequence[Secret | str | bytes] = (),
        site_url: str,
        site_name: str | None = None,
        sender: Sender,
        policy: PasswordPolicy | None = None,
        hasher: PasswordHasher | None = None,
        breaches: BreachChecker | None = None,
        accounts: AccountConfig | None = None,
        lockout: LockoutConfig | None = None,
        login: LoginConfig | None = None,
        refresh: RefreshConfig | None = None,
        jwt: JwtConfig | None = None,
        mfa: MfaConfig | bool = False,
        oauth: OAuthConfig | None = None,
        api_keys: ApiKeyConfig | bool = False,
        api_key_scopes: FindScopes | None = None,
        endpoints: EndpointConfig | None = None,
        path: str = "/auth",
        audit: bool = True,
        secure: bool = True,
        clock: Clock = system_clock,
        entropy: Entropy = system_entropy,
        events: EventSink = log_event,
    ) -> None:
        self.store, self.path, self.site_name = store, path, site_name or find_host(site_url)
        self.find_scopes: FindScopes = api_key_scopes or find_no_scopes
        self.endpoints = endpoints or build_endpoint_config(path, secure=secure)
        self.ambient: dict[str, Any] = {"clock": clock, "entropy": entropy, "events": events}
        self._secure, self._site = secure, site_url.rstrip("/")
        self._derive = DerivedSecrets(secret, old_secrets).derive
        self._jwt, self._has_own_tokens = jwt, refresh is not None
        self.audit = self._build_audit() if audit else None
        self._told: dict[str, Any] = {**self.ambient, "audit": self.audit}
        outside: dict[str, Any] = {"entropy": entropy, "events": events}
        self.passwords = Passwords(policy, hasher, breaches=breaches, **outside)
        self.lockout = self._build_lockout(lockout or LockoutConfig(known_devices=True))
        self.mfa = None if mfa is False else self._build_mfa(mfa, sender)
        self.login = self._build_login(login)
        self.accounts = self._build_life(accounts or build_accounts(site_url, path), sender)
        self.refresh = self._build_refresh(refresh)
        self.oauth = None if oauth is None else self._build_oauth(oauth)
        self.api_keys = None if api_keys is False else self._build_api_keys(api_keys)

    @property
    def events(self) -> EventSink:
        """Who is told of all that happens here."""
        sink: EventSink = self.ambient["events"]
        return sink

    @property
    def sessions(self) -> SessionConfig:
        """The sessions of browsers, for `SessionMiddleware` and `harden`."""
        return SessionConfig(store=self.store, secure=self._secure, **self._derive("sessions"))

    @property
    def jwt(self) -> JwtConfig:
        """What verifies the access tokens, for `JwtMiddleware` and `harden`."""
        if self._jwt is not None:
            # Whoever logs out must be out, also where nobody has thought of it.
            name = self._settle_cookie_name(self._jwt.cookie_name)
            revocations = self._jwt.revocations or self.store
            return replace(self._jwt, revocations=revocations, cookie_name=name)
        if self._has_own_tokens:
            hint = "give a JwtConfig that verifies with the keys of refresh"
            raise ConfigError("Auth", [Problem("jwt", "None", "not given beside refresh", hint)])
        return JwtConfig(
            **self._derive("access tokens"),
            issuer=self._site,
            audience=self._site,
            optional=True,
            revocations=self.store,
            cookie_name=self.endpoints.access_cookie_name,
        )

    def _settle_cookie_name(self, read: str | None) -> str | None:
        """Return the one name that the access token's cookie is written and read by."""
        written = self.endpoints.access_cookie_name
        if read is not None and written is not None and read != written:
            hint = f"leave it out, or set it to {written!r} as the endpoints do"
            problem = Problem("jwt.cookie_name", repr(read), "not the name that is written", hint)
            raise ConfigError("Auth", [problem])
        return read or written

    def harden(
        self,
        app: ASGIApp,
        *,
        transport: Transport | None = None,
        **guards: Any,
    ) -> HardenedApp:
        """Put the guards that the routes count on around an app; `guards` are those of `harden`.

        `transport` is that of the routes.
        """
        from asgi_security.stack import harden  # noqa: PLC0415 -- the flows do without

        transport = transport or self.endpoints.transport
        own: dict[str, Any] = {"csrf": CsrfConfig(), "store": self.store, **self.ambient}
        own |= {"sessions": self.sessions} if transport == "session" else {"jwt": self.jwt}
        if self.api_keys is not None:
            own["api_keys"] = self.api_keys.config
        return harden(app, **{**own, **guards})

    async def drain(self, *, timeout_seconds: float = 5.0) -> bool:
        """Wait at shutdown for messages under way; tell whether all were delivered in time."""
        done = await self.accounts.outbox.drain(timeout_seconds=timeout_seconds)
        return (self.mfa is None or await self.mfa.drain(timeout_seconds=timeout_seconds)) and done

    def _build_audit(self) -> AuditLog:
        from asgi_security.flows.audit import AuditLog  # noqa: PLC0415 -- only where it is kept
        from asgi_security.policy.audit import AuditConfig  # noqa: PLC0415 -- only where it is kept

        return AuditLog(AuditConfig(**self._derive("audit")), self.store, **self.ambient)

    def _build_lockout(self, config: LockoutConfig) -> Lockout:
        if config.secret is None:
            config = replace(config, **self._derive("lockout"))
        epoch = build_account_epoch(self.store)
        return Lockout(config, self.store, account_epoch=epoch, **self.ambient)

    def _build_mfa(self, config: MfaConfig | Literal[True], sender: Sender) -> Mfa:
        from asgi_security.flows.mfa import Mfa  # noqa: PLC0415 -- only where factors are
        from asgi_security.policy.mfa import MfaConfig  # noqa: PLC0415 -- only where factors are

        if config is True:
            issuer = self.site_name.replace(":", " ")
            config = MfaConfig(issuer=issuer, **self._derive("mfa"))
        return Mfa(config, self.store, lockout=self.lockout, sender=sender, **self._told)

    def _build_login(self, config: LoginConfig | None) -> Login:
        told = {name: self._told[name] for name in ("clock", "events", "audit")}
        parts: dict[str, Any] = {"lockout": self.lockout, "mfa": self.mfa}
        return Login(config, self.store, self.passwords, **parts, **told)

    def _build_life(self, config: AccountConfig, sender: Sender) -> AccountLife:
        return AccountLife(
            config,
            self.store,
            self.passwords,
            login=self.login,
            lockout=self.lockout,
            throttle=self._build_throttle(),
            sender=sender,
            **self._told,
        )

    def _build_throttle(self) -> SendThrottle:
        secret = self._derive("messages")["secret"]
        hourly: dict[str, Any] = {"window_seconds": _HOUR_SECONDS, "secret": secret}
        return SendThrottle(
            ThrottleConfig(limit=_MESSAGES_PER_RECIPIENT, name="recipients", **hourly),
            ThrottleConfig(limit=_MESSAGES_PER_CLIENT, name="senders", **hourly),
            self.store,
            **self.ambient,
        )

    def _build_refresh(self, config: RefreshConfig | None) -> RefreshTokens:
        config = config or RefreshConfig(
            **self._derive("refresh tokens"),
            access_secret=self._derive("access tokens")["secret"],
            issuer=self._site,
            audience=self._site,
        )
        renewal = renew_from_accounts(self.store.accounts, build_account_claims)
        return RefreshTokens(config, self.store, renewal=renewal, **self._told)

    def _build_oauth(self, config: OAuthConfig) -> OAuthLogin:
        from asgi_security.flows.oauth import OAuthLogin  # noqa: PLC0415 -- only where asked for

        return OAuthLogin(config, self.store, **self._told)

    def _build_api_keys(self, config: ApiKeyConfig | Literal[True]) -> ApiKeys:
        from asgi_security.flows.api_keys import ApiKeys  # noqa: PLC0415 -- only where asked for
        from asgi_security.policy.api_keys import ApiKeyConfig  # noqa: PLC0415 -- likewise

        if config is True:
            config = ApiKeyConfig(**self._derive("api keys"))
        return ApiKeys(config, self.store, **self._told)
