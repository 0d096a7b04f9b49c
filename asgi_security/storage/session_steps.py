"""Decisions about one session, for every backend that makes them in Python.

Each is given what is stored and live, and says what to write; the backend makes it atomic.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

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
    from collections.abc import Sequence

Change: TypeAlias = SessionRecord | Saved | Conflict | Gone
"""A record is to be written, and answered `Saved` at its version; anything else is the answer."""


def check_repeated(present: SessionRecord | None, record: SessionRecord) -> Created | None:
    """Return the answer to a creation that has been made before, None for a first one.

    Raises:
        StorageError: Another session has this digest: the ids are not random.
    """
    if present is None:
        return None
    if present.handle != record.handle:
        raise StorageError("another session has this digest")
    return Created()


def decide_room(
    others: Sequence[SessionRecord], limit: int | None, *, evict: bool
) -> Sequence[SessionRecord] | LimitReached:
    """Return who must go for one more session of a user whose `others` are seen last first.

    The one longest unseen comes first.
    """
    if limit is None:
        return ()
    doomed = others[max(0, limit - 1) :]
    if limit < 1 or (doomed and not evict):
        return LimitReached()
    return doomed[::-1]


def decide_save(current: SessionRecord | None, record: SessionRecord) -> Change:
    """Return what a save of `record` over `current` leads to."""
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
        return Saved(wanted.version)  # it was made before, and its answer lost
    return wanted if current.version == record.version else Conflict(current)


def decide_replace(
    current: SessionRecord | None, standing: SessionRecord | None, record: SessionRecord
) -> Change:
    """Return what putting `record` in the place of `current` leads to.

    `standing` is what is stored under the digest of `record`.
    """
    wanted = replace(record, version=record.version + 1)
    if current is None:
        return Saved(wanted.version) if standing == wanted else Gone()
    if current.version != record.version or (standing is not None and standing != current):
        return Conflict(current)
    return wanted
