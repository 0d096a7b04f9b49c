"""An introspection endpoint over real loopback HTTP, for the tests of all who ask one."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import anyio
import anyio.abc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import SocketStream

CLIENT_SECRET = "the:client's secret"


def answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", "connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def active(**members: Any) -> bytes:
    return answer(json.dumps({"active": True, "sub": "ada", **members}).encode())


INACTIVE = answer(b'{"active": false}')


class Endpoint:
    """A server that answers as it is told to, keeps what it is sent, and may be held."""

    def __init__(self) -> None:
        self.reply = active()
        self.replies: dict[str, bytes] = {}
        self.requests: list[bytes] = []
        self.url = ""
        self.held: anyio.Event | None = None
        self.arrived = anyio.Event()

    async def handle(self, stream: SocketStream) -> None:
        # Whoever asked may have left meanwhile.
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream):
            async with stream:
                request = await _receive_request(stream)
                self.requests.append(request)
                self.arrived.set()
                if self.held is not None:
                    await self.held.wait()
                await stream.send(self.replies.get(self.tokens[-1], self.reply))

    @property
    def tokens(self) -> list[str]:
        forms = (parse_qs(one.partition(b"\r\n\r\n")[2].decode()) for one in self.requests)
        return [form["token"][0] for form in forms]

    def configure(self, **fields: Any) -> dict[str, Any]:
        # Long enough for a busy machine: only the cases of time themselves have a short one.
        return {
            "url": self.url,
            "client_id": "api",
            "client_secret": CLIENT_SECRET,
            "timeout_seconds": 30,
            **fields,
        }


async def _receive_request(stream: SocketStream) -> bytes:
    request = b""
    while b"\r\n\r\n" not in request:
        request += await stream.receive()
    head, _, body = request.partition(b"\r\n\r\n")
    length = next(
        int(line.partition(b":")[2])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    )
    while len(body) < length:
        body += await stream.receive()
    return head + b"\r\n\r\n" + body


@asynccontextmanager
async def serve() -> AsyncIterator[Endpoint]:
    endpoint = Endpoint()
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 -- no Django
    endpoint.url = f"http://127.0.0.1:{port}/introspect"
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, endpoint.handle)
        yield endpoint
        group.cancel_scope.cancel()
