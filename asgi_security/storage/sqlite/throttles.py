"""Quotas in SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgi_security.storage.throttle_steps import count_microseconds, take_units

if TYPE_CHECKING:
    import sqlite3

    from asgi_security.storage.protocols import ThrottleRule, ThrottleState
    from asgi_security.storage.sqlite.worker import Worker

FIND = "SELECT whole_at_microseconds FROM throttles WHERE digest = ?"
PUT = """
    INSERT INTO throttles (digest, whole_at_microseconds) VALUES (?, ?)
    ON CONFLICT DO UPDATE SET whole_at_microseconds = excluded.whole_at_microseconds"""
SWEEP = """
    DELETE FROM throttles WHERE digest IN (
        SELECT digest FROM throttles WHERE whole_at_microseconds <= ? LIMIT ?)"""


class SqliteThrottles:
    """A `ThrottleStore`: each operation one short transaction."""

    def __init__(self, writer: Worker) -> None:
        self._writer = writer

    async def take(
        self, digest: bytes, rule: ThrottleRule, *, now: float, cost: int = 1
    ) -> ThrottleState:
        """Take units, or none.

        Atomic because the writer's transaction holds the file's write lock before it reads.
        """

        def step(connection: sqlite3.Connection) -> ThrottleState:
            found = connection.execute(FIND, (digest,)).fetchone()
            state, whole_at = take_units(found[0] if found else 0, rule, now=now, cost=cost)
            if whole_at is not None:
                connection.execute(PUT, (digest, whole_at))
            return state

        return await self._writer.run(step)

    async def sweep(self, now: float, limit: int) -> int:
        """Drop up to `limit` keys whose quota is whole again."""

        def step(connection: sqlite3.Connection) -> int:
            return connection.execute(SWEEP, (count_microseconds(now), limit)).rowcount

        return await self._writer.run(step)
