"""The step of a quota, against a model that keeps every unit it has given."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.storage.protocols import ThrottleRule, ThrottleState
from asgi_security.storage.throttle_steps import count_microseconds, take_units

NOW = 1_700_000_000.25
SECOND = 1_000_000


def run(rule: ThrottleRule, steps: list[tuple[int, int]]) -> list[tuple[int, int, ThrottleState]]:
    """Take the costs at the instants (microseconds after NOW) and return what was answered."""
    whole_at = 0
    answers = []
    for after, cost in steps:
        now = NOW + after / SECOND
        state, changed = take_units(whole_at, rule, now=now, cost=cost)
        assert (changed is not None) == state.admitted, "a refusal changes nothing"
        whole_at = changed or whole_at
        answers.append((count_microseconds(now), cost, state))
    return answers


RULES = st.builds(
    ThrottleRule,
    limit=st.integers(1, 40),
    window_seconds=st.sampled_from([0.004, 0.7, 1.0, 3.3, 60.0]),
    fixed_window=st.booleans(),
)
STEPS = st.lists(st.tuples(st.integers(0, 2_000_000), st.integers(1, 5)), max_size=60)


@settings(max_examples=150, deadline=None)
@given(rule=RULES, waits_and_costs=STEPS)
def test_T49_never_more_than_the_quota_allows(
    rule: ThrottleRule, waits_and_costs: list[tuple[int, int]]
) -> None:
    steps, after = [], 0
    for wait, cost in waits_and_costs:
        after += wait
        steps.append((after, min(cost, rule.limit)))
    answers = run(rule, steps)
    window = count_microseconds(rule.window_seconds)
    admitted = [(at, cost) for at, cost, state in answers if state.admitted]
    for number, (since, _) in enumerate(admitted):
        units = 0
        for at, cost in admitted[number:]:
            units += cost
            if rule.fixed_window:
                if at // window == since // window:
                    assert units <= rule.limit
            else:
                assert units <= rule.limit + Fraction(rule.limit * (at - since), window)


@settings(max_examples=150, deadline=None)
@given(rule=RULES, waits_and_costs=STEPS)
def test_T49_what_is_told_is_what_follows(
    rule: ThrottleRule, waits_and_costs: list[tuple[int, int]]
) -> None:
    whole_at, now = 0, NOW
    for wait, wanted in waits_and_costs:
        now = round(now + wait / SECOND, 6)
        cost = min(wanted, rule.limit)
        state, changed = take_units(whole_at, rule, now=now, cost=cost)
        whole_at = changed or whole_at
        assert 0 <= state.remaining < rule.limit
        if state.remaining:
            assert take_units(whole_at, rule, now=now, cost=state.remaining)[0].admitted
        if state.remaining + 1 <= rule.limit:
            assert not take_units(whole_at, rule, now=now, cost=state.remaining + 1)[0].admitted
        later = round(now + state.reset_seconds, 6)
        assert take_units(whole_at, rule, now=later, cost=rule.limit)[0].admitted
        before = round(later - 1e-6, 6)
        assert not take_units(whole_at, rule, now=before, cost=rule.limit)[0].admitted
        if state.admitted:
            assert state.retry_after_seconds == 0
        else:
            later = round(now + state.retry_after_seconds, 6)
            assert take_units(whole_at, rule, now=later, cost=cost)[0].admitted
            before = round(later - 1e-6, 6)
            assert not take_units(whole_at, rule, now=before, cost=cost)[0].admitted


@settings(max_examples=100, deadline=None)
@given(rule=RULES, back=st.integers(0, 5_000_000), costs=st.lists(st.integers(1, 5), max_size=50))
def test_D56_a_clock_that_went_back_gives_no_unit(
    rule: ThrottleRule, back: int, costs: list[int]
) -> None:
    costs = [min(cost, rule.limit) for cost in costs]
    whole_at = taken = 0
    for number, cost in enumerate(costs):
        now = NOW - (back / SECOND if number % 2 else 0)
        _, changed = take_units(whole_at, rule, now=now, cost=cost)
        if changed is not None:
            assert changed > whole_at, "what was taken is not taken back"
            whole_at = changed
            taken += cost
    assert taken <= rule.limit


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize(
    ("limit", "window"),
    [
        pytest.param(10_000, 1.0, id="the highest rate"),
        pytest.param(999, 60.0, id="a period of no whole microsecond"),
        pytest.param(1, 1e9, id="the longest window"),
    ],
)
def test_T50_a_burst_is_the_limit(limit: int, window: float, *, fixed: bool) -> None:
    rule = ThrottleRule(limit, window, fixed)
    whole_at, admitted = 0, 0
    for _ in range(limit + 50):
        state, changed = take_units(whole_at, rule, now=NOW, cost=1)
        whole_at = changed or whole_at
        admitted += state.admitted
    assert admitted == limit


def test_one_integer_outlives_a_change_of_the_rule() -> None:
    whole_at = 0
    for _ in range(100):
        whole_at = take_units(whole_at, ThrottleRule(100, 60.0), now=NOW, cost=1)[1] or 0
    tighter = ThrottleRule(10, 30.0)
    state, changed = take_units(whole_at, tighter, now=NOW, cost=1)
    assert state == ThrottleState(
        admitted=False, remaining=0, reset_seconds=60.0, retry_after_seconds=33.0
    )
    assert changed is None
    assert take_units(whole_at, tighter, now=NOW + 60, cost=10)[0].admitted


@pytest.mark.parametrize("fixed", [False, True])
def test_T49_whole_again_at_the_instant_itself(*, fixed: bool) -> None:
    rule, start = ThrottleRule(2, 60.0, fixed), 1_699_999_980.0
    _, whole_at = take_units(0, rule, now=start, cost=2)
    assert whole_at is not None
    for early in (1e-6, 59.5):
        assert not take_units(whole_at, rule, now=start + 60 - early, cost=2)[0].admitted
    assert take_units(whole_at, rule, now=start + 60, cost=2)[0].admitted
