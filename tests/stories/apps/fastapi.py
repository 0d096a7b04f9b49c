"""The story's routes in FastAPI."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import (  # FastAPI reads the annotations at run time
    BackgroundTasks,  # noqa: TC002
    FastAPI,
    Form,
    Request,  # noqa: TC002
    Response,
    WebSocket,  # noqa: TC002
)
from fastapi.responses import FileResponse, PlainTextResponse, StreamingResponse
from starlette.websockets import WebSocketDisconnect

from tests.stories.apps import scenery
from tests.stories.apps.scenery import SCENERY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from asgi_security.asgi.types import ASGIApp


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    SCENERY.start()
    yield
    SCENERY.stop()


def build() -> ASGIApp:
    return add_routes(FastAPI(lifespan=lifespan))


def add_routes(app: FastAPI) -> FastAPI:
    add_plain_routes(app)
    add_guarded_routes(app)
    return app


def add_plain_routes(app: FastAPI) -> None:
    @app.api_route("/hello", methods=["GET", "HEAD"], response_class=PlainTextResponse)
    async def hello() -> str:
        return scenery.HELLO

    @app.get("/json")
    async def as_json() -> dict[str, Any]:
        return scenery.JSON

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(scenery.stream_chunks(), media_type="text/plain")

    @app.get("/sse")
    async def sse() -> StreamingResponse:
        return StreamingResponse(scenery.stream_events(), media_type="text/event-stream")

    @app.get("/file")
    async def file() -> FileResponse:
        return FileResponse(scenery.FILE)

    @app.post("/echo")
    async def echo(request: Request) -> Response:
        return Response(await request.body(), media_type="application/octet-stream")

    @app.get("/cookies")
    async def cookies(response: Response) -> str:
        for name, value in scenery.COOKIES:
            response.set_cookie(name, value)
        return "cookies"

    @app.get("/raise")
    async def fail() -> None:
        raise scenery.DeliberateError("deliberate")

    @app.get("/background")
    async def background(tasks: BackgroundTasks) -> str:
        tasks.add_task(SCENERY.run_background)
        return "soon"


def add_guarded_routes(app: FastAPI) -> None:
    @app.get("/session/read")
    async def session_read(request: Request) -> dict[str, Any]:
        return {"seen": request.session.get("seen")}

    @app.post("/session/write")
    async def session_write(request: Request) -> dict[str, Any]:
        request.session["seen"] = (await request.body()).decode()
        return {"written": True}

    @app.get("/whoami", response_class=PlainTextResponse)
    async def whoami() -> str:
        return scenery.describe_principal()

    @app.post("/login")
    async def login(
        response: Response, username: Annotated[str, Form()], password: Annotated[str, Form()]
    ) -> dict[str, Any]:
        if SCENERY.try_login(username, password):
            return scenery.RIGHT
        response.status_code = 401
        return scenery.WRONG

    @app.websocket("/ws")
    async def talk(websocket: WebSocket) -> None:
        SCENERY.sockets += 1
        await websocket.accept()
        try:
            while True:
                await websocket.send_text(await websocket.receive_text())
        except WebSocketDisconnect:
            return

    @app.websocket("/ws/denied")
    async def deny(websocket: WebSocket) -> None:
        SCENERY.sockets += 1
        await websocket.send_denial_response(PlainTextResponse("denied", status_code=403))
