"""The story's routes in Quart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quart import Quart, Response, abort, current_app, jsonify, request, send_file, websocket

from tests.stories.apps import scenery
from tests.stories.apps.scenery import SCENERY

if TYPE_CHECKING:
    from asgi_security.asgi.types import ASGIApp


def build() -> ASGIApp:
    app = Quart(__name__)

    @app.before_serving
    async def start() -> None:
        SCENERY.start()

    @app.after_serving
    async def stop() -> None:
        SCENERY.stop()

    add_plain_routes(app)
    add_guarded_routes(app)
    return app


def add_plain_routes(app: Quart) -> None:
    @app.get("/hello")
    async def hello() -> Response:
        return Response(scenery.HELLO, content_type="text/plain")

    @app.get("/json")
    async def as_json() -> Response:
        return jsonify(scenery.JSON)

    @app.get("/stream")
    async def stream() -> Response:
        return Response(scenery.stream_chunks(), content_type="text/plain")

    @app.get("/sse")
    async def sse() -> Response:
        return Response(scenery.stream_events(), content_type="text/event-stream")

    @app.get("/file")
    async def file() -> Response:
        return await send_file(scenery.FILE)

    @app.post("/echo")
    async def echo() -> Response:
        return Response(await request.get_data(), content_type="application/octet-stream")

    @app.get("/cookies")
    async def cookies() -> Response:
        response = Response("cookies")
        for name, value in scenery.COOKIES:
            response.set_cookie(name, value)
        return response

    @app.get("/raise")
    async def fail() -> Response:
        raise scenery.DeliberateError("deliberate")

    @app.get("/background")
    async def background() -> str:
        current_app.add_background_task(SCENERY.run_background)
        return "soon"


def add_guarded_routes(app: Quart) -> None:
    @app.get("/session/read")
    async def session_read() -> dict[str, Any]:
        return scenery.read_session()

    @app.post("/session/write")
    async def session_write() -> dict[str, Any]:
        scenery.write_session(str(await request.get_data(as_text=True)))
        return {"written": True}

    @app.get("/whoami")
    async def whoami() -> str:
        return scenery.describe_principal()

    @app.post("/login")
    async def login() -> tuple[dict[str, Any], int]:
        form = await request.form
        right = SCENERY.try_login(form["username"], form["password"])
        return (scenery.RIGHT, 200) if right else (scenery.WRONG, 401)

    @app.websocket("/ws")
    async def talk() -> None:
        SCENERY.sockets += 1
        while True:
            await websocket.send(await websocket.receive())

    @app.websocket("/ws/denied")
    async def deny() -> None:
        SCENERY.sockets += 1
        abort(403)
