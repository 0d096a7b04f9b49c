"""What `current()` says once a guard has let somebody through."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from asgi_security import MemoryStore, SessionMiddleware, current
from asgi_security.guards import requires
from asgi_security.testing import call

if TYPE_CHECKING:
    from starlette.requests import Request

pytestmark = pytest.mark.anyio


async def log_in(request: Request) -> PlainTextResponse:
    request.session.login("ann")  # type: ignore[attr-defined]
    return PlainTextResponse("welcome")


@requires()
async def show(request: Request) -> PlainTextResponse:
    principal = current().principal
    return PlainTextResponse("nobody" if principal is None else principal.subject)


@requires()
def show_plainly(request: Request) -> PlainTextResponse:
    principal = current().principal
    return PlainTextResponse("nobody" if principal is None else principal.subject)


@pytest.mark.parametrize("target", ["/me", "/plain"])
async def test_user_of_a_stored_session_is_the_principal(target: str) -> None:
    routes = [Route("/login", log_in), Route("/me", show), Route("/plain", show_plainly)]
    app = SessionMiddleware(Starlette(routes=routes), secret="s" * 32, store=MemoryStore())
    cookie = ((await call(app, target="/login")).value("set-cookie") or "").partition(";")[0]
    answered = await call(app, target=target, headers={"cookie": cookie})
    assert (answered.status, answered.body) == (200, b"ann")
