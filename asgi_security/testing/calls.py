"""Calls an ASGI app as a server would, and shows what came back message by message."""

from __future__ import annotations

import json as jsonlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from asgi_security.asgi.types import ASGIApp, HeaderList, Message, Scope

    HeadersLike = Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]]


def _encode(text: str | bytes) -> bytes:
    return text.encode("latin-1") if isinstance(text, str) else text


def _encode_headers(headers: HeadersLike) -> HeaderList:
    pairs = headers.items() if hasattr(headers, "items") else headers
    return [(_encode(name).lower(), _encode(value)) for name, value in pairs]


def _values(headers: HeaderList, name: str) -> list[str]:
    wanted = name.lower().encode()
    return [value.decode("latin-1") for key, value in headers if bytes(key).lower() == wanted]


@dataclass
class Answered:
    """An HTTP response: its messages as sent, and the parts a test asks for."""

    messages: list[Message] = field(default_factory=list)
    error: Exception | None = None
    """What the app raised; only with `catch=True`."""

    def _start(self) -> Message:
        for message in self.messages:
            if message["type"].endswith("response.start"):
                return message
        raise AssertionError(f"no response was started: {self.messages}")

    @property
    def status(self) -> int:
        """The status code."""
        return int(self._start()["status"])

    @property
    def headers(self) -> HeaderList:
        """The field lines, in order."""
        return list(self._start().get("headers", ()))

    @property
    def body(self) -> bytes:
        """All body messages joined."""
        return b"".join(
            message.get("body", b"")
            for message in self.messages
            if message["type"].endswith("response.body")
        )

    def values(self, name: str) -> list[str]:
        """Return every value of a header, in order."""
        return _values(self.headers, name)

    def value(self, name: str) -> str | None:
        """Return the only value of a header, or None; more than one is a failure."""
        values = self.values(name)
        if len(values) > 1:
            raise AssertionError(f"{name} stands {len(values)} times: {values}")
        return values[0] if values else None

    def json(self) -> Any:
        """Return the body, decoded as JSON."""
        return jsonlib.loads(self.body)


@dataclass
class WebSocketAnswered(Answered):
    """What became of a WebSocket: accepted, closed, or denied with a response."""

    @property
    def accept(self) -> Message | None:
        """The accept message, or None."""
        return next((m for m in self.messages if m["type"] == "websocket.accept"), None)

    @property
    def accepted(self) -> bool:
        """Whether the app accepted."""
        return self.accept is not None

    @property
    def close_code(self) -> int | None:
        """The code of the close message, or None."""
        for message in self.messages:
            if message["type"] == "websocket.close":
                return int(message.get("code", 1000))
        return None

    def accept_values(self, name: str) -> list[str]:
        """Return every value of a header of the accept message."""
        return _values(list((self.accept or {}).get("headers") or ()), name)


def _build_scope(kind: str, target: str, headers: HeadersLike, extra: Mapping[str, Any]) -> Scope:
    path, _, query = target.partition("?")
    return {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": _encode_headers(headers),
        "client": ("203.0.113.7", 50000),
        "server": ("testserver", 443),
        "extensions": {},
        "state": {},
        **extra,
    }


async def call(
    app: ASGIApp,
    method: str = "GET",
    target: str = "/",
    *,
    headers: HeadersLike = (),
    body: bytes | Sequence[bytes] = b"",
    json: Any = None,
    scheme: str = "https",
    catch: bool = False,
    **scope: Any,
) -> Answered:
    """Send one HTTP request; `body` as a sequence comes in that many messages.

    With `catch`, an `Exception` of the app is kept in `error` (the response is kept too); without,
    it is raised. Further keywords go into the scope.
    """
    lines = _encode_headers(headers)
    if json is not None:
        body = jsonlib.dumps(json).encode()
        lines.append((b"content-type", b"application/json"))
    chunks = [body] if isinstance(body, bytes) else list(body)
    incoming: list[Message] = [
        {"type": "http.request", "body": chunk, "more_body": index < len(chunks) - 1}
        for index, chunk in enumerate(chunks)
    ]
    answered = Answered()

    async def receive() -> Message:
        return incoming.pop(0) if incoming else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        answered.messages.append(message)

    made = _build_scope("http", target, lines, {"method": method, "scheme": scheme, **scope})
    try:
        await app(made, receive, send)
    except Exception as error:
        if not catch:
            raise
        answered.error = error
    return answered


async def connect_websocket(
    app: ASGIApp,
    target: str = "/",
    *,
    headers: HeadersLike = (),
    received: Sequence[Message] = (),
    denial: bool = True,
    scheme: str = "wss",
    subprotocols: Sequence[str] = (),
    **scope: Any,
) -> WebSocketAnswered:
    """Open one WebSocket, feed it `received` and then a disconnect.

    `denial` tells whether the server offers the denial response extension.
    """
    incoming: list[Message] = [{"type": "websocket.connect"}, *received]
    answered = WebSocketAnswered()

    async def receive() -> Message:
        return incoming.pop(0) if incoming else {"type": "websocket.disconnect", "code": 1005}

    async def send(message: Message) -> None:
        answered.messages.append(message)

    extensions: dict[str, Any] = {"websocket.http.response": {}} if denial else {}
    extra = {"scheme": scheme, "subprotocols": list(subprotocols), "extensions": extensions}
    await app(_build_scope("websocket", target, headers, {**extra, **scope}), receive, send)
    return answered
