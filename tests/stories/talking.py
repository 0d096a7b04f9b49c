"""Opens WebSockets for sync tests, on an event loop of their own.

One thread does all of it: the client with threads of its own (websockets 17, sync) reads and writes
one TLS connection from two, and now and then waits for ever for what it has lost.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidMessage

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping

    from websockets.asyncio.client import ClientConnection
    from websockets.http11 import Response

OPEN_SECONDS = 10
ANSWER_SECONDS = 5
CLOSE_SECONDS = 2


class Socket:
    """An accepted WebSocket, for a test that does not wait itself."""

    def __init__(self, runner: asyncio.Runner, connection: ClientConnection) -> None:
        self._runner = runner
        self._connection = connection

    @property
    def response(self) -> Response:
        """The server's handshake."""
        response = self._connection.response
        assert response is not None
        return response

    def send(self, text: str) -> None:
        self._runner.run(self._connection.send(text))

    def receive(self) -> str | bytes:
        async def wait() -> str | bytes:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._connection.recv()

        return self._runner.run(wait())


@contextmanager
def open_socket(
    url: str, *, headers: Mapping[str, str], trust: ssl.SSLContext | None, handshakes: int
) -> Iterator[Socket]:
    """Open a WebSocket; a handshake that meets no answer at all is tried again."""

    async def open_one() -> ClientConnection:
        return await connect(
            url,
            additional_headers=headers,
            ssl=trust,
            proxy=None,
            open_timeout=OPEN_SECONDS,
            close_timeout=CLOSE_SECONDS,
        )

    with asyncio.Runner() as runner:
        for left in reversed(range(handshakes)):
            try:
                connection = runner.run(open_one())
                break
            except (InvalidMessage, OSError, EOFError, TimeoutError):
                if not left:
                    raise
        try:
            yield Socket(runner, connection)
        finally:
            runner.run(connection.close())
