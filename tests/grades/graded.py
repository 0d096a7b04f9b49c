"""The sites that are graded: the demo behind three profiles, each under a name of its own.

The names under `.dev` are on the browsers' preload list, as all of that domain is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgi_security import HostsConfig, MemoryStore, SecurityHeadersConfig
from asgi_security.demo.guarded import World, build_app, build_guards

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asgi_security.asgi.types import ASGIApp, Receive, Scope, Send

PRACTICAL = "practical.test"
STRICT = "strict.test"
STRICT_PRELOADED = "strict.dev"
API = "api.test"
API_PRELOADED = "api.dev"

_PROFILES = {
    PRACTICAL: SecurityHeadersConfig.practical,
    STRICT: SecurityHeadersConfig.strict,
    STRICT_PRELOADED: SecurityHeadersConfig.strict,
    API: SecurityHeadersConfig.api,
    API_PRELOADED: SecurityHeadersConfig.api,
}
_APIS = {API, API_PRELOADED}


def build_sites() -> Mapping[str, ASGIApp]:
    return {host: _build_site(host) for host in _PROFILES}


def _build_site(host: str) -> ASGIApp:
    world = World(MemoryStore())
    app: ASGIApp = build_app(world)
    return build_guards(
        _begin_at(app, "/visits") if host in _APIS else app,
        world,
        secure=True,
        headers=_PROFILES[host](),
        hosts=HostsConfig(allow_hosts=[host], redirect_to_https=True),
    )


def _begin_at(app: ASGIApp, start: str) -> ASGIApp:
    """Answer at the root, which is all that graders look at, what the API answers at `start`."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/":
            scope = {**scope, "path": start, "raw_path": start.encode()}
        await app(scope, receive, send)

    return serve
