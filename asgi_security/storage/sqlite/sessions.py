"""Sessions in SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgi_security.storage.protocols.sessions import Created, LimitReached, Saved, SessionRecord
from asgi_security.storage.session_steps import (
    check_repeated,
    decide_replace,
    decide_room,
    decide_save,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from asgi_security.storage.protocols.sessions import Conflict, Gone
    from asgi_security.storage.sqlite.worker import Worker

COLUMNS = (
    "digest, handle, user_id, data, created_at, seen_at, idle_expires_at, absolute_expires_at, "
    "user_agent, client, version"
)
ALIVE = "min(idle_expires_at, absolute_expires_at) > ?"
SELECT = f"SELECT {COLUMNS} FROM auth_sessions"  # noqa: S608 -- constants
LOAD = f"{SELECT} WHERE digest = ? AND {ALIVE}"
LIST = f"{SELECT} WHERE user_id = ? AND {ALIVE} ORDER BY seen_at DESC, digest DESC"
PUT = f"INSERT OR REPLACE INTO auth_sessions ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?)"  # noqa: S608
TOUCH = f"""
    UPDATE auth_sessions
    SET seen_at = max(seen_at, ?), idle_expires_at = max(idle_expires_at, ?)
    WHERE digest = ? AND {ALIVE}"""  # noqa: S608
DELETE = "DELETE FROM auth_sessions WHERE digest = ?"
DELETE_HANDLE = "DELETE FROM auth_sessions WHERE user_id = ? AND handle = ?"
DELETE_FOR = "DELETE FROM auth_sessions WHERE user_id = ? AND digest IS NOT ?"
SWEEP = """
    DELETE FROM auth_sessions WHERE digest IN (
        SELECT digest FROM auth_sessions
        WHERE min(idle_expires_at, absolute_expires_at) <= ? LIMIT ?)"""


class SqliteSessions:
    """A `SessionStore`: each operation one transaction."""

    def __init__(self, writer: Worker, reader: Worker) -> None:
        self._writer = writer
        self._reader = reader

    async def create(
        self,
        record: SessionRecord,
        *,
        now: float,
        limit: int | None = None,
        evict: bool = True,
    ) -> Created | LimitReached:
        """Store a new session, making room among the user's others if need be."""

        def step(connection: sqlite3.Connection) -> Created | LimitReached:
            repeated = check_repeated(_load(connection, record.digest, now), record)
            if repeated is not None:
                return repeated
            others = () if record.user is None else _list(connection, record.user, now)
            evicted = decide_room(others, limit, evict=evict)
            if isinstance(evicted, LimitReached):
                return evicted
            for other in evicted:
                connection.execute(DELETE, (other.digest,))
            _put(connection, record)
            return Created(tuple([other.handle for other in evicted]))

        return await self._writer.run(step)

    async def load(self, digest: bytes, *, now: float) -> SessionRecord | None:
        """Return the live session, or None."""
        return await self._reader.run(lambda connection: _load(connection, digest, now))

    async def save(self, record: SessionRecord, *, now: float) -> Saved | Conflict | Gone:
        """Replace a live session's user, data, seen_at and idle expiry, if at its version."""

        def step(connection: sqlite3.Connection) -> Saved | Conflict | Gone:
            change = decide_save(_load(connection, record.digest, now), record)
            if not isinstance(change, SessionRecord):
                return change
            _put(connection, change)
            return Saved(change.version)

        return await self._writer.run(step)

    async def touch(
        self, digest: bytes, *, seen_at: float, idle_expires_at: float, now: float
    ) -> bool:
        """Move a live session's two instants forward, never back."""

        def step(connection: sqlite3.Connection) -> bool:
            cursor = connection.execute(TOUCH, (seen_at, idle_expires_at, digest, now))
            return cursor.rowcount == 1

        return await self._writer.run(step)

    async def replace(
        self, digest: bytes, record: SessionRecord, *, now: float
    ) -> Saved | Conflict | Gone:
        """Put `record`, under its own digest, in the place of a live session."""

        def step(connection: sqlite3.Connection) -> Saved | Conflict | Gone:
            current = _load(connection, digest, now)
            change = decide_replace(current, _load(connection, record.digest, now), record)
            if not isinstance(change, SessionRecord):
                return change
            connection.execute(DELETE, (digest,))
            _put(connection, change)
            return Saved(change.version)

        return await self._writer.run(step)

    async def delete(self, digest: bytes) -> bool:
        """Delete a session; tell whether there was one."""
        return await self._delete(DELETE, digest) > 0

    async def delete_handle(self, user: str, handle: str) -> bool:
        """Delete the user's session of that handle."""
        return await self._delete(DELETE_HANDLE, user, handle) > 0

    async def list_for(self, user: str, *, now: float) -> tuple[SessionRecord, ...]:
        """Return the user's live sessions, the one seen last first."""
        return tuple(await self._reader.run(lambda connection: _list(connection, user, now)))

    async def delete_for(self, user: str, *, keep: bytes | None = None) -> int:
        """Delete all of the user's sessions but `keep`."""
        return await self._delete(DELETE_FOR, user, keep)

    async def sweep(self, now: float, limit: int) -> int:
        """Drop up to `limit` sessions that have expired, in one transaction."""
        return await self._delete(SWEEP, now, limit)

    async def _delete(self, statement: str, *parameters: bytes | str | float | None) -> int:
        return await self._writer.run(
            lambda connection: connection.execute(statement, parameters).rowcount
        )


def _load(connection: sqlite3.Connection, digest: bytes, now: float) -> SessionRecord | None:
    found = connection.execute(LOAD, (digest, now)).fetchone()
    return None if found is None else SessionRecord(*found)


def _list(connection: sqlite3.Connection, user: str, now: float) -> Sequence[SessionRecord]:
    return [SessionRecord(*found) for found in connection.execute(LIST, (user, now))]


def _put(connection: sqlite3.Connection, record: SessionRecord) -> None:
    connection.execute(
        PUT,
        (
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
        ),
    )
