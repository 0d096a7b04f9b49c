"""The real guards under random conversations: fused and nested are one, and nothing is unbounded.

A conversation may begin in the middle, end early, fail or be cancelled. Whatever a client sends,
no guard answers with a 5xx of its own making.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security import (
    ClientMiddleware,
    CorsMiddleware,
    CsrfMiddleware,
    HostsMiddleware,
    IntrospectionMiddleware,
    JwtMiddleware,
    LockoutMiddleware,
    MemoryStore,
    SecurityHeadersMiddleware,
    SessionMiddleware,
)
from asgi_security.events import discard_event
from asgi_security.middleware.api_keys import ApiKeyMiddleware
from asgi_security.testing import FakeClock, SeededEntropy, call
from tests.asgi.conversations import CONVERSATIONS, Played, build_app, build_server

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from asgi_security.asgi.pipeline import Pipeline
    from asgi_security.asgi.types import ASGIApp, Receive, Scope, Send
    from tests.asgi.conversations import Conversation

SECRET = "s" * 32
ORIGIN = "https://app.example.com"


def refuse(_: httpx.Request) -> httpx.Response:
    """Answer that a token is not active."""
    return httpx.Response(200, stream=httpx.ByteStream(b'{"active": false}'))


def build_guards() -> dict[type[Pipeline], dict[str, Any]]:
    """Build the arguments of every guard, with a world of their own."""
    quiet = {"events": discard_event}
    world = {**quiet, "clock": FakeClock(), "entropy": SeededEntropy()}
    return {
        SecurityHeadersMiddleware: quiet,
        HostsMiddleware: {"allow_hosts": ["testserver"], **quiet},
        ClientMiddleware: {"trusted_proxies": ["203.0.113.0/24"], **quiet},
        CorsMiddleware: {"allow_origins": [ORIGIN], "allow_credentials": True, **quiet},
        CsrfMiddleware: {"isolate_resources": True, **quiet},
        LockoutMiddleware: {"attempts": MemoryStore(), "outcome": "api", **world},
        SessionMiddleware: {"secret": SECRET, "cookie_name": "session", **world},
        IntrospectionMiddleware: {
            "url": "https://as.test/",
            "client_id": "api",
            "client_secret": SECRET,
            "optional": True,
            "transport": httpx.MockTransport(refuse),
            "clock": FakeClock(),
            **quiet,
        },
        JwtMiddleware: {"secret": SECRET, "optional": True, "clock": FakeClock(), **quiet},
        ApiKeyMiddleware: {"secret": SECRET, "store": MemoryStore(), "clock": FakeClock(), **quiet},
    }


GUARDS = tuple(build_guards())
# A subclass is never fused: the same guards, each with a pipeline of its own.
NESTED = {guard: type(f"Nested{guard.__name__}", (guard,), {}) for guard in GUARDS}


def wrap(app: ASGIApp, guards: Sequence[type[Pipeline]], *, fused: bool) -> ASGIApp:
    arguments = build_guards()
    for guard in reversed(guards):
        kind: Callable[..., Pipeline] = guard if fused else NESTED[guard]
        app = kind(app, **arguments[guard])
    return app


def play(conversation: Conversation, guards: Sequence[type[Pipeline]], *, fused: bool) -> Played:
    played = Played()
    app = wrap(build_app(conversation, played), guards, fused=fused)

    async def drive() -> None:
        try:
            await app(*build_server(conversation, played))
        except BaseException as error:  # noqa: BLE001 -- how it ended is what is compared
            played.ending = type(error).__name__

    asyncio.run(drive())
    return played


SUBSETS = st.lists(st.sampled_from(GUARDS), unique=True, max_size=len(GUARDS))


@settings(max_examples=250, deadline=None)
@given(CONVERSATIONS, SUBSETS)
def test_fused_and_nested_guards_are_the_same(
    conversation: Conversation, guards: list[type[Pipeline]]
) -> None:
    assert play(conversation, guards, fused=True) == play(conversation, guards, fused=False)


@settings(max_examples=250, deadline=None)
@given(CONVERSATIONS, SUBSETS)
def test_no_guard_fails_on_what_a_client_sends(
    conversation: Conversation, guards: list[type[Pipeline]]
) -> None:
    played = play(conversation, guards, fused=True)
    own = {step.__name__ for step in conversation.steps if isinstance(step, type)}
    assert played.ending in {"returned", *own}
    if not played.called:
        assert all(message.get("status", 200) < 500 for message in played.sent)
        assert len(played.sent) <= 2


@settings(max_examples=150, deadline=None)
@given(CONVERSATIONS)
def test_guards_that_let_pass_keep_every_message_of_the_app(conversation: Conversation) -> None:
    guards = [SecurityHeadersMiddleware, CorsMiddleware, SessionMiddleware]
    ours = play(conversation, guards, fused=True)
    bare = play(conversation, [], fused=True)
    if not ours.called:
        return
    assert ours.received == bare.received
    assert ours.ending == bare.ending
    assert len(ours.sent) >= len(bare.sent)
    for mine, theirs in zip(ours.sent, bare.sent, strict=False):
        if mine is theirs:
            continue
        assert mine["type"] == theirs["type"]
        names = [name for name, _ in mine["headers"]]
        for name, value in theirs.get("headers", ()):
            if name.lower() not in {b"cache-control", b"vary"}:
                assert (name.lower(), value) in mine["headers"]
        assert names.count(b"set-cookie") >= sum(
            name == b"set-cookie" for name, _ in theirs.get("headers", ())
        )


PAIRS = [(outer, inner) for outer in GUARDS for inner in GUARDS if outer is not inner]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("outer", "inner"), PAIRS, ids=[f"{a.__name__}-{b.__name__}" for a, b in PAIRS]
)
async def test_every_pair_answers_the_same_fused_and_nested(
    outer: type[Pipeline], inner: type[Pipeline]
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/crash":
            raise LookupError
        if "session" in scope and scope["path"] == "/write":
            scope["session"]["a"] = 1
        await send({"type": "http.response.start", "status": 401, "headers": [(b"vary", b"A")]})
        await send({"type": "http.response.body", "body": b"x"})

    requests: list[tuple[str, str, dict[str, str]]] = [
        ("GET", "/", {}),
        ("GET", "/crash", {"origin": ORIGIN}),
        ("GET", "/write", {"origin": "https://evil.test"}),
        ("OPTIONS", "/", {"origin": ORIGIN, "access-control-request-method": "GET"}),
        ("OPTIONS", "/", {"origin": "https://evil.test", "access-control-request-method": "GET"}),
        ("POST", "/login", {"content-type": "application/x-www-form-urlencoded"}),
        ("GET", "/", {"authorization": "Bearer a.b.c", "x-forwarded-for": "198.51.100.1"}),
        ("GET", "/", {"cookie": "session=junk", "sec-fetch-site": "cross-site"}),
    ]
    fused, nested = (wrap(app, [outer, inner], fused=way) for way in (True, False))
    for host in ("testserver", "evil.test"):
        for method, target, headers in requests:
            sent = {"host": host, **headers}
            first, second = [
                await call(guarded, method, target, headers=sent, body=b"username=a", catch=True)
                for guarded in (fused, nested)
            ]
            assert first.messages == second.messages
            assert type(first.error) is type(second.error)
