"""The story's routes as a bare ASGI app: no framework at all."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from tests.stories.apps import scenery
from tests.stories.apps.scenery import SCENERY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from asgi_security.asgi.types import ASGIApp, Header, Receive, Scope, Send

PLAIN = b"text/plain; charset=utf-8"


class Exchange:
    """One request in hand, with as much comfort as thirty lines can give."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self._receive = receive
        self._send = send

    async def read(self) -> bytes:
        body = b""
        more = True
        while more:
            message = await self._receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        return body

    async def start(
        self, status: int, content_type: bytes, more: Sequence[Header] = (), *, length: int = -1
    ) -> None:
        headers = [(b"content-type", content_type), *more]
        if length >= 0:
            headers.append((b"content-length", b"%d" % length))
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def push(self, body: bytes, *, more: bool = False) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def answer(
        self,
        body: bytes,
        *,
        status: int = 200,
        content_type: bytes = PLAIN,
        more: Sequence[Header] = (),
    ) -> None:
        await self.start(status, content_type, more, length=len(body))
        await self.push(b"" if self.method == "HEAD" else body)

    async def answer_json(self, value: Any, *, status: int = 200) -> None:
        body = json.dumps(value).encode()
        await self.answer(body, status=status, content_type=b"application/json")

    async def stream(self, chunks: AsyncIterator[bytes], content_type: bytes) -> None:
        await self.start(200, content_type)
        async for chunk in chunks:
            await self.push(chunk, more=True)
        await self.push(b"")


async def serve_http(exchange: Exchange) -> None:
    match exchange.path:
        case "/hello":
            await exchange.answer(scenery.HELLO.encode())
        case "/json":
            await exchange.answer_json(scenery.JSON)
        case "/stream":
            await exchange.stream(scenery.stream_chunks(), PLAIN)
        case "/sse":
            await exchange.stream(scenery.stream_events(), b"text/event-stream")
        case "/file":
            await exchange.answer(scenery.FILE.read_bytes())
        case "/echo":
            await exchange.answer(await exchange.read(), content_type=b"application/octet-stream")
        case "/cookies":
            pairs = [f"{name}={value}".encode() for name, value in scenery.COOKIES]
            await exchange.answer(b"cookies", more=[(b"set-cookie", pair) for pair in pairs])
        case "/raise":
            raise scenery.DeliberateError("deliberate")
        case "/background":
            await exchange.answer(b"soon")
            await SCENERY.run_background()
        case _:
            await serve_guarded(exchange)


async def serve_guarded(exchange: Exchange) -> None:
    match exchange.path:
        case "/session/read":
            await exchange.answer_json(scenery.read_session())
        case "/session/write":
            scenery.write_session((await exchange.read()).decode())
            await exchange.answer_json({"written": True})
        case "/whoami":
            await exchange.answer(scenery.describe_principal().encode())
        case "/login":
            form = parse_qs((await exchange.read()).decode())
            if SCENERY.try_login(form["username"][0], form["password"][0]):
                await exchange.answer_json(scenery.RIGHT)
            else:
                await exchange.answer_json(scenery.WRONG, status=401)
        case _:
            await exchange.answer(b"no such page", status=404)


async def talk(scope: Scope, receive: Receive, send: Send) -> None:
    SCENERY.sockets += 1
    await receive()
    if scope["path"] == "/ws/denied":
        await send({"type": "websocket.http.response.start", "status": 403, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b"denied"})
        return
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def live(receive: Receive, send: Send) -> None:
    await receive()
    SCENERY.start()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    SCENERY.stop()
    await send({"type": "lifespan.shutdown.complete"})


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await live(receive, send)
    elif scope["type"] == "websocket":
        await talk(scope, receive, send)
    else:
        await serve_http(Exchange(scope, receive, send))


def build() -> ASGIApp:
    return app
