"""What the other processes of `test_postgres_races.py` do: `postgres_processes.py TASK SCHEMA N`.

Each says "ready" once it could begin, begins when it is sent a line, and prints what it saw.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

from asgi_security.storage.postgres import PostgresStore
from asgi_security.storage.protocols import Admitted, Outcome
from asgi_security.testing.contracts.expecting import (
    START,
    build_account,
    build_client,
    build_digest,
    build_ticket,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


async def charge(store: PostgresStore, number: int) -> str:
    """Print how many of 25 attempts at once were admitted; all fail."""
    keys = [build_account(), build_client()]
    # In another order in every other process: the order of keys must not matter.
    keys = keys if number % 2 else keys[::-1]

    async def guess(turn: int) -> bool:
        ticket = build_ticket(f"{number} {turn}")
        answer = await store.attempts.charge(keys, ticket=ticket, now=START)
        if isinstance(answer, Admitted):
            await store.attempts.settle(answer.receipt, Outcome.FAILURE, now=START)
            return True
        return False

    return str(sum(await asyncio.gather(*map(guess, range(25)))))


async def take(store: PostgresStore, number: int) -> str:
    """Print how many of 5 takers at once got the value."""
    takers = [store.once.take("code", build_digest("code"), now=START) for _ in range(5)]
    return str(sum(value is not None for value in await asyncio.gather(*takers)))


async def migrate(store: PostgresStore, number: int) -> str:
    """Open a new schema, at the same time as all others."""
    await store.revocations.revoke(build_digest(f"{number}"), expires_at=START)
    return "open"


async def main(task: Callable[[PostgresStore, int], Coroutine[None, None, str]]) -> None:
    url = os.environ["ASGI_SECURITY_TEST_POSTGRES_URL"]
    async with PostgresStore(url, schema=sys.argv[2], timeout_seconds=30) as store:
        print(await task(store, int(sys.argv[3])))  # noqa: T201 -- read by the test


if __name__ == "__main__":
    print("ready", flush=True)  # noqa: T201 -- read by the test
    sys.stdin.readline()
    tasks = {"charge": charge, "take": take, "migrate": migrate}
    asyncio.run(main(tasks[sys.argv[1]]))
