"""What is SQLite's own: the file, the thread, the shared transactions, and every way to fail."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import sys
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import anyio
import pytest

from asgi_security import ConfigError, StorageError
from asgi_security.storage.protocols import (
    AttemptRecord,
    AttemptStatus,
    Created,
    Outcome,
    ThrottleRule,
)
from asgi_security.storage.sqlite import SqliteStore, attempts, once, render_migrations
from asgi_security.storage.sqlite import revocations as revocation_statements
from asgi_security.storage.sqlite import sessions as session_statements
from asgi_security.storage.sqlite import throttles as throttle_statements
from asgi_security.storage.sqlite.schema import APPLICATION_ID, MIGRATIONS, VERSION
from asgi_security.testing.contracts.expecting import (
    START,
    build_account,
    build_client,
    build_digest,
    build_session,
    fail,
    open_charge,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

THREAD = "asgi_security sqlite"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "security.db"


@pytest.fixture
async def store(path: Path, anyio_backend: str) -> AsyncIterator[SqliteStore]:
    async with SqliteStore(path, timeout_seconds=20, durability="normal") as opened:
        yield opened


class Blocked:
    """Holds the writer's thread inside a step until it is let go."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self._entered = threading.Event()
        self._released = threading.Event()

    async def hold(self) -> None:
        await self._store._writer.run(self._step)

    def _step(self, connection: sqlite3.Connection) -> None:
        self._entered.set()
        self._released.wait(30)

    async def entered(self) -> None:
        await anyio.to_thread.run_sync(self._entered.wait)

    def release(self) -> None:
        self._released.set()


async def test_D60_one_step_of_a_shared_transaction_fails_alone(store: SqliteStore) -> None:
    blocked = Blocked(store)
    faulty = build_session("faulty", user_agent=None)
    failed: list[StorageError] = []

    async def create_faulty() -> None:
        with pytest.raises(StorageError) as caught:
            await store.sessions.create(faulty, now=START)
        failed.append(caught.value)

    async def create(number: int) -> None:
        answer = await store.sessions.create(build_session(f"{number}"), now=START)
        assert answer == Created()

    async with anyio.create_task_group() as group:
        group.start_soon(blocked.hold)
        await blocked.entered()
        group.start_soon(create, 1)
        group.start_soon(create_faulty)
        group.start_soon(create, 2)
        await anyio.wait_all_tasks_blocked()
        blocked.release()
    assert isinstance(failed[0].__cause__, sqlite3.IntegrityError)
    assert len(await store.sessions.list_for("ada", now=START)) == 2


async def test_D60_a_step_that_fails_midway_leaves_nothing(store: SqliteStore) -> None:
    def write_and_fail(connection: sqlite3.Connection) -> None:
        connection.execute(revocation_statements.REVOKE, (b"half", START))
        raise ValueError

    blocked = Blocked(store)
    outcomes: list[StorageError] = []

    async def run() -> None:
        with pytest.raises(StorageError, match="ValueError") as caught:
            await store._writer.run(write_and_fail)
        outcomes.append(caught.value)

    await run()
    async with anyio.create_task_group() as group:
        group.start_soon(blocked.hold)
        await blocked.entered()
        group.start_soon(run)
        group.start_soon(lambda: store.revocations.revoke(b"whole", expires_at=START))
        await anyio.wait_all_tasks_blocked()
        blocked.release()
    assert len(outcomes) == 2
    assert not await store.revocations.is_revoked([b"half"], now=START - 1)
    assert await store.revocations.is_revoked([b"whole"], now=START - 1)


@pytest.mark.parametrize("count", [pytest.param(1, id="alone"), pytest.param(3, id="shared")])
async def test_D60_a_full_disk_fails_closed_and_recovers(store: SqliteStore, count: int) -> None:
    def fill(connection: sqlite3.Connection) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")

    failed: list[StorageError] = []

    async def put(number: int) -> None:
        value = b"x" * 100_000
        digest = build_digest(f"{number}")
        with pytest.raises(StorageError) as caught:
            await store.once.put("big", digest, value, expires_at=START + 1, now=START)
        failed.append(caught.value)

    await store._writer.run(fill)
    blocked = Blocked(store)
    async with anyio.create_task_group() as group:
        group.start_soon(blocked.hold)
        await blocked.entered()
        for number in range(count):
            group.start_soon(put, number)
        await anyio.wait_all_tasks_blocked()
        blocked.release()
    for error in failed:
        assert isinstance(error.__cause__, sqlite3.OperationalError)
        assert "full" in str(error.__cause__)
    assert len(failed) == count
    await store.once.put("big", b"d" * 32, b"x" * 100_000, expires_at=START + 1, now=START)
    assert await store.once.take("big", b"d" * 32, now=START) == b"x" * 100_000


async def test_D60_a_commit_that_fails_answers_nobody_with_success(store: SqliteStore) -> None:
    def defer(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE a (x PRIMARY KEY)")
        connection.execute("CREATE TABLE b (x REFERENCES a (x) DEFERRABLE INITIALLY DEFERRED)")
        connection.execute(
            "CREATE TRIGGER t AFTER INSERT ON revocations BEGIN INSERT INTO b VALUES (1); END"
        )

    def enforce(connection: sqlite3.Connection) -> None:
        connection.execute("COMMIT")  # the switch has no effect within a transaction
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("BEGIN")

    await store._writer.run(defer)
    await store._writer.run(enforce)
    with pytest.raises(StorageError) as caught:
        await store.revocations.revoke(b"d" * 32, expires_at=START)
    assert isinstance(caught.value.__cause__, sqlite3.IntegrityError)
    assert not await store.revocations.is_revoked([b"d" * 32], now=START - 1)


async def test_D59_no_answer_in_time(store: SqliteStore, path: Path) -> None:
    await store.revocations.revoke(b"d" * 32, expires_at=START)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        async with SqliteStore(path, timeout_seconds=0.05) as impatient:
            with pytest.raises(StorageError):
                await impatient.revocations.revoke(b"e" * 32, expires_at=START)
        other.execute("ROLLBACK")
    await store.revocations.revoke(b"f" * 32, expires_at=START)


async def test_D60_readers_do_not_wait_for_a_writer(store: SqliteStore, path: Path) -> None:
    await store.revocations.revoke(b"d" * 32, expires_at=START)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert await store.revocations.is_revoked([b"d" * 32], now=START - 1)
        other.execute("ROLLBACK")


async def test_E18_a_cancelled_caller_harms_nobody(store: SqliteStore) -> None:
    blocked = Blocked(store)
    async with anyio.create_task_group() as group:
        group.start_soon(blocked.hold)
        await blocked.entered()
        async with anyio.create_task_group() as inner:
            inner.start_soon(lambda: store.revocations.revoke(b"d" * 32, expires_at=START))
            await anyio.wait_all_tasks_blocked()
            inner.cancel_scope.cancel()
        blocked.release()
    await store.revocations.revoke(b"e" * 32, expires_at=START)
    assert await store.revocations.is_revoked([b"e" * 32], now=START - 1)
    assert not await store.revocations.is_revoked([b"d" * 32], now=START - 1), "nobody waited"


async def test_aclose_when_cancelled_ends_the_threads(path: Path) -> None:
    with anyio.CancelScope() as scope:
        async with SqliteStore(path, timeout_seconds=20) as store:
            await store.revocations.revoke(b"d" * 32, expires_at=START)
            assert await store.revocations.is_revoked([b"d" * 32], now=START - 1)
            scope.cancel()
            await anyio.lowlevel.checkpoint()
    assert scope.cancelled_caught
    assert THREAD not in [thread.name for thread in threading.enumerate()]


def test_an_event_loop_that_ends_early(path: Path) -> None:
    store = SqliteStore(path, timeout_seconds=20)
    blocked = Blocked(store)

    async def abandon() -> None:
        with anyio.move_on_after(60) as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(blocked.hold)
                await blocked.entered()
                scope.cancel()

    async def go_on() -> None:
        async with store:
            await store.revocations.revoke(b"d" * 32, expires_at=START)
            assert await store.revocations.is_revoked([b"d" * 32], now=START - 1)

    asyncio.run(abandon())
    blocked.release()
    anyio.run(go_on, backend="trio")


async def test_aclose_ends_the_threads_and_an_operation_starts_them_again(path: Path) -> None:
    store = SqliteStore(path)
    await store.aclose()
    for _ in range(2):
        await store.revocations.revoke(b"d" * 32, expires_at=START)
        assert await store.revocations.is_revoked([b"d" * 32], now=START - 1)
        await store.aclose()
        await store.aclose()
        assert THREAD not in [thread.name for thread in threading.enumerate()]
    assert not path.with_name("security.db-wal").exists(), "closed in good order"


async def test_a_store_that_is_dropped_ends_its_threads(path: Path) -> None:
    store = SqliteStore(path)
    await store.revocations.revoke(b"d" * 32, expires_at=START)
    threads = [thread for thread in threading.enumerate() if thread.name == THREAD]
    assert threads
    del store
    gc.collect()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


@pytest.mark.parametrize(
    ("pragmas", "expected"),
    [
        pytest.param(
            [f"application_id = {APPLICATION_ID}", f"user_version = {VERSION + 1}"],
            "upgrade asgi-security",
            id="newer version",
        ),
        pytest.param(["user_version = 7"], "another program's", id="foreign version"),
        pytest.param(["application_id = 7"], "another program's", id="foreign program"),
    ],
)
async def test_D60_a_file_that_is_not_ours(path: Path, pragmas: list[str], expected: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
    async with SqliteStore(path) as store:
        for _ in range(2):
            with pytest.raises(StorageError, match=expected):
                await store.sessions.load(b"d" * 32, now=START)


async def test_D59_a_path_that_cannot_be_opened(tmp_path: Path) -> None:
    text = tmp_path / "text.db"
    text.write_text("not a database, " * 100)
    for path in (tmp_path, tmp_path / "missing" / "x.db", text):
        async with SqliteStore(path) as store:
            with pytest.raises(StorageError) as caught:
                await store.attempts.charge([build_account()], ticket=b"t" * 16, now=START)
            assert isinstance(caught.value.__cause__, (sqlite3.Error, OSError))
            assert str(path) not in str(caught.value)
    assert text.read_text().startswith("not a database")


@pytest.mark.parametrize("path", ["", ":memory:", "a\0b"])
def test_paths_that_are_no_file(path: str) -> None:
    with pytest.raises(ConfigError, match="MemoryStore"):
        SqliteStore(path)


@pytest.mark.skipif(sys.platform == "win32", reason="no modes")
async def test_only_this_user_reads_the_file(store: SqliteStore, path: Path) -> None:
    await store.revocations.revoke(b"d" * 32, expires_at=START)
    for name in ("security.db", "security.db-wal", "security.db-shm"):
        assert path.with_name(name).stat().st_mode & 0o077 == 0


async def test_D62_a_record_that_cannot_be_kept_changes_no_verdict(store: SqliteStore) -> None:
    keys = [build_account()]
    for turn, agent in enumerate(("\ud800", "fine")):
        receipt = await open_charge(store.attempts, keys, turn, now=START)
        if agent == "fine":

            def drop(connection: sqlite3.Connection) -> None:
                connection.execute("DROP TABLE failed_auth_attempts")

            await store._writer.run(drop)
        record = AttemptRecord(START, keys[0].digest, None, "password", "failure", agent)
        settled = await store.attempts.settle(receipt, Outcome.FAILURE, now=START, record=record)
        assert settled is not None
    assert (await store.attempts.status(keys, now=START))[0].failures == 2


async def test_D58_D62_sweep(store: SqliteStore) -> None:
    def fill(connection: sqlite3.Connection) -> None:
        values = [("kind", b"%d" % number, b"v", START) for number in range(1200)]
        connection.executemany(once.PUT, values)

    await store._writer.run(fill)
    await store.once.put("kind", b"live", b"v", expires_at=START + 0.5, now=START)
    await store.once.claim("kind", b"d", expires_at=START, now=START - 1)
    await store.revocations.revoke(b"d", expires_at=START)
    await store.revocations.revoke_subject(b"d", before=START, expires_at=START)
    await store.sessions.create(build_session(idle_expires_at=START), now=START - 1)
    await store.sessions.create(build_session("live"), now=START)
    for name, at in (("whole", START - 60), ("in use", START - 59)):
        await store.throttles.take(build_digest(name), ThrottleRule(1, 60.0), now=at)
    assert await store.sweep(now=START) == 1200 + 4 + 1
    assert await store.sweep(now=START) == 0
    assert await store.once.take("kind", b"live", now=START) == b"v"
    assert len(await store.sessions.list_for("ada", now=START)) == 1
    in_use = await store.throttles.take(build_digest("in use"), ThrottleRule(1, 60.0), now=START)
    assert not in_use.admitted


async def test_D58_sweep_of_attempts_at_the_end_of_their_streak(store: SqliteStore) -> None:
    account, client = build_account(), build_client()
    await fail(store.attempts, [account, client], now=START, times=4)
    await fail(store.attempts, [account], now=START)
    receipt = await open_charge(store.attempts, [client], "open", now=START)
    record = AttemptRecord(START, account.digest, client.digest, "password", "refund")
    await store.attempts.settle(receipt, Outcome.REFUND, now=START, record=record)
    await open_charge(store.attempts, [client], "left", now=START + 10)
    assert await store.sweep(now=START + 929) == 0
    assert await store.sweep(now=START + 930) == 1
    assert await store.attempts.status([account], now=START + 930) == (
        AttemptStatus(0, None, locked=False, locked_until=None),
    )
    assert (await store.attempts.status([client], now=START + 930))[0].failures == 5
    assert await store.sweep(now=START + 940) == 1
    assert await store.sweep(now=START + 90 * 86_400 - 1) == 0
    assert await store.sweep(now=START + 90 * 86_400) == 1
    assert await store.attempts.history() == ()

    def count(connection: sqlite3.Connection) -> int:
        return int(connection.execute("SELECT count(*) FROM attempt_charges").fetchone()[0])

    assert await store._reader.run(count) == 0


@pytest.mark.parametrize(
    "statement",
    [
        attempts.SWEEP_KEYS,
        attempts.SWEEP_RECORDS,
        attempts.HISTORY_OF_ACCOUNT,
        attempts.HISTORY_OF_CLIENT,
        once.SWEEP_CLAIMS,
        once.SWEEP_VALUES,
        once.TAKE,
        revocation_statements.SWEEP,
        revocation_statements.SWEEP_SUBJECTS,
        revocation_statements.FIND,
        session_statements.SWEEP,
        session_statements.LIST,
        session_statements.DELETE_HANDLE,
        session_statements.DELETE_FOR,
        throttle_statements.FIND,
        throttle_statements.SWEEP,
    ],
)
async def test_D58_statements_use_an_index(store: SqliteStore, statement: str) -> None:
    def explain(connection: sqlite3.Connection) -> list[str]:
        values = [1] * statement.count("?")
        return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]

    plan = await store._reader.run(explain)
    assert plan
    assert not [line for line in plan if line.startswith("SCAN") or "TEMP B-TREE" in line]


async def test_P54_tables_to_query(store: SqliteStore) -> None:
    wanted = {
        "failed_auth_attempts": {"at", "account", "client", "kind", "outcome", "user_agent"},
        "auth_sessions": {"handle", "user_id", "seen_at", "created_at", "user_agent", "client"},
        "revocations": {"digest", "expires_at"},
        "one_time_values": {"kind", "digest", "value", "expires_at"},
    }

    def read(connection: sqlite3.Connection) -> dict[str, set[str]]:
        statement = "SELECT name FROM pragma_table_info(?)"
        return {
            table: {row[0] for row in connection.execute(statement, (table,))} for table in wanted
        }

    columns = await store._reader.run(read)
    assert all(names <= columns[table] for table, names in wanted.items())


async def test_migrations_as_sql_make_the_same_tables(store: SqliteStore) -> None:
    def read(connection: sqlite3.Connection) -> list[tuple[str, ...]]:
        found = connection.execute("SELECT type, name, tbl_name FROM sqlite_master ORDER BY name")
        return found.fetchall()

    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.executescript(render_migrations())
        assert read(connection) == await store._reader.run(read)


async def test_a_file_of_an_earlier_version_is_migrated(path: Path) -> None:
    for version in range(1, VERSION):
        earlier = path.with_name(f"{version}.db")
        with closing(sqlite3.connect(earlier, isolation_level=None)) as connection:
            for statements in MIGRATIONS[:version]:
                for statement in statements:
                    connection.execute(statement)
            connection.execute("INSERT INTO revocations VALUES (?, ?)", (b"kept", START))
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {version}")
        async with SqliteStore(earlier, timeout_seconds=20, durability="normal") as store:
            state = await store.throttles.take(b"d", ThrottleRule(1, 60.0), now=START)
            assert state.admitted
            assert await store.revocations.is_revoked([b"kept"], now=START - 1)
            assert await store.sweep(now=START + 60) == 2


def test_S28_the_file_holds_digests_only(path: Path) -> None:
    raw = "raw session id, token or address"
    digest = build_digest(raw)

    async def fill() -> None:
        async with SqliteStore(path, durability="normal") as store:
            await store.sessions.create(build_session(digest=digest, client=digest), now=START)
            await store.revocations.revoke(digest, expires_at=START)
            await store.once.claim("totp", digest, expires_at=START, now=START)
            await fail(store.attempts, [build_account(raw)], now=START)

    asyncio.run(fill())
    content = path.read_bytes()
    assert digest in content
    assert raw.encode() not in content


async def test_a_facet_of_your_own(path: Path) -> None:
    async with SqliteStore(path) as other, SqliteStore(path, sessions=other.sessions) as store:
        assert store.sessions is other.sessions
        assert store.once is not other.once
    assert list(path.parent.iterdir()) == [], "nothing is opened before the first operation"
