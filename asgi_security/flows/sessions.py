"""Does what is done to sessions from outside: lists a user's, and revokes one, the others or all.

The next request with a revoked session is anonymous; one that is already running is not disturbed.
Sessions that live in their cookies cannot be listed; with `revocations`,
`flows.revocations.revoke_subject` ends all of a user's, as it does with that user's tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from asgi_security.clock import system_clock

if TYPE_CHECKING:
    from asgi_security.clock import Clock
    from asgi_security.policy.session_state import Session
    from asgi_security.storage.protocols import SessionRecord, SessionStore, Store


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """One of a user's sessions, safe to show to that user: nothing in it opens anything."""

    handle: str
    created_at: float
    seen_at: float
    user_agent: str
    client: bytes | None
    """Keyed digest of the client's address at the begin: equal for equal addresses."""
    is_current: bool


async def list_sessions(
    store: Store | SessionStore,
    user: str,
    *,
    current: Session | None = None,
    clock: Clock = system_clock,
) -> tuple[SessionInfo, ...]:
    """Return the user's live sessions, the one seen last first; `current` marks the caller's."""
    handle = None if current is None else current.handle
    records = await resolve_sessions(store).list_for(user, now=clock())
    return tuple(_build_info(record, handle) for record in records)


async def revoke_session(store: Store | SessionStore, user: str, handle: str) -> bool:
    """End the user's session of that handle; False if the user has none such."""
    return await resolve_sessions(store).delete_handle(user, handle)


async def revoke_other_sessions(store: Store | SessionStore, user: str, *, current: Session) -> int:
    """End all of the user's sessions but the caller's; return how many there were."""
    kept = current.found if current.user == user else None
    return await resolve_sessions(store).delete_for(user, keep=None if kept is None else kept.key)


async def revoke_all_sessions(store: Store | SessionStore, user: str) -> int:
    """End all of the user's sessions, the caller's included; return how many there were."""
    return await resolve_sessions(store).delete_for(user)


def resolve_sessions(store: Store | SessionStore) -> SessionStore:
    """Return the sessions of a whole store, or what is that facet already."""
    return cast("SessionStore", getattr(store, "sessions", store))


def _build_info(record: SessionRecord, current: str | None) -> SessionInfo:
    return SessionInfo(
        handle=record.handle,
        created_at=record.created_at,
        seen_at=record.seen_at,
        user_agent=record.user_agent,
        client=record.client,
        is_current=record.handle == current,
    )
