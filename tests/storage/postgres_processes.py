"""What the other processes of `test_postgres_races.py` do: `postgres_processes TASK URL SCHEMA N`.

Each says "ready" once it could begin, begins when it is sent a line, and prints what it saw.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from asgi_security.storage.postgres import PostgresStore
from asgi_security.testing.contracts.expecting import (
    START,
    build_digest,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


async def migrate(store: PostgresStore, number: int) -> str:
    """Open a new schema, at the same time as all others."""
    await store.revocations.revoke(build_digest(f"{number}"), expires_at=START)
    return "open"


async def main(task: Callable[[PostgresStore, int], Coroutine[None, None, str]]) -> None:
    _, _, url, schema, number = sys.argv
    async with PostgresStore(url, schema=schema, timeout_seconds=30) as store:
        print(await task(store, int(number)))  # noqa: T201 -- read by the test


if __name__ == "__main__":
    print("ready", flush=True)  # noqa: T201 -- read by the test
    sys.stdin.readline()
    tasks = {"migrate": migrate}
    asyncio.run(main(tasks[sys.argv[1]]))
