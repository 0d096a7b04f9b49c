"""Several processes that use one refresh token at once, through one store of each sort."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from asgi_security.storage.opening import open_store
from asgi_security.testing.contracts.expecting import START
from asgi_security.testing.contracts.refresh_lists import build_family
from tests.storage.redis_servers import URL as REDIS_URL
from tests.storage.redis_servers import fresh_prefix

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = Path(__file__).with_name("refresh_processes.py")
PROCESSES = 4


@pytest.fixture(scope="module")
def schema() -> Iterator[str]:
    pytest.importorskip("asyncpg", reason="pip install 'asgi-security[postgres]'")
    from tests.storage.postgres_servers import provide_schema  # noqa: PLC0415 -- with the extra

    yield from provide_schema()


@pytest.fixture(params=["sqlite", "redis", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    options: dict[str, Any] = {"timeout_seconds": 20.0}
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'security.db'}", options
    elif request.param == "redis":
        with fresh_prefix() as prefix:
            yield REDIS_URL, {**options, "prefix": prefix}
    else:
        from tests.storage.postgres_servers import URL  # noqa: PLC0415 -- with the extra

        yield URL, {**options, "schema": request.getfixturevalue("schema")}


def read_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"


def run_round(processes: list[subprocess.Popen[str]]) -> Counter[str]:
    """Let all begin at once and return the sum of their answers."""
    for process in processes:
        read_ready(process)
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    total: Counter[str] = Counter()
    for process in processes:
        assert process.stdout is not None
        total += Counter(json.loads(process.stdout.readline()))
    return total


async def prepare(url: str, options: dict[str, Any]) -> None:
    async with open_store(url, **options) as store:
        await store.refresh.open_family(build_family(), now=START)


def test_R81_R83_of_a_hundred_in_four_processes_one_rotates_and_one_alarms(
    place: tuple[str, dict[str, Any]],
) -> None:
    url, options = place
    asyncio.run(prepare(url, options))
    processes = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), url, json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    assert run_round(processes) == {"Rotated": 1, "Retried": 99}
    assert run_round(processes) == {"Reused True": 1, "Reused False": 99}
    for process in processes:
        process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0] * PROCESSES
