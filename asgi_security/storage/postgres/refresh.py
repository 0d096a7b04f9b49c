"""Families of refresh tokens in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgi_security.errors import StorageError
from asgi_security.storage.protocols.refresh import (
    FamilyGone,
    RefreshFamily,
    Retried,
    Reused,
    Rotated,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.storage.postgres.pools import Pools
    from asgi_security.storage.protocols.refresh import Advance

_COLUMNS = (
    "digest, handle, subject, data, created_at, advanced_at, idle_expires_at, "
    "absolute_expires_at, user_agent, client, generation"
)
_FIELDS = 11
_SELECT = f"SELECT {_COLUMNS} FROM {{schema}}.refresh_families"  # noqa: S608 -- constants

OPEN = "SELECT {schema}.open_family($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
ADVANCE = """
    SELECT a.outcome, a.age, (a.current).* FROM {schema}.advance_family($1, $2, $3, $4, $5) AS a"""
LOAD = f"{_SELECT} WHERE digest = $1 AND expires_at > $2 AND NOT is_ended"
# The sum keeps the index by expiry out: without statistics it would be read from end to end, to
# find what the index by subject already has.
LIST = f"""{_SELECT} WHERE subject = $1 AND expires_at + 0 > $2 AND NOT is_ended
    ORDER BY advanced_at DESC, digest DESC"""
REVOKE = f"""
    DELETE FROM {{schema}}.refresh_families WHERE digest = $1 AND NOT is_ended
    RETURNING {_COLUMNS}"""  # noqa: S608 -- constants
REVOKE_HANDLE = """
    DELETE FROM {schema}.refresh_families WHERE subject = $1 AND handle = $2 AND NOT is_ended
    RETURNING 1"""
REVOKE_SUBJECT = "SELECT {schema}.revoke_families($1, $2, $3)"
SWEEP = """
    DELETE FROM {schema}.refresh_families WHERE digest IN (
        SELECT digest FROM {schema}.refresh_families WHERE expires_at <= $1
        LIMIT $2 FOR UPDATE SKIP LOCKED)
    RETURNING 1"""


class PostgresRefresh:
    """A `RefreshStore`: each operation one statement."""

    def __init__(self, pools: Pools) -> None:
        self._pools = pools

    async def open_family(self, family: RefreshFamily, *, now: float) -> None:
        """Store a new family."""
        found = await self._pools.fetch(
            OPEN,
            family.digest,
            family.handle,
            family.subject,
            family.data,
            family.created_at,
            family.advanced_at,
            family.idle_expires_at,
            family.absolute_expires_at,
            family.user_agent,
            family.client,
            family.generation,
            now,
        )
        if found[0][0] == "taken":
            raise StorageError("another family has this digest")

    async def advance(
        self,
        digest: bytes,
        generation: int,
        *,
        grace_seconds: float,
        idle_expires_at: float,
        now: float,
    ) -> Advance:
        """Use up the token of `generation`.

        Atomic because the function holds the row's lock from its look to its change.
        """
        self._pools.watch(now)
        found = await self._pools.fetch(
            ADVANCE, digest, generation, grace_seconds, idle_expires_at, now
        )
        outcome, age, *columns = found[0]
        if outcome == "gone":
            return FamilyGone()
        family = _read_row(columns)
        if outcome == "rotated":
            return Rotated(family)
        if outcome == "retried":
            return Retried(family)
        return Reused(family, age, is_first=outcome == "reused")

    async def load_family(self, digest: bytes, *, now: float) -> RefreshFamily | None:
        """Return the live family, or None; one that ended by reuse is None."""
        found = await self._pools.fetch(LOAD, digest, now)
        return _read_row(found[0]) if found else None

    async def revoke_family(self, digest: bytes) -> RefreshFamily | None:
        """End a family and return it as it was."""
        found = await self._pools.fetch(REVOKE, digest)
        return _read_row(found[0]) if found else None

    async def revoke_handle(self, subject: str, handle: str) -> bool:
        """End the subject's family of that handle."""
        return bool(await self._pools.fetch(REVOKE_HANDLE, subject, handle))

    async def revoke_subject(
        self, subject: str, *, keep: str | None = None, now: float
    ) -> tuple[str, ...]:
        """End all of the subject's families but that of handle `keep`."""
        return tuple((await self._pools.fetch(REVOKE_SUBJECT, subject, keep, now))[0][0])

    async def list_for(self, subject: str, *, now: float) -> tuple[RefreshFamily, ...]:
        """Return the subject's live families, the one advanced last first."""
        return tuple([_read_row(row) for row in await self._pools.fetch(LIST, subject, now)])

    async def sweep(self, now: float, limit: int) -> int:
        """Drop up to `limit` families that have expired."""
        return len(await self._pools.fetch(SWEEP, now, limit))


def _read_row(row: Sequence[Any]) -> RefreshFamily:
    return RefreshFamily(*row[:_FIELDS])
