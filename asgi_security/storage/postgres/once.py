"""One-time values in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asgi_security.storage.postgres.pools import Pools

PUT = """
    INSERT INTO {schema}.one_time_values (kind, digest, value, expires_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (kind, digest)
        DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at"""
TAKE = """
    DELETE FROM {schema}.one_time_values WHERE kind = $1 AND digest = $2
    RETURNING value, expires_at"""
CLAIM = """
    INSERT INTO {schema}.one_time_claims AS c (kind, digest, expires_at) VALUES ($1, $2, $3)
    ON CONFLICT (kind, digest)
        DO UPDATE SET expires_at = excluded.expires_at WHERE c.expires_at <= $4
    RETURNING 1"""
SWEEP_VALUES = """
    DELETE FROM {schema}.one_time_values WHERE (kind, digest) IN (
        SELECT kind, digest FROM {schema}.one_time_values WHERE expires_at <= $1
        LIMIT $2 FOR UPDATE SKIP LOCKED)
    RETURNING 1"""
SWEEP_CLAIMS = """
    DELETE FROM {schema}.one_time_claims WHERE (kind, digest) IN (
        SELECT kind, digest FROM {schema}.one_time_claims WHERE expires_at <= $1
        LIMIT $2 FOR UPDATE SKIP LOCKED)
    RETURNING 1"""


class PostgresOnce:
    """A `OneTimeStore`: each operation one statement."""

    def __init__(self, pools: Pools) -> None:
        self._pools = pools

    async def put(
        self, kind: str, digest: bytes, value: bytes, *, expires_at: float, now: float
    ) -> None:
        """Store a value under (kind, digest), in place of any other."""
        del now  # rows are many here, and swept
        await self._pools.fetch(PUT, kind, digest, value, expires_at)

    async def take(self, kind: str, digest: bytes, *, now: float) -> bytes | None:
        """Remove and return a live value, to exactly one caller.

        Atomic because a row is deleted once, and returned by the statement that deletes it.
        """
        found = await self._pools.fetch(TAKE, kind, digest)
        if not found:
            return None
        value: bytes = found[0][0]
        return value if now < found[0][1] else None

    async def claim(self, kind: str, digest: bytes, *, expires_at: float, now: float) -> bool:
        """Claim (kind, digest) until `expires_at`: True for the first caller only.

        Atomic because the primary key admits one row, and its update sees who came before.
        """
        return bool(await self._pools.fetch(CLAIM, kind, digest, expires_at, now))

    async def sweep(self, now: float, limit: int) -> int:
        """Drop up to `limit` expired values and as many claims."""
        values = await self._pools.fetch(SWEEP_VALUES, now, limit)
        return len(values) + len(await self._pools.fetch(SWEEP_CLAIMS, now, limit))
