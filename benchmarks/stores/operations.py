"""What is asked of each facet: how it is filled, and every operation, in an order that tidies up.

One turn of a facet calls its operations one after the other, each for the same numbers. *Walked*
numbers are of keys that were filled in; *fresh* ones of keys that a turn makes, and mostly removes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from asgi_security.storage.protocols import (
    Admitted,
    AttemptKey,
    AttemptRecord,
    LockoutSchedule,
    Outcome,
    SessionRecord,
    ThrottleRule,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from asgi_security.storage.protocols import Store

    Act: TypeAlias = "Callable[[Store, Turn], Awaitable[object]]"

KEPT_SECONDS = 86_400.0
"""How long a filled key says something: longer than any run."""

_SESSIONS_OF_USER = 4
_APART = 1024
"""The sessions of a user are filled in so far apart: who logs in four times at once waits."""
_SCHEDULE = LockoutSchedule(
    threshold=1000, window_seconds=KEPT_SECONDS, cooldowns_seconds=(30.0, 60.0, 120.0)
)
_RULE = ThrottleRule(limit=1000, window_seconds=KEPT_SECONDS)
_DATA = b'{"user":"ada","cart":[1,2,3],"csrf":"0123456789abcdef0123456789abcdef"}'


@dataclass(slots=True)
class Turn:
    """Whose turn it is: a number that was filled in, one that is fresh, the instant of the run."""

    walked: int
    fresh: int
    now: float
    notes: dict[str, Any] = field(default_factory=dict)
    """What one operation leaves for the next."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation, by the name it has in its protocol; `prepare` runs before, untimed."""

    name: str
    act: Act
    prepare: Act | None = None


@dataclass(frozen=True, slots=True)
class FacetPlan:
    """How one key is made, and what is asked of it then."""

    fill: Act
    operations: tuple[Operation, ...]


def build_digest(number: int) -> bytes:
    """Build 32 bytes that lie as far from their neighbours as those of a hash do."""
    return (number * 0x9E3779B97F4A7C15 % (1 << 64)).to_bytes(8) + number.to_bytes(24)


def build_keys(number: int, *, kind: str = "account") -> tuple[AttemptKey, ...]:
    """Build the one key of an attempt."""
    return (AttemptKey(kind, build_digest(number), _SCHEDULE, forgets_on_success=True),)


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
        data=_DATA,
        created_at=now,
        seen_at=now,
        idle_expires_at=now + KEPT_SECONDS,
        absolute_expires_at=now + KEPT_SECONDS,
        user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    )


async def charge(store: Store, turn: Turn) -> object:
    """Charge a key that has failed before, and keep the receipt."""
    ticket = os.urandom(16)
    answer = await store.attempts.charge(build_keys(turn.walked), ticket=ticket, now=turn.now)
    if isinstance(answer, Admitted):
        turn.notes["receipt"] = answer.receipt
    return answer


async def _settle(store: Store, turn: Turn) -> object:
    """Give the charge back, with a record: the row is then as it was."""
    receipt, now = turn.notes.pop("receipt"), turn.now
    account = receipt.keys[0].digest
    record = AttemptRecord(now, account, None, "password", "refund", "Browser/1.0")
    return await store.attempts.settle(receipt, Outcome.REFUND, now=now, record=record)


def _fail_fresh(store: Store, turn: Turn) -> Awaitable[object]:
    return store.attempts.add_failure(build_keys(turn.fresh), now=turn.now)


_ATTEMPTS = FacetPlan(
    fill=lambda store, turn: store.attempts.add_failure(build_keys(turn.walked), now=turn.now),
    operations=(
        Operation("charge", charge),
        Operation("settle", _settle),
        Operation(
            "status",
            lambda store, turn: store.attempts.status(build_keys(turn.walked), now=turn.now),
        ),
        Operation(
            "history",
            lambda store, turn: store.attempts.history(account=build_digest(turn.walked), limit=10),
        ),
        Operation("add_failure", _fail_fresh),
        Operation("clear", lambda store, turn: store.attempts.clear(build_keys(turn.fresh))),
    ),
)

_REVOCATIONS = FacetPlan(
    fill=lambda store, turn: store.revocations.revoke(
        build_digest(turn.walked), expires_at=turn.now + KEPT_SECONDS
    ),
    operations=(
        Operation(
            "is_revoked",
            lambda store, turn: store.revocations.is_revoked(
                (build_digest(turn.fresh), build_digest(turn.fresh)[::-1]),
                subject=build_digest(turn.walked),
                issued_at=turn.now,
                now=turn.now,
            ),
        ),
        Operation(
            "revoke",
            lambda store, turn: store.revocations.revoke(
                build_digest(turn.fresh), expires_at=turn.now + KEPT_SECONDS
            ),
        ),
        Operation(
            "revoke_subject",
            lambda store, turn: store.revocations.revoke_subject(
                build_digest(turn.fresh), before=turn.now, expires_at=turn.now + KEPT_SECONDS
            ),
        ),
    ),
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


_SESSIONS = FacetPlan(
    fill=lambda store, turn: store.sessions.create(
        build_session(turn.walked, turn.now, name_user(turn.walked)),
        now=turn.now,
        limit=_SESSIONS_OF_USER,
    ),
    operations=(
        Operation(
            "load",
            lambda store, turn: store.sessions.load(build_digest(turn.walked), now=turn.now),
        ),
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


def _put(store: Store, number: int, now: float) -> Awaitable[object]:
    return store.once.put(
        "code", build_digest(number), _DATA, expires_at=now + KEPT_SECONDS, now=now
    )


_ONCE = FacetPlan(
    fill=lambda store, turn: _put(store, turn.walked, turn.now),
    operations=(
        Operation("put", lambda store, turn: _put(store, turn.fresh, turn.now)),
        Operation(
            "take",
            lambda store, turn: store.once.take("code", build_digest(turn.fresh), now=turn.now),
        ),
        Operation(
            "claim",
            lambda store, turn: store.once.claim(
                "code", build_digest(turn.fresh), expires_at=turn.now + KEPT_SECONDS, now=turn.now
            ),
        ),
    ),
)


def throttle(store: Store, turn: Turn) -> Awaitable[object]:
    """Take a unit of a quota that has been used before."""
    return store.throttles.take(build_digest(turn.walked), _RULE, now=turn.now)


_THROTTLES = FacetPlan(fill=throttle, operations=(Operation("take", throttle),))

PLANS: Mapping[str, FacetPlan] = {
    "attempts": _ATTEMPTS,
    "revocations": _REVOCATIONS,
    "sessions": _SESSIONS,
    "once": _ONCE,
    "throttles": _THROTTLES,
}
"""By the name of the facet. A facet that has no plan is not filled."""
