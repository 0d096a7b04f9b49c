"""Server-side sessions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A session as it is stored.

    `digest` is the SHA-256 of the id in the cookie, 32 bytes. `handle` names the session in lists
    and revokes it; it opens nothing. `data` is JSON. The session is absent from
    `min(idle_expires_at, absolute_expires_at)` on.
    """

    digest: bytes
    handle: str
    user: str | None
    data: bytes
    created_at: float
    seen_at: float
    idle_expires_at: float
    absolute_expires_at: float
    user_agent: str = ""
    client: bytes | None = None
    """Keyed digest of the client's address."""
    version: int = 1


@dataclass(frozen=True, slots=True)
class Created:
    """The session is stored; `evicted` are the handles of those that made room for it."""

    evicted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LimitReached:
    """The user has as many live sessions as allowed; nothing was stored."""


@dataclass(frozen=True, slots=True)
class Saved:
    """Stored as `version`."""

    version: int


@dataclass(frozen=True, slots=True)
class Conflict:
    """Another save came between; `current` is what is stored now. Nothing was changed."""

    current: SessionRecord


@dataclass(frozen=True, slots=True)
class Gone:
    """There is no such session (any more). Nothing was changed."""


class SessionStore(Protocol):
    """Server-side sessions."""

    async def create(
        self,
        record: SessionRecord,
        *,
        now: float,
        limit: int | None = None,
        evict: bool = True,
    ) -> Created | LimitReached:
        """Store a new session.

        With a `limit` and a `user`, the user's live sessions including this one never exceed it:
        the ones longest unseen are evicted, or with `evict=False` this one is not stored.
        Creating the same record again is a success without effect.

        Atomic because two logins at once must not both find room for the last place.
        """
        ...

    async def load(self, digest: bytes, *, now: float) -> SessionRecord | None:
        """Return the live session, or None."""
        ...

    async def save(self, record: SessionRecord, *, now: float) -> Saved | Conflict | Gone:
        """Replace a live session's user, data, seen_at and idle expiry, if at `record.version`.

        Update only: a session that is gone stays gone, so a slow request cannot undo a logout.
        Created, absolute expiry, handle, user agent and client stay as they are stored. A save
        whose version and content are already stored one version on is answered `Saved` again.

        Atomic because comparing and writing apart loses one of two changes.
        """
        ...

    async def touch(
        self, digest: bytes, *, seen_at: float, idle_expires_at: float, now: float
    ) -> bool:
        """Move a live session's two instants forward, never back; False if it is gone."""
        ...

    async def replace(
        self, digest: bytes, record: SessionRecord, *, now: float
    ) -> Saved | Conflict | Gone:
        """Put `record`, under its own digest, in the place of the live session `digest`.

        If that is at `record.version`, it dies and the new one lives at version + 1. The old
        session is dead before the call returns. Calling again after a lost reply is `Saved`.

        Atomic because between deleting and creating the user has no session, and between creating
        and deleting an attacker has one.
        """
        ...

    async def delete(self, digest: bytes) -> bool:
        """Delete a session; tell whether there was one (True is not promised on a repeat)."""
        ...

    async def delete_handle(self, user: str, handle: str) -> bool:
        """Delete the user's session of that handle; False if the user has none such."""
        ...

    async def list_for(self, user: str, *, now: float) -> tuple[SessionRecord, ...]:
        """Return the user's live sessions, the one seen last first."""
        ...

    async def delete_for(self, user: str, *, keep: bytes | None = None) -> int:
        """Delete all of the user's sessions but the one of digest `keep`; return how many."""
        ...
