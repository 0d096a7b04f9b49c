"""Decides what becomes of a session when the response starts: what is written, moved or ended.

Source: OWASP ASVS 5.0 sections 7.2.4 (a new id at each login) and 7.4.1 (an end is an end).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from asgi_security.values import value

if TYPE_CHECKING:
    from asgi_security.policy.session_state import Session, Snapshot
    from asgi_security.policy.sessions import Lifetimes


@value
class Keep:
    """Write nothing."""


@value
class Touch:
    """Note the use of `found`, its data unchanged."""

    found: Snapshot


@value
class Save:
    """Write `data` into `found`, which keeps its id."""

    found: Snapshot
    data: bytes


@value
class Rotate:
    """Move `found`, now with `data`, to a new id; it keeps its beginning."""

    found: Snapshot
    data: bytes


@value
class Begin:
    """Begin a session under a new id, at now. `over`, if there is one, ends first."""

    over: Snapshot | None
    user: str | None
    data: bytes


@value
class End:
    """Remove the cookie, and the session that was found with it if there was one."""

    over: Snapshot | None


Writing: TypeAlias = Touch | Save | Rotate | Begin | End
Saving: TypeAlias = Keep | Writing

_KEEP = Keep()


def decide_saving(session: Session, lifetimes: Lifetimes, *, now: float, failed: bool) -> Saving:
    """Decide what becomes of a session that was accessed, as its response starts.

    `failed` is a status of 500 or more: what the app did is not kept, but an end is an end.
    """
    found = session.found
    if session.is_detached and not (session.signed_in or session.ended):
        return _KEEP
    if failed:
        return End(found) if session.ended and session.had_cookie else _KEEP
    data = session.encode_change()
    if session.is_empty:
        if session.ended and session.had_cookie:
            return End(found)
        return _KEEP if found is None or data is None else End(found)
    if found is None:
        return Begin(None, session.user, data or b"{}")
    if session.ended or session.signed_in:
        # A login begins anew: it proves the password again, and whatever id was planted dies.
        return Begin(found, session.user, data or found.data)
    if session.rotates:
        return Rotate(found, data or found.data)
    if data is not None or found.needs_resign:
        return Save(found, data or found.data)
    return Touch(found) if lifetimes.is_due(found.seen_at, now=now) else _KEEP


def merge_data(
    base: dict[str, object], ours: dict[str, object], theirs: dict[str, object]
) -> dict[str, object]:
    """Carry our changes since `base` over to `theirs`, key by key; ours win where both changed.

    >>> merge_data({"a": 1, "b": 1}, {"a": 2}, {"a": 1, "b": 1, "c": 3})
    {'a': 2, 'c': 3}
    """
    merged = {key: value for key, value in theirs.items() if key in ours or key not in base}
    changed = {key: value for key, value in ours.items() if key not in base or base[key] != value}
    return {**merged, **changed}
