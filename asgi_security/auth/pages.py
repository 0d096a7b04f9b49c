"""Builds the pages of an `Auth`, and serves them beside any app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.routing import Match, Mount, Router

from asgi_security.auth.routes import (
    STORE_SECONDS,
    build_endpoints,
    collect_routes,
    resolve_endpoints,
)
from asgi_security.endpoints.pages.places import Places
from asgi_security.endpoints.pages.site import PageEndpoints
from asgi_security.endpoints.serving.front import Front
from asgi_security.errors import ConfigError, Problem
from asgi_security.flows.account_records import AccountRecords

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asgi_security.asgi.types import ASGIApp, Receive, Scope, Send
    from asgi_security.auth.flows import Auth
    from asgi_security.endpoints.pages.account import Ask
    from asgi_security.policy.endpoints import EndpointConfig


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
    resolved = resolve_endpoints(auth, config, fields)
    if resolved.transport != "session":
        hint = 'leave it at "session", or use auth_routes and pages with script'
        problem = Problem("transport", repr(resolved.transport), "pages need a session", hint)
        raise ConfigError("EndpointConfig", [problem])
    pages = PageEndpoints(_build_places(auth, resolved))
    front = Front(resolved, events=auth.events, draw=pages.draw)
    endpoints = build_endpoints(auth, front)
    records = AccountRecords(auth.store, timeout_seconds=STORE_SECONDS)
    shown = pages.build_routes(front, records, _find_asks(endpoints))
    return Router(routes=[*collect_routes(endpoints), *shown])


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


def _find_asks(endpoints: Mapping[str, Any]) -> dict[str, Ask]:
    """Return the endpoints whose answers the page of the account is made of."""
    asks: dict[str, Ask] = {"sessions": endpoints["sessions"].list_all}
    if "mfa" in endpoints:
        asks["mfa"] = endpoints["mfa"].show_status
    if "oauth" in endpoints:
        asks["identities"] = endpoints["oauth"].list_identities
    if "api_keys" in endpoints:
        asks["keys"] = endpoints["api_keys"].list_all
    return asks
