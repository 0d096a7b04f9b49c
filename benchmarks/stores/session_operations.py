"""What is asked of sessions, and how they are filled: some for each user."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from asgi_security.storage.protocols import SessionRecord
from benchmarks.stores.operations import (
    AGENT,
    DATA,
    KEPT_SECONDS,
    FacetPlan,
    Operation,
    build_digest,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from asgi_security.storage.protocols import Store
    from benchmarks.stores.operations import Turn

_SESSIONS_OF_USER = 4
_APART = 1024
"""The sessions of a user are filled in so far apart: who logs in four times at once waits."""


def name_user(number: int) -> str:
    """Name the user of a session that was filled in.

    >>> [name_user(number) for number in (0, 1, 1024, 3072, 4096)]
    ['user-0', 'user-1', 'user-0', 'user-0', 'user-1024']
    """
    block, place = divmod(number, _APART * _SESSIONS_OF_USER)
    return f"user-{block * _APART + place % _APART}"


def build_session(number: int, now: float, user: str) -> SessionRecord:
    """Build one of the sessions of a user."""
    return SessionRecord(
        digest=build_digest(number),
        handle=f"handle-{number}",
        user=user,
        data=DATA,
        created_at=now,
        seen_at=now,
        idle_expires_at=now + KEPT_SECONDS,
        absolute_expires_at=now + KEPT_SECONDS,
        user_agent=AGENT,
    )


def _name_fresh(turn: Turn) -> str:
    return f"fresh-{turn.fresh}"


def _build_fresh(turn: Turn) -> SessionRecord:
    return build_session(turn.fresh, turn.now, _name_fresh(turn))


def _create(store: Store, turn: Turn) -> Awaitable[object]:
    return store.sessions.create(_build_fresh(turn), now=turn.now, limit=_SESSIONS_OF_USER)


def _save(store: Store, turn: Turn) -> Awaitable[object]:
    return store.sessions.save(_build_fresh(turn), now=turn.now)


def _touch(store: Store, turn: Turn) -> Awaitable[object]:
    later = turn.now + 1
    return store.sessions.touch(
        build_digest(turn.fresh),
        seen_at=later,
        idle_expires_at=later + KEPT_SECONDS,
        now=turn.now,
    )


def _replace(store: Store, turn: Turn) -> Awaitable[object]:
    fresh = _build_fresh(turn)
    record = replace(fresh, digest=fresh.digest[::-1], version=2)
    return store.sessions.replace(fresh.digest, record, now=turn.now)


def _delete_handle(store: Store, turn: Turn) -> Awaitable[object]:
    return store.sessions.delete_handle(_name_fresh(turn), _build_fresh(turn).handle)


def _delete_for(store: Store, turn: Turn) -> Awaitable[object]:
    return store.sessions.delete_for(_name_fresh(turn))


def build_filled_session(turn: Turn) -> SessionRecord:
    """Build the session that is filled in under a number."""
    return build_session(turn.walked, turn.now, name_user(turn.walked))


def _load_session(store: Store, turn: Turn) -> Awaitable[object]:
    return store.sessions.load(build_digest(turn.walked), now=turn.now)


SESSION_PLAN = FacetPlan(
    fill=lambda store, turn: store.sessions.create(
        build_filled_session(turn), now=turn.now, limit=_SESSIONS_OF_USER
    ),
    read=_load_session,
    expect=build_filled_session,
    operations=(
        Operation("load", _load_session),
        Operation(
            "list_for",
            lambda store, turn: store.sessions.list_for(name_user(turn.walked), now=turn.now),
        ),
        Operation("create", _create),
        Operation("save", _save),
        Operation("touch", _touch),
        Operation("replace", _replace),
        Operation(
            "delete",
            lambda store, turn: store.sessions.delete(build_digest(turn.fresh)[::-1]),
        ),
        Operation("delete_handle", _delete_handle, prepare=_create),
        Operation("delete_for", _delete_for, prepare=_create),
    ),
)
