from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from asgi_security.middleware.csrf import CsrfMiddleware
from asgi_security.testing import call, connect_websocket

if TYPE_CHECKING:
    from asgi_security.asgi.types import Receive, Scope, Send
    from asgi_security.testing import EventRecorder

pytestmark = pytest.mark.anyio

FORGED = {
    "sec-fetch-site": "cross-site",
    "origin": "https://evil.test",
    "host": "app.example.com",
    "authorization": "Bearer token",
}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ran"})


async def test_CORS72_CORS75_a_forged_post_never_reaches_the_app(events: EventRecorder) -> None:
    guarded = CsrfMiddleware(app, events=events)
    refused = await call(guarded, "POST", headers=FORGED)
    assert (refused.status, refused.json()["code"]) == (403, "CROSS_SITE_REQUEST")
    assert events.names == ["csrf_refused"]
    assert (await call(guarded, "POST", headers={"host": "app.example.com"})).body == b"ran"
    assert (await call(guarded, "GET", headers=FORGED)).headers == []


async def test_a_forged_websocket_is_refused_before_accept() -> None:
    guarded = CsrfMiddleware(app, trusted_origins=["https://partner.test"])
    assert (await connect_websocket(guarded, headers=FORGED)).status == 403
    trusted = {**FORGED, "origin": "https://partner.test"}
    assert (await connect_websocket(guarded, headers=trusted)).accepted
    assert (await connect_websocket(guarded)).accepted


async def test_CORS76_isolation_says_what_the_answer_depended_on() -> None:
    guarded = CsrfMiddleware(app, isolate_resources=True)
    own = await call(guarded, headers={"sec-fetch-site": "same-origin"})
    assert own.value("vary") == "Sec-Fetch-Site, Sec-Fetch-Mode, Sec-Fetch-Dest"
    assert (await call(guarded)).headers == []
    assert (await call(guarded, headers=FORGED)).status == 403
