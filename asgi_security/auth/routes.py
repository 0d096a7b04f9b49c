"""Builds the routes to the flows of an `Auth`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from starlette.routing import Router

from asgi_security.endpoints.accounts import AccountEndpoints
from asgi_security.endpoints.api_keys import ApiKeyEndpoints
from asgi_security.endpoints.login import LoginEndpoints
from asgi_security.endpoints.mfa import MfaEndpoints
from asgi_security.endpoints.oauth import OAuthEndpoints
from asgi_security.endpoints.refresh import RefreshEndpoints
from asgi_security.endpoints.serving.arrival import Arrival
from asgi_security.endpoints.serving.clients import ClientGate
from asgi_security.endpoints.serving.front import Front
from asgi_security.endpoints.sessions import SessionEndpoints
from asgi_security.errors import ConfigError, Problem
from asgi_security.flows.account_records import AccountRecords
from asgi_security.policy.endpoints import EndpointConfig
from asgi_security.validation import suggest_keyword

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from asgi_security.auth.flows import Auth
    from asgi_security.endpoints.serving.describing import EndpointRoute

STORE_SECONDS = 2.0


def auth_routes(
    auth: Auth,
    config: EndpointConfig | None = None,
    *,
    only: Sequence[str] | None = None,
    **fields: Any,
) -> Router:
    """Return a router with all endpoints that `auth` has flows for, to be mounted in any app.

    Args:
        only: words whose routes are wanted alone, of "login", "accounts", "sessions", "refresh",
            "mfa", "oauth" and "api_keys".
        fields: of `EndpointConfig`; what is not given is as `auth.endpoints` says.

    Raises:
        ConfigError: for a word that there is not, or that `auth` has no flow for.
    """
    front = Front(resolve_endpoints(auth, config, fields), events=auth.events)
    return Router(routes=list_routes(auth, front, only))


def list_routes(auth: Auth, front: Front, only: Sequence[str] | None) -> list[EndpointRoute]:
    """Return the routes of these words, or of all."""
    endpoints = build_endpoints(auth, front)
    if only is None:
        return collect_routes(endpoints)
    if isinstance(only, str):
        hint = f"write [{only!r}]"
        raise ConfigError("auth_routes", [Problem("only", repr(only), "one string", hint)])
    hint = f"there are {', '.join(endpoints)}; ask Auth for what is missing"
    wrong = [
        Problem("only", repr(word), "no such routes", hint)
        for word in only
        if word not in endpoints
    ]
    if wrong:
        raise ConfigError("auth_routes", wrong)
    return collect_routes({word: endpoints[word] for word in only})


def resolve_endpoints(
    auth: Auth, config: EndpointConfig | None, fields: dict[str, Any]
) -> EndpointConfig:
    """Return the configuration of one mount."""
    suggest_keyword(EndpointConfig, "EndpointConfig", fields)
    resolved = replace(config or auth.endpoints, **fields)
    known = auth.endpoints.access_cookie_name
    if resolved.access_cookie_name != known:
        # One name (P49): under another nothing would read what is written.
        hint = "set it in Auth(endpoints=EndpointConfig(access_cookie_name=...))"
        name = repr(resolved.access_cookie_name)
        problem = Problem("access_cookie_name", name, f"not that of the Auth, {known!r}", hint)
        raise ConfigError("EndpointConfig", [problem])
    return resolved


def collect_routes(endpoints: Mapping[str, Any]) -> list[EndpointRoute]:
    """Return the routes of all endpoints."""
    return [route for each in endpoints.values() for route in each.build_routes()]


def build_endpoints(auth: Auth, front: Front) -> dict[str, Any]:
    """Return the endpoints that `auth` has flows for, by their word, behind one front."""
    clients: Any = front.config.password_clients
    gate = None if clients is None else ClientGate(clients, auth.lockout)
    refresh = auth.refresh if front.config.transport == "bearer" else None
    records = AccountRecords(auth.store, timeout_seconds=STORE_SECONDS)
    arrival = Arrival(front, records, refresh=refresh)
    clock = auth.ambient["clock"]
    built: dict[str, Any] = {
        "login": LoginEndpoints(front, auth.login, arrival, refresh=refresh, gate=gate),
        "accounts": AccountEndpoints(front, auth.accounts, auth.login, records),
        "sessions": SessionEndpoints(
            front, auth.store.sessions, refresh=auth.refresh, clock=clock, audit=auth.audit
        ),
    }
    if refresh is not None:
        built["refresh"] = RefreshEndpoints(front, refresh, arrival)
    if auth.mfa is not None:
        built["mfa"] = MfaEndpoints(front, auth.mfa, auth.login, arrival, records)
    if auth.oauth is not None:
        built["oauth"] = OAuthEndpoints(front, auth.oauth, arrival, mfa=auth.mfa)
    if auth.api_keys is not None:
        built["api_keys"] = ApiKeyEndpoints(
            front, auth.api_keys, records, find_scopes=auth.find_scopes
        )
    return built
