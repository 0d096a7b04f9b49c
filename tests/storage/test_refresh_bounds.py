"""What refresh families take up: bounded in memory, and gone by themselves in Redis."""

from __future__ import annotations

import pytest
import redis

from asgi_security.errors import StorageError
from asgi_security.storage.memory import MemoryStore
from asgi_security.storage.memory.refresh import MemoryRefresh
from asgi_security.storage.opening import open_store
from asgi_security.storage.protocols import Reused
from asgi_security.testing.contracts.expecting import START
from asgi_security.testing.contracts.refresh_lists import DAY, GRACE, advance, build_family
from tests.storage.redis_servers import URL, fresh_prefix, open_redis

pytestmark = pytest.mark.anyio


async def test_a_flood_of_logins_ends_nobodys() -> None:
    refresh = MemoryRefresh(limit=3)
    families = [build_family(f"{number}", idle_expires_at=START + 60) for number in range(3)]
    for family in families:
        await refresh.open_family(family, now=START)
    await advance(refresh, families[0], 0, now=START, idle_expires_at=START + 60)
    assert isinstance(await advance(refresh, families[0], 0, now=START + GRACE), Reused)
    late = build_family("late", subject="bob")
    with pytest.raises(StorageError, match="3 live families"):
        await refresh.open_family(late, now=START + 59)
    assert await refresh.load_family(families[1].digest, now=START + 59) == families[1]
    # What has expired makes room; what a reuse has ended is known until its absolute expiry.
    await refresh.open_family(late, now=START + 60)
    assert len(refresh) == 2
    answer = await advance(refresh, families[0], 0, now=START + 60)
    assert isinstance(answer, Reused)


async def test_nothing_is_left_of_families_that_are_over() -> None:
    store = MemoryStore()
    refresh = store.refresh
    assert isinstance(refresh, MemoryRefresh)
    for number in range(10):
        await refresh.open_family(build_family(f"{number}", subject=f"{number}"), now=START)
    await refresh.revoke_subject("0", now=START)
    await refresh.revoke_handle("1", "handle of 1")
    await refresh.revoke_family(build_family("2").digest)
    assert len(refresh) == 7
    assert await store.sweep(now=START + 7 * DAY) == 7
    assert len(refresh) == 0
    assert refresh._of_subjects == {}  # else it would grow unseen


async def test_the_bound_is_an_option_of_the_url() -> None:
    async with open_store("memory://?max_families=1") as store:
        await store.refresh.open_family(build_family("one"), now=START)
        with pytest.raises(StorageError):
            await store.refresh.open_family(build_family("two"), now=START)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_every_key_in_redis_expires_and_shares_one_hash_tag(anyio_backend: str) -> None:
    assert anyio_backend == "asyncio"
    with fresh_prefix() as prefix:
        async with open_redis(URL, prefix) as store:
            for name in ("rotated", "ended", "fresh"):
                await store.refresh.open_family(build_family(name), now=START)
            for name in ("rotated", "ended"):
                await advance(store.refresh, build_family(name), 0, now=START)
            await advance(store.refresh, build_family("ended"), 0, now=START + GRACE)
            client = redis.Redis.from_url(URL)
            with client:
                lives = {key: client.ttl(key) for key in client.scan_iter(f"*{prefix}*")}
            assert len(lives) == 5  # three families, a subject's list, the list of all
            assert {key.partition(b"}")[0] for key in lives} == {b"{%b:refresh" % prefix.encode()}
            assert min(lives.values()) > 6 * DAY
            assert max(lives.values()) <= 30 * DAY + 300
            assert await store.sweep(now=START + 31 * DAY) >= 3
            with redis.Redis.from_url(URL) as again:
                assert list(again.scan_iter(f"*{prefix}:refresh*")) == []
