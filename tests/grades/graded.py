"""The sites that are graded: a page and an API, behind the profiles.

The names under `.dev` are on the browsers' preload list, as all of that domain is.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from asgi_security import HostsConfig, SecurityHeadersConfig, SessionConfig, current, harden

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from asgi_security.asgi.types import ASGIApp

SECRET = "grades---" * 5
SCRIPT = b"document.title = 'graded';"
INTEGRITY = "sha384-" + base64.b64encode(hashlib.sha384(SCRIPT).digest()).decode()

PRACTICAL = "practical.test"
STRICT = "strict.test"
STRICT_PRELOADED = "strict.dev"
API = "api.test"


async def show_page(request: Request) -> HTMLResponse:
    request.session["visits"] = 1
    nonce = f'nonce="{current().csp_nonce}"'
    script = f'<script src=/script.js integrity="{INTEGRITY}" {nonce}></script>'
    return HTMLResponse(f"<!doctype html><title>page</title>{script}")


async def serve_script(request: Request) -> Response:
    return Response(SCRIPT, media_type="text/javascript")


async def answer(request: Request) -> JSONResponse:
    return JSONResponse({"answer": 42})


def build_sites() -> Mapping[str, ASGIApp]:
    page = Starlette(routes=[Route("/", show_page), Route("/script.js", serve_script)])
    api = Starlette(routes=[Route("/", answer)])

    def guard(app: ASGIApp, host: str, headers: SecurityHeadersConfig) -> ASGIApp:
        hosts = HostsConfig(allow_hosts=[host], redirect_to_https=True)
        return harden(app, hosts=hosts, headers=headers, sessions=SessionConfig(secret=SECRET))

    return {
        PRACTICAL: guard(page, PRACTICAL, SecurityHeadersConfig.practical()),
        STRICT: guard(page, STRICT, SecurityHeadersConfig.strict()),
        STRICT_PRELOADED: guard(page, STRICT_PRELOADED, SecurityHeadersConfig.strict()),
        API: guard(api, API, SecurityHeadersConfig.api()),
    }
