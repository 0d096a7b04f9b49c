from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from asgi_security.asgi.headers import copy_headers
from asgi_security.asgi.layers import Exchange, Layer

if TYPE_CHECKING:
    from asgi_security.asgi.types import Message

pytestmark = pytest.mark.anyio


async def test_a_layer_without_hooks_lets_everything_pass() -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    exchange = Exchange()
    exchange.app_send, exchange.exits, exchange.sent = send, None, False
    layer, start = Layer(), {"type": "http.response.start", "status": 200, "headers": []}
    assert layer.enter(exchange) is None
    assert layer.leave(exchange, start) is None
    assert layer.accept(exchange, start) is None
    assert layer.finish(exchange, None) is None
    await exchange.send(start)
    assert sent == [start]
    assert sent[0] is start


def test_copied_headers_are_fresh_lower_case_pairs_of_bytes() -> None:
    lines = [(b"X-A", b"B"), (b"x-a", b"C")]
    copied = copy_headers(lines)
    assert copied == [(b"x-a", b"B"), (b"x-a", b"C")]
    assert copied is not lines
