"""CORS: a request that is none, an actual one, and a preflight, beside Starlette's."""

# ruff: noqa: PLC0415 -- a side imports its package when it is built, for it may be missing

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.driving import ask, bare_app, build_scope, build_step
from benchmarks.rows import OURS, Contender, Side, TimedCase

if TYPE_CHECKING:
    from collections.abc import Callable

    from asgi_security.asgi.types import ASGIApp, Scope
    from benchmarks.driving import Answered

ORIGINS = ("https://app.example.com", "https://admin.example.com", "http://localhost:3000")
_METHODS = ("GET", "POST", "PUT", "DELETE")
_HEADERS = ("content-type", "x-requested-with")
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
        allow_methods=list(_METHODS),
        allow_headers=list(_HEADERS),
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
        allow_methods=_METHODS,
        allow_headers=_HEADERS,
        allow_credentials=True,
        max_age=600,
    )


def _extract_simple(answered: Answered) -> object:
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


def _build_case(name: str, scope: Scope, extract: Callable[[Answered], object]) -> TimedCase:
    def build_side(side: str, wrap: Callable[[ASGIApp], ASGIApp]) -> Side:
        app = wrap(bare_app)
        return Side(side, build_step(app), lambda: extract(ask(app, scope)))

    def inputs(calls: int) -> list[Any]:
        return [scope] * calls

    return TimedCase(
        name=name,
        contenders=(
            Contender(OURS, lambda: build_side(OURS, build_ours)),
            Contender("Starlette", lambda: build_side("Starlette", build_starlette)),
        ),
        inputs=inputs,
        bare=build_step(bare_app),
        budgets={"Starlette": 1 / 3},
    )


CASES = (
    _build_case("cors no Origin", PLAIN, _extract_simple),
    _build_case("cors actual", ACTUAL, _extract_simple),
    _build_case("cors preflight", PREFLIGHT, _extract_preflight),
)
