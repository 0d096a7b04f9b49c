"""However the guards are put around an app, every answer is the same, to the byte."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware

import asgi_security
from asgi_security.testing import FakeClock, SeededEntropy, call, connect_websocket
from tests.stories.apps import bare as bare_story
from tests.stories.apps import fastapi as fastapi_story
from tests.stories.apps import litestar as litestar_story
from tests.stories.apps import quart as quart_story
from tests.stories.apps import starlette as starlette_story
from tests.stories.guarding import (
    JWT_SECRET,
    ORIGIN,
    THRESHOLD,
    UNKNOWN_SECRET,
    build_configs,
    build_guards,
    nest,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from asgi_security.asgi.types import ASGIApp, Message, Receive, Scope, Send

    Surroundings = dict[str, Any]
    Install = Callable[[Surroundings], ASGIApp]

pytestmark = pytest.mark.anyio

NOW = 1_700_000_000
FORM = {"content-type": "application/x-www-form-urlencoded"}
ASKED = {"access-control-request-method": "PUT", "access-control-request-headers": "x-a"}


def bearer(secret: str) -> dict[str, str]:
    claims = {"sub": "ada", "iat": NOW, "exp": NOW + 60}
    return {"authorization": f"Bearer {jwt.encode(claims, secret, algorithm='HS256')}"}


def try_login(password: str) -> dict[str, Any]:
    body = f"username=ada&password={password}".encode()
    return {"method": "POST", "target": "/login", "headers": FORM, "body": body}


REQUESTS: tuple[dict[str, Any], ...] = (
    {"target": "/hello"},
    {"target": "/hello", "headers": {"origin": ORIGIN}},
    {"target": "/hello", "headers": {"origin": "https://evil.example"}},
    {"method": "HEAD", "target": "/hello"},
    {"method": "OPTIONS", "target": "/hello", "headers": {"origin": ORIGIN, **ASKED}},
    {"method": "OPTIONS", "target": "/hello", "headers": {"origin": "null", **ASKED}},
    {"target": "/no/such/page", "headers": {"origin": ORIGIN}},
    {"target": "/hello", "scheme": "http"},
    {"target": "/cookies"},
    {"target": "/file"},
    {"target": "/sse"},
    {"target": "/session/read"},
    {"method": "POST", "target": "/session/write", "body": b"ada"},
    {"target": "/whoami"},
    {"target": "/whoami", "headers": bearer(JWT_SECRET)},
    {"target": "/whoami", "headers": {"origin": ORIGIN, **bearer(UNKNOWN_SECRET)}},
    {"target": "/raise", "headers": {"origin": ORIGIN}},
    *(try_login("wrong") for _ in range(THRESHOLD + 1)),
    try_login("right"),
)
SOCKETS: tuple[dict[str, Any], ...] = (
    {"headers": {"origin": ORIGIN}},
    {"headers": {"origin": "https://evil.example"}},
    {"headers": {"origin": ORIGIN, **bearer(UNKNOWN_SECRET)}},
    {"headers": {"origin": "null"}, "denial": False},
)


def as_middleware(surroundings: Surroundings) -> list[Middleware]:
    guards = build_guards(**surroundings)
    return [Middleware(guard.middleware, **guard.options) for guard in guards]


def added(app: Starlette, surroundings: Surroundings) -> ASGIApp:
    for guard in reversed(build_guards(**surroundings)):  # the last one added is the outermost
        app.add_middleware(guard.middleware, **guard.options)
    return app


def nested(app: ASGIApp, surroundings: Surroundings) -> ASGIApp:
    return nest(app, build_guards(**surroundings))


def unfused(app: ASGIApp, surroundings: Surroundings) -> ASGIApp:
    """Nest with something in between, so that no two guards become one pipeline."""
    for guard in reversed(build_guards(**surroundings)):
        app = put_between(guard.middleware(app, **guard.options))
    return app


def put_between(inner: ASGIApp) -> ASGIApp:
    async def between(scope: Scope, receive: Receive, send: Send) -> None:
        await inner(scope, receive, send)

    return between


def hardened(app: ASGIApp, surroundings: Surroundings) -> ASGIApp:
    made: ASGIApp = asgi_security.harden(app, **build_configs(), **surroundings)
    return made


def installed(app: ASGIApp, surroundings: Surroundings) -> ASGIApp:
    configs = build_configs()
    made: ASGIApp = asgi_security.add_security(app, env={}, **configs, **surroundings)
    return made


def stay(app: ASGIApp) -> ASGIApp:
    """Let the client wait for the end of its answer: Quart drops what it does for one that left."""

    async def staying(scope: Scope, receive: Receive, send: Send) -> None:
        answered = asyncio.Event()

        async def receive_later() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect":
                await answered.wait()
            return message

        async def send_and_tell(message: Message) -> None:
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                answered.set()

        await app(scope, receive_later, send_and_tell)

    return staying


async def play(build: Install) -> list[tuple[Any, ...]]:
    """Put every request to the app, and keep all that came back."""
    app = stay(build({"clock": FakeClock(NOW), "entropy": SeededEntropy()}))
    answers: list[tuple[Any, ...]] = []
    for request in REQUESTS:
        answered = await call(app, **{"method": "GET", **request}, catch=True)
        error = type(answered.error).__name__
        # The order of different fields means nothing (RFC 9110 section 5.3), and Quart counts the
        # end of a file's freshness from the present second.
        lines = sorted(
            (line for line in answered.headers if line[0] != b"expires"), key=lambda line: line[0]
        )
        answers.append((request, answered.status, lines, answered.body, error))
    for options in SOCKETS:
        socket = await connect_websocket(app, "/ws", **options)
        answers.append((options, 0, socket.messages))
    return answers


STARLETTE = starlette_story.build
FASTAPI = fastapi_story.build
QUART = quart_story.build
LITESTAR = litestar_story.build
ROUTES = starlette_story.ROUTES


@pytest.mark.parametrize(
    ("build", "install"),
    [
        pytest.param(STARLETTE, lambda s: nested(STARLETTE(), s), id="Starlette nested"),
        pytest.param(STARLETTE, lambda s: unfused(STARLETTE(), s), id="Starlette not fused"),
        pytest.param(
            STARLETTE,
            lambda s: Starlette(routes=ROUTES, middleware=as_middleware(s)),
            id="Starlette Middleware list",
        ),
        pytest.param(
            STARLETTE, lambda s: added(Starlette(routes=ROUTES), s), id="Starlette add_middleware"
        ),
        pytest.param(STARLETTE, lambda s: installed(STARLETTE(), s), id="Starlette add_security"),
        pytest.param(FASTAPI, lambda s: nested(FASTAPI(), s), id="FastAPI nested"),
        pytest.param(
            FASTAPI,
            lambda s: fastapi_story.add_routes(FastAPI(middleware=as_middleware(s))),
            id="FastAPI Middleware list",
        ),
        pytest.param(
            FASTAPI,
            lambda s: added(fastapi_story.add_routes(FastAPI()), s),
            id="FastAPI add_middleware",
        ),
        pytest.param(FASTAPI, lambda s: installed(FASTAPI(), s), id="FastAPI add_security"),
        pytest.param(QUART, lambda s: installed(QUART(), s), id="Quart add_security"),
        pytest.param(LITESTAR, lambda s: installed(LITESTAR(), s), id="Litestar add_security"),
        pytest.param(bare_story.build, lambda s: nested(bare_story.app, s), id="bare nested"),
        pytest.param(bare_story.build, lambda s: unfused(bare_story.app, s), id="bare not fused"),
    ],
)
@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # Quart and Litestar know no other
async def test_every_way_gives_the_same_answers(
    build: Callable[[], ASGIApp], install: Install
) -> None:
    expected = await play(lambda surroundings: hardened(build(), surroundings))
    found = await play(install)
    statuses = {answer[1] for answer in expected}
    assert statuses >= {200, 204, 401, 403, 404, 429, 500}
    for one, other in zip(expected, found, strict=True):
        assert other == one
