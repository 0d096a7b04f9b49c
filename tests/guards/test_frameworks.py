from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import pytest
from fastapi import Depends, FastAPI, WebSocket  # noqa: TC002 -- FastAPI reads it
from litestar import Litestar, get, websocket
from litestar import WebSocket as LitestarWebSocket  # noqa: TC002 -- Litestar reads it
from quart import Quart
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute

from asgi_security import Principal, SecurityContext
from asgi_security.asgi.context import current_context
from asgi_security.guards import AccessDenied, answer_denied, owns_resource, requires, satisfies
from asgi_security.middleware.access import AccessMiddleware
from asgi_security.policy.access_roles import Roles
from asgi_security.testing import call, connect_websocket

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.websockets import WebSocket as StarletteWebSocket

    from asgi_security.asgi.types import ASGIApp, Receive, Scope, Send

pytestmark = pytest.mark.anyio

ROLES = Roles({"clerk": ["invoice:read"]})
READ = requires("invoice:read")


async def load_invoice(number: int) -> Any:
    return {1: {"owner_id": "1"}, 2: {"owner_id": "2"}}.get(number)


OWN = owns_resource(resource="number", load=load_invoice)


async def answer_yes(principal: Principal) -> bool:
    return True


def behind(app: ASGIApp, *roles: str, subject: str | None = "1") -> ASGIApp:
    """Put an app behind an AccessMiddleware that meets a request of that subject."""
    guarded = AccessMiddleware(app, roles=ROLES)

    async def authenticated(scope: Scope, receive: Receive, send: Send) -> None:
        context = SecurityContext()
        if subject is not None:
            context.principal = Principal(subject=subject, via="jwt", roles=frozenset(roles))
        token = current_context.set(context)
        scope["asgi_security"] = context
        try:
            await guarded(scope, receive, send)
        finally:
            current_context.reset(token)

    return authenticated


async def check_answers(app: ASGIApp, target: str) -> None:
    """Check who gets what of a route that requires invoice:read."""
    assert (await call(behind(app, "clerk"), target=target)).status == 200
    anonymous = await call(behind(app, subject=None), target=target)
    assert anonymous.status == 401
    assert anonymous.value("www-authenticate") == 'Bearer realm="api"'
    forbidden = await call(behind(app), target=target)
    assert forbidden.status == 403
    assert "insufficient_scope" in (forbidden.value("www-authenticate") or "")
    assert forbidden.value("cache-control") == "no-store"
    assert b"invoice:read" not in forbidden.body


def build_starlette() -> ASGIApp:
    @READ
    async def read(request: Request) -> PlainTextResponse:
        return PlainTextResponse("ran")

    @READ
    def read_plainly(request: Request) -> PlainTextResponse:
        return PlainTextResponse("ran")

    @OWN
    async def own(request: Request) -> PlainTextResponse:
        return PlainTextResponse("ran")

    @READ
    async def talk(websocket: StarletteWebSocket) -> None:
        await websocket.accept()

    return Starlette(
        routes=[
            Route("/read", read),
            Route("/plain", read_plainly),
            Route("/own/{number:int}", own),
            WebSocketRoute("/talk", talk),
        ]
    )


@pytest.mark.parametrize("target", ["/read", "/plain"])
async def test_Z108_starlette(target: str) -> None:
    await check_answers(build_starlette(), target)


async def test_Y106_starlette_finds_records_by_the_path() -> None:
    app = behind(build_starlette())
    statuses = [(await call(app, target=f"/own/{number}")).status for number in (1, 2, 3)]
    assert statuses == [200, 404, 404]


async def test_W103_starlette_websockets_are_refused_before_they_are_accepted() -> None:
    app = build_starlette()
    assert (await connect_websocket(behind(app, "clerk"), "/talk")).accepted
    denied = await connect_websocket(behind(app), "/talk")
    assert (denied.status, denied.accepted) == (403, False)
    closed = await connect_websocket(behind(app, subject=None), "/talk", denial=False)
    assert (closed.close_code, closed.accepted) == (1008, False)


def build_fastapi() -> ASGIApp:
    app = FastAPI()

    @app.get("/depends")
    async def depends(principal: Annotated[Principal, Depends(READ)]) -> str:
        return principal.subject

    @app.get("/listed", dependencies=[Depends(READ), Depends(satisfies(answer_yes))])
    def listed() -> str:
        return "ran"

    @app.get("/decorated/{number}")
    @READ
    async def decorated(number: int) -> int:
        return number

    @app.get("/plain")
    @READ
    def plain() -> str:
        return "ran"

    @app.get("/own/{number}")
    @OWN
    async def own(number: int) -> int:
        return number

    @app.get("/depends-own/{number}", dependencies=[Depends(OWN)])  # noqa: FAST003 -- OWN does
    async def depends_own() -> str:
        return "ran"

    @app.websocket("/talk")
    @READ
    async def talk(websocket: WebSocket) -> None:
        await websocket.accept()

    @app.websocket("/depends-talk", dependencies=[Depends(READ)])
    async def depends_talk(websocket: WebSocket) -> None:
        await websocket.accept()

    return app


@pytest.mark.parametrize("target", ["/depends", "/listed", "/decorated/1", "/plain"])
async def test_Z108_fastapi(target: str) -> None:
    await check_answers(build_fastapi(), target)


@pytest.mark.parametrize("target", ["/own", "/depends-own"])
async def test_Y106_fastapi_finds_records_by_the_path(target: str) -> None:
    app = behind(build_fastapi())
    statuses = [(await call(app, target=f"{target}/{number}")).status for number in (1, 2, 3)]
    assert statuses == [200, 404, 404]


@pytest.mark.parametrize("target", ["/talk", "/depends-talk"])
async def test_W103_fastapi_websockets_are_refused_before_they_are_accepted(target: str) -> None:
    app = build_fastapi()
    assert (await connect_websocket(behind(app, "clerk"), target)).accepted
    closed = await connect_websocket(behind(app), target, denial=False)
    assert (closed.close_code, closed.accepted) == (1008, False)


def build_litestar() -> ASGIApp:
    @get("/guarded", guards=[READ])
    async def guarded() -> str:
        return "ran"

    @get("/own/{number:int}", guards=[OWN])
    async def own() -> str:
        return "ran"

    @get("/decorated")
    @READ
    async def decorated() -> str:
        return "ran"

    @websocket("/talk", guards=[READ])
    async def talk(socket: LitestarWebSocket[Any, Any, Any]) -> None:
        await socket.accept()

    return Litestar([guarded, own, decorated, talk], openapi_config=None)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("target", ["/guarded", "/decorated"])
async def test_Z108_litestar(target: str) -> None:
    await check_answers(build_litestar(), target)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_Y106_litestar_finds_records_by_the_path() -> None:
    app = behind(build_litestar())
    statuses = [(await call(app, target=f"/own/{number}")).status for number in (1, 2, 3)]
    assert statuses == [200, 404, 404]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_W103_litestar_websockets_are_refused_before_they_are_accepted() -> None:
    app = build_litestar()
    assert (await connect_websocket(behind(app, "clerk"), "/talk")).accepted
    closed = await connect_websocket(behind(app), "/talk")
    # The code is Litestar's own for an exception not its own; no client sees it before an accept.
    assert (closed.close_code, closed.accepted) == (4500, False)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_Z108_quart() -> None:
    app = Quart(__name__)
    app.register_error_handler(AccessDenied, answer_denied)

    @app.get("/read")
    @READ
    async def read() -> str:
        return "ran"

    @app.get("/plain")
    @READ
    def read_plainly() -> str:
        return "ran"

    @app.get("/own/<int:number>")
    @OWN
    async def own(number: int) -> str:
        return "ran"

    serve = app.asgi_app
    # Quart ends a request when its client is gone, and `call` has no more to send: its own client.
    for roles, status in [(("clerk",), 200), ((), 403)]:
        app.asgi_app = behind(serve, *roles)  # type: ignore[method-assign, assignment]
        for target in ("/read", "/plain"):
            answered = await app.test_client().get(target)
            assert answered.status_code == status
    assert "insufficient_scope" in answered.headers["www-authenticate"]
    assert (await answered.get_json())["code"] == "FORBIDDEN"
    for number, status in [(1, 200), (2, 404), (3, 404)]:
        assert (await app.test_client().get(f"/own/{number}")).status_code == status
