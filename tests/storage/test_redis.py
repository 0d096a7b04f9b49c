"""What is Redis's own: URLs and options, one trip for each operation, expiry, events."""

from __future__ import annotations

import asyncio
import importlib.util
from typing import TYPE_CHECKING, Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from asgi_security.errors import ConfigError, StorageError
from asgi_security.storage.facets import FACETS
from asgi_security.storage.memory import MemoryStore
from asgi_security.storage.protocols import AttemptRecord, LockoutSchedule, Outcome
from asgi_security.storage.redis import RedisStore
from asgi_security.storage.redis.addresses import read_address
from asgi_security.testing.contracts.expecting import (
    START,
    build_account,
    build_client,
    build_digest,
    build_session,
    fail,
    open_charge,
)
from asgi_security.validation import Findings
from tests.storage.backends import use_asyncio
from tests.storage.operations import ROWS
from tests.storage.redis_servers import URL, Proxy, Server, open_redis

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from asgi_security.storage.redis.addresses import Address
    from asgi_security.testing import EventRecorder

pytestmark = pytest.mark.anyio
anyio_backend = pytest.fixture(use_asyncio)


def read(url: object) -> Address:
    findings = Findings("test")
    address = read_address(url, findings)
    findings.raise_if_any()
    return address


@pytest.mark.parametrize(
    ("url", "shown", "service", "options"),
    [
        pytest.param("redis://h", "redis://h:6379/0", "", {}, id="host"),
        pytest.param(
            "rediss://u:p%40s@h:1/3?ssl_ca_certs=/ca.pem",
            "rediss://h:1/3",
            "",
            {"username": "u", "password": "p@s", "ssl_ca_certs": "/ca.pem"},
            id="TLS and credentials",
        ),
        pytest.param("redis://:pw@[::1]", "redis://[::1]:6379/0", "", {"password": "pw"}, id="v6"),
        pytest.param(
            "redis+sentinel://a,b:9/main/2",
            "redis+sentinel://a:26379,b:9/main/2",
            "main",
            {},
            id="Sentinels",
        ),
        pytest.param(
            "rediss+cluster://a,b:7000?client_name=x",
            "rediss+cluster://a:6379,b:7000/0",
            "",
            {"client_name": "x"},
            id="cluster",
        ),
    ],
)
def test_url(url: str, shown: str, service: str, options: dict[str, str]) -> None:
    address = read(url)
    assert str(address) == shown
    assert address.service == service
    assert address.options == options
    assert repr(RedisStore(url)) == f"RedisStore({shown!r})"


def test_sentinels_have_credentials_of_their_own() -> None:
    address = read("redis+sentinel://:data@a/main?sentinel_username=u&sentinel_password=other")
    assert address.options == {"password": "data"}
    assert address.sentinel_options == {"username": "u", "password": "other"}


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        pytest.param(7, "not the URL of a Redis", id="no text"),
        pytest.param("http://secret@h", "not the URL of a Redis", id="scheme"),
        pytest.param("redis://[secret", "not a URL", id="no URL"),
        pytest.param("redis://", "does not name its hosts", id="no host"),
        pytest.param("redis://a:secret", "does not name its hosts", id="port"),
        pytest.param("redis://a,b", "does not name its hosts", id="two hosts"),
        pytest.param("redis://a/secret", "its path is no number", id="database"),
        pytest.param("redis://a/1/2", "its path is no number", id="path"),
        pytest.param("redis+cluster://a/1", "a cluster has no databases", id="cluster database"),
        pytest.param("redis+sentinel://a", "does not name the service", id="service"),
        pytest.param("redis://:p#secret@a", "has a fragment", id="fragment"),
        pytest.param("redis://a?ssl_ca_certs=x", "does not belong there", id="TLS without TLS"),
        pytest.param("redis://a?secret=secret", "does not belong there", id="unknown option"),
        pytest.param("rediss://a?ssl_keyfile=1&ssl_keyfile=2", "gives ssl_keyfile", id="twice"),
    ],
)
def test_wrong_url(url: Any, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RedisStore(url)
    assert reason in str(caught.value)
    assert "secret" not in str(caught.value).replace("<secret>", "")


@given(st.text() | st.text().map("redis://".__add__) | st.text().map("redis+sentinel://".__add__))
def test_no_text_makes_the_parser_raise(text: str) -> None:
    read_address(text, Findings("test"))


def test_all_problems_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        RedisStore("redis://", prefix="{a", timeout_seconds=0, wait_replicas=True)
    fields = [problem.field for problem in caught.value.problems]
    assert fields == ["prefix", "timeout_seconds", "url", "wait_replicas"]


def test_without_the_client_says_which_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        "asgi_security.storage.redis.find_spec",
        lambda name: None if name == "redis" else find_spec(name),
    )
    with pytest.raises(ConfigError, match=r"asgi-security\[redis\]"):
        RedisStore("redis://h")


def test_a_facet_can_be_replaced() -> None:
    memory = MemoryStore()
    facets = ("attempts", "revocations", "sessions", "once", "throttles")
    given_facets: dict[str, Any] = {name: getattr(memory, name) for name in facets}
    store = RedisStore("redis://h", **given_facets)
    assert all(getattr(store, name) is given_facets[name] for name in facets)


RECORD = AttemptRecord(START, build_digest("account"), build_digest("client"), "k", "failure")
KEYS = (build_account(old=["old"]), build_client())


async def settle(store: RedisStore) -> None:
    receipt = await open_charge(store.attempts, KEYS, "a", now=START)
    await store.attempts.settle(receipt, Outcome.FAILURE, now=START, record=RECORD)


ENDING = {"attempts", "revocations", "sessions", "once", "throttles", "refresh"}
"""The facets whose keys all come to an end by themselves."""


async def act_all(store: RedisStore, facets: Collection[str] = FACETS) -> None:
    """Carry out every operation of these facets."""
    for row in ROWS:
        if row.facet in facets:
            await row.prepare(store, str(row))
            await row.act(store, str(row))


async def test_D61_one_trip_for_each_operation(prefix: str) -> None:
    async with Proxy.to(URL) as proxy, open_redis(proxy.url, prefix) as store:
        await act_all(store)  # now the scripts are known, and the server has been looked at
        for row in ROWS:
            name = f"again {row}"
            await row.prepare(store, name)
            before = len(proxy.chunks)
            await row.act(store, name)
            assert (str(row), len(proxy.chunks) - before) == (str(row), 1)
        assert proxy.connections == 1


async def test_many_at_once_travel_together(prefix: str) -> None:
    async with Proxy.to(URL) as proxy, open_redis(proxy.url, prefix) as store:
        for _ in range(2):  # behind the first, the server is looked at
            await store.once.take("k", b"a", now=START)
        before = len(proxy.chunks)
        await asyncio.gather(*[store.once.take("k", b"a", now=START) for _ in range(200)])
        assert len(proxy.chunks) - before <= 2
        await asyncio.gather(*[store.once.take("k", b"a", now=START) for _ in range(1000)])
        assert proxy.connections == 1


async def test_D58_every_key_expires(prefix: str) -> None:
    locked_for_good = LockoutSchedule(1, 60.0, (), max_consecutive=1)
    async with open_redis(URL, prefix) as store:
        await act_all(store, ENDING)
        await store.sessions.create(build_session("b", user=None), now=START, limit=1)
        await store.revocations.revoke(b"far", expires_at=float("inf"))
        await fail(store.attempts, [build_account("x", schedule=locked_for_good)], now=START)
        await open_charge(store.attempts, [build_client("y")], "y", now=START)
    with redis.Redis.from_url(URL) as client:
        keys = list(client.scan_iter(f"*{prefix}*"))
        lifetimes = {key: client.ttl(key) for key in keys}
    assert len(keys) > 15
    assert {key for key, left in lifetimes.items() if not 0 < left <= 10 * 366 * 86_400} == set()
    ten_years = [key for key, left in lifetimes.items() if left > 9 * 365 * 86_400]
    assert len(ten_years) == 2  # what never ends


async def test_keys_of_one_operation_share_a_hash_tag(prefix: str) -> None:
    async with open_redis(URL, prefix) as store:
        await act_all(store)
    with redis.Redis.from_url(URL) as client:
        for key in client.scan_iter(f"*{prefix}*"):
            tagged = key.startswith(b"{%b:" % prefix.encode())
            assert tagged or key.split(b":")[1] in {b"value", b"claim", b"throttle"}, key


async def test_D62_history_is_capped_and_its_failure_fails_nothing(prefix: str) -> None:
    with redis.Redis.from_url(URL) as client:
        async with open_redis(URL, prefix) as store:
            client.set(f"{{{prefix}:attempts}}:turn", "no number")
            await settle(store)
            assert (await store.attempts.status(KEYS, now=START))[0].failures == 1
            assert await store.attempts.history() == ()
            client.delete(f"{{{prefix}:attempts}}:turn")
            await settle(store)
            later = START + 90 * 86_400
            assert await store.attempts.history() == (RECORD,)
            assert await store.sweep(now=later - 1) == 0
            assert await store.sweep(now=later) == 1
            assert await store.attempts.history() == ()
            assert await store.attempts.history(limit=0) == ()


async def test_sweep_tidies_lists_of_sessions(prefix: str) -> None:
    async with open_redis(URL, prefix) as store:
        for number in range(1203):
            user = ("ada", "bob", None)[number % 3]
            await store.sessions.create(build_session(f"{number}", user=user), now=START)
        alive = build_session("alive", idle_expires_at=START + 9999)
        await store.sessions.create(alive, now=START)
        assert await store.sweep(now=START + 1800) == 1203
        assert await store.sweep(now=START + 1800) == 0
        assert await store.sessions.list_for("ada", now=START) == (alive,)
        assert await store.sessions.list_for("bob", now=START) == ()
    with redis.Redis.from_url(URL) as client:
        assert client.zcard(f"{{{prefix}:sessions}}:all") == 1
        assert client.zcard(f"{{{prefix}:sessions}}:user:ada") == 1


async def test_D56_a_skewed_clock_is_reported_once(prefix: str, events: EventRecorder) -> None:
    with redis.Redis.from_url(URL) as client:
        seconds, microseconds = client.time()
    here = seconds + microseconds / 1e6
    for ahead, wanted in ((0.0, 0), (60.0, 1)):
        async with open_redis(URL, prefix, events=events) as store:
            for _ in range(3):
                await store.once.take("k", b"a", now=here + ahead)
        skews = [event for event in events.events if event.name == "clock_skew"]
        assert len(skews) == wanted
    assert -75 < skews[0].facts["difference_seconds"] < -45


async def test_D57_a_server_that_may_evict_is_reported(
    tmp_path: Path, events: EventRecorder
) -> None:
    with Server(tmp_path / "a", "--maxmemory-policy", "allkeys-lru") as server:
        async with open_redis(server.url, "p", events=events) as store:
            for _ in range(3):
                await store.once.take("k", b"a", now=START)
    found = [event.facts["policy"] for event in events.events if event.name == "store_may_evict"]
    assert found == ["allkeys-lru"]


async def test_D61_wait_for_replicas_that_confirm(tmp_path: Path) -> None:
    with Server(tmp_path / "a") as primary:
        copying = ("--replicaof", f"127.0.0.1 {primary.port}")
        with Server(tmp_path / "b", *copying) as replica:
            store = RedisStore(primary.url, timeout_seconds=20, wait_replicas=1)
            async with store:
                revoke = store.revocations.revoke
                await asyncio.gather(*[revoke(b"%d" % n, expires_at=START) for n in range(50)])
            assert len(replica.list_keys()) == 50


async def test_D61_wait_for_replicas_that_do_not(prefix: str) -> None:
    store = RedisStore(URL, prefix=prefix, timeout_seconds=0.5, wait_replicas=1)
    async with store:
        with pytest.raises(StorageError) as caught:
            await store.revocations.revoke(b"a", expires_at=START + 60)
        assert "replicas" in str(caught.value.__cause__)
        # Reading waits for nobody; and the write stands.
        assert await store.revocations.is_revoked([b"a"], now=START)


async def test_another_type_under_our_key_is_a_storage_error(prefix: str) -> None:
    with redis.Redis.from_url(URL) as client:
        client.rpush(f"{prefix}:value:k:61", "x")
        client.set(f"{{{prefix}:revocations}}:id:62", "no number", px=60_000)
    async with open_redis(URL, prefix) as store:
        with pytest.raises(StorageError) as caught:
            await store.once.take("k", b"a", now=START)
        assert isinstance(caught.value.__cause__, redis.ResponseError)
        with pytest.raises(StorageError, match="another shape"):
            await store.revocations.is_revoked([b"b"], now=START)
        assert await store.once.take("k", b"c", now=START) is None


async def test_another_session_with_this_digest(prefix: str) -> None:
    async with open_redis(URL, prefix) as store:
        await store.sessions.create(build_session(), now=START)
        with pytest.raises(StorageError, match="another session"):
            await store.sessions.create(build_session(handle="other"), now=START)


async def test_texts_that_are_no_unicode(prefix: str) -> None:
    session = build_session(user="a\ud800", handle="\udfff", user_agent="\ud800 x")
    async with open_redis(URL, prefix) as store:
        await store.sessions.create(session, now=START)
        assert await store.sessions.list_for("a\ud800", now=START) == (session,)


async def test_no_keys_need_no_server() -> None:
    attempts = RedisStore("redis://127.0.0.1:1").attempts
    assert await attempts.status([], now=START) == ()
    await attempts.clear([])
    await attempts.add_failure([], now=START)
    receipt = await open_charge(attempts, [], "a", now=START)
    assert await attempts.settle(receipt, Outcome.FAILURE, now=START) is None


async def test_E13_a_ticket_is_bound_to_no_connection(prefix: str) -> None:
    """What one store charges another settles."""
    async with open_redis(URL, prefix) as one, open_redis(URL, prefix) as other:
        receipt = await open_charge(other.attempts, KEYS, "a", now=START)
        assert await one.attempts.settle(receipt, Outcome.SUCCESS, now=START) is not None
