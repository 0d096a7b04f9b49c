"""Sessions in SQLite."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

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
    import sqlite3

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
            present = _load(connection, record.digest, now)
            if present is not None:
                if present.handle != record.handle:
                    raise StorageError("another session has this digest")
                return Created()
            evicted: list[SessionRecord] = []
            if limit is not None and record.user is not None:
                evicted = _list(connection, record.user, now)[max(0, limit - 1) :]
                if limit < 1 or (evicted and not evict):
                    return LimitReached()
            for other in evicted:
                connection.execute(DELETE, (other.digest,))
            _put(connection, record)
            return Created(tuple(other.handle for other in reversed(evicted)))

        return await self._writer.run(step)

    async def load(self, digest: bytes, *, now: float) -> SessionRecord | None:
        """Return the live session, or None."""
        return await self._reader.run(lambda connection: _load(connection, digest, now))

    async def save(self, record: SessionRecord, *, now: float) -> Saved | Conflict | Gone:
        """Replace a live session's user, data, seen_at and idle expiry, if at its version."""

        def step(connection: sqlite3.Connection) -> Saved | Conflict | Gone:
            current = _load(connection, record.digest, now)
            if current is None:
                return Gone()
            wanted = replace(
                current,
                user=record.user,
                data=record.data,
                seen_at=record.seen_at,
                idle_expires_at=record.idle_expires_at,
                version=record.version + 1,
            )
            if current == wanted:
                return Saved(wanted.version)
            if current.version != record.version:
                return Conflict(current)
            _put(connection, wanted)
            return Saved(wanted.version)

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
        wanted = replace(record, version=record.version + 1)

        def step(connection: sqlite3.Connection) -> Saved | Conflict | Gone:
            current = _load(connection, digest, now)
            standing = _load(connection, record.digest, now)
            if current is None:
                return Saved(wanted.version) if standing == wanted else Gone()
            if current.version != record.version or (standing is not None and standing != current):
                return Conflict(current)
            connection.execute(DELETE, (digest,))
            _put(connection, wanted)
            return Saved(wanted.version)

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


def _list(connection: sqlite3.Connection, user: str, now: float) -> list[SessionRecord]:
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
