"""Sessions in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgi_security.errors import StorageError
from asgi_security.storage.protocols.sessions import (
    Conflict,
    Created,
    Gone,
    LimitReached,
    Saved,
    SessionRecord,
)

if TYPE_CHECKING:
    from asgi_security.storage.postgres.pools import Pools

_COLUMNS = (
    "digest, handle, user_id, data, created_at, seen_at, idle_expires_at, absolute_expires_at, "
    "user_agent, client, version"
)
_SELECT = f"SELECT {_COLUMNS} FROM {{schema}}.auth_sessions"  # noqa: S608 -- constants

LOAD = f"{_SELECT} WHERE digest = $1 AND least(idle_expires_at, absolute_expires_at) > $2"
# Not with `least`, as the index by expiry has it: see `session_functions`.
LIST = f"""{_SELECT} WHERE user_id = $1 AND idle_expires_at > $2 AND absolute_expires_at > $2
    ORDER BY seen_at DESC, digest DESC"""
CREATE = """
    SELECT outcome, evicted FROM {schema}.create_session(
        $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"""
SAVE = """
    SELECT s.outcome, (s.current).* FROM {schema}.save_session($1, $2, $3, $4, $5, $6, $7) AS s"""
REPLACE = """
    SELECT s.outcome, (s.current).* FROM {schema}.replace_session(
        $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) AS s"""
TOUCH = """
    UPDATE {schema}.auth_sessions
    SET seen_at = greatest(seen_at, $2), idle_expires_at = greatest(idle_expires_at, $3)
    WHERE digest = $1 AND least(idle_expires_at, absolute_expires_at) > $4
    RETURNING 1"""
DELETE = "DELETE FROM {schema}.auth_sessions WHERE digest = $1 RETURNING 1"
DELETE_HANDLE = """
    DELETE FROM {schema}.auth_sessions WHERE user_id = $1 AND handle = $2 RETURNING 1"""
DELETE_ALL = "SELECT {schema}.delete_sessions($1, $2)"
SWEEP = """
    DELETE FROM {schema}.auth_sessions WHERE digest IN (
        SELECT digest FROM {schema}.auth_sessions
        WHERE least(idle_expires_at, absolute_expires_at) <= $1
        LIMIT $2 FOR UPDATE SKIP LOCKED)
    RETURNING 1"""


class PostgresSessions:
    """A `SessionStore`: each operation one statement."""

    def __init__(self, pools: Pools) -> None:
        self._pools = pools

    async def create(
        self,
        record: SessionRecord,
        *,
        now: float,
        limit: int | None = None,
        evict: bool = True,
    ) -> Created | LimitReached:
        """Store a new session, making room among the user's others if need be."""
        found = await self._pools.fetch(CREATE, *_list_columns(record), now, limit, evict)
        outcome, evicted = found[0]
        if outcome == "taken":
            raise StorageError("another session has this digest")
        if outcome == "full":
            return LimitReached()
        return Created(tuple(evicted or ()))

    async def load(self, digest: bytes, *, now: float) -> SessionRecord | None:
        """Return the live session, or None."""
        self._pools.watch(now)
        found = await self._pools.fetch(LOAD, digest, now)
        return SessionRecord(*found[0]) if found else None

    async def save(self, record: SessionRecord, *, now: float) -> Saved | Conflict | Gone:
        """Replace a live session's user, data, seen_at and idle expiry, if at its version."""
        found = await self._pools.fetch(
            SAVE,
            record.digest,
            record.user,
            record.data,
            record.seen_at,
            record.idle_expires_at,
            record.version,
            now,
        )
        return _read_change(found[0], record)

    async def touch(
        self, digest: bytes, *, seen_at: float, idle_expires_at: float, now: float
    ) -> bool:
        """Move a live session's two instants forward, never back."""
        return bool(await self._pools.fetch(TOUCH, digest, seen_at, idle_expires_at, now))

    async def replace(
        self, digest: bytes, record: SessionRecord, *, now: float
    ) -> Saved | Conflict | Gone:
        """Put `record`, under its own digest, in the place of a live session."""
        found = await self._pools.fetch(REPLACE, digest, *_list_columns(record), now)
        return _read_change(found[0], record)

    async def delete(self, digest: bytes) -> bool:
        """Delete a session; tell whether there was one."""
        return bool(await self._pools.fetch(DELETE, digest))

    async def delete_handle(self, user: str, handle: str) -> bool:
        """Delete the user's session of that handle."""
        return bool(await self._pools.fetch(DELETE_HANDLE, user, handle))

    async def list_for(self, user: str, *, now: float) -> tuple[SessionRecord, ...]:
        """Return the user's live sessions, the one seen last first."""
        return tuple([SessionRecord(*found) for found in await self._pools.fetch(LIST, user, now)])

    async def delete_for(self, user: str, *, keep: bytes | None = None) -> int:
        """Delete all of the user's sessions but `keep`."""
        return int((await self._pools.fetch(DELETE_ALL, user, keep))[0][0])

    async def sweep(self, now: float, limit: int) -> int:
        """Drop up to `limit` sessions that have expired."""
        return len(await self._pools.fetch(SWEEP, now, limit))


def _list_columns(record: SessionRecord) -> tuple[object, ...]:
    return (
        record.digest,
        record.handle,
        record.user,
        record.data,
        record.created_at,
        record.seen_at,
        record.idle_expires_at,
        record.absolute_expires_at,
        record.user_agent,
        record.client,
        record.version,
    )


def _read_change(found: Any, record: SessionRecord) -> Saved | Conflict | Gone:
    outcome, *current = found
    if outcome == "saved":
        return Saved(record.version + 1)
    return Gone() if outcome == "gone" else Conflict(SessionRecord(*current))
