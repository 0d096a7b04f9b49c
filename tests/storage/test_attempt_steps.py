"""The steps of one row: against a model that keeps every failure, and at their edges."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.storage.attempt_steps import (
    CLEAN,
    AttemptRow,
    add_failure,
    age,
    combine_statuses,
    compute_expiry,
    compute_key_status,
    compute_lock_end,
    compute_status,
    copy_row,
    decide,
    settle,
    take_charge,
)
from asgi_security.storage.protocols import (
    AttemptKey,
    AttemptStatus,
    Busy,
    Locked,
    LockoutSchedule,
    Outcome,
)

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEDULE = LockoutSchedule(3, 100.0, (10.0, 20.0), None, 30.0)
SCHEDULES = st.sampled_from(
    [
        SCHEDULE,
        LockoutSchedule(1, 50.0, (200.0,), 4, 10.0),
        LockoutSchedule(5, 900.0, (30.0, 60.0, 3600.0), None, 30.0),
        LockoutSchedule(2, 60.0, (), None, 5.0),
        LockoutSchedule(3, 2.0, (), None, 30.0),
    ]
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["charge", "success", "failure", "refund", "add", "wait"]),
        st.integers(0, 5),
        st.sampled_from([0.0, 1.0, 9.0, 31.0, 250.0]),
    ),
    max_size=40,
)


@dataclass
class Model:
    """The same rules with a list of all failures, and the clock going forward only."""

    schedule: LockoutSchedule
    failures: list[tuple[int, float]] = field(default_factory=list)
    charges: dict[bytes, tuple[int, float]] = field(default_factory=dict)
    count: int = 0

    def age(self, now: float) -> None:
        for ticket, (number, at) in list(self.charges.items()):
            if at + self.schedule.attempt_timeout_seconds <= now:
                del self.charges[ticket]
                self.failures.append((number, at))
        if self.failures and now >= self.lock_end + self.schedule.window_seconds:
            self.failures = []

    @property
    def last(self) -> float:
        return max(at for _, at in self.failures)

    @property
    def lock_end(self) -> float:
        if not self.failures:
            return -inf
        return compute_lock_end(len(self.failures), self.last, self.schedule)

    def charge(self, ticket: bytes, now: float) -> Locked | Busy | None:
        self.age(now)
        if now < self.lock_end:
            return Locked(None if self.lock_end == inf else self.lock_end)
        if len(self.charges) >= max(1, self.schedule.threshold - len(self.failures)):
            return Busy()
        self.count += 1
        self.charges[ticket] = (self.count, now)
        return None

    def settle(self, ticket: bytes, outcome: Outcome, now: float, *, forgets: bool) -> bool:
        self.age(now)
        if ticket not in self.charges:
            return False
        number, at = self.charges.pop(ticket)
        if outcome is Outcome.FAILURE:
            self.failures.append((number, at))
        elif outcome is Outcome.SUCCESS and forgets:
            self.failures = [each for each in self.failures if each[0] > number]
            self.charges = {name: each for name, each in self.charges.items() if each[0] > number}
        return True


@settings(max_examples=150, deadline=None)
@given(steps=STEPS, schedule=SCHEDULES, forgets=st.booleans())
def test_E13_E16_E18_a_count_per_charge_is_as_good_as_a_list(
    steps: list[tuple[str, int, float]], schedule: LockoutSchedule, *, forgets: bool
) -> None:
    row, model, now = AttemptRow(), Model(schedule), 1000.0
    tickets: list[bytes] = [b""]
    for step, choice, wait in steps:
        now += wait
        ticket = tickets[-1 - choice % len(tickets)]
        seen = compute_status(copy_row(row), schedule, now)
        age(row, schedule, now)
        assert compute_status(row, schedule, now) == seen, "looking and ageing agree"
        if step == "charge":
            ticket = b"%d" % len(tickets)
            refusal = decide([(row, schedule)], now)
            assert refusal == model.charge(ticket, now)
            if refusal is None:
                take_charge(row, ticket, now)
                tickets.append(ticket)
        elif step == "add":
            model.age(now)
            add_failure(row, now)
            model.count += 1
            model.failures.append((model.count, now))
        elif step == "wait":
            model.age(now)
        else:
            outcome = Outcome(step)
            wanted = model.settle(ticket, outcome, now, forgets=forgets)
            assert settle(row, ticket, outcome, forgets_on_success=forgets) is wanted
        assert row.failures == len(model.failures)
        assert list(row.charges or {}) == list(model.charges)
        assert row.last_failure_at == (model.last if model.failures else None)
        assert row.is_blank == (not model.failures and not model.charges)
        assert row.charges != {}
        expiry = compute_expiry(row, schedule)
        if expiry not in {inf, -inf}:
            late, early, charges_open = copy_row(row), copy_row(row), bool(row.charges)
            age(late, schedule, max(now, expiry))
            age(early, schedule, expiry - 0.001)
            assert late.is_blank, "swept from its expiry on"
            assert charges_open or not early.is_blank, "and not before"


@pytest.mark.parametrize(
    ("failures", "wanted"),
    [
        pytest.param(2, 100.0, id="L2 below the threshold"),
        pytest.param(3, 110.0, id="L2 at the threshold"),
        pytest.param(4, 120.0, id="L2 one more"),
        pytest.param(10**9, 120.0, id="L3 a count without bound"),
    ],
)
def test_L2_L3_lock_end(failures: int, wanted: float) -> None:
    assert compute_lock_end(failures, 100.0, SCHEDULE) == wanted


def test_L9_never_forgotten_and_never_swept() -> None:
    schedule = LockoutSchedule(3, 100.0, (10.0,), 4)
    row = AttemptRow(4, 0.0)
    assert age(row, schedule, 1e12) is False
    assert compute_expiry(row, schedule) == inf
    assert decide([(row, schedule), (AttemptRow(3, 1e12), schedule)], 1e12) == Locked(None)


def test_L11_clock_back_moves_charges_too() -> None:
    """A charge left in the future would keep its slot for as long as the clock lags."""
    row = AttemptRow(1, 1000.0)
    take_charge(row, b"t", 1000.0)
    assert age(row, SCHEDULE, 500.0) is True
    assert row.last_failure_at == 500.0
    assert age(row, SCHEDULE, 529.0) is False
    assert age(row, SCHEDULE, 530.0) is True
    assert (row.failures, row.last_failure_at, row.charges) == (2, 500.0, None)


def test_blank_rows() -> None:
    assert compute_status(None, SCHEDULE, 0.0) is CLEAN
    assert compute_status(AttemptRow(), SCHEDULE, 0.0) is CLEAN
    assert compute_expiry(AttemptRow(), SCHEDULE) == -inf
    assert settle(AttemptRow(), b"t", Outcome.SUCCESS, forgets_on_success=True) is False
    assert decide([(AttemptRow(), SCHEDULE)], 0.0) is None
    row = AttemptRow(3, 1.0)
    row.forget()
    assert row.is_blank


def test_E30_latest_lock_wins_over_busy() -> None:
    busy = AttemptRow(2, 0.0)
    take_charge(busy, b"t", 0.0)
    rows = [(AttemptRow(3, 1.0), SCHEDULE), (busy, SCHEDULE), (AttemptRow(4, 2.0), SCHEDULE)]
    assert decide(rows, 3.0) == Locked(22.0)
    assert decide(rows[1:2], 3.0) == Busy()


def test_E28_status_of_a_key_reads_its_old_digests() -> None:
    rows = {b"new": AttemptRow(1, 5.0), b"old": AttemptRow(3, 4.0), b"off": AttemptRow(9, 5.0)}
    key = AttemptKey("account", b"new", SCHEDULE, True, (b"older", b"old"))
    status = compute_key_status(lambda _kind, digest: rows.get(digest), key, 6.0)
    assert status == AttemptStatus(3, 5.0, locked=True, locked_until=14.0)


def test_L7_status_past_the_window() -> None:
    charged = AttemptRow()
    take_charge(charged, b"t", 0.0)
    assert compute_status(charged, SCHEDULE, 10.0) is CLEAN
    assert compute_status(AttemptRow(1, 0.0), SCHEDULE, 100.0) is CLEAN


@pytest.mark.parametrize("swap", [lambda pair: pair, lambda pair: pair[::-1]], ids=["", "swapped"])
@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        pytest.param(
            AttemptStatus(2, 5.0, locked=False, locked_until=None),
            CLEAN,
            AttemptStatus(2, 5.0, locked=False, locked_until=None),
            id="E28 one clean",
        ),
        pytest.param(
            AttemptStatus(2, 9.0, locked=False, locked_until=None),
            AttemptStatus(3, 5.0, locked=True, locked_until=15.0),
            AttemptStatus(3, 9.0, locked=True, locked_until=15.0),
            id="E28 one locked",
        ),
        pytest.param(
            AttemptStatus(3, 5.0, locked=True, locked_until=15.0),
            AttemptStatus(4, 4.0, locked=True, locked_until=24.0),
            AttemptStatus(4, 5.0, locked=True, locked_until=24.0),
            id="E28 both locked",
        ),
        pytest.param(
            AttemptStatus(3, 5.0, locked=True, locked_until=15.0),
            AttemptStatus(100, 4.0, locked=True, locked_until=None),
            AttemptStatus(100, 5.0, locked=True, locked_until=None),
            id="E28 one locked until cleared",
        ),
    ],
)
def test_E28_the_worse_counts(
    first: AttemptStatus,
    second: AttemptStatus,
    wanted: AttemptStatus,
    swap: Callable[[tuple[AttemptStatus, ...]], tuple[AttemptStatus, ...]],
) -> None:
    assert combine_statuses(*swap((first, second))) == wanted
