"""One-time values in SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

    from asgi_security.storage.sqlite.worker import Worker

PUT = """
    INSERT INTO one_time_values (kind, digest, value, expires_at) VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at"""
TAKE = "DELETE FROM one_time_values WHERE kind = ? AND digest = ? RETURNING value, expires_at"
CLAIM = """
    INSERT INTO one_time_claims (kind, digest, expires_at) VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET expires_at = excluded.expires_at WHERE expires_at <= ?
    RETURNING 1"""
SWEEP_VALUES = """
    DELETE FROM one_time_values WHERE (kind, digest) IN (
        SELECT kind, digest FROM one_time_values WHERE expires_at <= ? LIMIT ?)"""
SWEEP_CLAIMS = """
    DELETE FROM one_time_claims WHERE (kind, digest) IN (
        SELECT kind, digest FROM one_time_claims WHERE expires_at <= ? LIMIT ?)"""


class SqliteOnce:
    """A `OneTimeStore`: each operation one statement."""

    def __init__(self, writer: Worker) -> None:
        self._writer = writer

    async def put(
        self, kind: str, digest: bytes, value: bytes, *, expires_at: float, now: float
    ) -> None:
        """Store a value under (kind, digest), in place of any other."""
        del now  # rows are many here, and swept

        def step(connection: sqlite3.Connection) -> None:
            connection.execute(PUT, (kind, digest, value, expires_at))

        await self._writer.run(step)

    async def take(self, kind: str, digest: bytes, *, now: float) -> bytes | None:
        """Remove and return a live value, to exactly one caller."""

        def step(connection: sqlite3.Connection) -> bytes | None:
            # All rows are fetched: a statement with RETURNING ends with its last row.
            found = connection.execute(TAKE, (kind, digest)).fetchall()
            return bytes(found[0][0]) if found and now < found[0][1] else None

        return await self._writer.run(step)

    async def claim(self, kind: str, digest: bytes, *, expires_at: float, now: float) -> bool:
        """Claim (kind, digest) until `expires_at`: True for the first caller only."""

        def step(connection: sqlite3.Connection) -> bool:
            return bool(connection.execute(CLAIM, (kind, digest, expires_at, now)).fetchall())

        return await self._writer.run(step)

    async def sweep(self, now: float, limit: int) -> int:
        """Drop up to `limit` expired values and as many claims, in one transaction."""

        def step(connection: sqlite3.Connection) -> int:
            values = connection.execute(SWEEP_VALUES, (now, limit)).rowcount
            return values + connection.execute(SWEEP_CLAIMS, (now, limit)).rowcount

        return await self._writer.run(step)
