"""Several processes on one file, some of them killed."""

from __future__ import annotations

import random
import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from asgi_security.storage.sqlite import SqliteStore
from asgi_security.testing.contracts.expecting import (
    START,
    build_account,
    build_digest,
)
from tests.storage.backends import use_asyncio
from tests.storage.racers import Racers, run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio
# what the parent's event loop is makes no difference to the other processes
anyio_backend = pytest.fixture(use_asyncio)

SCRIPT = "tests.storage.processes"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "security.db"


async def test_D60_processes_migrate_one_new_file_at_once(path: Path) -> None:
    assert run(SCRIPT, "migrate", str(path), count=4) == ["open"] * 4
    async with SqliteStore(path, timeout_seconds=20) as store:
        for number in range(4):
            ids = [build_digest(f"{number}")]
            assert await store.revocations.is_revoked(ids, now=START - 1)


async def test_D60_killed_at_any_moment_loses_nothing_acknowledged(path: Path) -> None:
    chance = random.Random(7)  # noqa: S311 -- the same moments in every run
    acknowledged: list[str] = []
    for turn in range(3):
        target = path.with_name(f"{turn}.db") if turn else path
        written: list[str] = []
        with Racers(SCRIPT, "append", str(target), count=3) as racers:
            racers.wait()
            racers.begin()
            for process in racers.processes:
                assert process.stdout is not None
                written.extend(process.stdout.readline() for _ in range(chance.randrange(1, 60)))
                process.kill()
            for process in racers.processes:
                rest, _ = process.communicate(timeout=60)
                written.extend(rest.splitlines(keepends=True))
        written = [line.strip() for line in written if line.endswith("\n")]
        await check_all_there(target, written)
        acknowledged += written
    assert len(acknowledged) > 9


async def check_all_there(path: Path, written: list[str]) -> None:
    async with SqliteStore(path, timeout_seconds=20) as store:
        for name in written:
            if int(name.split()[1]) % 2:
                assert await store.revocations.is_revoked([build_digest(name)], now=START - 1)
            else:
                status = await store.attempts.status([build_account(name)], now=START)
                assert status[0].failures == 1
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
async def test_a_store_is_used_on_both_sides_of_a_fork(path: Path) -> None:
    assert run(SCRIPT, "fork", str(path), count=1) == ["0"]
    async with SqliteStore(path, timeout_seconds=20) as store:
        for name in ("before", "parent", "child"):
            assert await store.revocations.is_revoked([build_digest(name)], now=START - 1)
