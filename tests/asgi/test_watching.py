"""A WebSocket that ends with its credential."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from asgi_security.asgi.watching import Ending, Watch

if TYPE_CHECKING:
    from asgi_security.asgi.types import Message
    from asgi_security.testing import FakeClock

pytestmark = pytest.mark.anyio

TEXT: dict[str, Any] = {"type": "websocket.receive", "text": "hello"}
GONE: dict[str, Any] = {"type": "websocket.disconnect", "code": 1001}
ENDED: dict[str, Any] = {"type": "websocket.disconnect", "code": 4001, "reason": "OVER"}


class Talk:
    """What a watch takes of an exchange; after its last message the client is silent."""

    def __init__(self, clock: FakeClock, *messages: Message) -> None:
        self.clock = clock
        self.messages = [*messages]
        self.sent: list[Message] = []
        self.looks: list[float] = []
        self.ends_at = 1e12

    async def receive(self) -> Message:
        self.clock.advance(1)
        if not self.messages:
            await anyio.sleep_forever()
        return self.messages.pop(0)

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def recheck(self, now: float) -> float | Ending:
        self.looks.append(now)
        return Ending(4001, "OVER") if now >= self.ends_at else self.ends_at

    def watch(self, *, every: float) -> Watch:
        exchange: Any = self
        return Watch(exchange, self.recheck, every=every, ends_at=self.ends_at, clock=self.clock)


async def test_W107_messages_pass_and_a_look_is_taken_when_it_is_due(clock: FakeClock) -> None:
    start = clock()
    talk = Talk(clock, TEXT, TEXT, TEXT, GONE)
    watch = talk.watch(every=2)
    received = [await watch() for _ in range(4)]
    assert received == [TEXT, TEXT, TEXT, GONE]
    assert talk.looks == [start + 2]
    assert talk.sent == []


async def test_W107_the_message_that_came_too_late_does_not_pass(clock: FakeClock) -> None:
    talk = Talk(clock, TEXT, TEXT)
    talk.ends_at = clock() + 2
    watch = talk.watch(every=2)
    assert [await watch() for _ in range(3)] == [TEXT, ENDED, ENDED]
    assert talk.sent == [{**ENDED, "type": "websocket.close"}]


async def test_W107_it_ends_while_the_client_is_silent(clock: FakeClock) -> None:
    talk = Talk(clock)
    talk.ends_at = 0
    with anyio.fail_after(10):
        assert await talk.watch(every=0.01)() == ENDED


async def test_who_has_left_is_not_looked_at_again(clock: FakeClock) -> None:
    talk = Talk(clock, GONE)
    talk.ends_at = clock() + 1
    assert await talk.watch(every=1)() == GONE
    assert talk.looks == []


async def test_W107_the_end_of_the_credential_is_not_waited_past(clock: FakeClock) -> None:
    talk = Talk(clock, TEXT, TEXT)
    talk.ends_at = clock() + 2
    watch = talk.watch(every=600)
    assert [await watch() for _ in range(2)] == [TEXT, ENDED]
    assert talk.looks == [talk.ends_at]
