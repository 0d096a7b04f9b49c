"""Ends a WebSocket when the credential that opened it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asgi_security.asgi.layers import Exchange
    from asgi_security.asgi.types import Message
    from asgi_security.clock import Clock


@dataclass(frozen=True, slots=True)
class Ending:
    """How a WebSocket is closed: a close code (RFC 6455 section 7.4) and a reason."""

    code: int
    reason: str


class Watch:
    """Receives for an app on a WebSocket, and ends it when its credential does.

    Such a layer sends: the connection must close although the app may never look up again, and
    there is no message by which a layer could ask the engine to. An app that only sends and never
    receives is not stopped; it would not notice a disconnect either.

    Args:
        exchange: of the WebSocket; the watch takes the place of its `receive`.
        recheck: given the time, returns until when the credential is good, or the ending.
        every: seconds from one look to the next.
        ends_at: until when the credential is good as far as is known.
        clock: the time.
    """

    def __init__(
        self,
        exchange: Exchange,
        recheck: Callable[[float], Awaitable[float | Ending]],
        *,
        every: float,
        ends_at: float,
        clock: Clock,
    ) -> None:
        self._send = exchange.send
        self._receive = exchange.receive
        self._recheck = recheck
        self._every = every
        self._due_at = min(clock() + every, ends_at)
        self._clock = clock
        self._closed: Message | None = None

    async def __call__(self) -> Message:
        """Return the app's next message, or its disconnect when the credential has ended."""
        from anyio import move_on_after  # noqa: PLC0415 -- only who watches waits

        message: Message | None = None
        while self._closed is None:
            if message is not None and message["type"] == "websocket.disconnect":
                return message
            now = self._clock()
            if now >= self._due_at:
                found = await self._recheck(now)
                if isinstance(found, Ending):
                    return await self._close(found)
                self._due_at = min(now + self._every, found)
            if message is not None:
                return message
            with move_on_after(self._due_at - now):
                message = await self._receive()
        return self._closed

    async def _close(self, ending: Ending) -> Message:
        self._closed = {
            "type": "websocket.disconnect",
            "code": ending.code,
            "reason": ending.reason,
        }
        await self._send({**self._closed, "type": "websocket.close"})
        return self._closed
