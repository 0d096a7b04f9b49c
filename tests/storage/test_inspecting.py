"""What a look at a store tells, from the arithmetic up to real files and servers."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import anyio
import pytest

from asgi_security.errors import StorageError
from asgi_security.events import discard_event
from asgi_security.storage.inspecting import (
    TABLES,
    Inspectable,
    Migratable,
    Observation,
    observe_clock,
    observe_settings,
    observe_version,
)
from asgi_security.storage.memory import MemoryStore
from asgi_security.storage.postgres import PostgresStore
from asgi_security.storage.redis import RedisStore
from asgi_security.storage.sqlite import SqliteStore
from asgi_security.storage.sqlite.schema import VERSION
from tests.storage.backends import use_asyncio
from tests.storage.postgres_servers import URL as POSTGRES_URL
from tests.storage.postgres_servers import empty, run_sql
from tests.storage.redis_servers import Server, build_cluster

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio
anyio_backend = pytest.fixture(use_asyncio)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server")) as running:
        yield running


def list_bad(observations: Iterable[Observation]) -> list[str]:
    return [one.subject for one in observations if one.is_bad]


@pytest.mark.parametrize(
    ("found", "told", "is_bad"),
    [
        pytest.param(3, "version 3", False, id="this one"),
        pytest.param(2, "version 2, and this release knows 3; run `", True, id="an older one"),
        pytest.param(0, "none yet; run `asgi-security store migrate`", True, id="none"),
        pytest.param(4, "knows 3; upgrade asgi-security", True, id="a newer one"),
    ],
)
def test_versions(found: int, told: str, is_bad: bool) -> None:  # noqa: FBT001
    observation = observe_version(found, 3)
    assert told in observation.told
    assert (observation.subject, observation.is_bad) == (TABLES, is_bad)


@pytest.mark.parametrize(
    ("ahead", "passed", "is_bad"),
    [
        pytest.param(0.0, 0.0, False, id="the same"),
        pytest.param(2.0, 0.0, False, id="at the bound"),
        pytest.param(2.1, 0.0, True, id="ahead"),
        pytest.param(-2.0, 0.0, False, id="at the bound behind"),
        pytest.param(-2.1, 5.0, True, id="behind"),
        pytest.param(4.0, 2.0, False, id="a slow answer"),
    ],
)
def test_clocks(ahead: float, passed: float, is_bad: bool) -> None:  # noqa: FBT001
    observation = observe_clock(ahead, passed)
    assert observation.is_bad is is_bad
    assert ("ahead" if ahead > 0 else "behind") in observation.told


def test_settings_that_cannot_be_asked_for_are_not_judged() -> None:
    wanted = [("a", ("on", "yes"), "why"), ("b", ("x",), "because"), ("c", ("x",), "")]
    assert observe_settings({"a": "yes", "b": "y"}, wanted) == [
        Observation("a", "yes"),
        Observation("b", "y; because; set it to x", is_bad=True),
    ]


def test_which_stores_can_be_looked_at_and_migrated(tmp_path: Path) -> None:
    stores = [
        MemoryStore(),
        SqliteStore(tmp_path / "x.db"),
        RedisStore("redis://h"),
        PostgresStore("postgresql://h/d"),
    ]
    assert all(isinstance(store, Inspectable) for store in stores)
    assert [isinstance(store, Migratable) for store in stores] == [False, True, False, True]


async def test_memory() -> None:
    assert list_bad(await MemoryStore().inspect(now=0.0)) == []


async def test_a_missing_file_is_told_and_not_made(tmp_path: Path) -> None:
    path = tmp_path / "none.db"
    async with SqliteStore(path) as store:
        (observation,) = await store.inspect(now=0.0)
    assert (observation.subject, observation.is_bad) == (TABLES, True)
    assert not path.exists()


async def test_a_file_in_order(tmp_path: Path) -> None:
    path = tmp_path / "odd ? name # %41.db"
    async with SqliteStore(path, durability="normal") as store:
        await store.migrate()
        for _ in range(2):  # with and without the files beside it
            told = {one.subject: one.told for one in await store.inspect(now=0.0)}
            assert list_bad(await store.inspect(now=0.0)) == []
            assert told["file mode"].startswith("0600")
            assert told[TABLES] == f"version {VERSION}"
            assert (told["journal_mode"], told["integrity"]) == ("wal", "ok")
            assert told["durability"] == "normal"
            await store.sweep(now=0.0)


@pytest.mark.skipif(os.name == "nt", reason="no modes")
@pytest.mark.parametrize("mode", [0o640, 0o604])
async def test_a_file_that_others_may_read(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "x.db"
    async with SqliteStore(path) as store:
        await store.migrate()
        path.chmod(mode)
        assert list_bad(await store.inspect(now=0.0)) == ["file mode"]


async def test_a_file_that_is_out_of_order(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    async with SqliteStore(path) as store:
        await store.migrate()
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("PRAGMA writable_schema = ON")
            connection.execute("DELETE FROM sqlite_master WHERE name = 'revocations_by_expiry'")
            connection.execute(f"PRAGMA user_version = {VERSION + 1}")
            connection.commit()
        assert list_bad(await store.inspect(now=0.0)) == [TABLES, "journal_mode", "integrity"]
        assert path.read_bytes()[18:20] == b"\1\1"  # looked at, and not put into WAL mode


async def test_another_program_s_file(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 1")
    path.chmod(0o600)
    async with SqliteStore(path) as store:
        (_, observation, *_) = await store.inspect(now=0.0)
        assert "another program" in observation.told
        with pytest.raises(StorageError, match="another program"):
            await store.migrate()


async def test_no_database_at_all(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(b"no database " * 1000)
    async with SqliteStore(path) as store:
        for look in (lambda: store.inspect(now=0.0), store.migrate):
            with pytest.raises(StorageError, match="DatabaseError"):
                await look()


async def test_a_migration_waits_longer_than_an_operation(tmp_path: Path) -> None:
    """Whoever holds the file for longer than the bound of an operation does not end it."""
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("BEGIN IMMEDIATE")
        async with anyio.create_task_group() as group, SqliteStore(path, timeout_seconds=0.05) as s:
            group.start_soon(s.migrate)
            await anyio.sleep(0.3)  # six times the bound of an operation
            other.execute("ROLLBACK")
    async with SqliteStore(path) as store:
        assert TABLES not in list_bad(await store.inspect(now=0.0))


async def test_a_redis_in_order(server: Server) -> None:
    async with RedisStore(server.url, events=discard_event) as store:
        observations = await store.inspect(now=time.time())
    told = {one.subject: one.told for one in observations}
    assert list_bad(observations) == []
    assert told["server"].startswith("Redis ")
    assert (told["durability"], told["appendfsync"]) == ("append-only file", "always")
    assert (told["maxmemory_policy"], told["role"]) == ("noeviction", "master")


@pytest.mark.parametrize(
    ("setting", "value", "usual", "bad"),
    [
        pytest.param("appendonly", "no", "yes", ["durability"], id="nothing on the disk"),
        pytest.param("appendfsync", "no", "always", ["appendfsync"], id="no fsync"),
        pytest.param(
            "maxmemory-policy", "allkeys-lru", "noeviction", ["maxmemory_policy"], id="evictions"
        ),
    ],
)
async def test_a_redis_out_of_order(
    server: Server, setting: str, value: str, usual: str, bad: list[str]
) -> None:
    server.ask("CONFIG", "SET", setting, value)
    try:
        async with RedisStore(server.url, events=discard_event) as store:
            assert list_bad(await store.inspect(now=time.time())) == bad
    finally:
        server.ask("CONFIG", "SET", setting, usual)


async def test_a_skewed_clock(server: Server, schema: str) -> None:
    redis = RedisStore(server.url, events=discard_event)
    postgres = PostgresStore(POSTGRES_URL, schema=schema, timeout_seconds=20)
    async with redis, postgres:
        await postgres.migrate()
        for store in (redis, postgres):
            for skew in (-30.0, 30.0):
                assert list_bad(await store.inspect(now=time.time() + skew)) == ["clock"]


async def test_a_replica_and_its_primary(server: Server, tmp_path: Path) -> None:
    options = ("--replicaof", f"127.0.0.1 {server.port}", "--appendonly", "no")
    with Server(tmp_path / "replica", *options) as replica:
        async with RedisStore(replica.url, events=discard_event) as store:
            assert list_bad(await store.inspect(now=time.time())) == ["durability", "role"]


async def test_every_node_of_a_cluster(tmp_path: Path) -> None:
    with build_cluster(tmp_path) as nodes:
        nodes[1].ask("CONFIG", "SET", "maxmemory-policy", "volatile-ttl")
        url = "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)
        async with RedisStore(url, timeout_seconds=10, events=discard_event) as store:
            observations = await store.inspect(now=time.time())
    assert {one.subject.partition(":")[0] for one in observations} == {"node 1", "node 2", "node 3"}
    (bad,) = list_bad(observations)
    assert bad.endswith(": maxmemory_policy")


async def test_nobody_listens() -> None:
    for store in (RedisStore("redis://127.0.0.1:1"), PostgresStore("postgresql://127.0.0.1:1/d")):
        async with store:
            with pytest.raises(StorageError):
                await store.inspect(now=0.0)


async def test_a_database_in_order(schema: str) -> None:
    async with PostgresStore(POSTGRES_URL, schema=schema, timeout_seconds=20) as store:
        await store.migrate()
        observations = await store.inspect(now=time.time())
    assert list_bad(observations) == []
    assert {"server", TABLES, "fsync", "synchronous_commit"} <= {
        one.subject for one in observations
    }


async def test_a_database_out_of_order(schema: str) -> None:
    await empty(schema, migrate=True)
    options = "?options=-c%20synchronous_commit%3Doff%20-c%20default_transaction_read_only%3Don"
    async with PostgresStore(
        POSTGRES_URL + options, schema=schema, timeout_seconds=20, statement_cache_size=0
    ) as store:
        bad = list_bad(await store.inspect(now=time.time()))
    assert bad == ["synchronous_commit", "read_only", "statement_timeout"]


async def test_a_schema_without_tables_stays_so(schema: str) -> None:
    await run_sql(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')
    async with PostgresStore(POSTGRES_URL, schema=schema, timeout_seconds=20) as store:
        assert list_bad(await store.inspect(now=time.time())) == [TABLES]
        assert list_bad(await store.inspect(now=time.time())) == [TABLES]
