"""What a store does when the network, the server or the caller gives up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("asyncpg", reason="pip install 'asgi-security[postgres]'")

import asyncpg  # type: ignore[import-untyped]

from asgi_security.errors import StorageError
from asgi_security.storage.postgres import PostgresStore
from asgi_security.storage.protocols import (
    Admitted,
    AttemptRecord,
    Outcome,
)
from asgi_security.testing.contracts.expecting import (
    START,
    build_account,
    build_digest,
    build_session,
    build_ticket,
)
from tests.storage.backends import use_asyncio
from tests.storage.operations import ROWS
from tests.storage.postgres_servers import URL, Proxy, empty, run_sql

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio
anyio_backend = pytest.fixture(use_asyncio)

ID = build_digest("token")


@pytest.fixture
async def proxy(schema: str) -> AsyncIterator[Proxy]:
    await empty(schema, migrate=True)
    async with Proxy() as between:
        yield between


async def test_D61_each_operation_is_one_round_trip(proxy: Proxy, schema: str) -> None:
    async with PostgresStore(proxy.url, schema=schema, timeout_seconds=20) as store:
        for row in ROWS:
            for name in ("prepares the statements", "counts"):
                await row.prepare(store, name)
                before = proxy.round_trips
                await row.act(store, name)
            assert (str(row), proxy.round_trips - before) == (str(row), 1)
            await empty(schema)


LEFT_BEHIND = """
    SELECT 'statement ' || name FROM pg_prepared_statements WHERE name <> ''
    UNION ALL SELECT 'lock ' || objid FROM pg_locks
        WHERE locktype = 'advisory' AND pid = pg_backend_pid()
    UNION ALL SELECT 'setting ' || name FROM pg_settings WHERE source = 'session'
    UNION ALL SELECT 'channel ' || name FROM pg_listening_channels() AS name"""


async def test_nothing_is_left_behind_on_a_connection(schema: str) -> None:
    """Behind PgBouncer the next transaction runs on another one, and the next client on this."""
    await empty(schema, migrate=True)
    store = PostgresStore(URL, schema=schema, timeout_seconds=20, statement_cache_size=0)
    async with store:
        await store.migrate()
        for row in ROWS:
            await row.prepare(store, str(row))
            await row.act(store, str(row))
        assert await store._pools.fetch(LEFT_BEHIND) == []


@pytest.mark.parametrize("let_through", [0, 1, 7, 40])
async def test_D59_a_stall_in_mid_reply(proxy: Proxy, schema: str, let_through: int) -> None:
    keys = [build_account()]
    async with PostgresStore(proxy.url, schema=schema, timeout_seconds=0.2) as store:
        receipts = []
        for turn in range(2):
            charge = await store.attempts.charge(keys, ticket=build_ticket(turn), now=START)
            assert isinstance(charge, Admitted)
            receipts.append(charge.receipt)
        proxy.reply_bytes = let_through
        with pytest.raises(StorageError, match=r"did not answer within 0\.2 s") as caught:
            await store.attempts.settle(receipts[0], Outcome.FAILURE, now=START)
        assert isinstance(caught.value.__cause__, TimeoutError)
        proxy.reply_bytes = None
        # The answer was lost, the settlement was not: told again, it is not counted again.
        assert await insist(lambda: store.attempts.settle(receipts[0], Outcome.FAILURE, now=START))
        statuses = await store.attempts.status(keys, now=START)
        assert statuses[0].failures == 1


async def insist(step: Any) -> bool:
    """Call a settlement until it answers; tell whether it is settled by now."""
    while True:
        try:
            await step()
        except StorageError:
            continue
        return True


async def test_a_reset_is_an_error_and_the_next_call_goes_on(proxy: Proxy, schema: str) -> None:
    async with PostgresStore(proxy.url, schema=schema, timeout_seconds=20) as store:
        await store.revocations.revoke(ID, expires_at=START + 60)
        proxy.reply_bytes = 0
        asking = asyncio.ensure_future(store.revocations.is_revoked([ID], now=START))
        before = proxy.round_trips
        while proxy.round_trips == before:  # noqa: ASYNC110 -- the network tells no event
            await asyncio.sleep(0)
        proxy.reset()
        with pytest.raises(StorageError) as caught:
            await asking
        assert caught.value.__cause__ is not None
        assert await store.revocations.is_revoked([ID], now=START)
        assert proxy.connections == 2


async def test_an_idle_connection_that_ended_is_not_used_again(schema: str) -> None:
    await empty(schema, migrate=True)
    async with Proxy() as between, PostgresStore(between.url, schema=schema) as store:
        for _ in range(3):
            await store.revocations.is_revoked([ID], now=START)
            between.reset()
            idle = store._pools._find()._idle
            while not idle[0][1].is_closed():  # noqa: ASYNC110 -- it tells no event
                await asyncio.sleep(0)


async def test_D59_the_wait_for_a_connection_counts(schema: str) -> None:
    await empty(schema, migrate=True)
    locker = await asyncpg.connect(URL)
    try:
        async with PostgresStore(
            URL, schema=schema, timeout_seconds=0.3, max_size=2, min_size=0
        ) as store:
            await store.migrate()
            async with locker.transaction():
                await locker.execute(f'LOCK TABLE "{schema}".revocations')
                asked = [store.revocations.is_revoked([ID], now=START) for _ in range(10)]
                answers = await asyncio.gather(*asked, return_exceptions=True)
                assert [type(answer) for answer in answers] == [StorageError] * 10
                waiting = await run_sql(
                    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%' || $1 || '%'"
                    " AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()",
                    schema,
                )
                assert waiting <= 2  # what was given up was cancelled on the server too
            while True:
                try:
                    assert not await store.revocations.is_revoked([ID], now=START)
                    break
                except StorageError:  # the last ones are still being cancelled
                    continue
    finally:
        await locker.close()


async def test_a_cancelled_caller_leaves_the_pool_whole(proxy: Proxy, schema: str) -> None:
    store = PostgresStore(proxy.url, schema=schema, timeout_seconds=20, max_size=2)
    async with store:
        for turn in range(20):
            task = asyncio.ensure_future(store.revocations.is_revoked([ID], now=START))
            for _ in range(turn):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert (
            await asyncio.gather(
                *[store.revocations.is_revoked([ID], now=START) for _ in range(20)]
            )
            == [False] * 20
        )


async def test_what_no_column_can_hold_is_an_error(schema: str) -> None:
    async with PostgresStore(URL, schema=schema, timeout_seconds=20) as store:
        for user in ("nul \0", "lone \ud800"):
            with pytest.raises(StorageError) as caught:
                await store.sessions.create(build_session(user=user), now=START)
            assert caught.value.__cause__ is not None
        assert await store.sessions.load(build_digest("session"), now=START) is None
        assert len(store._pools._find()._idle) == 1


async def test_D62_a_record_that_cannot_be_kept_fails_nothing(schema: str) -> None:
    await empty(schema, migrate=True)
    async with PostgresStore(URL, schema=schema, timeout_seconds=20) as store:
        keys = [build_account()]
        for turn, agent in enumerate(("nul \0 and \ud800", "fine")):
            charge = await store.attempts.charge(keys, ticket=build_ticket(turn), now=START)
            assert isinstance(charge, Admitted)
            record = AttemptRecord(START, None, None, "password", "failure", agent)
            assert await store.attempts.settle(
                charge.receipt, Outcome.FAILURE, now=START, record=record
            )
            if not turn:
                kept = (await store.attempts.history())[0].user_agent
                assert kept == "nul \N{REPLACEMENT CHARACTER} and ?"
                await run_sql(f'DROP TABLE "{schema}".failed_auth_attempts')
        assert (await store.attempts.status(keys, now=START))[0].failures == 2
    await run_sql(f'DROP SCHEMA "{schema}" CASCADE')


async def test_an_undone_transaction_is_tried_once_more(schema: str) -> None:
    await empty(schema, migrate=True)
    await run_sql(f"""
        CREATE SEQUENCE "{schema}".turns;
        CREATE FUNCTION "{schema}".undo() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF nextval('"{schema}".turns') IN (1, 3, 4) THEN
                RAISE EXCEPTION 'undone' USING ERRCODE = 'deadlock_detected';
            END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER undo BEFORE INSERT ON "{schema}".revocations
            FOR EACH ROW EXECUTE FUNCTION "{schema}".undo()""")
    async with PostgresStore(URL, schema=schema, timeout_seconds=20) as store:
        await store.revocations.revoke(ID, expires_at=START + 60)
        assert await store.revocations.is_revoked([ID], now=START)
        with pytest.raises(StorageError, match="DeadlockDetectedError"):
            await store.revocations.revoke(build_digest("other"), expires_at=START + 60)
    await run_sql(f'DROP SCHEMA "{schema}" CASCADE')


async def test_statements_that_someone_dropped(schema: str) -> None:
    await empty(schema, migrate=True)
    async with PostgresStore(URL, schema=schema, timeout_seconds=20) as store:
        await store.revocations.revoke(ID, expires_at=START + 60)
        await store._pools.fetch("DEALLOCATE ALL")
        with pytest.raises(StorageError, match="behind PgBouncer give statement_cache_size=0"):
            await store.revocations.revoke(ID, expires_at=START + 60)


async def test_two_sessions_of_one_digest(schema: str) -> None:
    await empty(schema, migrate=True)
    async with PostgresStore(URL, schema=schema, timeout_seconds=20) as store:
        await store.sessions.create(build_session(), now=START)
        with pytest.raises(StorageError, match="another session has this digest"):
            await store.sessions.create(build_session(handle="another"), now=START)
