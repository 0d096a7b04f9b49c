"""CORS: a request that is none, an actual one, and a preflight, beside Starlette's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.driving import ask, bare_app, build_scope, build_step
from benchmarks.rows import OURS, Contender, Side, TimedCase

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from asgi_security.asgi.types import ASGIApp, Receive, Scope, Send
    from benchmarks.driving import Answered

    Wrap = Callable[[ASGIApp], ASGIApp]

ORIGINS = ("https://app.example.com", "https://admin.example.com", "http://localhost:3000")
METHODS = ("GET", "POST", "PUT", "DELETE")
HEADERS = ("content-type", "x-requested-with")
_ORIGIN = (b"origin", ORIGINS[0].encode())

PLAIN = build_scope()
ACTUAL = build_scope(_ORIGIN)
PREFLIGHT = build_scope(
    _ORIGIN,
    (b"access-control-request-method", b"PUT"),
    (b"access-control-request-headers", b"content-type"),
    method="OPTIONS",
)


def build_ours(app: ASGIApp) -> ASGIApp:
    """Build our middleware around an app."""
    from asgi_security import CorsMiddleware

    guarded: ASGIApp = CorsMiddleware(
        app,
        allow_origins=list(ORIGINS),
        allow_methods=list(METHODS),
        allow_headers=list(HEADERS),
        allow_credentials=True,
        max_age_seconds=600,
    )
    return guarded


def build_starlette(app: ASGIApp) -> ASGIApp:
    """Build Starlette's middleware with the same policy."""
    from starlette.middleware.cors import CORSMiddleware

    return CORSMiddleware(
        app,
        allow_origins=ORIGINS,
        allow_methods=METHODS,
        allow_headers=HEADERS,
        allow_credentials=True,
        max_age=600,
    )


def build_litestar(app: ASGIApp) -> ASGIApp:
    """Build Litestar's middleware with the same policy, and the app that it looks for."""
    from litestar import Litestar
    from litestar.config.cors import CORSConfig
    from litestar.middleware._internal.cors import CORSMiddleware

    host = Litestar([])
    methods: Any = list(METHODS)
    inner: Any = CORSMiddleware(
        app,
        CORSConfig(
            allow_origins=list(ORIGINS),
            allow_methods=methods,
            allow_headers=list(HEADERS),
            allow_credentials=True,
            max_age=600,
        ),
    )

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        scope["litestar_app"] = host
        await inner(scope, receive, send)

    return guarded


def _build_ours_without_credentials(app: ASGIApp) -> ASGIApp:
    from asgi_security import CorsMiddleware

    guarded: ASGIApp = CorsMiddleware(app, allow_origins=list(ORIGINS))
    return guarded


def _build_asgi_cors(app: ASGIApp) -> ASGIApp:
    """Build what it can do: name the origin. It knows no credentials, preflights or Vary."""
    from asgi_cors import asgi_cors  # type: ignore[import-untyped]

    guarded: ASGIApp = asgi_cors(app, hosts=list(ORIGINS))
    return guarded


def _extract_origin(answered: Answered) -> object:
    return answered.status, answered.values(b"access-control-allow-origin")


def extract_simple(answered: Answered) -> object:
    return (
        answered.status,
        answered.values(b"access-control-allow-origin"),
        answered.values(b"access-control-allow-credentials"),
        b"origin" in answered.members(b"vary"),
    )


def _extract_preflight(answered: Answered) -> object:
    """Extract what a browser concludes: 200 and 204 are the same to it (Fetch, CORS-preflight)."""
    return (
        answered.status in {200, 204},
        answered.values(b"access-control-allow-origin"),
        answered.values(b"access-control-allow-credentials"),
        b"put" in answered.members(b"access-control-allow-methods"),
        b"content-type" in answered.members(b"access-control-allow-headers"),
        answered.values(b"access-control-max-age"),
        b"origin" in answered.members(b"vary"),
    )


def _build_case(
    name: str,
    scope: Scope,
    extract: Callable[[Answered], object],
    sides: Mapping[str, Wrap],
    *,
    budget: bool = True,
) -> TimedCase:
    def build_side(side: str, wrap: Wrap) -> Contender:
        def build() -> Side:
            app = wrap(bare_app)
            return Side(side, build_step(app), lambda: extract(ask(app, scope)))

        return Contender(side, build)

    def inputs(calls: int) -> list[Any]:
        return [scope] * calls

    return TimedCase(
        name=name,
        contenders=tuple(build_side(side, wrap) for side, wrap in sides.items()),
        inputs=inputs,
        bare=build_step(bare_app),
        budgets={"Starlette": 1 / 3} if budget else {},
    )


_BOTH: Mapping[str, Wrap] = {OURS: build_ours, "Starlette": build_starlette}
_ALL: Mapping[str, Wrap] = {**_BOTH, "Litestar": build_litestar}

CASES = (
    _build_case("cors no Origin", PLAIN, extract_simple, _BOTH),
    _build_case("cors actual", ACTUAL, extract_simple, _ALL),
    _build_case("cors preflight", PREFLIGHT, _extract_preflight, _ALL),
    _build_case(
        "cors origin alone",
        ACTUAL,
        _extract_origin,
        {OURS: _build_ours_without_credentials, "asgi-cors": _build_asgi_cors},
        budget=False,
    ),
)
