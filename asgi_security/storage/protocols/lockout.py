"""Failed attempts, the locks that follow from them, and the charges of attempts under way."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol, TypeAlias

from asgi_security.values import value

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class LockoutSchedule:
    """A lockout policy as data, so that no backend knows one.

    A key with `threshold` failures or more is locked for `cooldowns_seconds[failures - threshold]`
    (the last entry for all beyond) from its last failure. Its streak is forgotten `window_seconds`
    after the last failure or after the lock's end, whichever is later. With `max_consecutive`
    failures it is locked until it is cleared. A charge unsettled for `attempt_timeout_seconds`
    becomes a failure of the instant it was charged.
    """

    threshold: int
    window_seconds: float
    cooldowns_seconds: tuple[float, ...]
    max_consecutive: int | None = None
    attempt_timeout_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class AttemptKey:
    """One thing that attempts are counted by.

    `digest` is under the current secret; `old_digests` under retired ones, whose rows are read
    (the worse verdict counts) and cleared, but never charged. `forgets_on_success` is True for an
    account (a success clears what was charged up to its own begin) and False for an address (a
    success only gives its own charge back).
    """

    kind: str
    digest: bytes
    schedule: LockoutSchedule
    forgets_on_success: bool
    old_digests: tuple[bytes, ...] = ()


@value
class Receipt:
    """Proof of a charge, to be settled once. `ticket` is 16 unpredictable bytes."""

    ticket: bytes
    keys: tuple[AttemptKey, ...]
    charged_at: float


@value
class Admitted:
    """The attempt may be verified."""

    receipt: Receipt


@value
class Locked:
    """A key is locked until the instant `until`, None for until it is cleared. Nothing charged."""

    until: float | None


@dataclass(frozen=True, slots=True)
class Busy:
    """As many attempts as could still fail are being verified. Nothing charged."""


Charge: TypeAlias = Admitted | Locked | Busy


class Outcome(Enum):
    """How an attempt ended."""

    SUCCESS = "success"
    FAILURE = "failure"
    REFUND = "refund"
    """Nothing was decided: the verifier failed, or a further factor is due."""


@value
class AttemptStatus:
    """The state of one key: settled failures, the last one, and the lock if it is on."""

    failures: int
    last_failure_at: float | None
    locked: bool
    locked_until: float | None
    """None when not locked, or when locked until cleared."""


@value
class Settled:
    """A charge was settled. For each key, in the receipt's order, its state before and after."""

    before: tuple[AttemptStatus, ...]
    after: tuple[AttemptStatus, ...]


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """A settled attempt for people to look at; no verdict ever comes from one.

    `account` and `client` are the digests that were charged; `user_agent` is cut to 200
    characters; `address` is raw and only there when the configuration opted in.
    """

    at: float
    account: bytes | None
    client: bytes | None
    kind: str
    outcome: str
    user_agent: str = ""
    address: str | None = None


class AttemptStore(Protocol):
    """Failed attempts, locks, and the charges of attempts under way.

    A store may have the attribute `is_process_local = True`: nobody else reads its keys, and no
    operation ever waits. Then it needs no time bound, and a secret may be made up at the start.
    """

    async def charge(self, keys: Sequence[AttemptKey], *, ticket: bytes, now: float) -> Charge:
        """Charge every key, or none.

        In order: charges past their timeout become failures; streaks past their window are
        forgotten; if any key is locked, `Locked` with the latest instant; if any key has
        `max(1, threshold - failures)` charges open, `Busy`; else each key takes one charge.
        A ticket already charged is admitted again and charged no second time. When `now` lies
        before a key's last failure (the clock went back), the anchor moves to `now` and stays.

        Atomic because check-then-record lets any number of parallel guesses through.
        """
        ...

    async def settle(
        self,
        receipt: Receipt,
        outcome: Outcome,
        *,
        now: float,
        record: AttemptRecord | None = None,
    ) -> Settled | None:
        """End a charge, once. None for one that is not open on any key: settled, timed out, forged.

        FAILURE: the charge becomes a failure anchored at the instant it was charged. REFUND: it is
        given back. SUCCESS: a key that `forgets_on_success` loses every failure and open charge
        that was charged up to this one, and keeps later ones; any other key gets it back.
        `record` is kept for `history` where it can be; failing to keep it fails nothing else.

        Atomic because two settlements of one charge must not both count.
        """
        ...

    async def status(self, keys: Sequence[AttemptKey], *, now: float) -> tuple[AttemptStatus, ...]:
        """Return the state of each key as a charge at `now` would find it, changing nothing."""
        ...

    async def clear(self, keys: Sequence[AttemptKey]) -> None:
        """Forget each key: failures, lock and open charges. Clearing nothing is fine."""
        ...

    async def add_failure(self, keys: Sequence[AttemptKey], *, now: float) -> None:
        """Count a failure on each key without a charge before it, for code that only records.

        Atomic because a failure must not get lost between reading a count and writing it.
        """
        ...

    async def history(
        self, *, account: bytes | None = None, client: bytes | None = None, limit: int = 50
    ) -> tuple[AttemptRecord, ...]:
        """Return the newest records of an account or client digest (all when both are None)."""
        ...
