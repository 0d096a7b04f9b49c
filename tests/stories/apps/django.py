"""The story's routes in Django, with a small router in front: Django has no WebSocket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import django  # type: ignore[import-untyped]
from django.conf import settings  # type: ignore[import-untyped]
from django.core.asgi import get_asgi_application  # type: ignore[import-untyped]
from django.http import (  # type: ignore[import-untyped]
    FileResponse,
    HttpResponse,
    JsonResponse,
    StreamingHttpResponse,
)
from django.urls import path  # type: ignore[import-untyped]

from tests.stories.apps import scenery
from tests.stories.apps.bare import talk
from tests.stories.apps.scenery import SCENERY

if TYPE_CHECKING:
    from asgi_security.asgi.types import ASGIApp, Receive, Scope, Send


async def hello(request: Any) -> Any:
    return HttpResponse(scenery.HELLO, content_type="text/plain")


async def as_json(request: Any) -> Any:
    return JsonResponse(scenery.JSON)


async def stream(request: Any) -> Any:
    return StreamingHttpResponse(scenery.stream_chunks(), content_type="text/plain")


async def sse(request: Any) -> Any:
    return StreamingHttpResponse(scenery.stream_events(), content_type="text/event-stream")


async def file(request: Any) -> Any:
    return FileResponse(scenery.FILE.open("rb"))


async def echo(request: Any) -> Any:
    return HttpResponse(request.body, content_type="application/octet-stream")


async def cookies(request: Any) -> Any:
    response = HttpResponse("cookies")
    for name, value in scenery.COOKIES:
        response.set_cookie(name, value)
    return response


async def fail(request: Any) -> Any:
    raise scenery.DeliberateError("deliberate")


class Background(HttpResponse):  # type: ignore[misc]
    """Django's own place for work after a response: when it is closed."""

    def close(self) -> None:
        super().close()
        SCENERY.background += 1


async def background(request: Any) -> Any:
    return Background("soon")


async def session_read(request: Any) -> Any:
    return JsonResponse(scenery.read_session())


async def session_write(request: Any) -> Any:
    scenery.write_session(request.body.decode())
    return JsonResponse({"written": True})


def whoami(request: Any) -> Any:
    """Run in a thread: the context follows there too."""
    return HttpResponse(scenery.describe_principal())


async def login(request: Any) -> Any:
    if SCENERY.try_login(request.POST["username"], request.POST["password"]):
        return JsonResponse(scenery.RIGHT)
    return JsonResponse(scenery.WRONG, status=401)


urlpatterns = [
    path("hello", hello),
    path("json", as_json),
    path("stream", stream),
    path("sse", sse),
    path("file", file),
    path("echo", echo),
    path("cookies", cookies),
    path("raise", fail),
    path("background", background),
    path("session/read", session_read),
    path("session/write", session_write),
    path("whoami", whoami),
    path("login", login),
]


def build() -> ASGIApp:
    settings.configure(
        ROOT_URLCONF=__name__,
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="only for these stories",
        MIDDLEWARE=[],
    )
    django.setup()
    pages = get_asgi_application()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await talk(scope, receive, send)
        else:
            await pages(scope, receive, send)

    return app
