"""What is asked of each facet: how it is filled, and every operation, in an order that tidies up.

One turn of a facet calls its operations one after the other, each for the same numbers. *Walked*
numbers are of keys that were filled in; *fresh* ones of keys that a turn makes, and mostly removes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from asgi_security.storage.protocols import (
    Admitted,
    AttemptKey,
    AttemptRecord,
    AttemptStatus,
    LockoutSchedule,
    Outcome,
    ThrottleRule,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from asgi_security.storage.protocols import Store

    Act: TypeAlias = "Callable[[Store, Turn], Awaitable[object]]"

KEPT_SECONDS = 86_400.0
"""How long a filled key says something: longer than any run."""

KIND = "code"
"""Of the one-time values."""
SCHEDULE = LockoutSchedule(
    threshold=1000, window_seconds=KEPT_SECONDS, cooldowns_seconds=(30.0, 60.0, 120.0)
)
RULE = ThrottleRule(limit=1000, window_seconds=KEPT_SECONDS)
DATA = b'{"user":"ada","cart":[1,2,3],"csrf":"0123456789abcdef0123456789abcdef"}'
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@dataclass(slots=True)
class Turn:
    """Whose turn it is: a number that was filled in, one that is fresh, the instant of the run."""

    walked: int
    fresh: int
    now: float
    notes: dict[str, Any] = field(default_factory=dict)
    """What one operation leaves for the next."""
    until: int = 0
    """The end of the numbers that a fill puts in at once, from `walked` on."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation, by the name it has in its protocol; `prepare` runs before, untimed."""

    name: str
    act: Act
    prepare: Act | None = None


@dataclass(frozen=True, slots=True)
class FacetPlan:
    """How one key is made, and what is asked of it then.

    `read` asks the store for the key of `walked`, and answers `expect` whichever way it was filled
    in. `most_keys` bounds a facet below the sizes of a run. A `batch` of keys is put in by one
    fill, of which `fill_at_once` are under way.
    """

    fill: Act
    read: Act
    expect: Callable[[Turn], object]
    operations: tuple[Operation, ...]
    most_keys: int | None = None
    batch: int = 1
    fill_at_once: int = 256

    def limit_sizes(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """Return the sizes of a run that this facet is filled to."""
        most = sizes[-1] if self.most_keys is None else min(self.most_keys, sizes[-1])
        return (*[size for size in sizes if size < most], most)


def build_digest(number: int) -> bytes:
    """Build 32 bytes that lie as far from their neighbours as those of a hash do."""
    return (number * 0x9E3779B97F4A7C15 % (1 << 64)).to_bytes(8) + number.to_bytes(24)


def build_keys(number: int, *, kind: str = "account") -> tuple[AttemptKey, ...]:
    """Build the one key of an attempt."""
    return (AttemptKey(kind, build_digest(number), SCHEDULE, forgets_on_success=True),)


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


def _read_status(store: Store, turn: Turn) -> Awaitable[object]:
    return store.attempts.status(build_keys(turn.walked), now=turn.now)


_ATTEMPTS = FacetPlan(
    fill=lambda store, turn: store.attempts.add_failure(build_keys(turn.walked), now=turn.now),
    read=_read_status,
    expect=lambda turn: (AttemptStatus(1, turn.now, locked=False, locked_until=None),),
    operations=(
        Operation("charge", charge),
        Operation("settle", _settle),
        Operation("status", _read_status),
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
    read=lambda store, turn: store.revocations.is_revoked(
        (build_digest(turn.walked),), now=turn.now
    ),
    expect=lambda _: True,
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


def _put(store: Store, number: int, now: float) -> Awaitable[object]:
    return store.once.put(KIND, build_digest(number), DATA, expires_at=now + KEPT_SECONDS, now=now)


async def _take_and_put(store: Store, turn: Turn) -> object:
    """Read a value in the only way there is, and put it back."""
    found = await store.once.take(KIND, build_digest(turn.walked), now=turn.now)
    await _put(store, turn.walked, turn.now)
    return found


_ONCE = FacetPlan(
    fill=lambda store, turn: _put(store, turn.walked, turn.now),
    read=_take_and_put,
    expect=lambda _: DATA,
    operations=(
        Operation("put", lambda store, turn: _put(store, turn.fresh, turn.now)),
        Operation(
            "take",
            lambda store, turn: store.once.take(KIND, build_digest(turn.fresh), now=turn.now),
        ),
        Operation(
            "claim",
            lambda store, turn: store.once.claim(
                KIND, build_digest(turn.fresh), expires_at=turn.now + KEPT_SECONDS, now=turn.now
            ),
        ),
    ),
)


def throttle(store: Store, turn: Turn) -> Awaitable[object]:
    """Take a unit of a quota that has been used before."""
    return store.throttles.take(build_digest(turn.walked), RULE, now=turn.now)


async def _count_remaining(store: Store, turn: Turn) -> object:
    """Take nothing of a quota; what is left of it then."""
    state = await store.throttles.take(build_digest(turn.walked), RULE, now=turn.now, cost=0)
    return state.remaining


_THROTTLES = FacetPlan(
    fill=throttle,
    read=_count_remaining,
    expect=lambda _: RULE.limit - 1,
    operations=(Operation("take", throttle),),
)

REQUEST_PLANS: Mapping[str, FacetPlan] = {
    "attempts": _ATTEMPTS,
    "revocations": _REVOCATIONS,
    "once": _ONCE,
    "throttles": _THROTTLES,
}
"""By the name of the facet."""
