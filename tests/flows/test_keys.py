"""Published keys, over real loopback HTTP."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import anyio.abc
import anyio.lowlevel
import pytest

from asgi_security.flows.keys import PublishedKeys
from asgi_security.policy.jwt import JwtConfig
from tests.token_samples import NOW, SECRET, b64, public_jwk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import SocketStream

    from asgi_security.testing import EventRecorder

pytestmark = pytest.mark.anyio


def answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", "connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def jwks(*kids: str, kind: str = "EC") -> bytes:
    return answer(json.dumps({"keys": [public_jwk(kind, kid=kid) for kid in kids]}).encode())


class Issuer:
    """An HTTP server that answers as it is told to, and counts."""

    def __init__(self) -> None:
        self.reply = jwks("a")
        self.requests: list[bytes] = []
        self.hangs = False
        self.url = ""

    async def handle(self, stream: SocketStream) -> None:
        async with stream:
            request = b""
            while b"\r\n\r\n" not in request:
                request += await stream.receive()
            self.requests.append(request)
            if self.hangs:
                await anyio.sleep_forever()
            await stream.send(self.reply)


@asynccontextmanager
async def serve() -> AsyncIterator[Issuer]:
    issuer = Issuer()
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 -- no Django
    issuer.url = f"http://127.0.0.1:{port}/jwks.json"
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, issuer.handle)
        yield issuer
        group.cancel_scope.cancel()


class Keys(PublishedKeys):
    """Counts the changes it reports."""

    changes = 0


def make(issuer: Issuer, events: EventRecorder, **fields: Any) -> Keys:
    config = JwtConfig(jwks_url=issuer.url, **fields)

    def count() -> None:
        keys.changes += 1

    keys = Keys(issuer.url, config, events=events, on_change=count)
    return keys


def ids(ring: Any) -> list[str | None] | None:
    return None if ring is None else [key.key_id for key in ring.keys]


async def test_J60_a_hundred_requests_at_once_fetch_once(events: EventRecorder) -> None:
    async with serve() as issuer:
        keys = make(issuer, events)
        assert keys.get_ring(NOW) is None
        rings = []

        async def load() -> None:
            rings.append(await keys.load(NOW))

        async with anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(load)
        assert len(issuer.requests) == 1
        assert [ids(ring) for ring in rings] == [["a"]] * 100
        assert keys.get_ring(NOW) is rings[0]
        assert keys.changes == 1
        assert events.names == ["jwks_changed"]
        assert issuer.requests[0].lower().count(b"accept-encoding: identity") == 1


async def test_J60_a_hundred_requests_at_once_fail_once(events: EventRecorder) -> None:
    async with serve() as issuer:
        issuer.reply = answer(b"", "500 No")
        keys = make(issuer, events)

        async def load() -> None:
            assert await keys.load(NOW) is None

        async with anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(load)
        assert await keys.load(NOW + 9.9) is None  # the timeout and a pause
        assert len(issuer.requests) == 1
        issuer.reply = jwks("a")
        assert ids(await keys.load(NOW + 10)) == ["a"]


async def test_J60_unknown_key_ids_fetch_once_per_cooldown(events: EventRecorder) -> None:
    async with serve() as issuer:
        keys = make(issuer, events, jwks_cooldown_seconds=30)
        await keys.load(NOW)
        assert not keys.may_look_again(NOW + 29)
        for second in range(30):
            assert ids(await keys.look_again(NOW + second)) == ["a"]
        assert len(issuer.requests) == 1
        issuer.reply = jwks("a", "b")
        assert keys.may_look_again(NOW + 30)
        for _ in range(100):
            assert ids(await keys.look_again(NOW + 30)) == ["a", "b"]
        assert len(issuer.requests) == 2


async def test_J61_a_withdrawn_key_is_gone_after_its_time(events: EventRecorder) -> None:
    async with serve() as issuer:
        keys = make(issuer, events, jwks_ttl_seconds=600)
        await keys.load(NOW)
        issuer.reply = jwks("b")
        assert ids(keys.get_ring(NOW + 599)) == ["a"]
        assert keys.get_ring(NOW + 600) is None
        assert ids(await keys.load(NOW + 600)) == ["b"]
        assert keys.changes == 2


async def test_the_same_set_again_changes_nothing(events: EventRecorder) -> None:
    async with serve() as issuer:
        keys = make(issuer, events)
        first = await keys.load(NOW)
        assert await keys.load(NOW + 600) is first
        assert len(issuer.requests) == 2
        assert keys.changes == 1


async def test_a_clock_that_went_back_fetches_anew(events: EventRecorder) -> None:
    async with serve() as issuer:
        keys = make(issuer, events)
        await keys.load(NOW)
        assert keys.get_ring(NOW - 1) is None
        assert keys.may_look_again(NOW - 1)
        assert ids(await keys.load(NOW - 1)) == ["a"]


BAD = [
    pytest.param(answer(b"", "500 No"), "status", id="J60 an error"),
    pytest.param(answer(b"", "204 Empty"), "status", id="J60 another success"),
    pytest.param(
        answer(b"", "302 Found", "location: https://evil.test/"), "redirect", id="J60 redirect"
    ),
    pytest.param(answer(b"x" * 2000), "too_long", id="J60 too long"),
    pytest.param(answer(b"x" * 2000, "500 No"), "status", id="J60 a long error page"),
    pytest.param(
        answer(b"x", "500 No", "content-encoding: gzip"), "status", id="J60 a compressed one"
    ),
    pytest.param(
        answer(b"{}", "200 OK", "content-encoding: gzip"), "encoding", id="J60 compressed"
    ),
    pytest.param(answer(b"[]"), "no_usable_key", id="J60 not an object"),
    pytest.param(answer(b"{" * 1000), "no_usable_key", id="J60 no JSON"),
    pytest.param(answer(b'{"keys": []}'), "no_usable_key", id="J60 no key"),
    pytest.param(answer(b'{"keys": 7}'), "no_usable_key", id="J60 no set"),
    pytest.param(
        answer(json.dumps({"keys": [{"kty": "oct", "k": b64(SECRET)}]}).encode()),
        "no_usable_key",
        id="J60 a published secret",
    ),
    pytest.param(b"not HTTP at all\r\n\r\n", "network", id="J60 no HTTP"),
    pytest.param(b"", "network", id="J60 hung up"),
]


@pytest.mark.parametrize(("reply", "reason"), BAD)
async def test_a_bad_answer_keeps_the_old_set_for_a_while(
    reply: bytes, reason: str, events: EventRecorder
) -> None:
    async with serve() as issuer:
        keys = make(issuer, events, jwks_max_stale_seconds=100, jwks_max_bytes=1000)
        assert ids(await keys.load(NOW)) == ["a"]
        issuer.reply = reply
        assert ids(await keys.load(NOW + 600)) == ["a"]
        assert ids(await keys.load(NOW + 601)) == ["a"]
        assert len(issuer.requests) == 2  # not once per request while it fails
        assert ids(await keys.load(NOW + 690)) == ["a"]
        assert await keys.load(NOW + 700) is None  # bounded
        failures = [event for event in events.events if event.name == "jwks_unavailable"]
        assert {str(event.facts["reason"]) for event in failures} == {reason}
        assert issuer.url not in str(events.events)
        assert keys.changes == 1


async def test_J60_a_bad_member_is_skipped(events: EventRecorder) -> None:
    async with serve() as issuer:
        members = [{"kty": "RSA", "n": 7}, "x", public_jwk("EC", kid="good")]
        issuer.reply = answer(json.dumps({"keys": members}).encode())
        assert ids(await make(issuer, events).load(NOW)) == ["good"]


async def test_J60_a_server_that_never_answers_is_given_up(events: EventRecorder) -> None:
    async with serve() as issuer:
        issuer.hangs = True
        keys = make(issuer, events, jwks_timeout_seconds=0.05)
        assert await keys.load(NOW) is None
        assert events.events[0].facts["reason"] in {"timeout", "network"}


async def test_no_server_at_all(events: EventRecorder) -> None:
    async with serve() as issuer:
        pass
    assert await make(issuer, events).load(NOW) is None
    assert events.events[0].facts == {"reason": "network", "kept": False}


async def test_a_cancelled_fetch_is_taken_over_by_the_next(events: EventRecorder) -> None:
    async with serve() as issuer:
        keys = make(issuer, events)
        issuer.hangs = True
        rings: list[Any] = []

        async def load() -> None:
            rings.append(await keys.load(NOW))

        async with anyio.create_task_group() as group:
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as first:
                    first.start_soon(load)
                    while not issuer.requests:
                        await anyio.lowlevel.checkpoint()
                    group.start_soon(load)
                    await anyio.lowlevel.checkpoint()
                    issuer.hangs = False
                    scope.cancel()
        assert [ids(ring) for ring in rings] == [["a"]]
        assert len(issuer.requests) == 2


def test_one_object_serves_several_event_loops(events: EventRecorder) -> None:
    rings: list[Any] = []

    async def run(keys: list[Keys]) -> None:
        async with serve() as issuer:
            if not keys:
                keys.append(make(issuer, events))
            keys[0]._url = issuer.url
            rings.append(ids(await keys[0].load(NOW + 600 * len(rings))))

    keys: list[Keys] = []
    for backend in ("asyncio", "trio", "asyncio"):
        anyio.run(run, keys, backend=backend)
    assert rings == [["a"]] * 3
