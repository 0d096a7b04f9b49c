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
from asgi_security.policy.endpoints import EndpointConfig
from asgi_security.validation import suggest_keyword

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.routing import BaseRoute

    from asgi_security.auth.flows import Auth


def auth_routes(auth: Auth, config: EndpointConfig | None = None, **fields: Any) -> Router:
    """Return a router with all endpoints that `auth` has flows for, to be mounted in any app.

    `fields` are those of `EndpointConfig`; what is not given is as `auth.endpoints` says. Each
    word's routes are also to be had alone: `LoginEndpoints(...).build_routes()` and so on.
    """
    suggest_keyword(EndpointConfig, "EndpointConfig", fields)
    resolved = replace(config or auth.endpoints, **fields)
    return Router(routes=build_routes(auth, Front(resolved, events=auth.events)))


def build_routes(auth: Auth, front: Front) -> list[BaseRoute]:
    """Return the routes of all endpoints behind one front."""
    refresh = auth.refresh if front.config.transport == "bearer" else None
    arrival = Arrival(front, refresh=refresh)
    return [*_build_always(auth, front, arrival), *_build_asked(auth, front, arrival)]


def _build_always(auth: Auth, front: Front, arrival: Arrival) -> Iterable[BaseRoute]:
    store = auth.store
    clients: Any = front.config.password_clients
    refresh = auth.refresh if front.config.transport == "bearer" else None
    gate = None if clients is None else ClientGate(clients, auth.lockout)
    yield from LoginEndpoints(front, auth.login, arrival, refresh=refresh, gate=gate).build_routes()
    yield from AccountEndpoints(front, auth.accounts, auth.login, store.accounts).build_routes()
    sessions = SessionEndpoints(
        front, store.sessions, refresh=auth.refresh, clock=auth.ambient["clock"], audit=auth.audit
    )
    yield from sessions.build_routes()
    if refresh is not None:
        yield from RefreshEndpoints(front, refresh, arrival).build_routes()


def _build_asked(auth: Auth, front: Front, arrival: Arrival) -> Iterable[BaseRoute]:
    accounts = auth.store.accounts
    if auth.mfa is not None:
        yield from MfaEndpoints(front, auth.mfa, auth.login, arrival, accounts).build_routes()
    if auth.oauth is not None:
        yield from OAuthEndpoints(front, auth.oauth, arrival, mfa=auth.mfa).build_routes()
    if auth.api_keys is not None:
        keys = ApiKeyEndpoints(front, auth.api_keys, accounts, find_scopes=auth.find_scopes)
        yield from keys.build_routes()
