"""The range service, over real loopback HTTP."""

from __future__ import annotations

from collections import defaultdict
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.abc
import httpx
import pytest

from asgi_security.errors import ConfigError
from asgi_security.flows.breaches import BreachChecker
from asgi_security.policy.breaches import (
    BreachConfig,
    Breached,
    BreachUnavailable,
    NotBreached,
    split_digest,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import SocketStream

    from asgi_security.testing import FakeClock

pytestmark = pytest.mark.anyio

PASSWORD = "password"
PREFIX, SUFFIX = split_digest(PASSWORD)
OTHER = "0" * 35
LINES = f"{OTHER}:0\r\n{SUFFIX}:42\r\n".encode()
MEBIBYTE = 1_048_576


def answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", "connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Range:
    """A server that answers as it is told to, keeps what it is sent, and may be held."""

    def __init__(self) -> None:
        self.reply = answer(LINES)
        self.requests: list[bytes] = []
        self.url = ""
        self.held: anyio.Event | None = None
        self.arrived = anyio.Event()

    async def handle(self, stream: SocketStream) -> None:
        async with stream:
            request = b""
            while b"\r\n\r\n" not in request:
                request += await stream.receive()
            self.requests.append(request)
            self.arrived.set()
            if self.held is not None:
                await self.held.wait()
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):  # it left
                await stream.send(self.reply)

    @property
    def paths(self) -> list[str]:
        return [request.split(b" ")[1].decode() for request in self.requests]


@asynccontextmanager
async def serve() -> AsyncIterator[Range]:
    server = Range()
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 -- no Django
    server.url = f"http://127.0.0.1:{port}"
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, server.handle)
        yield server
        group.cancel_scope.cancel()


def make(server: Range, **fields: Any) -> BreachChecker:
    # Long enough for a busy machine: only the cases of time themselves have a short one.
    options = {"timeout_seconds": 30.0, "dangerously_allow_http": True, **fields}
    return BreachChecker(base_url=server.url, **options)


async def test_P72_P73_P6_what_is_sent_and_what_is_read() -> None:
    async with serve() as server:
        checker = make(server)
        assert await checker.check(PASSWORD) == Breached(42)
        server.reply = answer(f"{OTHER}:1\r\n".encode())
        assert await checker.check("correct horse battery") == NotBreached()
        request = server.requests[0].decode().lower()
        lines = request.split("\r\n")
        assert server.paths[0] == "/range/5BAA6"
        assert "add-padding: true" in lines
        assert "user-agent: asgi-security" in lines
        assert "cookie" not in request
        for part in (PASSWORD, SUFFIX.lower(), SUFFIX[:6].lower()):
            assert part not in request


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        pytest.param(answer(b"<html>nothing here</html>"), "malformed", id="P73 no valid line"),
        pytest.param(answer(b""), "malformed", id="P73 empty"),
        pytest.param(answer(LINES + b"\n" * MEBIBYTE), "too_long", id="P73 above 1 MiB"),
        pytest.param(answer(LINES, "404 Not Found"), "status", id="P74 404"),
        pytest.param(
            answer(LINES + b"\n" * MEBIBYTE, "404 Not Found"), "status", id="P74 404 above 1 MiB"
        ),
        pytest.param(
            answer(LINES, "404 Not Found", "content-encoding: gzip"), "status", id="P74 404 packed"
        ),
        pytest.param(answer(LINES, "503 Service Unavailable"), "status", id="P74 503"),
        pytest.param(answer(LINES, "429 Too Many Requests"), "status", id="P74 429"),
        pytest.param(
            answer(LINES, "302 Found", f"location: /range/{PREFIX}"), "redirect", id="P72 redirect"
        ),
        pytest.param(answer(LINES, "200 OK", "content-encoding: gzip"), "encoding", id="packed"),
        pytest.param(b"\x16\x03\x01 no HTTP at all\r\n\r\n", "network", id="garbage"),
        pytest.param(answer(LINES)[:-5], "network", id="cut off"),
        pytest.param(b"", "network", id="closed"),
    ],
)
async def test_P75_what_is_no_answer(reply: bytes, reason: str) -> None:
    async with serve() as server:
        checker = make(server)
        server.reply = reply
        assert await checker.check(PASSWORD) == BreachUnavailable(reason)
        assert len(server.requests) == 1


async def test_P73_a_mebibyte_is_still_read() -> None:
    async with serve() as server:
        server.reply = answer(LINES + b"\n" * (MEBIBYTE - len(LINES)))
        assert await make(server).check(PASSWORD) == Breached(42)


async def test_P75_nobody_listens() -> None:
    async with serve() as server:
        checker = make(server)
    assert await checker.check(PASSWORD) == BreachUnavailable("network")


async def test_P72_cookies_are_not_kept() -> None:
    async with serve() as server:
        server.reply = answer(LINES, "200 OK", "set-cookie: id=1; path=/")
        checker = make(server, cache_prefixes=0)
        await checker.check(PASSWORD)
        await checker.check(PASSWORD)
        assert len(server.requests) == 2
        assert b"cookie" not in server.requests[1].lower()


async def test_P74_a_service_that_hangs_costs_its_time_and_no_more() -> None:
    async with serve() as server:
        server.held = anyio.Event()
        checker = make(server, timeout_seconds=0.05)
        outcomes: list[Any] = []

        async def ask() -> None:
            outcomes.append(await checker.check(PASSWORD))

        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(ask)
        assert outcomes == [BreachUnavailable("timeout")] * 50
        assert len(server.requests) <= 1  # no one of them tried again behind the first


async def test_P74_who_came_later_does_not_try_again_what_timed_out() -> None:
    async with serve() as server:
        server.held = anyio.Event()
        checker = make(server, timeout_seconds=0.2)
        outcomes: list[Any] = []
        async with anyio.create_task_group() as group:
            group.start_soon(ask_into, checker, outcomes)
            await server.arrived.wait()
            group.start_soon(ask_into, checker, outcomes)
        assert outcomes == [BreachUnavailable("timeout")] * 2
        assert len(server.requests) == 1


async def test_P74_a_service_that_drips_is_bounded_as_a_whole() -> None:
    class Dripping(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:  # each piece comes in time, the whole never
                await anyio.sleep(0.001)
                yield b"\n"

    transport = httpx.MockTransport(lambda request: httpx.Response(200, stream=Dripping()))
    checker = BreachChecker(timeout_seconds=0.05, transport=transport)
    assert await checker.check(PASSWORD) == BreachUnavailable("timeout")


async def test_P74_a_timeout_of_the_transport_is_one_of_ours() -> None:
    def time_out(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectTimeout("", request=request)

    checker = BreachChecker(transport=httpx.MockTransport(time_out))
    assert await checker.check(PASSWORD) == BreachUnavailable("timeout")


async def ask_into(checker: BreachChecker, outcomes: list[Any]) -> None:
    outcomes.append(await checker.check(PASSWORD))


async def test_P74_fifty_at_once_are_one_request() -> None:
    async with serve() as server:
        server.held = anyio.Event()
        checker = make(server)
        outcomes: list[Any] = []
        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(ask_into, checker, outcomes)
            await server.arrived.wait()
            await anyio.wait_all_tasks_blocked()
            server.held.set()
        assert outcomes == [Breached(42)] * 50
        assert len(server.requests) == 1


async def test_P74_fifty_at_once_share_one_failure() -> None:
    async with serve() as server:
        server.reply = answer(b"", "404 Not Found")
        checker = make(server)
        outcomes: list[Any] = []
        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(ask_into, checker, outcomes)
        assert outcomes == [BreachUnavailable("status")] * 50
        assert len(server.requests) == 1


async def test_P74_the_leader_leaves_and_the_others_are_answered() -> None:
    async with serve() as server:
        server.held = anyio.Event()
        checker = make(server)
        outcomes: list[Any] = []
        left: list[Any] = []
        async with anyio.create_task_group() as group:
            async with anyio.create_task_group() as leading:
                leading.start_soon(ask_into, checker, left)
                await server.arrived.wait()
                for _ in range(49):
                    group.start_soon(ask_into, checker, outcomes)
                await anyio.wait_all_tasks_blocked()
                leading.cancel_scope.cancel()
            server.held.set()
        assert left == []
        assert outcomes == [Breached(42)] * 49
        assert len(server.requests) == 2


async def test_P74_no_flight_is_kept_once_all_have_landed() -> None:
    async with serve() as server:
        checker = make(server)
        await checker.check(PASSWORD)
        assert checker._flights.get() == {}


class Service:
    """A transport that stands for the service where it is the time that counts."""

    def __init__(self, clock: FakeClock, **fields: Any) -> None:
        self.asked: dict[str, int] = defaultdict(int)
        self.status = 200
        self.headers: dict[str, str] = {}
        self.checker = BreachChecker(
            clock=clock, transport=httpx.MockTransport(self.handle), **fields
        )

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.asked[request.url.path.rpartition("/")[2]] += 1
        return httpx.Response(self.status, headers=self.headers, stream=httpx.ByteStream(LINES))

    @property
    def total(self) -> int:
        return sum(self.asked.values())


async def test_P74_an_answer_is_kept_for_a_day(clock: FakeClock) -> None:
    service = Service(clock)
    for seconds, total in ((0, 1), (86_399, 1), (1, 2), (1, 2), (-100, 3)):
        clock.advance(seconds)
        assert await service.checker.check(PASSWORD) == Breached(42)
        assert service.total == total


async def test_P74_P6_128_answers_are_kept_those_used_last(clock: FakeClock) -> None:
    service = Service(clock)
    names: dict[str, str] = {}
    number = 0
    while len(names) < 128:
        names.setdefault(split_digest(str(number))[0], str(number))
        number += 1
    first, second, *_ = names.values()
    while split_digest(str(number))[0] in names:
        number += 1
    for name in (*names.values(), first, str(number)):
        await service.checker.check(name)
    assert service.total == 129
    await service.checker.check(first)
    assert service.total == 129
    await service.checker.check(second)
    assert service.total == 130


async def test_P74_failures_are_never_kept(clock: FakeClock) -> None:
    service = Service(clock)
    service.status = 404
    assert await service.checker.check(PASSWORD) == BreachUnavailable("status")
    service.status = 200
    assert await service.checker.check(PASSWORD) == Breached(42)


@pytest.mark.parametrize(
    ("status", "header", "seconds"),
    [
        pytest.param(429, "7", 7, id="P74 429"),
        pytest.param(503, "30", 30, id="P74 503"),
        pytest.param(500, None, 2, id="P74 500 without a word"),
        pytest.param(429, "3600", 60, id="P74 at most 60 s"),
    ],
)
async def test_a_pause(clock: FakeClock, status: int, header: str | None, seconds: int) -> None:
    service = Service(clock)
    assert await service.checker.check("known") == NotBreached()
    service.status = status
    service.headers = {"retry-after": header} if header else {}
    assert await service.checker.check(PASSWORD) == BreachUnavailable("status")
    service.status = 200
    clock.advance(seconds - 0.001)
    assert await service.checker.check(PASSWORD) == BreachUnavailable("paused")
    assert await service.checker.check("known") == NotBreached()  # it is in the cache
    assert service.total == 2
    clock.advance(0.001)
    assert await service.checker.check(PASSWORD) == Breached(42)


async def test_P74_a_clock_that_went_back_ends_a_pause(clock: FakeClock) -> None:
    service = Service(clock)
    service.status = 429
    await service.checker.check(PASSWORD)
    service.status = 200
    clock.advance(-1_000)
    assert await service.checker.check(PASSWORD) == Breached(42)


def test_P74_one_checker_serves_several_event_loops(clock: FakeClock) -> None:
    service = Service(clock, cache_prefixes=0)
    for backend in ("asyncio", "trio", "asyncio"):
        found = anyio.run(partial(service.checker.check, PASSWORD), backend=backend)
        assert found == Breached(42)
    assert service.total == 3


def test_P72_only_https() -> None:
    with pytest.raises(ConfigError, match="not encrypted"):
        BreachChecker(base_url="http://api.pwnedpasswords.com")


def test_a_configuration_or_its_fields() -> None:
    config = BreachConfig(user_agent="shop")
    assert BreachChecker(config).config is config
    assert BreachChecker(user_agent="shop").config == config
    with pytest.raises(TypeError, match="not both"):
        BreachChecker(config, user_agent="x")
