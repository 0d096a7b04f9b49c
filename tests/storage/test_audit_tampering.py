"""Whoever can write to a store cannot change a chain unseen, in any backend."""
# ruff: noqa: S608 -- the statements are this file's own

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from asgi_security.errors import StorageError
from asgi_security.events import discard_event
from asgi_security.flows.audit import AuditConfig, AuditEntry, AuditLog, Broken, Verified
from asgi_security.storage.memory import MemoryStore
from asgi_security.storage.sqlite import SqliteStore
from asgi_security.testing.contracts.audit import build_records, find_head
from tests.storage.backends import use_asyncio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from asgi_security.storage.protocols import Store

pytestmark = pytest.mark.anyio
anyio_backend = pytest.fixture(use_asyncio)

SECRET = "s" * 32


async def fill(store: Store) -> AuditLog:
    """Append five records to each of two chains."""
    log = AuditLog(AuditConfig(secret=SECRET, store_timeout_seconds=20), store)
    for number in range(5):
        for tenant in ("a", "b"):
            await log.record(AuditEntry(action=f"n{number}", actor="a1", tenant=tenant))
    assert isinstance(await log.verify("a"), Verified)
    return log


SQL = [
    pytest.param("UPDATE audit_log SET actor = 'eve' {at}", Broken(3, "column"), id="H81 column"),
    pytest.param("UPDATE audit_log SET actor = NULL {at}", Broken(3, "column"), id="H88 set null"),
    pytest.param("UPDATE audit_log SET mac = previous {at}", Broken(3, "mac"), id="H85 seal"),
    pytest.param("UPDATE audit_log SET body = mac {at}", Broken(3, "encoding"), id="H85 bytes"),
    pytest.param(
        "UPDATE audit_log SET body = (SELECT l.body FROM audit_log AS l WHERE l.chain = 'tenant:b'"
        " AND l.sequence = 3) {at}",
        Broken(3, "wrong_chain"),
        id="H86 another tenant's",
    ),
    pytest.param("DELETE FROM audit_log {at}", Broken(3, "gap"), id="H86 removed"),
    pytest.param(
        "DELETE FROM audit_log WHERE chain = 'tenant:a'", Broken(1, "truncated"), id="H87 all"
    ),
    pytest.param(
        "DELETE FROM audit_log WHERE chain = 'tenant:a' AND sequence > 3",
        Broken(4, "truncated"),
        id="H87 end cut off, head left",
    ),
    pytest.param(
        "UPDATE audit_heads SET sequence = 2 WHERE chain = 'tenant:a'",
        Broken(2, "truncated"),
        id="H84 head rewound",
    ),
    pytest.param(
        "DELETE FROM audit_heads WHERE chain = 'tenant:a'", Broken(1, "link"), id="H84 head removed"
    ),
]
AT = "WHERE chain = 'tenant:a' AND sequence = 3"


class TestSqlite:
    @pytest.fixture
    async def store(self, tmp_path: Path, anyio_backend: str) -> AsyncIterator[SqliteStore]:
        async with SqliteStore(tmp_path / "a.db", timeout_seconds=20) as store:
            yield store

    @pytest.mark.parametrize(
        ("statement", "expected"),
        [
            *SQL,
            pytest.param(
                "UPDATE audit_log SET action = CAST(x'ff61' AS TEXT) {at}",
                Broken(3, "column"),
                id="H85 text that is no UTF-8",
            ),
            pytest.param(
                "UPDATE audit_log SET mac = 'text', body = 5 {at}",
                Broken(3, "encoding"),
                id="H85 other types",
            ),
            pytest.param(
                "UPDATE audit_heads SET sequence = 'x', mac = 5 WHERE chain = 'tenant:a'",
                Broken(6, "truncated"),
                id="H85 text for a head",
            ),
            pytest.param(
                "UPDATE audit_log SET sequence = 'x' {at}", Broken(3, "gap"), id="H85 text for 3"
            ),
        ],
    )
    async def test_H85_what_is_changed_is_found(
        self, store: SqliteStore, tmp_path: Path, statement: str, expected: Broken
    ) -> None:
        log = await fill(store)
        with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
            connection.execute(statement.format(at=AT))
            connection.commit()
        assert await log.verify("a") == expected
        assert isinstance(await log.verify("b"), Verified)

    async def test_H87_the_end_cut_off_with_the_head(
        self, store: SqliteStore, tmp_path: Path
    ) -> None:
        log = await fill(store)
        anchor = await log.checkpoint("a")
        with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
            connection.execute(_CUT)
            connection.execute(_REWIND)
            connection.commit()
        found = await log.verify("a")
        assert isinstance(found, Verified)
        assert found.count == 3
        assert await log.verify("a", anchor=anchor) == Broken(4, "truncated")

    async def test_H85_a_head_that_is_no_number_is_an_error_of_the_store(
        self, store: SqliteStore, tmp_path: Path
    ) -> None:
        await fill(store)
        with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
            connection.execute("UPDATE audit_heads SET sequence = 'x', mac = 5")
            connection.commit()
        log = AuditLog(AuditConfig(secret=SECRET), store, events=discard_event)
        with pytest.raises(StorageError):
            await log.record(AuditEntry(action="x", tenant="a"))

    async def test_H84_the_tables_admit_no_fork(self, store: SqliteStore, tmp_path: Path) -> None:
        await fill(store)
        columns = "body, mac, {}, at, action, actor, target, outcome, request_id"
        with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
            for sequence, previous in (("sequence", "x'00'"), ("sequence + 100", "previous")):
                statement = (
                    f"INSERT INTO audit_log SELECT chain, {sequence}, {columns.format(previous)}"
                    f" FROM audit_log {AT}"
                )
                with pytest.raises(sqlite3.IntegrityError):
                    connection.execute(statement)

    async def test_H91_an_append_within_a_lost_race_stores_nothing(
        self, store: SqliteStore, tmp_path: Path
    ) -> None:
        """An app that has read before, in a transaction that cannot be brought up to date."""
        records = build_records(2)
        await store.audit.append(records[:1], after=None)
        with closing(sqlite3.connect(tmp_path / "a.db", timeout=0.1)) as connection:
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM audit_log").fetchone()
            await store.audit.append(records[1:], after=find_head(records[:1]))
            late = build_records(1, after=find_head(records[:1]), name="late")
            with pytest.raises(sqlite3.OperationalError):
                await store.audit.append_in(  # type: ignore[attr-defined]
                    connection, late, after=find_head(records[:1])
                )
        assert await store.audit.read("main") == records


_CUT = "DELETE FROM audit_log WHERE chain = 'tenant:a' AND sequence > 3"
_REWIND = """UPDATE audit_heads SET sequence = 3, mac = (SELECT mac FROM audit_log AS l
    WHERE l.chain = 'tenant:a' AND l.sequence = 3) WHERE chain = 'tenant:a'"""


class TestPostgres:
    async def test_H85_what_is_changed_is_found(self, schema: str) -> None:
        from asgi_security.storage.postgres import PostgresStore  # noqa: PLC0415
        from tests.storage.postgres_servers import URL, asyncpg, empty  # noqa: PLC0415

        connection = await asyncpg.connect(URL, timeout=20)
        await connection.execute(f'SET search_path = "{schema}"')
        try:
            for case in SQL:
                statement, expected = case.values
                await empty(schema, migrate=True)
                async with PostgresStore(URL, schema=schema, timeout_seconds=20) as store:
                    log = await fill(store)
                    await connection.execute(str(statement).format(at=AT))
                    assert await log.verify("a") == expected, case.id
                    assert isinstance(await log.verify("b"), Verified)
            await connection.execute("DELETE FROM audit_log; DELETE FROM audit_heads")
            async with PostgresStore(URL, schema=schema, timeout_seconds=20) as store:
                log = await fill(store)
                anchor = await log.checkpoint("a")
                await connection.execute(f"{_CUT};{_REWIND}")
                assert isinstance(await log.verify("a"), Verified)
                assert await log.verify("a", anchor=anchor) == Broken(4, "truncated")
                with pytest.raises(asyncpg.UniqueViolationError):
                    await connection.execute(
                        "INSERT INTO audit_log SELECT chain, 99, body, mac, previous, at, action,"
                        f" actor, target, outcome, request_id FROM audit_log {AT}"
                    )
        finally:
            await connection.close()


class TestRedis:
    async def test_H85_what_is_changed_is_found(self) -> None:
        redis = pytest.importorskip("redis", reason="pip install 'asgi-security[redis]'")
        from asgi_security.storage.redis import RedisStore  # noqa: PLC0415
        from tests.storage.redis_servers import URL, fresh_prefix  # noqa: PLC0415

        client = redis.Redis.from_url(URL)

        def rebuild(log: str, number: int, change: Any) -> None:
            """Put a record back with other fields: a stream takes ascending ids only."""
            entries = client.xrange(log)
            client.delete(log)
            for name, fields in entries:
                if name == b"%d-0" % number:
                    change(fields)
                client.xadd(log, fields or {"x": "y"}, id=name)

        cases: list[tuple[Any, Any]] = [
            (lambda log: client.xdel(log, "3-0"), Broken(3, "gap")),
            (lambda log: rebuild(log, 3, lambda f: f.update({b"actor": b"eve"})), (3, "column")),
            (lambda log: rebuild(log, 3, lambda f: f.pop(b"actor")), (3, "column")),
            (lambda log: rebuild(log, 3, lambda f: f.pop(b"action")), (3, "column")),
            (lambda log: rebuild(log, 3, lambda f: f.update({b"at": b"\xff"})), (3, "column")),
            (lambda log: rebuild(log, 3, lambda f: f.pop(b"mac")), (3, "mac")),
            (lambda log: rebuild(log, 3, dict.clear), (3, "encoding")),
            (lambda log: client.xtrim(log, maxlen=4, approximate=False), (1, "gap")),
            (client.delete, (1, "truncated")),
            (lambda log: client.delete(log.replace(":log:", ":head:")), (1, "link")),
        ]
        try:
            for tamper, expected in cases:
                with fresh_prefix() as prefix:
                    async with RedisStore(URL, prefix=prefix, events=discard_event) as store:
                        log = await fill(store)
                        tamper(f"{{{prefix}:audit}}:log:tenant:a")
                        wanted = expected if isinstance(expected, Broken) else Broken(*expected)
                        assert await log.verify("a") == wanted
                        assert isinstance(await log.verify("b"), Verified)
        finally:
            client.close()


class TestMemory:
    async def test_a_full_log_refuses_and_drops_nothing(self) -> None:
        store = MemoryStore(max_audit_records=3)
        records = build_records(4)
        await store.audit.append(records[:2], after=None)
        for given in (records[2:4], build_records(2, chain="other")):
            after = find_head(records[:2]) if given[0].sequence > 1 else None
            with pytest.raises(StorageError, match="3 audit records"):
                await store.audit.append(given, after=after)
        assert await store.audit.read("main") == records[:2]
        assert await store.audit.list_chains() == ("main",)
        await store.audit.append(records[2:3], after=find_head(records[:2]))
        await store.audit.append(records[2:3], after=find_head(records[:2]))
        assert len(store.audit) == 3  # type: ignore[arg-type]
