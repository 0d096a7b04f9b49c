"""WebSockets on the wire: foreign pages are turned away before `accept`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from asgi_security.middleware.cors import CorsMiddleware
from asgi_security.policy.cors import CorsConfig
from asgi_security.testing import connect_websocket

if TYPE_CHECKING:
    from asgi_security.asgi.types import Message, Receive, Scope, Send
    from asgi_security.testing import EventRecorder

pytestmark = pytest.mark.anyio

LISTED: dict[str, Any] = {"allow_origins": ["https://app.example.com"]}
PUBLIC: dict[str, Any] = {"allow_origins": ["*"]}
HOST = ("host", "chat.test")


async def accepting(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send(
        {
            "type": "websocket.accept",
            "subprotocol": "chat",
            "headers": [(b"x-app", b"1"), (b"vary", b"Cookie")],
        }
    )


async def never(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("the app was called")


@pytest.mark.parametrize(
    ("fields", "scheme", "headers"),
    [
        pytest.param(LISTED, "wss", [("origin", "https://chat.test")], id="CORS49 wss is https"),
        pytest.param(LISTED, "ws", [("origin", "http://chat.test")], id="CORS49 ws is http"),
        pytest.param(LISTED, "wss", [("origin", "https://app.example.com")], id="CORS50 listed"),
        pytest.param(LISTED, "wss", [], id="CORS52 no browser"),
        pytest.param(PUBLIC, "wss", [("origin", "https://chat.test")], id="CORS53 same origin"),
        pytest.param(
            {**PUBLIC, "allow_any_websocket_origin": True},
            "wss",
            [("origin", "https://evil.test")],
            id="CORS53 any, as configured",
        ),
    ],
)
async def test_accepted(fields: dict[str, Any], scheme: str, headers: Any) -> None:
    app = CorsMiddleware(accepting, **fields)
    answered = await connect_websocket(app, headers=[HOST, *headers], scheme=scheme)
    assert answered.accept == {
        "type": "websocket.accept",
        "subprotocol": "chat",
        "headers": [(b"x-app", b"1"), (b"vary", b"Cookie")],
    }


@pytest.mark.parametrize(
    ("fields", "headers", "rule"),
    [
        pytest.param(
            LISTED, [HOST, ("origin", "http://chat.test")], "origin_not_allowed",
            id="CORS49 the page came in clear text",
        ),
        pytest.param(
            LISTED, [HOST, ("origin", "https://evil.test")], "origin_not_allowed",
            id="CORS51 not listed",
        ),
        pytest.param(LISTED, [HOST, ("origin", "null")], "origin_malformed", id="CORS51 null"),
        pytest.param(LISTED, [HOST, ("origin", "x y")], "origin_malformed", id="CORS51 malformed"),
        pytest.param(
            LISTED, [HOST, *[("origin", "https://app.example.com")] * 2], "origin_duplicated",
            id="CORS51 duplicated",
        ),
        pytest.param(
            LISTED, [HOST, HOST, ("origin", "https://chat.test")], "origin_not_allowed",
            id="CORS51 two hosts",
        ),
        pytest.param(
            {**LISTED, "require_websocket_origin": True}, [HOST], "origin_missing",
            id="CORS52 an origin is required",
        ),
        pytest.param(
            PUBLIC, [HOST, ("origin", "https://evil.test")], "origin_not_allowed",
            id="CORS53 public is no WebSocket",
        ),
        pytest.param(
            {**PUBLIC, "allow_any_websocket_origin": True}, [HOST, ("origin", "null")],
            "origin_malformed", id="CORS53 any, but well-formed",
        ),
    ],
)  # fmt: skip
async def test_CORS51_denied_before_accept(
    fields: dict[str, Any], headers: Any, rule: str, events: EventRecorder
) -> None:
    app = CorsMiddleware(never, **fields, events=events)
    denied = await connect_websocket(app, headers=headers)
    assert denied.status == 403
    assert denied.json()["code"] == "ORIGIN_NOT_ALLOWED"
    closed = await connect_websocket(app, headers=headers, denial=False)
    assert closed.messages == [
        {"type": "websocket.close", "code": 1008, "reason": "ORIGIN_NOT_ALLOWED"}
    ]
    assert events.names == ["websocket_origin_refused"] * 2
    assert [event.facts for event in events.events] == [{"rule": rule}] * 2


async def test_CORS51_connect_is_awaited_before_the_denial() -> None:
    order: list[str] = []

    async def receive() -> Message:
        order.append("receive")
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        order.append(message["type"])

    scope = {"type": "websocket", "path": "/", "headers": [(b"origin", b"null")]}
    await CorsMiddleware(never, **LISTED)(scope, receive, send)
    assert order == ["receive", "websocket.close"]


async def test_CORS38_CORS52_a_path_may_require_an_origin() -> None:
    strict = CorsConfig(allow_origins=("*",), require_websocket_origin=True)
    app = CorsMiddleware(accepting, **LISTED, paths={"/strict": strict})
    assert (await connect_websocket(app, "/lax")).accepted
    assert (await connect_websocket(app, "/strict/x")).status == 403


async def test_a_resolver_judges_websockets_too() -> None:
    async def resolve(origin: str) -> bool:
        return origin == "https://tenant.test"

    app = CorsMiddleware(accepting, allow_origin_resolver=resolve)
    for origin, accepted in (("https://tenant.test", True), ("https://evil.test", False)):
        answered = await connect_websocket(app, headers=[("origin", origin)])
        assert answered.accepted is accepted
