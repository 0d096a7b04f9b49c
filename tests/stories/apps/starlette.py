"""The story's routes in Starlette."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.responses import StreamingResponse as Streaming
from starlette.routing import Route, WebSocketRoute

from tests.stories.apps import scenery
from tests.stories.apps.scenery import SCENERY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.websockets import WebSocket

    from asgi_security.asgi.types import ASGIApp


async def hello(request: Request) -> Response:
    return PlainTextResponse(scenery.HELLO)


async def as_json(request: Request) -> Response:
    return JSONResponse(scenery.JSON)


async def stream(request: Request) -> Response:
    return Streaming(scenery.stream_chunks(), media_type="text/plain")


async def sse(request: Request) -> Response:
    return Streaming(scenery.stream_events(), media_type="text/event-stream")


async def file(request: Request) -> Response:
    return FileResponse(scenery.FILE)


async def echo(request: Request) -> Response:
    return Response(await request.body(), media_type="application/octet-stream")


async def session_read(request: Request) -> Response:
    return JSONResponse({"seen": request.session.get("seen")})


async def session_write(request: Request) -> Response:
    request.session["seen"] = (await request.body()).decode()
    return JSONResponse({"written": True})


async def whoami(request: Request) -> Response:
    return PlainTextResponse(scenery.describe_principal())


async def login(request: Request) -> Response:
    form = await request.form()
    if SCENERY.try_login(str(form["username"]), str(form["password"])):
        return JSONResponse(scenery.RIGHT)
    return JSONResponse(scenery.WRONG, status_code=401)


async def cookies(request: Request) -> Response:
    response = PlainTextResponse("cookies")
    for name, value in scenery.COOKIES:
        response.set_cookie(name, value)
    return response


async def fail(request: Request) -> Response:
    raise scenery.DeliberateError("deliberate")


async def background(request: Request) -> Response:
    return PlainTextResponse("soon", background=BackgroundTask(SCENERY.run_background))


async def talk(websocket: WebSocket) -> None:
    SCENERY.sockets += 1
    await websocket.accept()
    async for message in websocket.iter_text():
        await websocket.send_text(message)


async def deny(websocket: WebSocket) -> None:
    SCENERY.sockets += 1
    await websocket.send_denial_response(PlainTextResponse("denied", status_code=403))


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    SCENERY.start()
    yield
    SCENERY.stop()


ROUTES = [
    Route("/hello", hello),
    Route("/json", as_json),
    Route("/stream", stream),
    Route("/sse", sse),
    Route("/file", file),
    Route("/echo", echo, methods=["POST"]),
    Route("/session/read", session_read),
    Route("/session/write", session_write, methods=["POST"]),
    Route("/whoami", whoami),
    Route("/login", login, methods=["POST"]),
    Route("/cookies", cookies),
    Route("/raise", fail),
    Route("/background", background),
    WebSocketRoute("/ws", talk),
    WebSocketRoute("/ws/denied", deny),
]


def build() -> ASGIApp:
    return Starlette(lifespan=lifespan, routes=ROUTES)
