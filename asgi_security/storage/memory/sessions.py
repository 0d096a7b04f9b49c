"""Sessions in this process's memory."""

from __future__ import annotations

from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING

from asgi_security.storage.memory.expiring import Expiring
from asgi_security.storage.protocols.sessions import Created, LimitReached, Saved, SessionRecord
from asgi_security.storage.session_steps import (
    check_repeated,
    decide_replace,
    decide_room,
    decide_save,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.storage.protocols.sessions import Conflict, Gone


class MemorySessions:
    """A `SessionStore` of at most `limit` sessions.

    When it is full of live ones, creating one more raises `StorageError`: a flood of sign-ins
    must not log out whoever is signed in.
    """

    def __init__(self, *, limit: int) -> None:
        self._sessions: Expiring[bytes, SessionRecord] = Expiring("sessions", limit, self._forget)
        self._of_users: dict[str, dict[bytes, SessionRecord]] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._sessions)

    async def create(
        self,
        record: SessionRecord,
        *,
        now: float,
        limit: int | None = None,
        evict: bool = True,
    ) -> Created | LimitReached:
        """Store a new session, making room among the user's others if need be."""
        with self._lock:
            repeated = check_repeated(self._sessions.get(record.digest, now), record)
            if repeated is not None:
                return repeated
            others = () if record.user is None else self._list(record.user, now)
            evicted = decide_room(others, limit, evict=evict)
            if isinstance(evicted, LimitReached):
                return evicted
            for other in evicted:
                self._remove(other.digest)
            self._put(record, now)
            return Created(tuple([other.handle for other in evicted]))

    async def load(self, digest: bytes, *, now: float) -> SessionRecord | None:
        """Return the live session, or None."""
        with self._lock:
            return self._sessions.get(digest, now)

    async def save(self, record: SessionRecord, *, now: float) -> Saved | Conflict | Gone:
        """Replace a live session's user, data, seen_at and idle expiry, if at its version."""
        with self._lock:
            change = decide_save(self._sessions.get(record.digest, now), record)
            if not isinstance(change, SessionRecord):
                return change
            self._put(change, now)
            return Saved(change.version)

    async def touch(
        self, digest: bytes, *, seen_at: float, idle_expires_at: float, now: float
    ) -> bool:
        """Move a live session's two instants forward, never back."""
        with self._lock:
            current = self._sessions.get(digest, now)
            if current is None:
                return False
            if seen_at > current.seen_at or idle_expires_at > current.idle_expires_at:
                moved = replace(
                    current,
                    seen_at=max(seen_at, current.seen_at),
                    idle_expires_at=max(idle_expires_at, current.idle_expires_at),
                )
                self._put(moved, now)
            return True

    async def replace(
        self, digest: bytes, record: SessionRecord, *, now: float
    ) -> Saved | Conflict | Gone:
        """Put `record`, under its own digest, in the place of a live session."""
        with self._lock:
            current = self._sessions.get(digest, now)
            change = decide_replace(current, self._sessions.get(record.digest, now), record)
            if not isinstance(change, SessionRecord):
                return change
            self._remove(digest)
            self._put(change, now)
            return Saved(change.version)

    async def delete(self, digest: bytes) -> bool:
        """Delete a session; tell whether there was one."""
        with self._lock:
            return self._remove(digest)

    async def delete_handle(self, user: str, handle: str) -> bool:
        """Delete the user's session of that handle."""
        with self._lock:
            for digest, record in self._of_users.get(user, {}).items():
                if record.handle == handle:
                    return self._remove(digest)
            return False

    async def list_for(self, user: str, *, now: float) -> tuple[SessionRecord, ...]:
        """Return the user's live sessions, the one seen last first."""
        with self._lock:
            return tuple(self._list(user, now))

    async def delete_for(self, user: str, *, keep: bytes | None = None) -> int:
        """Delete all of the user's sessions but `keep`."""
        with self._lock:
            doomed = [digest for digest in self._of_users.get(user, {}) if digest != keep]
            return sum([self._remove(digest) for digest in doomed])

    def sweep(self, now: float, limit: int) -> int:
        """Drop up to `limit` sessions that have expired."""
        with self._lock:
            return self._sessions.sweep(now, limit)

    def _list(self, user: str, now: float) -> Sequence[SessionRecord]:
        found = self._of_users.get(user, {}).values()
        alive = [record for record in found if now < _compute_end(record)]
        return sorted(alive, key=lambda record: (record.seen_at, record.digest), reverse=True)

    def _put(self, record: SessionRecord, now: float) -> None:
        stored = self._sessions.get_stored(record.digest)
        self._sessions.put(record.digest, record, expires_at=_compute_end(record), now=now)
        if stored is not None:
            self._forget(record.digest, stored[1])
        if record.user is not None:
            self._of_users.setdefault(record.user, {})[record.digest] = record

    def _remove(self, digest: bytes) -> bool:
        stored = self._sessions.pop(digest)
        if stored is None:
            return False
        self._forget(digest, stored[1])
        return True

    def _forget(self, digest: bytes, record: SessionRecord) -> None:
        if record.user is None:
            return
        digests = self._of_users.get(record.user)
        if digests is not None:
            digests.pop(digest, None)
            if not digests:
                del self._of_users[record.user]


def _compute_end(record: SessionRecord) -> float:
    return min(record.idle_expires_at, record.absolute_expires_at)
