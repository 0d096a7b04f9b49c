"""Random ASGI conversations, and a driver that plays one against an app without an event loop.

Nothing in a played conversation ever waits: `receive` answers at once, so that a failing example
shrinks to the shortest one, and says nothing about scheduling.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

if TYPE_CHECKING:
    from asgi_security.asgi.types import ASGIApp, Message, Receive, Scope, Send

HEADER_LISTS = st.lists(
    st.tuples(
        st.sampled_from([b"content-type", b"X-Upper", b"set-cookie", b"vary", b"cache-control"]),
        st.sampled_from([b"a", b"text/html", b"k=v; Path=/", b"Accept", b"public", b""]),
    ),
    max_size=4,
)

HTTP_MESSAGES: st.SearchStrategy[Message] = st.one_of(
    st.builds(
        lambda status, headers, trailers: {
            "type": "http.response.start",
            "status": status,
            "headers": headers,
            "trailers": trailers,
        },
        st.sampled_from([200, 204, 304, 404, 500, 503]),
        HEADER_LISTS,
        st.booleans(),
    ),
    st.builds(
        lambda body, more: {"type": "http.response.body", "body": body, "more_body": more},
        st.binary(max_size=5),
        st.booleans(),
    ),
    st.just({"type": "http.response.early_hint", "links": [b"</a>"]}),
    st.just({"type": "http.response.trailers", "headers": [(b"x-t", b"1")]}),
    st.just({"type": "http.response.pathsend", "path": "/file"}),
)

WEBSOCKET_MESSAGES: st.SearchStrategy[Message] = st.one_of(
    st.builds(
        lambda headers: {"type": "websocket.accept", "headers": headers, "subprotocol": "chat"},
        HEADER_LISTS,
    ),
    st.just({"type": "websocket.accept"}),
    st.builds(lambda text: {"type": "websocket.send", "text": text}, st.text(max_size=3)),
    st.just({"type": "websocket.close", "code": 1000}),
    st.builds(
        lambda headers: {
            "type": "websocket.http.response.start",
            "status": 403,
            "headers": headers,
        },
        HEADER_LISTS,
    ),
    st.just({"type": "websocket.http.response.body", "body": b"no"}),
)

ERRORS = st.sampled_from([LookupError, OSError, asyncio.CancelledError, KeyboardInterrupt])


@dataclass(frozen=True)
class Conversation:
    """What the client sends and what the app does, step by step."""

    kind: str
    incoming: tuple[Message, ...]
    steps: tuple[Message | type[BaseException] | None, ...]
    """A message to send, an error to raise, or None to receive."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    method: str = "GET"
    path: str = "/"
    denial: bool = True


def _conversations(
    kind: str, messages: st.SearchStrategy[Message], incoming: st.SearchStrategy[Message]
) -> st.SearchStrategy[Conversation]:
    steps = st.one_of(st.none(), messages, messages, ERRORS)
    return st.builds(
        Conversation,
        kind=st.just(kind),
        incoming=st.lists(incoming, max_size=3).map(tuple),
        steps=st.lists(steps, max_size=6).map(tuple),
        headers=st.lists(
            st.sampled_from(
                [
                    (b"origin", b"https://app.example.com"),
                    (b"origin", b"https://evil.test"),
                    (b"access-control-request-method", b"PUT"),
                    (b"cookie", b"session=junk; a=b"),
                    (b"authorization", b"Bearer junk"),
                    (b"x-forwarded-for", b"203.0.113.9"),
                ]
            ),
            max_size=3,
        ).map(tuple),
        method=st.sampled_from(["GET", "HEAD", "OPTIONS", "POST"]),
        path=st.sampled_from(["/", "/login", "/x"]),
        denial=st.booleans(),
    )


CONVERSATIONS = st.one_of(
    _conversations(
        "http",
        HTTP_MESSAGES,
        st.one_of(
            st.builds(
                lambda body, more: {"type": "http.request", "body": body, "more_body": more},
                st.sampled_from([b"", b"username=a&password=b", b"\xff"]),
                st.booleans(),
            ),
            st.just({"type": "http.disconnect"}),
        ),
    ),
    _conversations(
        "websocket",
        WEBSOCKET_MESSAGES,
        st.one_of(
            st.just({"type": "websocket.connect"}),
            st.just({"type": "websocket.receive", "text": "a"}),
            st.just({"type": "websocket.disconnect", "code": 1001}),
        ),
    ),
)


@dataclass
class Played:
    """What came of a conversation: what the server was sent, what the app saw, how it ended."""

    sent: list[Message] = field(default_factory=list)
    received: list[Message] = field(default_factory=list)
    called: bool = False
    ending: str = "returned"


def build_app(conversation: Conversation, played: Played) -> ASGIApp:
    """Build the app that does the conversation's steps."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        played.called = True
        for step in conversation.steps:
            if step is None:
                played.received.append(await receive())
            elif isinstance(step, type):
                raise step
            else:
                await send(step)

    return app


def build_server(conversation: Conversation, played: Played) -> tuple[Scope, Receive, Send]:
    """Build the scope, and the server's two ends."""
    incoming = list(conversation.incoming)
    gone = "http.disconnect" if conversation.kind == "http" else "websocket.disconnect"

    async def receive() -> Message:
        return incoming.pop(0) if incoming else {"type": gone}

    async def send(message: Message) -> None:
        played.sent.append(message)

    scope: dict[str, Any] = {
        "type": conversation.kind,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "https" if conversation.kind == "http" else "wss",
        "method": conversation.method,
        "path": conversation.path,
        "raw_path": conversation.path.encode(),
        "query_string": b"",
        "headers": list(conversation.headers),
        "client": ("203.0.113.7", 1),
        "server": ("testserver", 443),
        "extensions": {"websocket.http.response": {}} if conversation.denial else {},
    }
    return scope, receive, send
