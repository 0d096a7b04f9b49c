"""Several processes append to one chain (H84), and apps in transactions of their own (H91)."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from asgi_security.events import discard_event
from asgi_security.flows.audit import AuditConfig, AuditEntry, AuditLog, Verified
from asgi_security.storage.opening import open_store
from asgi_security.storage.protocols import Appended, AuditHead
from asgi_security.testing.contracts.audit import build_records, find_head

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from asgi_security.storage.protocols import Store

pytestmark = pytest.mark.anyio

SCRIPT = Path(__file__).with_name("audit_processes.py")
ROOT = Path(__file__).parents[2]
SECRET = "s" * 32


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["sqlite", "redis", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a URL and options: a store of its own."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'a.db'}", {"timeout_seconds": 30}
    elif request.param == "redis":
        pytest.importorskip("redis", reason="pip install 'asgi-security[redis]'")
        from tests.storage.redis_servers import URL, fresh_prefix  # noqa: PLC0415

        with fresh_prefix() as prefix:
            yield URL, {"prefix": prefix, "timeout_seconds": 30}
    else:
        pytest.importorskip("asyncpg", reason="pip install 'asgi-security[postgres]'")
        from tests.storage.postgres_servers import URL, provide_schema  # noqa: PLC0415

        for schema in provide_schema():
            yield URL, {"schema": schema, "timeout_seconds": 30}


@asynccontextmanager
async def opened(place: tuple[str, dict[str, Any]]) -> AsyncIterator[Store]:
    url, options = place
    remote = {} if url.startswith("sqlite") else {"events": discard_event}
    async with open_store(url, **options, **remote) as store:
        yield store


def run(place: tuple[str, dict[str, Any]], count: int) -> list[str]:
    """Start processes, let all of them begin at once, and return what they say."""
    url, options = place
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error", str(SCRIPT), url, json.dumps(options), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for number in range(count)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=120)[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0] * count
    return answers


async def test_H84_six_processes_make_one_chain(place: tuple[str, dict[str, Any]]) -> None:
    async with opened(place) as store:
        await store.audit.load_head("main")  # the tables are there
        assert run(place, 6) == ["50"] * 6
        log = AuditLog(AuditConfig(secret=SECRET, store_timeout_seconds=60), store)
        found = await log.verify()
        assert isinstance(found, Verified)
        assert (found.count, found.unkeyed) == (300, False)
        records = [*await store.audit.read("main")]
        assert [record.sequence for record in records] == list(range(1, 301))
        assert len({record.actor for record in records}) == 300
        assert await store.audit.load_head("main") == find_head(records)


async def test_H84_a_lost_answer_after_others_have_come(
    place: tuple[str, dict[str, Any]],
) -> None:
    """What is stored is not stored again, though the chain goes on behind it."""
    async with opened(place) as store:
        audit = store.audit
        records = build_records(5)
        await audit.append(records[:2], after=None)
        await audit.append(records[2:4], after=find_head(records[:2]))
        await audit.append(records[4:], after=find_head(records[:4]))
        answer = await audit.append(records[2:4], after=find_head(records[:2]))
        assert answer == Appended(AuditHead(5, records[4].mac))
        assert await audit.read("main") == records


class TestPostgresTransactions:
    @pytest.fixture
    def schema(self) -> Iterator[str]:
        pytest.importorskip("asyncpg", reason="pip install 'asgi-security[postgres]'")
        from tests.storage.postgres_servers import provide_schema  # noqa: PLC0415

        yield from provide_schema()

    async def test_H91_both_are_stored_or_neither(self, schema: str) -> None:
        from tests.storage.postgres_servers import URL, asyncpg  # noqa: PLC0415

        async with opened((URL, {"schema": schema, "timeout_seconds": 20})) as store:
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

    async def test_H91_an_open_transaction_holds_its_chain_alone(self, schema: str) -> None:
        from tests.storage.postgres_servers import URL, asyncpg  # noqa: PLC0415

        async with opened((URL, {"schema": schema, "timeout_seconds": 20})) as store:
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
