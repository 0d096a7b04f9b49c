"""Builds the pages of an `Auth`, and serves them beside any app."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from starlette.routing import Match, Mount, Router

from asgi_security.auth.routes import build_routes
from asgi_security.endpoints.api_keys import ApiKeyEndpoints
from asgi_security.endpoints.mfa import MfaEndpoints
from asgi_security.endpoints.oauth import OAuthEndpoints
from asgi_security.endpoints.pages.places import Places
from asgi_security.endpoints.pages.site import PageEndpoints
from asgi_security.endpoints.serving.arrival import Arrival
from asgi_security.endpoints.serving.front import Front
from asgi_security.endpoints.sessions import SessionEndpoints
from asgi_security.errors import ConfigError, Problem
from asgi_security.policy.endpoints import EndpointConfig
from asgi_security.validation import suggest_keyword

if TYPE_CHECKING:
    from asgi_security.asgi.types import ASGIApp, Receive, Scope, Send
    from asgi_security.auth.flows import Auth
    from asgi_security.endpoints.pages.account import Ask


def auth_pages(auth: Auth, config: EndpointConfig | None = None, **fields: Any) -> Router:
    """Return a router with all endpoints of `auth_routes` and with pages to use them.

    The pages need no script and work under `SecurityHeadersConfig.strict()`. The router is to be
    mounted at `auth.path`. A page that the configuration has elsewhere is the app's own:
    `auth_pages(auth, login_page="/welcome")` serves all but that. The links in mails have to carry
    their token in the query, as they do by default.

    Args:
        config, fields: as of `auth_routes`.

    Raises:
        ConfigError: for the transport "bearer", which needs a script to keep the tokens.
    """
    suggest_keyword(EndpointConfig, "EndpointConfig", fields)
    resolved = replace(config or auth.endpoints, **fields)
    if resolved.transport != "session":
        hint = 'leave it at "session", or use auth_routes and pages with script'
        problem = Problem("transport", repr(resolved.transport), "pages need a session", hint)
        raise ConfigError("EndpointConfig", [problem])
    pages = PageEndpoints(_build_places(auth, resolved))
    front = Front(resolved, events=auth.events, draw=pages.draw)
    shown = pages.build_routes(front, auth.store.accounts, _find_asks(auth, front))
    return Router(routes=[*build_routes(auth, front), *shown])


def mount_auth(
    app: ASGIApp, auth: Auth, config: EndpointConfig | None = None, **fields: Any
) -> ASGIApp:
    """Serve `auth_pages` at `auth.path`, and all else with an app of any framework.

    The guards go around both: `auth.harden(mount_auth(app, auth))`.

    Args:
        config, fields: as of `auth_routes`.
    """
    mount = Mount(auth.path, auth_pages(auth, config, **fields))

    async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            match, found = mount.matches(scope)
            if match is Match.FULL:
                await mount.handle({**scope, **found}, receive, send)
                return
        await app(scope, receive, send)

    return mounted


def _build_places(auth: Auth, config: EndpointConfig) -> Places:
    providers = () if auth.oauth is None else auth.oauth.config.providers
    return Places(
        config=config,
        folder=auth.path,
        site_name=auth.site_name,
        providers=tuple(provider.name for provider in providers),
        has_mfa=auth.mfa is not None,
        has_mailed_codes=auth.mfa is not None and auth.mfa.config.email_codes,
    )


def _find_asks(auth: Auth, front: Front) -> dict[str, Ask]:
    """Return the endpoints whose answers the page of the account is made of."""
    accounts, arrival = auth.store.accounts, Arrival(front)
    clock = auth.ambient["clock"]
    sessions = SessionEndpoints(front, auth.store.sessions, refresh=auth.refresh, clock=clock)
    asks: dict[str, Ask] = {"sessions": sessions.list_all}
    if auth.mfa is not None:
        asks["mfa"] = MfaEndpoints(front, auth.mfa, auth.login, arrival, accounts).show_status
    if auth.oauth is not None:
        asks["identities"] = OAuthEndpoints(front, auth.oauth, arrival).list_identities
    if auth.api_keys is not None:
        keys = ApiKeyEndpoints(front, auth.api_keys, accounts, find_scopes=auth.find_scopes)
        asks["keys"] = keys.list_all
    return asks
