"""Several processes append to one chain (H84), and apps in transactions of their own (H91)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from asgi_security.flows.audit import AuditConfig, AuditEntry, AuditLog, Verified
from asgi_security.storage.protocols import Appended, AuditHead
from asgi_security.testing.contracts.audit import build_records, find_head
from tests.storage import backends
from tests.storage.racers import run

if TYPE_CHECKING:
    from asgi_security.storage.protocols import Store
    from tests.storage.backends import Place

pytestmark = pytest.mark.anyio
anyio_backend = pytest.fixture(backends.use_asyncio)

SECRET = "s" * 32
shared = pytest.mark.parametrize("place", backends.SHARED, indirect=True)


@shared
async def test_H84_six_processes_make_one_chain(place: Place) -> None:
    async with place.open() as store:
        await store.audit.load_head("main")  # the tables are there
        answers = run("tests.storage.audit_processes", place.to_json(), count=6)
        assert answers == ["50"] * 6
        log = AuditLog(AuditConfig(secret=SECRET, store_timeout_seconds=60), store)
        found = await log.verify()
        assert isinstance(found, Verified)
        assert (found.count, found.unkeyed) == (300, False)
        records = [*await store.audit.read("main")]
        assert [record.sequence for record in records] == list(range(1, 301))
        assert len({record.actor for record in records}) == 300
        assert await store.audit.load_head("main") == find_head(records)


@shared
async def test_H84_a_lost_answer_after_others_have_come(store: Store) -> None:
    """What is stored is not stored again, though the chain goes on behind it."""
    audit = store.audit
    records = build_records(5)
    await audit.append(records[:2], after=None)
    await audit.append(records[2:4], after=find_head(records[:2]))
    await audit.append(records[4:], after=find_head(records[:4]))
    answer = await audit.append(records[2:4], after=find_head(records[:2]))
    assert answer == Appended(AuditHead(5, records[4].mac))
    assert await audit.read("main") == records


@pytest.mark.parametrize("place", ["postgres"], indirect=True)
class TestPostgresTransactions:
    async def test_H91_both_are_stored_or_neither(self, place: Place) -> None:
        from tests.storage.postgres_servers import URL, asyncpg  # noqa: PLC0415 -- with the extra

        async with place.open() as store:
            config = AuditConfig(secret=SECRET, store_timeout_seconds=20)
            log = AuditLog(config, store)
            await log.record(AuditEntry(action="before"))
            connection = await asyncpg.connect(URL, timeout=20)
            try:
                for name in ("kept", "undone", "kept too"):
                    transaction = connection.transaction()
                    await transaction.start()
                    await log.record_in(connection, AuditEntry(action=name))
                    await log.record_in(connection, AuditEntry(action=f"{name}, twice"))
                    if name == "undone":
                        await transaction.rollback()
                    else:
                        await transaction.commit()
            finally:
                await connection.close()
            await log.record(AuditEntry(action="behind"))
            actions = [record.action for record in await store.audit.read("main")]
            assert actions == [
                *("before", "kept", "kept, twice", "kept too", "kept too, twice", "behind"),
            ]
            found = await log.verify()
            assert isinstance(found, Verified)
            assert found.count == 6

    async def test_H91_an_open_transaction_holds_its_chain_alone(self, place: Place) -> None:
        from tests.storage.postgres_servers import URL, asyncpg  # noqa: PLC0415 -- with the extra

        async with place.open() as store:
            log = AuditLog(AuditConfig(secret=SECRET, store_timeout_seconds=20), store)
            await log.record(AuditEntry(action="before", tenant="a"))
            connection = await asyncpg.connect(URL, timeout=20)
            try:
                async with connection.transaction():
                    await log.record_in(connection, AuditEntry(action="within", tenant="a"))
                    await log.record(AuditEntry(action="elsewhere", tenant="b"))
                    assert await store.audit.load_head("tenant:a") != (
                        (await log._appender.load_end("tenant:b")).head
                    )
                    assert len(await store.audit.read("tenant:a")) == 1
            finally:
                await connection.close()
            assert len(await store.audit.read("tenant:a")) == 2
