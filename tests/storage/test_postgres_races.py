"""Several processes at one database, and connections that end in the middle."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import pytest

from asgi_security.errors import StorageError
from asgi_security.storage.postgres import PostgresStore
from asgi_security.storage.protocols import Admitted, Outcome, Settled
from asgi_security.testing.contracts.expecting import (
    START,
    build_account,
    build_digest,
    build_session,
    build_ticket,
)
from tests.storage.backends import use_asyncio
from tests.storage.postgres_servers import URL, provide_store, run_sql
from tests.storage.racers import run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.anyio
anyio_backend = pytest.fixture(use_asyncio)

T = TypeVar("T")

store = pytest.fixture(provide_store)


async def test_D60_processes_migrate_one_new_schema_at_once(schema: str) -> None:
    await run_sql(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')
    answers = run("tests.storage.postgres_processes", "migrate", URL, schema, count=4)
    assert answers == ["open"] * 4
    async with PostgresStore(URL, schema=schema, timeout_seconds=20) as store:
        for number in range(4):
            ids = [build_digest(f"{number}")]
            assert await store.revocations.is_revoked(ids, now=START - 1)


DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database() AND $1"


async def test_keys_in_any_order_never_deadlock(store: PostgresStore) -> None:
    keys = [build_account(f"{number}") for number in range(6)]
    before = await run_sql(DEADLOCKS, True)

    async def fail(turn: int) -> None:
        mixed = keys[turn % 6 :] + keys[: turn % 6]
        await store.attempts.add_failure(mixed, now=START)
        await store.attempts.clear([build_account(f"other {turn % 3}"), build_account("another")])
        await store.attempts.add_failure([build_account(f"other {turn % 3}")], now=START)
        await store.sweep(now=START - 1)

    await asyncio.gather(*map(fail, range(120)))
    statuses = await store.attempts.status(keys, now=START)
    assert [status.failures for status in statuses] == [120] * 6
    assert await run_sql(DEADLOCKS, True) == before


async def test_signing_out_everywhere_while_signing_in(store: PostgresStore) -> None:
    async def act(turn: int) -> None:
        fresh = build_session(f"{turn}", seen_at=START + turn % 7)
        await store.sessions.create(fresh, now=START, limit=3)
        if turn % 3 == 0:
            await store.sessions.delete_for("ada")

    await asyncio.gather(*map(act, range(100)))
    assert len(await store.sessions.list_for("ada", now=START)) <= 3


KILL_ALL = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND query LIKE '%' || $1 || '%'"""


async def insist(step: Callable[[], Awaitable[T]], errors: list[StorageError]) -> T:
    """Call a step until it answers."""
    while True:
        try:
            return await step()
        except StorageError as error:
            errors.append(error)


async def test_D60_connections_killed_at_any_moment(store: PostgresStore, schema: str) -> None:
    """Nothing acknowledged is lost, nothing counts twice, and no restart is needed."""
    errors: list[StorageError] = []
    is_over = False
    keys = [build_account(f"{lane} {turn}") for lane in range(4) for turn in range(50)]

    async def attempt(lane: int) -> None:
        for turn, key in enumerate(keys[lane * 50 : lane * 50 + 50]):
            ticket = build_ticket(f"{lane} {turn}")
            charge = await insist(
                lambda: store.attempts.charge([key], ticket=ticket, now=START),  # noqa: B023
                errors,
            )
            assert isinstance(charge, Admitted)
            receipt = charge.receipt
            await insist(
                lambda: store.attempts.settle(receipt, Outcome.FAILURE, now=START),  # noqa: B023
                errors,
            )

    async def kill() -> None:
        while not is_over:
            await run_sql(KILL_ALL, schema)

    killer = asyncio.ensure_future(kill())
    await asyncio.gather(*map(attempt, range(4)))
    is_over = True
    await killer
    statuses = await insist(lambda: store.attempts.status(keys, now=START), errors)
    assert [status.failures for status in statuses] == [1] * len(keys)
    assert errors  # else nothing was killed in the middle
    assert all(error.__cause__ is not None for error in errors)


async def test_a_settlement_whose_answer_was_lost_counts_once(store: PostgresStore) -> None:
    keys = [build_account()]
    charge = await store.attempts.charge(keys, ticket=build_ticket(0), now=START)
    assert isinstance(charge, Admitted)
    first = await store.attempts.settle(charge.receipt, Outcome.FAILURE, now=START)
    assert isinstance(first, Settled)
    assert await store.attempts.settle(charge.receipt, Outcome.FAILURE, now=START) is None
    assert (await store.attempts.status(keys, now=START))[0].failures == 1
