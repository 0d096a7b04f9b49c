"""What only the PostgreSQL backend does: options, migrations, sweeps, connections."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import logging
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("asyncpg", reason="pip install 'asgi-security[postgres]'")

import asyncpg  # type: ignore[import-untyped]

from asgi_security.errors import ConfigError, StorageError
from asgi_security.storage.memory import MemoryStore
from asgi_security.storage.postgres import PostgresStore, render_migrations
from asgi_security.storage.postgres.schema import MIGRATIONS, VERSION
from asgi_security.storage.protocols import Outcome, ThrottleRule
from asgi_security.testing.contracts.expecting import (
    START,
    build_account,
    build_digest,
    build_session,
    fail,
    open_charge,
)
from tests.storage.backends import use_asyncio
from tests.storage.operations import ROWS
from tests.storage.postgres_servers import URL, empty, provide_store, run_sql

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asgi_security.testing import EventRecorder

anyio_backend = pytest.fixture(use_asyncio)
store = pytest.fixture(provide_store)

ID = build_digest("token")
NOWHERE = "postgresql://ada:hunter2@127.0.0.1:1/test?password=hunter2"


@pytest.fixture
def fresh(schema: str) -> Iterator[str]:
    """A schema that is not there."""
    name = f"{schema}_Fresh"
    yield name
    asyncio.run(run_sql(f'DROP SCHEMA IF EXISTS "{name}" CASCADE'))


# Options


def test_every_fault_of_the_options_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        PostgresStore(
            "mysql://ada:hunter2@host:p0rt/db#x",
            schema='a"b',
            timeout_seconds=0,
            min_size=-1,
            max_size=0,
            statement_cache_size=True,
        )
    fields = [problem.field for problem in caught.value.problems]
    assert fields == [
        *("max_size", "min_size", "schema", "statement_cache_size", "timeout_seconds"),
        *("url", "url", "url"),
    ]
    assert "hunter2" not in str(caught.value)
    assert "p0rt" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "options", "field"),
    [
        pytest.param(b"postgresql://h/d", {}, "url", id="bytes"),
        pytest.param("postgresql://[::1/d", {}, "url", id="half a bracket"),
        pytest.param("postgresql://ada:hunter2/x@host/db", {}, "url", id="a slash in a password"),
        pytest.param("postgresql://ada:hunter2#x@host/db", {}, "url", id="a hash in a password"),
        pytest.param("postgresql://h/d", {"schema": "pg_temp"}, "schema", id="a reserved schema"),
        pytest.param("postgresql://h/d", {"schema": "a" * 64}, "schema", id="a name too long"),
        pytest.param("postgresql://h/d", {"schema": "1a"}, "schema", id="a digit first"),
        pytest.param("postgresql://h/d", {"schema": "é"}, "schema", id="not ASCII"),
        pytest.param("postgresql://h/d", {"schema": "a\n"}, "schema", id="a line end"),
        pytest.param("postgresql://h/d", {"min_size": 11}, "min_size", id="min above max"),
    ],
)
def test_one_fault_of_the_options(url: str, options: dict[str, str], field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        PostgresStore(url, **options)  # type: ignore[arg-type]
    assert {problem.field for problem in caught.value.problems} == {field}
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgres://host/db",
        "postgresql://ada:p%40ss@[::1]:5432/db?sslmode=disable",
        "postgresql://a.example:1,b.example:2/db",
        "postgresql:///db?host=/var/run/postgresql",
    ],
)
def test_urls_that_are_fine(url: str) -> None:
    assert "p%40ss" not in repr(PostgresStore(url))


def test_a_missing_driver_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ConfigError, match=r"pip install 'asgi-security\[postgres\]'"):
        PostgresStore("postgresql://h/d")


def test_the_driver_is_imported_when_first_asked() -> None:
    script = (
        "import sys; from asgi_security.storage.postgres import PostgresStore;"
        "PostgresStore('postgresql://h/d'); sys.exit('asyncpg' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.anyio
async def test_a_password_is_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with PostgresStore(NOWHERE) as store:
        assert (
            repr(store) == "PostgresStore('postgresql://127.0.0.1:1/test', schema='asgi_security')"
        )
        with pytest.raises(StorageError, match="PostgreSQL failed: ConnectionRefused") as caught:
            await store.revocations.is_revoked([ID], now=START)
        assert isinstance(caught.value.__cause__, OSError)
        with pytest.raises(StorageError):
            await store.migrate()
        shown = f"{caught.value!r} {caught.value.__cause__!r} {vars(store)!r} {caplog.text}"
        assert "hunter2" not in shown
    async with PostgresStore("postgresql://ada:hunter2@h/d?sslmode=hunter2") as store:
        with pytest.raises(StorageError, match="refuses the URL") as caught:
            await store.revocations.is_revoked([ID], now=START)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_trio_is_told_so(anyio_backend: str) -> None:
    store = PostgresStore("postgresql://h/d")
    with pytest.raises(StorageError, match="needs asyncio"):
        await store.revocations.is_revoked([ID], now=START)
    with pytest.raises(StorageError, match="needs asyncio"):
        await store.aclose()


def test_facets_are_replaced() -> None:
    own = MemoryStore()
    store = PostgresStore(
        "postgresql://h/d",
        attempts=own.attempts,
        revocations=own.revocations,
        sessions=own.sessions,
        once=own.once,
        throttles=own.throttles,
    )
    for facet in ("attempts", "revocations", "sessions", "once", "throttles"):
        assert getattr(store, facet) is getattr(own, facet)


# Migrations


CATALOGUE = """
    SELECT string_agg(line, E'\\n' ORDER BY line) FROM (
        SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable) AS line
            FROM information_schema.columns WHERE table_schema = $1
        UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = $1
        UNION ALL SELECT pg_get_functiondef(p.oid) FROM pg_proc AS p
            JOIN pg_namespace AS n ON n.oid = p.pronamespace WHERE n.nspname = $1
    ) AS lines"""


async def describe(schema: str) -> str:
    """Return what a schema holds, without its name."""
    found: str = await run_sql(CATALOGUE, schema)
    return found.replace(f'"{schema}"', "").replace(schema, "")


@pytest.mark.anyio
async def test_D60_the_printed_script_makes_the_same(store: PostgresStore, fresh: str) -> None:
    for version in (0, VERSION):  # printed from where it stands, it is harmless
        await run_sql(render_migrations(fresh, version=version))
    made = await describe(fresh)
    assert "attempt_keys failures integer NO" in made
    assert made == await describe(fresh[: -len("_Fresh")])


def test_a_script_for_a_schema_of_another_kind() -> None:
    with pytest.raises(ValueError, match="give a schema"):
        render_migrations("a; DROP TABLE b")


@pytest.mark.anyio
async def test_a_newer_database_is_refused(fresh: str) -> None:
    await run_sql(render_migrations(fresh))
    await run_sql(f'UPDATE "{fresh}".schema_version SET version = version + 1')  # noqa: S608
    async with PostgresStore(URL, schema=fresh, timeout_seconds=20) as store:
        for _ in range(2):
            with pytest.raises(StorageError, match="upgrade asgi-security, or give another schema"):
                await store.revocations.is_revoked([ID], now=START)
        await run_sql(f'UPDATE "{fresh}".schema_version SET version = version - 1')  # noqa: S608
        assert not await store.revocations.is_revoked([ID], now=START)


@pytest.mark.anyio
async def test_a_user_who_may_make_no_tables(fresh: str) -> None:
    await run_sql(render_migrations(fresh))
    role = fresh.lower()
    await run_sql(f"""
        CREATE ROLE "{role}";
        GRANT USAGE ON SCHEMA "{fresh}" TO "{role}";
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "{fresh}" TO "{role}\"""")
    try:
        url = f"{URL}{'&' if '?' in URL else '?'}role={role}"
        async with PostgresStore(url, schema=fresh, timeout_seconds=20) as store:
            await fail(store.attempts, [build_account()], now=START)
            await store.sessions.create(build_session(), now=START, limit=1)
            assert (await store.throttles.take(ID, ThrottleRule(1, 60.0), now=START)).admitted
    finally:
        await run_sql(f'DROP SCHEMA "{fresh}" CASCADE; DROP ROLE "{role}"')


@pytest.mark.anyio
async def test_a_migration_that_fails_leaves_nothing(
    fresh: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = ((*MIGRATIONS[0], "SELECT 1 / 0"),)
    async with PostgresStore(URL, schema=fresh, timeout_seconds=20) as store:
        with monkeypatch.context() as patch:
            patch.setattr("asgi_security.storage.postgres.schema.MIGRATIONS", broken)
            with pytest.raises(StorageError, match="DivisionByZeroError"):
                await store.revocations.revoke(ID, expires_at=START + 60)
        assert await run_sql("SELECT to_regnamespace($1)", f'"{fresh}"') is None
        await store.revocations.revoke(ID, expires_at=START + 60)
        assert await store.revocations.is_revoked([ID], now=START)


# Rows that have expired


@pytest.mark.anyio
async def test_D57_sweep(store: PostgresStore) -> None:
    await fail(store.attempts, [build_account()], now=START, times=2)
    await fail(store.attempts, [build_account("locked")], now=START, times=5)
    await open_charge(store.attempts, [build_account("open")], 0, now=START)
    await store.sessions.create(build_session(idle_expires_at=START + 900), now=START)
    await store.revocations.revoke(ID, expires_at=START + 900)
    await store.revocations.revoke_subject(ID, before=START, expires_at=START + 900)
    await store.once.put("k", ID, b"v", expires_at=START + 900, now=START)
    await store.once.claim("k", ID, expires_at=START + 900, now=START)
    await store.throttles.take(ID, ThrottleRule(1, 900.0), now=START)
    assert await store.sweep(now=START + 899) == 0
    # Attempts are swept by the minute, and never before their time.
    assert await store.sweep(now=START + 900) == 6
    assert (await store.attempts.status([build_account("locked")], now=START + 929))[0].failures
    assert await store.sweep(now=START + 930 + 60) == 3
    assert await store.sweep(now=START * 2) == 0


@pytest.mark.anyio
async def test_D57_until_cleared_is_never_swept(store: PostgresStore) -> None:
    key = build_account()
    forever = replace(key, schedule=replace(key.schedule, max_consecutive=1))
    await fail(store.attempts, [forever], now=START)
    assert await store.sweep(now=START * 100) == 0
    assert (await store.attempts.status([forever], now=START * 100))[0].locked


@pytest.mark.anyio
async def test_D57_sweeps_pass_over_what_is_locked(store: PostgresStore, schema: str) -> None:
    await run_sql(
        f"INSERT INTO \"{schema}\".revocations SELECT decode(md5(n::text), 'hex'), 1.0"  # noqa: S608
        " FROM generate_series(1, 1201) AS n"
    )
    holder = await asyncpg.connect(URL)
    try:
        async with holder.transaction():
            await holder.execute(
                f'SELECT 1 FROM "{schema}".revocations LIMIT 1 FOR UPDATE'  # noqa: S608
            )
            sweeps = await asyncio.gather(*[store.sweep(now=START) for _ in range(4)])
            assert sum(sweeps) == 1200
        assert await store.sweep(now=START) == 1
    finally:
        await holder.close()


# Connections


@pytest.mark.anyio
async def test_no_more_connections_than_allowed(schema: str) -> None:
    await empty(schema, migrate=True)
    count = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE query LIKE '%' || $1 || '%' AND pid <> pg_backend_pid()"
    )
    store = PostgresStore(URL, schema=schema, timeout_seconds=20, max_size=3)
    async with store:
        for _ in range(2):
            asked = [store.revocations.is_revoked([ID], now=START) for _ in range(200)]
            assert await asyncio.gather(*asked) == [False] * 200
            assert await run_sql(count, schema) == 3
        await store.aclose()
        await store.aclose()
        while await run_sql(count, schema):
            pass
        assert not await store.revocations.is_revoked([ID], now=START)  # it opens again


def test_each_event_loop_has_connections_of_its_own(schema: str) -> None:
    store = PostgresStore(URL, schema=schema, timeout_seconds=20, min_size=2)

    async def use(number: int) -> bool:
        async with store:
            await store.revocations.revoke(build_digest(f"{number}"), expires_at=START + 60)
            return await store.revocations.is_revoked([build_digest("0")], now=START)

    assert [asyncio.run(use(number)) for number in range(3)] == [True] * 3
    gc.collect()  # a connection left open would warn here, and warnings are errors


@pytest.mark.anyio
async def test_what_is_under_way_ends_before_the_store_closes(store: PostgresStore) -> None:
    receipt = await open_charge(store.attempts, [build_account()], 0, now=START)
    settling = asyncio.ensure_future(store.attempts.settle(receipt, Outcome.FAILURE, now=START))
    await asyncio.sleep(0)
    await store.aclose()
    assert settling.done()
    assert (await settling) is not None


@pytest.mark.anyio
@pytest.mark.parametrize(("skew_seconds", "reported"), [(0.0, 0), (-60.0, 1), (60.0, 1)])
async def test_D56_clock_skew_is_reported(
    schema: str, events: EventRecorder, skew_seconds: float, reported: int
) -> None:
    await empty(schema, migrate=True)
    clock = "SELECT extract(epoch FROM clock_timestamp())::double precision WHERE $1"
    store = PostgresStore(URL, schema=schema, timeout_seconds=20, events=events)
    async with store:
        for _ in range(2):  # and not again within five minutes
            now = await run_sql(clock, True) + skew_seconds
            await store.sessions.load(ID, now=now)
    assert [event.name for event in events.events] == ["clock_skew"] * reported
    for event in events.events:
        assert abs(event.facts["difference_seconds"] + skew_seconds) < 30


FILL = """
    ALTER TABLE "{schema}".auth_sessions SET (autovacuum_enabled = off);
    ALTER TABLE "{schema}".refresh_families SET (autovacuum_enabled = off);
    ALTER TABLE "{schema}".revocations SET (autovacuum_enabled = off);
    INSERT INTO "{schema}".auth_sessions
        SELECT sha256(n::text::bytea), n::text, (n / 4)::text, '', {at}, {at}, {at} + 900,
            {at} + 900, '', NULL, 1
        FROM generate_series(1, 20000) AS n;
    INSERT INTO "{schema}".refresh_families
        SELECT sha256(n::text::bytea), n::text, (n / 4)::text, '', {at}, {at}, {at} + 900,
            {at} + 900, '', NULL, 0, false, {at} + 900
        FROM generate_series(1, 20000) AS n;
    INSERT INTO "{schema}".revocations
        SELECT sha256(n::text::bytea), {at} + 900 FROM generate_series(1, 20000) AS n"""
READ = """
    SELECT sum(idx_tup_read) FROM pg_stat_user_indexes
    WHERE schemaname = $1 AND indexrelname LIKE '%_by_expiry'"""
SCANS = """
    SELECT sum(idx_scan) FROM pg_stat_user_indexes
    WHERE schemaname = $1 AND indexrelname = 'auth_sessions_pkey'"""


@pytest.mark.anyio
async def test_no_operation_reads_all_rows_while_there_are_no_statistics(schema: str) -> None:
    """A planner that knows nothing must not prefer the index by expiry, which holds every row."""
    await empty(schema, migrate=True)
    await run_sql(FILL.format(schema=schema, at=START))
    before, scans = await run_sql(READ, schema), await run_sql(SCANS, schema)
    # With pages this dear it prefers already now what it else does from some 300 000 rows on.
    dear = f"{URL}?options=-c%20random_page_cost%3D200%20-c%20enable_seqscan%3Doff"
    async with PostgresStore(dear, schema=schema, timeout_seconds=20, max_size=1) as store:
        for row in ROWS:
            for turn in range(6):  # from the sixth on, a plan is made once and for all
                await row.prepare(store, f"{row} {turn}")
                await row.act(store, f"{row} {turn}")
    while await run_sql(SCANS, schema) == scans:  # noqa: ASYNC110 -- it counts when it has closed
        await asyncio.sleep(0.05)
    assert await run_sql(READ, schema) - before < 20_000
    await run_sql(f'DROP SCHEMA "{schema}" CASCADE')
