"""The sites that the browsers visit, by host name.

`app`, `api` and `other` are of one site (`example.test`) and three origins; `evil.test`,
`shop.test` and `market.test` are sites of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute

from asgi_security import (
    CorsConfig,
    CsrfConfig,
    JwtConfig,
    SecurityHeadersConfig,
    SessionConfig,
    current,
    harden,
)
from tests.browsers.assets import fonts, packages, pictures, styles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.websockets import WebSocket

    from asgi_security.asgi.types import ASGIApp, Message, Receive, Scope, Send

SECRET = "browsers-" * 5
APP = "https://app.example.test"
OTHER = "https://other.example.test"
API = "https://api.example.test"
TOKENS = "https://tokens.example.test"
PUBLIC = "https://public.test"
EVIL = "https://evil.test"
SHOP = "https://shop.test"
MARKET = "https://market.test"
WIDGET = "https://widget.test"
BANK = "https://bank.test"
VAULT = "https://vault.example.test"
DOCS = "https://docs.test"
REDOC = "https://redoc.test"
STRICT = "https://strict.test"
NAIVE = "https://naive.test"
ISOLATED = "https://isolated.test"

# These two come and go with the tests of `providers`.
MEMBERS_HOST, PROVIDER_HOST = "app.example", "provider.test"
MEMBERS, PROVIDER = f"https://{MEMBERS_HOST}", f"https://{PROVIDER_HOST}"

MAX_AGE_SECONDS = 600
ETAG = '"page"'


async def show_blank(request: Request) -> HTMLResponse:
    return HTMLResponse("<!doctype html><title>blank</title><link rel=icon href=data:,>")


async def show_fact(request: Request) -> JSONResponse:
    """Answer any method, with one header that pages may read and one that they may not."""
    headers = {"x-exposed": "yes", "x-hidden": "no", "cache-control": "no-store"}
    return JSONResponse({"cookies": sorted(request.cookies)}, headers=headers)


async def count_visit(request: Request) -> JSONResponse:
    request.session["visits"] = request.session.get("visits", 0) + 1
    return JSONResponse({"visits": request.session["visits"]})


async def show_visits(request: Request) -> JSONResponse:
    return JSONResponse({"visits": request.session.get("visits", 0)})


async def crash(request: Request) -> Response:
    raise RuntimeError("this endpoint always fails")


async def transfer(request: Request) -> PlainTextResponse:
    return PlainTextResponse("transferred")


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(await socket.receive_text())
    await socket.close()


async def show_nonce_page(request: Request) -> Response:
    """Show scripts with and without the nonce, and one that the first script loads."""
    nonce = current().csp_nonce
    html = f"""<!doctype html><title>nonce</title><link rel=icon href=data:,>
      <link rel=stylesheet href=/style.css>
      <script nonce="{nonce}">
        window.ran = ["nonce"];
        const loaded = document.createElement("script");
        loaded.src = "/script.js";
        document.head.append(loaded);
      </script>
      {"<script>window.ran.push('inline')</script>" if "inline" in request.query_params else ""}
      """
    return HTMLResponse(html)


async def show_cached_page(request: Request) -> Response:
    """Show a page that the browser keeps, and asks about before it shows it again."""
    nonce = current().csp_nonce
    headers = {"etag": ETAG, "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == ETAG:
        return Response(status_code=304, headers=headers)
    html = f"<!doctype html><link rel=icon href=data:,><script nonce='{nonce}'>ran = true</script>"
    return HTMLResponse(html, headers=headers)


async def serve_script(request: Request) -> Response:
    return Response("window.ran.push('loaded')", media_type="text/javascript")


async def serve_style(request: Request) -> Response:
    return Response("body { color: rgb(1, 2, 3) }", media_type="text/css")


def send_policy_always(app: ASGIApp) -> ASGIApp:
    """Send a fresh nonce with 304 too, as one should not: it replaces the kept page's policy."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def add_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                policy = f"script-src 'nonce-{current().csp_nonce}'".encode()
                message["headers"] = [*message["headers"], (b"content-security-policy", policy)]
            await send(message)

        await app(scope, receive, add_policy)

    return wrapped


def build_api() -> Starlette:
    methods = ["GET", "POST", "PUT"]
    return Starlette(
        routes=[
            Route("/", show_blank),
            Route("/fact", show_fact, methods=methods),
            Route("/visits", count_visit, methods=["POST"]),
            Route("/visits", show_visits),
            Route("/crash", crash),
            WebSocketRoute("/echo", echo),
        ]
    )


def build_nonce_pages() -> Starlette:
    return Starlette(
        routes=[
            Route("/", show_nonce_page),
            Route("/cached", show_cached_page),
            Route("/script.js", serve_script),
            Route("/style.css", serve_style),
        ]
    )


def build_sites() -> Mapping[str, ASGIApp]:
    blank = Starlette(routes=[Route("/{path:path}", show_blank)])
    private = CorsConfig(
        allow_origins=[APP],
        allow_methods=["PUT"],
        allow_headers=["X-A", "Authorization"],
        expose_headers=["X-Exposed"],
        allow_credentials=True,
        max_age_seconds=MAX_AGE_SECONDS,
    )
    widget = SessionConfig(secret=SECRET, same_site="none", partitioned=True)
    shops = CorsConfig(allow_origins=[SHOP, MARKET], allow_credentials=True)
    public = CorsConfig(
        allow_origins=["*"], allow_methods=["*"], allow_headers=["*"], expose_headers=["*"]
    )
    bank = Starlette(
        routes=[
            Route("/", show_blank),
            Route("/transfer", transfer, methods=["POST"]),
            Route("/visits", count_visit, methods=["POST"]),
            Route("/visits", show_visits),
        ]
    )
    strict = SecurityHeadersConfig.strict()
    isolated = SecurityHeadersConfig(cross_origin_isolated=True)
    apps: dict[str, ASGIApp] = {
        **dict.fromkeys((APP, OTHER, EVIL, SHOP, MARKET), blank),
        API: harden(build_api(), cors=private, sessions=SessionConfig(secret=SECRET)),
        TOKENS: harden(build_api(), cors=private, jwt=JwtConfig(secret=SECRET)),
        PUBLIC: harden(build_api(), cors=public),
        WIDGET: harden(build_api(), cors=shops, sessions=widget),
        BANK: harden(bank, csrf=CsrfConfig(), sessions=SessionConfig(secret=SECRET)),
        VAULT: harden(build_api(), cors=private, csrf=CsrfConfig(isolate_resources=True)),
        DOCS: harden(build_documented()),
        REDOC: harden(build_documented(), headers=SecurityHeadersConfig.documentation()),
        STRICT: harden(build_nonce_pages(), headers=strict),
        NAIVE: harden(send_policy_always(build_nonce_pages()), headers=None),
        ISOLATED: harden(blank, headers=isolated),
    }
    assets: dict[str, ASGIApp] = {
        "cdn.jsdelivr.net": packages,
        "fastapi.tiangolo.com": pictures,
        "cdn.redoc.ly": pictures,
        "fonts.googleapis.com": styles,
        "fonts.gstatic.com": fonts,
    }
    return {origin.removeprefix("https://"): app for origin, app in apps.items()} | assets


def build_documented() -> FastAPI:
    app = FastAPI(title="documented")

    @app.get("/items/{item}")
    async def show_item(item: int) -> dict[str, int]:
        return {"item": item}

    return app
