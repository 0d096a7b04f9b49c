"""Requests to others: bounded, never led elsewhere, and one for all who wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from asgi_security.flows.fetching import Fetcher, FetchFailedError, Together
from tests.flows.oauth_world import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("discovery_slow", "timeout"),
        ("discovery_redirect", "redirect"),
        ("discovery_300", "redirect"),
        ("discovery_304", "redirect"),
        ("discovery_huge", "too_long"),
        ("discovery_gzip", "encoding"),
    ],
)
async def test_X114_what_is_not_read(fault: str, reason: str) -> None:
    for reads_refusals in (False, True):
        fetcher = Fetcher(timeout_seconds=0.5, max_bytes=262_144, reads_refusals=reads_refusals)
        with pytest.raises(FetchFailedError, match=f"^{reason}$"):
            await fetcher.get(f"{World(fault).issuer}/.well-known/openid-configuration")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "http://["])
async def test_X114_nobody_there(url: str) -> None:
    fetcher = Fetcher(timeout_seconds=5, max_bytes=1024)
    with pytest.raises(FetchFailedError, match="network"):
        await fetcher.get(url)


async def test_a_refusal_is_an_answer() -> None:
    fetcher = Fetcher(timeout_seconds=5, max_bytes=1024, reads_refusals=True)
    answer = await fetcher.get(f"{World('userinfo_503').issuer}/userinfo", token="t")
    assert (answer.status, answer.body) == (503, b"no")
    assert repr(answer) == "Fetched(status=503)"
    refused = await fetcher.post(f"{World().issuer}/token", body=b"a=b", headers={})
    assert refused.status == 400
    assert b"error" in refused.body


async def test_the_bound_is_exact() -> None:
    url = f"{World().issuer}/.well-known/openid-configuration"
    size = len((await Fetcher(timeout_seconds=5, max_bytes=9999).get(url)).body)
    await Fetcher(timeout_seconds=5, max_bytes=size).get(url)
    with pytest.raises(FetchFailedError, match="too_long"):
        await Fetcher(timeout_seconds=5, max_bytes=size - 1).get(url)


class Dripping(httpx.AsyncByteStream):
    """A byte, and another, for ever."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            await anyio.sleep(0.001)
            yield b"\n"


class Peer:
    """A transport that answers the same each time, and keeps what it is sent."""

    def __init__(self, status: int = 200, **headers: str) -> None:
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.stream: httpx.AsyncByteStream = httpx.ByteStream(b"four")
        self.requests: list[httpx.Request] = []

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(self.status, headers=self.headers, stream=self.stream)

    def build(
        self,
        *,
        timeout_seconds: float = 30,
        max_bytes: int = 3,
        reads_refusals: bool = False,
        headers: dict[str, str] | None = None,
    ) -> Fetcher:
        return Fetcher(
            timeout_seconds=timeout_seconds,
            max_bytes=max_bytes,
            reads_refusals=reads_refusals,
            headers=headers,
            transport=httpx.MockTransport(self.handle),
        )


@pytest.mark.parametrize("status", [201, 204, 206, 400, 404, 429, 500, 503])
async def test_another_status_alone_decides(status: int) -> None:
    peer = Peer(status, content_encoding="gzip", retry_after="7")
    peer.stream = Dripping()  # who read it would not come back in time
    answer = await peer.build(timeout_seconds=5).get("https://peer.test/")
    assert (answer.status, answer.body) == (status, b"")
    assert answer.headers["Retry-After"] == "7"


async def test_what_a_refusal_says_is_read_within_the_same_bounds() -> None:
    long = Peer(400).build(reads_refusals=True)
    with pytest.raises(FetchFailedError, match="too_long"):
        await long.get("https://peer.test/")
    packed = Peer(400, content_encoding="gzip").build(max_bytes=4, reads_refusals=True)
    with pytest.raises(FetchFailedError, match="encoding"):
        await packed.get("https://peer.test/")
    read = await Peer(400).build(max_bytes=4, reads_refusals=True).get("https://peer.test/")
    assert read.body == b"four"


async def test_a_body_that_drips_is_bounded_as_a_whole() -> None:
    peer = Peer()
    peer.stream = Dripping()
    with pytest.raises(FetchFailedError, match="timeout"):
        await peer.build(timeout_seconds=0.05, max_bytes=1000).get("https://peer.test/")


async def test_a_timeout_of_the_transport_is_one_of_ours() -> None:
    def time_out(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectTimeout("", request=request)

    fetcher = Fetcher(timeout_seconds=5, max_bytes=9, transport=httpx.MockTransport(time_out))
    with pytest.raises(FetchFailedError, match="timeout"):
        await fetcher.get("https://peer.test/")


async def test_what_is_sent() -> None:
    peer = Peer(set_cookie="id=1; path=/")
    fetcher = peer.build(max_bytes=4, headers={"accept": "text/plain", "x-more": "1"})
    await fetcher.get("https://peer.test/", token="t")
    await fetcher.post("https://peer.test/", body=b"a=b", headers={"accept": "text/html"})
    got, posted = peer.requests
    assert (got.method, posted.method, await posted.aread()) == ("GET", "POST", b"a=b")
    assert (got.headers["authorization"], got.headers["accept"]) == ("Bearer t", "text/plain")
    assert posted.headers["accept"] == "text/html"
    for request in peer.requests:
        assert request.headers["x-more"] == "1"
        assert request.headers["accept-encoding"] == "identity"
        assert request.headers["user-agent"] == "asgi-security"
        assert "cookie" not in request.headers
    assert "authorization" not in posted.headers  # that was of one request
    await peer.build(max_bytes=4).get("https://peer.test/")
    assert peer.requests[2].headers["accept"] == "application/json"


async def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"{World().issuer}/.well-known/openid-configuration"
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert (await Fetcher(timeout_seconds=5, max_bytes=9999).get(url)).status == 200


async def test_the_bundle_of_certificates_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    create = httpx.create_ssl_context

    def count(**options: Any) -> object:
        made.append(create(**options))
        return made[-1]

    url = f"{World().issuer}/.well-known/openid-configuration"
    fetcher = Fetcher(timeout_seconds=5, max_bytes=9999)
    monkeypatch.setattr(httpx, "create_ssl_context", count)
    await fetcher.get(url)
    await fetcher.get(url)
    assert len(made) == 1


class Work:
    """Is done when it is let go, and counts how often it was begun."""

    def __init__(self, error: Exception | None = None) -> None:
        self.begun: list[float] = []
        self.go = anyio.Event()
        self.error = error
        self.together = Together(self.do)
        self.ended = 0

    async def do(self, now: float) -> None:
        self.begun.append(now)
        await self.go.wait()
        if self.error is not None:
            raise self.error

    async def run(self, now: float = 0) -> None:
        await self.together.run(now)
        self.ended += 1


async def test_a_hundred_who_wait_are_one_piece_of_work() -> None:
    work = Work()
    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(work.run, 7.0)
        await anyio.wait_all_tasks_blocked()
        assert (work.begun, work.ended) == ([7.0], 0)
        work.go.set()
    assert (work.begun, work.ended) == ([7.0], 100)


async def test_who_comes_later_works_anew() -> None:
    work = Work()
    work.go.set()
    await work.run(1)
    await work.run(2)
    assert work.begun == [1, 2]


async def test_a_cancelled_one_is_followed_by_the_next_and_no_more() -> None:
    work = Work()
    async with anyio.create_task_group() as group:
        async with anyio.create_task_group() as leading:
            leading.start_soon(work.run, 0.0)
            await anyio.wait_all_tasks_blocked()
            for _ in range(99):
                group.start_soon(work.run, 1.0)
            await anyio.wait_all_tasks_blocked()
            leading.cancel_scope.cancel()
        await anyio.wait_all_tasks_blocked()
        work.go.set()
    assert (work.begun, work.ended) == ([0, 1], 99)


async def test_an_error_is_of_the_one_who_worked() -> None:
    work = Work(ValueError("a sink that fails"))
    errors: list[ValueError] = []

    async def run() -> None:
        try:
            await work.run()
        except ValueError as error:
            errors.append(error)

    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(run)
        await anyio.wait_all_tasks_blocked()
        work.go.set()
    assert (len(work.begun), len(errors), work.ended) == (1, 1, 99)


async def test_two_of_them_do_not_wait_for_each_other() -> None:
    first, second = Work(), Work()
    async with anyio.create_task_group() as group:
        group.start_soon(first.run)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(second.run)
        await anyio.wait_all_tasks_blocked()
        assert (len(first.begun), len(second.begun)) == (1, 1)
        first.go.set()
        second.go.set()


def test_each_event_loop_waits_for_itself() -> None:
    done: list[float] = []

    async def do(now: float) -> None:
        await anyio.lowlevel.checkpoint()
        done.append(now)

    async def run() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(together.run, float(len(done)))

    together = Together(do)
    for backend in ("asyncio", "trio", "asyncio"):
        anyio.run(run, backend=backend)
    assert done == [0, 1, 2]
