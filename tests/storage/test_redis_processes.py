"""Several processes on one Redis. Run as a program, this is one of them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from asgi_security.storage.protocols import Admitted, Outcome
from asgi_security.storage.protocols.throttle import ThrottleRule
from asgi_security.testing.contracts.expecting import (
    START,
    build_account,
    build_client,
    build_digest,
    build_ticket,
)
from tests.storage.redis_servers import URL, fresh_prefix, open_redis

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
KEYS = (build_account(), build_client())


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def prefix() -> Iterator[str]:
    with fresh_prefix() as made:
        yield made


async def compete(prefix: str, number: int) -> None:
    """Print what was won of 50 charges, 10 takers and 250 requests, all at once."""
    won: Counter[str] = Counter()
    async with open_redis(URL, prefix, timeout_seconds=30) as store:

        async def guess(turn: int) -> None:
            ticket = build_ticket(f"{number} {turn}")
            answer = await store.attempts.charge(KEYS, ticket=ticket, now=START)
            if isinstance(answer, Admitted):
                won["charge"] += 1
                await store.attempts.settle(answer.receipt, Outcome.FAILURE, now=START)

        async def take() -> None:
            value = await store.once.take("code", build_digest("code"), now=START)
            won["take"] += value is not None

        async def throttle() -> None:
            rule = ThrottleRule(100, 60.0)
            state = await store.throttles.take(b"t", rule, now=START)
            won["throttle"] += state.admitted

        racers = [*map(guess, range(50)), *(take() for _ in range(10))]
        await asyncio.gather(*racers, *(throttle() for _ in range(250)))
    print(won["charge"], won["take"], won["throttle"])  # noqa: T201 -- read by the test


async def test_E14_T50_four_processes_race(prefix: str) -> None:
    async with open_redis(URL, prefix) as store:
        digest = build_digest("code")
        await store.once.put("code", digest, b"v", expires_at=START + 60, now=START)
        processes = [
            subprocess.Popen(  # noqa: ASYNC220 -- they run beside us
                [sys.executable, "-m", "tests.storage.test_redis_processes", prefix, str(number)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
            )
            for number in range(4)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        answers = [process.communicate(timeout=60)[0].split() for process in processes]
        assert [process.returncode for process in processes] == [0] * 4
        totals = [sum(map(int, column)) for column in zip(*answers, strict=True)]
        assert totals == [5, 1, 100]
        statuses = await store.attempts.status(KEYS, now=START)
        assert [status.failures for status in statuses] == [5, 5]


if __name__ == "__main__":
    print("ready", flush=True)  # noqa: T201 -- read by the test
    sys.stdin.readline()
    asyncio.run(compete(sys.argv[1], int(sys.argv[2])))
