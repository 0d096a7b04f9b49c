"""What the other processes of `test_sqlite_processes.py` do: `processes TASK FILE NUMBER`.

Each says "ready" once it could begin, begins when it is sent a line, and prints what it saw.
"""

from __future__ import annotations

import asyncio
import os
import sys
import warnings
from typing import TYPE_CHECKING

from asgi_security.storage.protocols import Admitted, Outcome
from asgi_security.storage.sqlite import SqliteStore
from asgi_security.testing.contracts.expecting import (
    START,
    build_account,
    build_digest,
    build_ticket,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


async def append(store: SqliteStore, number: int) -> str:
    """Print the number of each write once it was acknowledged, until killed."""

    async def write(lane: int) -> None:
        for turn in range(100_000):
            name = f"{number} {lane} {turn}"
            if lane % 2:
                await store.revocations.revoke(build_digest(name), expires_at=START)
            else:
                key = build_account(name)
                answer = await store.attempts.charge([key], ticket=build_ticket(name), now=START)
                assert isinstance(answer, Admitted)
                await store.attempts.settle(answer.receipt, Outcome.FAILURE, now=START)
            print(name, flush=True)  # noqa: T201 -- read by the test

    await asyncio.gather(*map(write, range(4)))
    return "done"


async def migrate(store: SqliteStore, number: int) -> str:
    """Open the file, at the same time as all others."""
    await store.revocations.revoke(build_digest(f"{number}"), expires_at=START)
    return "open"


def fork(path: str) -> None:
    """Use one store object on both sides of a fork."""
    warnings.simplefilter("ignore")  # newer Pythons warn of a fork while there are threads
    store = SqliteStore(path, timeout_seconds=20)
    asyncio.run(store.revocations.revoke(build_digest("before"), expires_at=START))
    child = os.fork()
    name = "parent" if child else "child"
    asyncio.run(store.revocations.revoke(build_digest(name), expires_at=START))
    asyncio.run(store.aclose())
    if not child:
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))  # noqa: T201 -- read by the test


async def main(task: Callable[[SqliteStore, int], Coroutine[None, None, str]]) -> None:
    async with SqliteStore(sys.argv[2], timeout_seconds=30) as store:
        print(await task(store, int(sys.argv[3])))  # noqa: T201 -- read by the test


if __name__ == "__main__":
    print("ready", flush=True)  # noqa: T201 -- read by the test
    sys.stdin.readline()
    if sys.argv[1] == "fork":
        fork(sys.argv[2])
    else:
        tasks = {"append": append, "migrate": migrate}
        asyncio.run(main(tasks[sys.argv[1]]))
