"""Redis when it stalls, dies, forgets or talks nonsense: the right answer, or `StorageError`."""

from __future__ import annotations

import asyncio
import gc
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import redis
import trio

from asgi_security.errors import StorageError
from asgi_security.events import discard_event
from asgi_security.storage.protocols import Admitted, Outcome
from asgi_security.storage.protocols.throttle import ThrottleRule
from asgi_security.storage.redis import RedisStore
from asgi_security.testing.contracts.expecting import (
    START,
    build_account,
    build_client,
    build_digest,
    build_session,
    build_ticket,
    fail,
)
from tests.storage.backends import use_asyncio
from tests.storage.redis_servers import URL, Proxy, Server, open_redis, wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio
anyio_backend = pytest.fixture(use_asyncio)

KEYS = (build_account(), build_client())
TOKEN = build_digest("token")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "server") as running:
        yield running


@pytest.fixture
async def proxy(anyio_backend: str) -> AsyncIterator[Proxy]:
    async with Proxy.to(URL) as running:
        yield running


async def is_right(store: RedisStore) -> None:
    """Check that the store works, after whatever happened before."""
    await store.revocations.revoke(TOKEN, expires_at=START + 60)
    assert await store.revocations.is_revoked([TOKEN], now=START)
    assert not await store.revocations.is_revoked([build_digest("other")], now=START)


async def test_D61_forgotten_scripts_are_told_again(server: Server) -> None:
    async with open_redis(server.url, "p") as store:
        for turn in range(3):
            server.ask("SCRIPT", "FLUSH")
            racers = [
                store.attempts.add_failure([build_account(f"{turn}")], now=START)
                for _ in range(100)
            ]
            await asyncio.gather(*racers)
            status = await store.attempts.status([build_account(f"{turn}")], now=START)
            assert status[0].failures == 100


async def test_killed_connections(server: Server) -> None:
    """Of 400 failures none is lost that was acknowledged, and none counts twice."""
    acknowledged = 0

    async def add(store: RedisStore, number: int) -> None:
        nonlocal acknowledged
        if number % 40 == 39:
            with suppress(redis.ConnectionError):  # those who kill may kill each other
                await asyncio.to_thread(server.ask, "CLIENT", "KILL", "TYPE", "normal")
                await asyncio.to_thread(server.ask, "SCRIPT", "FLUSH")
        try:
            await store.attempts.add_failure(KEYS, now=START)
        except StorageError:
            return
        acknowledged += 1

    async with open_redis(server.url, "p") as store:
        for begin in range(0, 400, 50):
            await asyncio.gather(*[add(store, number) for number in range(begin, begin + 50)])
        for number in range(30):
            server.ask("CLIENT", "KILL", "TYPE", "normal")
            # Asking is repeated on the next connection: nobody notices.
            status = await store.attempts.status(KEYS, now=START)
            assert acknowledged <= status[0].failures <= 400, number
        assert status[0].failures == status[1].failures
        assert acknowledged > 100


async def test_E20_killed_server_keeps_what_it_acknowledged(server: Server) -> None:
    acknowledged: list[str] = []

    async def write(store: RedisStore, lane: int) -> None:
        for turn in range(100_000):
            name = f"{lane} {turn}"
            try:
                charge = await store.attempts.charge(
                    [build_account(name)], ticket=build_ticket(name), now=START
                )
                assert isinstance(charge, Admitted)
                await store.attempts.settle(charge.receipt, Outcome.FAILURE, now=START)
            except StorageError:
                return
            acknowledged.append(name)
            if len(acknowledged) == 300:
                server.kill()

    async with open_redis(server.url, "p") as store:
        await asyncio.gather(*[write(store, lane) for lane in range(8)])
        with pytest.raises(StorageError) as caught:
            await is_right(store)
        assert isinstance(caught.value.__cause__, redis.ConnectionError)
        await asyncio.to_thread(server.start)
        await is_right(store)
        names = [build_account(name) for name in acknowledged]
        statuses = await store.attempts.status(names, now=START)
        assert [status.failures for status in statuses] == [1] * len(names)
    assert len(acknowledged) >= 300


async def test_D59_a_stall_is_an_error_within_the_bound(proxy: Proxy, prefix: str) -> None:
    async with open_redis(proxy.url, prefix, timeout_seconds=0.3) as store:
        await is_right(store)
        for _ in range(2):
            proxy.stall()
            calls = [store.attempts.charge(KEYS, ticket=b"t" * 16, now=START) for _ in range(50)]
            async with asyncio.timeout(20):  # far above the bound: a slow machine is no failure
                answers = await asyncio.gather(*calls, return_exceptions=True)
            assert {type(answer) for answer in answers} == {StorageError}
            proxy.flow()
            await is_right(store)


async def test_a_stalled_connection_costs_later_calls_nothing(proxy: Proxy, prefix: str) -> None:
    """When it is given up, calls that are still in time go out on the next."""
    async with open_redis(proxy.url, prefix, timeout_seconds=1.5) as store:
        await is_right(store)
        proxy.stall(only_old=True)
        early = asyncio.create_task(store.once.take("k", TOKEN, now=START))
        await asyncio.sleep(0.5)  # so that there is time left when the first has none
        late = asyncio.create_task(store.revocations.is_revoked([TOKEN], now=START))
        with pytest.raises(StorageError):
            await early
        assert await late


@pytest.mark.parametrize("cut_after", [0, 1, 3, 6])
async def test_a_reply_cut_short(proxy: Proxy, prefix: str, cut_after: int) -> None:
    async with open_redis(proxy.url, prefix) as store:
        await is_right(store)
        await store.once.put("k", TOKEN, b"value", expires_at=START + 60, now=START)
        proxy.cut_after = cut_after
        with pytest.raises(StorageError):
            await store.once.take("k", TOKEN, now=START)
        proxy.flow()
        # It was taken, and is not given out a second time.
        assert await store.once.take("k", TOKEN, now=START) is None
        await is_right(store)


async def test_a_reset_amid_many(proxy: Proxy, prefix: str) -> None:
    async with open_redis(proxy.url, prefix) as store:
        await is_right(store)
        proxy.stall()
        rule = ThrottleRule(500, 60.0)
        takes = [store.throttles.take(TOKEN, rule, now=START) for _ in range(100)]
        asks = [store.revocations.is_revoked([TOKEN], now=START) for _ in range(100)]
        racers = asyncio.gather(*takes, *asks, return_exceptions=True)
        await proxy.wait_for_request()
        proxy.reset()
        proxy.flow()
        answers = await racers
        assert {type(answer) for answer in answers[:100]} == {StorageError}
        assert answers[100:] == [True] * 100
        left = await store.throttles.take(TOKEN, rule, now=START)
        assert left.remaining >= 500 - 101


@pytest.mark.parametrize(
    "garbage",
    [
        *(b"\x00\xff\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"$x\r\nabc\r\n", b"*x\r\n"),
        *(b"+OK\r\n", b":1\r\n", b"*1\r\n:1\r\n", b"-ERR nonsense\r\n", b"\r\n\r\n", b"$-7\r\n"),
    ],
)
async def test_garbage(proxy: Proxy, prefix: str, garbage: bytes) -> None:
    async with open_redis(proxy.url, prefix, timeout_seconds=2.0) as store:
        await is_right(store)
        await store.sessions.create(build_session(), now=START)
        proxy.garbage = garbage
        with pytest.raises(StorageError):
            await store.sessions.save(build_session(), now=START)
        proxy.flow()
        await is_right(store)


async def test_nobody_listens() -> None:
    store = RedisStore("redis://user:s3cret-pw@127.0.0.1:1/0", events=discard_event)
    for _ in range(2):
        with pytest.raises(StorageError) as caught:
            await is_right(store)
        shown = f"{caught.value!r} {caught.value.__cause__!r} {store!r}"
        assert "s3cret-pw" not in shown
    await store.aclose()


async def test_a_wrong_password_is_never_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Server(tmp_path / "server") as server:
        server.ask("CONFIG", "SET", "requirepass", "right-pw")
        host = f"127.0.0.1:{server.port}"
        with pytest.raises(StorageError) as caught:
            async with open_redis(f"redis://:wrong-pw@{host}", "p") as store:
                await is_right(store)
        shown = f"{caught.value!r} {caught.value.__cause__!r} {store!r} {caplog.text}"
        assert "wrong-pw" not in shown
        async with open_redis(f"redis://:right-pw@{host}", "p") as store:
            await is_right(store)


async def test_cancelled_callers_disturb_nobody(prefix: str) -> None:
    async with open_redis(URL, prefix) as store:
        tasks = [
            asyncio.create_task(store.throttles.take(TOKEN, ThrottleRule(500, 60.0), now=START))
            for _ in range(200)
        ]
        for turn, task in enumerate(tasks):
            if turn % 3 == 0:
                await asyncio.sleep(0)
            if turn % 2:
                task.cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        kept = [answer for answer in answers if not isinstance(answer, asyncio.CancelledError)]
        assert len(kept) >= 100
        assert not [answer for answer in kept if isinstance(answer, BaseException)]
        await is_right(store)


async def test_closing(proxy: Proxy, prefix: str) -> None:
    store = RedisStore(proxy.url, prefix=prefix, events=discard_event)
    before = asyncio.all_tasks()
    await store.aclose()
    await is_right(store)
    proxy.stall()
    waiting = asyncio.create_task(store.once.take("k", TOKEN, now=START))
    await proxy.wait_for_request()
    await store.aclose()
    with pytest.raises(StorageError):
        await waiting
    proxy.flow()
    await is_right(store)  # it opens again
    await store.aclose()
    await store.aclose()
    left = {task for task in asyncio.all_tasks() - before if "Proxy" not in repr(task)}
    assert left == set()


def test_each_event_loop_has_a_connection_of_its_own(prefix: str) -> None:
    store = RedisStore(URL, prefix=prefix, timeout_seconds=5, events=discard_event)
    for _ in range(2):
        asyncio.run(is_right(store))  # ends without closing the store
        gc.collect()
    ready, done = threading.Event(), threading.Event()

    async def elsewhere() -> None:
        await is_right(store)
        ready.set()
        await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=lambda: asyncio.run(elsewhere()))
    thread.start()
    ready.wait()

    async def close_all() -> None:
        await is_right(store)
        await store.aclose()

    asyncio.run(close_all())
    done.set()
    thread.join()
    gc.collect()


def test_trio_is_told_that_it_will_not_do() -> None:
    store = RedisStore(URL)
    with pytest.raises(StorageError, match="asyncio"):
        trio.run(is_right, store)


async def test_the_server_is_restarted_empty(tmp_path: Path) -> None:
    """Scripts and rows are gone; the same store goes on."""
    server = Server(tmp_path / "server", "--appendonly", "no")
    with server:
        async with open_redis(server.url, "p") as store:
            await fail(store.attempts, KEYS, now=START, times=5)
            server.kill()
            server.start()
            statuses = await store.attempts.status(KEYS, now=START)
            assert [status.failures for status in statuses] == [0, 0]
            await is_right(store)


async def test_no_longer_the_primary(server: Server) -> None:
    """Who answers READONLY is left, as the name may lead to another by now."""
    async with open_redis(server.url, "p") as store:
        await is_right(store)
        server.ask("REPLICAOF", "127.0.0.1", "1")
        before = str(server.ask("INFO", "stats"))
        with pytest.raises(StorageError):
            await store.attempts.add_failure(KEYS, now=START)
        server.ask("REPLICAOF", "NO", "ONE")
        await is_right(store)
        assert before != str(server.ask("INFO", "stats"))
    wait_until(lambda: len(server.list_keys()) > 0)
