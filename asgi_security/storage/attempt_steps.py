"""Steps of one attempt row, for every backend that runs its steps in Python.

The rules, in the order they are applied:

1. `age`: a clock that went back moves anchors to now; charges past their timeout become failures
   of the instant they were charged; a streak past its window is forgotten.
2. `decide`: any locked row refuses; then any row with its budget of open charges used up.
3. `take_charge`, `settle`, `add_failure`: what an attempt does to a row.

A step changes the row it is given and touches nothing else: no clock, no I/O, no policy beyond the
schedule. The backend makes it atomic.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from asgi_security.storage.protocols.lockout import AttemptStatus, Busy, Locked, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from asgi_security.storage.protocols.lockout import AttemptKey, LockoutSchedule

CLEAN = AttemptStatus(0, None, locked=False, locked_until=None)
"""The state of a key without a row: absent, expired and cleared look the same."""

BUSY = Busy()

HISTORY_SECONDS = 90 * 86_400.0
"""How long attempt records are kept for `history`."""

USER_AGENT_CHARACTERS = 200


class OpenCharge:
    """An attempt under way. Those of one row stand in the order of their `sequence`.

    `later_failures` counts the row's failures that were charged after this one: what stays when
    this one succeeds. A count is enough; a list of all failures would grow with an attack.
    """

    __slots__ = ("charged_at", "later_failures", "sequence")

    def __init__(self, charged_at: float, sequence: int, later_failures: int = 0) -> None:
        self.charged_at = charged_at
        self.sequence = sequence
        self.later_failures = later_failures


class AttemptRow:
    """What is remembered of one key. `charges` is None rather than empty."""

    __slots__ = ("charges", "failures", "last_failure_at")

    def __init__(
        self,
        failures: int = 0,
        last_failure_at: float | None = None,
        charges: dict[bytes, OpenCharge] | None = None,
    ) -> None:
        self.failures = failures
        self.last_failure_at = last_failure_at
        self.charges = charges

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing to remember."""
        return not self.failures and not self.charges

    def forget(self) -> None:
        """Make the row blank."""
        self.failures = 0
        self.last_failure_at = None
        self.charges = None


def copy_row(row: AttemptRow) -> AttemptRow:
    """Return a row that can be changed without changing `row`."""
    charges = row.charges and {
        ticket: OpenCharge(charge.charged_at, charge.sequence, charge.later_failures)
        for ticket, charge in row.charges.items()
    }
    return AttemptRow(row.failures, row.last_failure_at, charges)


def compute_lock_end(failures: int, last_failure_at: float, schedule: LockoutSchedule) -> float:
    """Return when the lock ends: the last failure itself if there is none, `inf` if never."""
    if schedule.max_consecutive is not None and failures >= schedule.max_consecutive:
        return inf
    beyond = failures - schedule.threshold
    cooldowns = schedule.cooldowns_seconds
    if beyond < 0 or not cooldowns:
        return last_failure_at
    return last_failure_at + cooldowns[beyond if beyond < len(cooldowns) else -1]


def compute_expiry(row: AttemptRow, schedule: LockoutSchedule) -> float:
    """Return when the row can be swept: from then on it reads as blank, `inf` for never.

    With charges open it is the latest it can be, as if all of them were to fail.
    """
    timed_out = -inf
    if row.charges:
        latest = max([charge.charged_at for charge in row.charges.values()])
        timed_out = latest + schedule.attempt_timeout_seconds
        row = copy_row(row)
        _fail_charges(row, inf)
    if row.last_failure_at is None:
        return -inf
    end = compute_lock_end(row.failures, row.last_failure_at, schedule)
    return max(end + schedule.window_seconds, timed_out)


def age(row: AttemptRow, schedule: LockoutSchedule, now: float) -> bool:
    """Bring a row to the instant `now`; tell whether that changed it."""
    changed = False
    last = row.last_failure_at
    if last is not None and now < last:
        # Left in the future, the anchor would keep the lock on for as long as the clock lags.
        last = row.last_failure_at = now
        changed = True
    if row.charges and _has_stale_charge(row.charges, schedule, now):
        for charge in row.charges.values():
            charge.charged_at = min(charge.charged_at, now)
        _fail_charges(row, now - schedule.attempt_timeout_seconds)
        last = row.last_failure_at
        changed = True
    if last is None:
        return changed
    if now >= compute_lock_end(row.failures, last, schedule) + schedule.window_seconds:
        row.failures = 0
        row.last_failure_at = None
        for charge in (row.charges or {}).values():
            charge.later_failures = 0
        return True
    return changed


def compute_status(row: AttemptRow | None, schedule: LockoutSchedule, now: float) -> AttemptStatus:
    """Return the state of a row at `now`, changing nothing."""
    if row is None:
        return CLEAN
    last = row.last_failure_at
    if (last is not None and now < last) or (
        row.charges and _has_stale_charge(row.charges, schedule, now)
    ):
        row = copy_row(row)
        age(row, schedule, now)
    return describe(row, schedule, now)


def describe(row: AttemptRow, schedule: LockoutSchedule, now: float) -> AttemptStatus:
    """Return the state of a row whose charges and anchor are as of `now`."""
    last = row.last_failure_at
    if last is None:
        return CLEAN
    failures = row.failures
    end = compute_lock_end(failures, last, schedule)
    if now < end:
        return AttemptStatus(failures, last, True, None if end == inf else end)
    if now >= end + schedule.window_seconds:
        return CLEAN
    return AttemptStatus(failures, last, False, None)


def combine_statuses(first: AttemptStatus, second: AttemptStatus) -> AttemptStatus:
    """Return the worse of two states, field by field: a key under its old and its new digest."""
    if second is CLEAN:
        return first
    if first is CLEAN:
        return second
    lasts = [last for last in (first.last_failure_at, second.last_failure_at) if last is not None]
    locks = [status.locked_until for status in (first, second) if status.locked]
    ends = [end for end in locks if end is not None]
    return AttemptStatus(
        max(first.failures, second.failures),
        max(lasts, default=None),
        locked=bool(locks),
        locked_until=max(ends) if locks and len(ends) == len(locks) else None,
    )


def compute_key_status(
    find: Callable[[str, bytes], AttemptRow | None], key: AttemptKey, now: float
) -> AttemptStatus:
    """Return the state of a key at `now`: the worst under its digest and its old ones."""
    status = compute_status(find(key.kind, key.digest), key.schedule, now)
    for digest in key.old_digests:
        old = compute_status(find(key.kind, digest), key.schedule, now)
        status = combine_statuses(status, old)
    return status


def decide(rows: Iterable[tuple[AttemptRow, LockoutSchedule]], now: float) -> Locked | Busy | None:
    """Return why an attempt on all of these aged rows is refused, None if it is not."""
    until = -inf
    busy = False
    for row, schedule in rows:
        failures = row.failures
        if row.last_failure_at is not None:
            end = compute_lock_end(failures, row.last_failure_at, schedule)
            if now < end:
                until = max(until, end)
                continue
        if row.charges and len(row.charges) >= max(1, schedule.threshold - failures):
            busy = True
    if until != -inf:
        return Locked(None if until == inf else until)
    return BUSY if busy else None


def take_charge(row: AttemptRow, ticket: bytes, now: float) -> OpenCharge:
    """Open a charge, the last of the row."""
    if row.charges:
        charge = OpenCharge(now, next(reversed(row.charges.values())).sequence + 1)
        row.charges[ticket] = charge
    else:
        charge = OpenCharge(now, 1)
        row.charges = {ticket: charge}
    return charge


def settle(row: AttemptRow, ticket: bytes, outcome: Outcome, *, forgets_on_success: bool) -> bool:
    """End a charge of an aged row; False, and nothing changed, if it is not open."""
    charges = row.charges
    if charges is None:
        return False
    charge = charges.pop(ticket, None)
    if charge is None:
        return False
    if outcome is Outcome.FAILURE:
        _fail(row, charge.sequence, charge.charged_at)
    elif outcome is Outcome.SUCCESS and forgets_on_success:
        row.failures = charge.later_failures
        if not row.failures:
            row.last_failure_at = None
        for other in [name for name, each in charges.items() if each.sequence < charge.sequence]:
            del charges[other]
    if not charges:
        row.charges = None
    return True


def add_failure(row: AttemptRow, now: float) -> None:
    """Count a failure that had no charge: it is later than every charge that is open."""
    _fail(row, inf, now)


def _has_stale_charge(
    charges: dict[bytes, OpenCharge], schedule: LockoutSchedule, now: float
) -> bool:
    """Tell whether a charge has timed out or lies in the future."""
    timed_out = now - schedule.attempt_timeout_seconds
    for charge in charges.values():  # noqa: SIM110 -- `any` costs as much as the rest of a step
        if not timed_out < charge.charged_at <= now:
            return True
    return False


def _fail(row: AttemptRow, sequence: float, charged_at: float) -> None:
    row.failures += 1
    last = row.last_failure_at
    row.last_failure_at = charged_at if last is None or last < charged_at else last
    if row.charges is not None:
        for charge in row.charges.values():
            if charge.sequence < sequence:
                charge.later_failures += 1


def _fail_charges(row: AttemptRow, charged_until: float) -> None:
    """Turn every charge made at or before an instant into a failure."""
    charges = row.charges or {}
    ripe = [ticket for ticket, charge in charges.items() if charge.charged_at <= charged_until]
    for ticket in ripe:
        charge = charges.pop(ticket)
        _fail(row, charge.sequence, charge.charged_at)
    if not charges:
        row.charges = None
