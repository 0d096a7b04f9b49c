from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from asgi_security.middleware.hosts import HostsMiddleware
from asgi_security.testing import call, connect_websocket

if TYPE_CHECKING:
    from asgi_security.asgi.types import Receive, Scope, Send
    from asgi_security.testing import EventRecorder

pytestmark = pytest.mark.anyio

OURS, FOREIGN = {"host": "app.example.com"}, {"host": "evil.test"}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ran"})


async def test_CORS77_a_foreign_host_never_reaches_the_app(events: EventRecorder) -> None:
    guarded = HostsMiddleware(app, allow_hosts=["app.example.com"], events=events)
    assert (await call(guarded, headers=OURS)).body == b"ran"
    refused = await call(guarded, headers=FOREIGN)
    assert (refused.status, refused.json()["code"]) == (400, "HOST_NOT_ALLOWED")
    assert (await call(guarded)).status == 400
    assert (await connect_websocket(guarded, headers=OURS)).accepted
    assert (await connect_websocket(guarded, headers=FOREIGN)).status == 400
    closed = await connect_websocket(guarded, headers=FOREIGN, denial=False)
    assert closed.close_code == 1008
    assert events.names == ["host_refused"] * 4


async def test_CORS78_plain_http_is_sent_on(events: EventRecorder) -> None:
    guarded = HostsMiddleware(
        app, allow_hosts=["app.example.com"], redirect_to_https=True, events=events
    )
    sent = await call(guarded, "POST", "/a%20b?c=d", headers=OURS, scheme="http")
    assert (sent.status, sent.value("location")) == (308, "https://app.example.com/a%20b?c=d")
    bare = await call(guarded, headers=OURS, scheme="http", raw_path=None)
    assert bare.value("location") == "https://app.example.com/"
    assert (await call(guarded, headers=OURS)).body == b"ran"
    assert (await connect_websocket(guarded, headers=OURS, scheme="ws")).status == 403
    assert events.names == ["plain_websocket_refused"]


async def test_CORS78_a_loop_behind_a_proxy_is_told(events: EventRecorder) -> None:
    guarded = HostsMiddleware(
        app, allow_hosts=["app.example.com"], redirect_to_https=True, events=events
    )
    headers = {**OURS, "x-forwarded-proto": "https"}
    assert (await call(guarded, headers=headers, scheme="http")).status == 308
    assert events.names == ["https_redirect_loop"]
