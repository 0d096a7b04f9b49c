"""What the processes of `test_audit_processes.py` do: `audit_processes PLACE NUMBER`.

Each says "ready" once it could begin, begins when it is sent a line, and prints how many of its
records were stored. Half of them are recorded at once, half one after the other.
"""

from __future__ import annotations

import asyncio
import sys

from asgi_security.flows.audit import AuditConfig, AuditEntry, AuditLog
from tests.storage.backends import Place

SECRET = "s" * 32
EACH = 50


async def main(place: Place, number: str) -> None:
    config = AuditConfig(secret=SECRET, store_timeout_seconds=60, max_tries=10_000)
    async with place.open() as store:
        log = AuditLog(config, store)

        async def record(turn: int) -> None:
            await log.record(AuditEntry(action="raced", actor=f"{number}.{turn}"))

        await asyncio.gather(*map(record, range(EACH // 2)))
        for turn in range(EACH // 2, EACH):
            await record(turn)
    print(EACH)  # noqa: T201 -- read by the test


if __name__ == "__main__":
    print("ready", flush=True)  # noqa: T201 -- read by the test
    sys.stdin.readline()
    asyncio.run(main(Place.from_json(sys.argv[1]), sys.argv[2]))
