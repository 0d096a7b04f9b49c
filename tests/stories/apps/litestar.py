"""The story's routes in Litestar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from litestar import (  # Litestar reads the annotations at run time
    Litestar,
    MediaType,
    Request,  # noqa: TC002
    Response,
    WebSocket,  # noqa: TC002
    get,
    head,
    post,
    websocket,
)
from litestar.background_tasks import BackgroundTask
from litestar.datastructures import Cookie
from litestar.enums import RequestEncodingType
from litestar.exceptions import PermissionDeniedException, WebSocketDisconnect
from litestar.logging import LoggingConfig
from litestar.params import Body
from litestar.response import File, Stream

from tests.stories.apps import scenery
from tests.stories.apps.scenery import SCENERY

if TYPE_CHECKING:
    from asgi_security.asgi.types import ASGIApp

Form = Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]


@get("/hello", media_type=MediaType.TEXT)
async def hello() -> str:
    return scenery.HELLO


@head("/hello")
async def hello_head() -> None:
    return None


@get("/json")
async def as_json() -> dict[str, Any]:
    return scenery.JSON


@get("/stream")
async def stream() -> Stream:
    return Stream(scenery.stream_chunks(), media_type="text/plain")


@get("/sse")
async def sse() -> Stream:
    return Stream(scenery.stream_events(), media_type="text/event-stream")


@get("/file", media_type=MediaType.TEXT)
async def file() -> File:
    return File(path=scenery.FILE, content_disposition_type="inline")


@post("/echo", status_code=200)
async def echo(request: Request[Any, Any, Any]) -> Response[bytes]:
    return Response(await request.body(), media_type="application/octet-stream")


@get("/cookies", media_type=MediaType.TEXT)
async def cookies() -> Response[str]:
    made = [Cookie(key=name, value=value) for name, value in scenery.COOKIES]
    return Response("cookies", cookies=made)


@get("/raise")
async def fail() -> None:
    raise scenery.DeliberateError("deliberate")


@get("/background", media_type=MediaType.TEXT)
async def background() -> Response[str]:
    return Response("soon", background=BackgroundTask(SCENERY.run_background))


@get("/session/read")
async def session_read() -> dict[str, Any]:
    return scenery.read_session()


@post("/session/write", status_code=200)
async def session_write(request: Request[Any, Any, Any]) -> dict[str, Any]:
    scenery.write_session((await request.body()).decode())
    return {"written": True}


@get("/whoami", media_type=MediaType.TEXT)
async def whoami() -> str:
    return scenery.describe_principal()


@post("/login")
async def login(data: Form) -> Response[dict[str, Any]]:
    if SCENERY.try_login(data["username"], data["password"]):
        return Response(scenery.RIGHT, status_code=200)
    return Response(scenery.WRONG, status_code=401)


@websocket("/ws")
async def talk(socket: WebSocket[Any, Any, Any]) -> None:
    SCENERY.sockets += 1
    await socket.accept()
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnect:
        return


@websocket("/ws/denied")
async def deny(socket: WebSocket[Any, Any, Any]) -> None:
    SCENERY.sockets += 1
    raise PermissionDeniedException


def build() -> ASGIApp:
    return Litestar(
        route_handlers=[
            hello,
            hello_head,
            as_json,
            stream,
            sse,
            file,
            echo,
            cookies,
            fail,
            background,
            session_read,
            session_write,
            whoami,
            login,
            talk,
            deny,
        ],
        on_startup=[SCENERY.start],
        on_shutdown=[SCENERY.stop],
        openapi_config=None,
        logging_config=LoggingConfig(log_exceptions="always", disable_stack_trace={403, 404}),
    )
