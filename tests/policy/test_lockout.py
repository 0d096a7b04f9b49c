"""The schedule: a pure function of counts and instants."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.errors import ConfigError
from asgi_security.policy.lockout import (
    CLIENT_RULES,
    CODE_RULES,
    LockoutConfig,
    LockoutRules,
    LockoutStatus,
    compute_cooldowns,
    compute_lockout,
    compute_retry_after,
)
from asgi_security.secret import Secret

LAST = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MICROSECOND = timedelta(microseconds=1)
SECRET = "s" * 32


class TestSchedule:
    def test_L1_the_same_arguments_give_the_same_status(self) -> None:
        asked = [compute_lockout(6, None, last_failure_at=LAST, now=LAST) for _ in range(3)]
        assert len(set(asked)) == 1
        assert asked[0] == LockoutStatus(True, LAST + 60 * SECOND, 6)

    def test_L1_without_an_instant_only_what_needs_none_is_answered(self) -> None:
        assert compute_lockout(4, LockoutConfig()) == LockoutStatus(False, None, 4)
        final = LockoutConfig(max_consecutive=5)
        assert compute_lockout(5, final) == LockoutStatus(True, None, 5)
        with pytest.raises(ValueError, match="give now"):
            compute_lockout(5, LockoutConfig())
        with pytest.raises(ValueError, match="give now"):
            compute_lockout(4, LockoutConfig(), last_failure_at=LAST)

    def test_L1_the_last_failure_left_out_is_now(self) -> None:
        assert compute_lockout(5, now=LAST).next_allowed_at == LAST + 30 * SECOND

    def test_P7_the_guides_defaults(self) -> None:
        assert LockoutConfig() == LockoutConfig(
            threshold=5, window_minutes=15, base_cooldown_seconds=30, max_cooldown_seconds=3600
        )

    @pytest.mark.parametrize(
        ("count", "seconds"),
        [
            *[pytest.param(count, None, id=f"L2 {count} is open") for count in range(5)],
            *[
                pytest.param(5 + index, seconds, id=f"L2 {5 + index} is {seconds} s")
                for index, seconds in enumerate((30, 60, 120, 240, 480, 960, 1920, 3600, 3600))
            ],
            pytest.param(10**9, 3600, id="L3 a count of 10^9 overflows nothing"),
            pytest.param(10**400, 3600, id="L3 nor does one past every float"),
        ],
    )
    def test_cooldown(self, count: int, seconds: int | None) -> None:
        status = compute_lockout(count, LockoutConfig(), last_failure_at=LAST, now=LAST)
        end = None if seconds is None else LAST + seconds * SECOND
        assert status == LockoutStatus(seconds is not None, end, count)

    def test_L3_a_sum_past_the_calendar_is_its_last_instant(self) -> None:
        rules = LockoutRules(base_cooldown_seconds=1e12, max_cooldown_seconds=1e12)
        status = compute_lockout(5, rules, last_failure_at=LAST, now=LAST)
        assert status.next_allowed_at == datetime.max.replace(tzinfo=UTC)

    def test_L3_so_is_an_instant_past_the_calendar(self) -> None:
        status = compute_lockout(5, last_failure_at=1e300, now=1e300)
        assert not status.locked
        assert compute_lockout(5, last_failure_at=LAST, now=1e300).failure_count == 0

    @pytest.mark.parametrize("after_seconds", [0, 1, 17, 29])
    def test_L4_the_end_is_absolute_however_often_it_is_asked(self, after_seconds: int) -> None:
        now = LAST + after_seconds * SECOND
        status = compute_lockout(5, last_failure_at=LAST, now=now)
        assert status == LockoutStatus(True, LAST + 30 * SECOND, 5)
        assert status.next_allowed_at is not None
        assert status.next_allowed_at.tzinfo is UTC

    def test_L5_open_at_the_end_and_locked_a_microsecond_before(self) -> None:
        end = LAST + 30 * SECOND
        assert compute_lockout(5, last_failure_at=LAST, now=end - MICROSECOND).locked
        assert not compute_lockout(5, last_failure_at=LAST, now=end).locked

    def test_L6_the_count_outlives_its_lock(self) -> None:
        open_again = LAST + 31 * SECOND
        assert compute_lockout(5, last_failure_at=LAST, now=open_again).failure_count == 5
        next_one = compute_lockout(6, last_failure_at=open_again, now=open_again)
        assert next_one.next_allowed_at == open_again + 60 * SECOND

    @pytest.mark.parametrize(
        ("count", "seconds"),
        [
            pytest.param(4, 900, id="L7 below the threshold, the window after the failure"),
            pytest.param(5, 930, id="L7 above it, the window after the lock"),
            pytest.param(12, 4500, id="L7 a lock longer than the window runs to its end"),
        ],
    )
    def test_streak_is_forgotten(self, count: int, seconds: int) -> None:
        end = LAST + seconds * SECOND
        before = compute_lockout(count, last_failure_at=LAST, now=end - MICROSECOND)
        assert before.failure_count == count
        forgotten = compute_lockout(count, last_failure_at=LAST, now=end)
        assert forgotten == LockoutStatus(False, None, 0)

    def test_L8_an_eager_guesser_gets_few_guesses_a_day(self) -> None:
        now, last, count, guesses = LAST, LAST, 0, 0
        while now < LAST + timedelta(days=1):
            status = compute_lockout(count, last_failure_at=last, now=now)
            if status.next_allowed_at is not None:
                now = status.next_allowed_at
                continue
            count, last, guesses = status.failure_count + 1, now, guesses + 1
        assert guesses == 34

    def test_L9_max_consecutive_locks_until_somebody_clears(self) -> None:
        rules = LockoutRules(max_consecutive=10)
        assert compute_lockout(9, rules, last_failure_at=LAST, now=LAST).next_allowed_at
        for days in (0, 1, 1000):
            now = LAST + timedelta(days=days)
            status = compute_lockout(10, rules, last_failure_at=LAST, now=now)
            assert status == LockoutStatus(True, None, 10)

    def test_L9_it_is_off_for_passwords_and_100_for_codes(self) -> None:
        assert LockoutConfig().max_consecutive is None
        assert CODE_RULES.max_consecutive == 100

    def test_E30_addresses_have_rules_of_their_own(self) -> None:
        assert CLIENT_RULES.threshold == 50

    @pytest.mark.parametrize(
        ("until", "seconds"),
        [
            pytest.param(129.0001, 30, id="L10 29.0001 is 30"),
            pytest.param(129.0, 29, id="L10 a whole number stays"),
            pytest.param(1_700_000_030.1 - 1_700_000_000.1 + 100, 30, id="L10 float noise"),
            pytest.param(100.0, 1, id="L10 at least 1"),
            pytest.param(None, 3600, id="L9 the longest lock for one without an end"),
        ],
    )
    def test_retry_after(self, until: float | None, seconds: int) -> None:
        assert compute_retry_after(until, 100.0, rules=LockoutRules()) == seconds

    def test_L11_a_clock_set_back_waits_at_most_one_cooldown_from_now(self) -> None:
        now = LAST - timedelta(days=1)
        status = compute_lockout(5, last_failure_at=LAST, now=now)
        assert status.next_allowed_at == now + 30 * SECOND

    @pytest.mark.parametrize(
        ("count", "instant"),
        [
            pytest.param(-1, LAST, id="L11 negative count"),
            pytest.param(True, LAST, id="L11 bool count"),
            pytest.param(5.0, LAST, id="L11 float count"),
            pytest.param(5, LAST.replace(tzinfo=None), id="L11 naive datetime"),
            pytest.param(5, float("nan"), id="L11 not a number"),
        ],
    )
    def test_what_has_no_meaning_is_refused(self, count: Any, instant: Any) -> None:
        with pytest.raises(ValueError, match=r"fail_count|aware"):
            compute_lockout(count, last_failure_at=instant, now=LAST)

    def test_instants_in_seconds_and_in_other_zones_are_the_same(self) -> None:
        zone = timezone(timedelta(hours=5, minutes=45))
        there = compute_lockout(5, last_failure_at=LAST.astimezone(zone), now=LAST)
        assert there == compute_lockout(5, last_failure_at=LAST.timestamp(), now=LAST)
        assert str(there.next_allowed_at) == "2026-03-01 12:00:30.123456+00:00"


RULES = st.builds(
    lambda base, factor: LockoutRules(
        base_cooldown_seconds=base, max_cooldown_seconds=base * factor
    ),
    st.floats(0.001, 1e6),
    st.floats(1, 1e3),
)


class TestCooldowns:
    def test_the_defaults_as_a_store_gets_them(self) -> None:
        assert compute_cooldowns(LockoutConfig()) == (30, 60, 120, 240, 480, 960, 1920, 3600)

    def test_L12_base_may_be_max(self) -> None:
        rules = LockoutRules(base_cooldown_seconds=60, max_cooldown_seconds=60)
        assert compute_cooldowns(rules) == (60,)

    def test_the_widest_range_is_still_short(self) -> None:
        rules = LockoutRules(base_cooldown_seconds=0.001, max_cooldown_seconds=1e12)
        assert compute_cooldowns(rules)[-1] == 1e12
        assert len(compute_cooldowns(rules)) <= 51

    @settings(max_examples=100, deadline=None)
    @given(RULES, st.integers(0, 10**12))
    def test_they_grow_to_the_maximum_and_are_what_the_schedule_says(
        self, rules: LockoutRules, excess: int
    ) -> None:
        cooldowns = compute_cooldowns(rules)
        assert list(cooldowns) == sorted(set(cooldowns))
        assert cooldowns[0] == rules.base_cooldown_seconds
        assert cooldowns[-1] == rules.max_cooldown_seconds
        status = compute_lockout(rules.threshold + excess, rules, last_failure_at=LAST, now=LAST)
        wait = cooldowns[min(excess, len(cooldowns) - 1)]
        assert status.next_allowed_at == LAST + timedelta(seconds=wait)

    @settings(max_examples=100, deadline=None)
    @given(st.integers(0, 30), st.integers(0, 10_000), st.integers(0, 10_000))
    def test_an_open_key_stays_open(self, count: int, first: int, more: int) -> None:
        early = compute_lockout(count, last_failure_at=0.0, now=float(first))
        late = compute_lockout(count, last_failure_at=0.0, now=float(first + more))
        assert early.locked >= late.locked
        assert early.failure_count >= late.failure_count


class TestConfig:
    @pytest.mark.parametrize(
        ("field", "value"),
        [
            *[
                pytest.param(field, value, id=f"L12 {field}={value}")
                for field in (
                    "threshold",
                    "window_minutes",
                    "base_cooldown_seconds",
                    "max_cooldown_seconds",
                    "attempt_timeout_seconds",
                    "max_consecutive",
                )
                for value in (0, -1, True, float("nan"), float("inf"), "5")
            ],
            pytest.param("threshold", 5.5, id="L12 half a failure"),
            pytest.param("max_consecutive", 4, id="L12 final before the first lock"),
            pytest.param("base_cooldown_seconds", 3601, id="L12 base above max"),
            pytest.param("client_rules", {"threshold": 5}, id="no rules for addresses"),
            pytest.param("code_rules", 100, id="no rules for codes"),
            pytest.param("wait_for_slot_seconds", -1, id="a negative wait"),
            pytest.param("store_timeout_seconds", 0, id="no time for the store"),
            pytest.param("max_body_bytes", 0.5, id="half a byte"),
            pytest.param("body_timeout_seconds", 0, id="no time for a body"),
            pytest.param("keep_raw_addresses", "no", id="a word for a switch"),
            pytest.param("known_devices", 1, id="a number for a switch"),
            pytest.param("secret", "short", id="E28 short secret"),
            pytest.param("secret", 5, id="E28 no secret"),
            pytest.param("old_secrets", SECRET, id="E28 one string for a list"),
            pytest.param("old_secrets", ["short"], id="E28 short old secret"),
        ],
    )
    def test_a_fault_is_named(self, field: str, value: Any) -> None:
        fields: dict[str, Any] = {"secret": SECRET, field: value}
        with pytest.raises(ConfigError) as raised:
            LockoutConfig(**fields)
        assert {problem.field for problem in raised.value.problems} == {field}

    def test_L12_all_faults_come_at_once(self) -> None:
        with pytest.raises(ConfigError) as raised:
            LockoutConfig(threshold=0, window_minutes=-1, base_cooldown_seconds=float("nan"))
        assert len(raised.value.problems) == 3

    def test_L12_a_threshold_of_1_is_legal(self) -> None:
        config = LockoutConfig(threshold=1, max_consecutive=1)
        assert compute_lockout(1, config, now=LAST) == LockoutStatus(True, None, 1)

    def test_old_secrets_need_a_current_one(self) -> None:
        with pytest.raises(ConfigError, match="secret=<secret>: missing beside old_secrets"):
            LockoutConfig(old_secrets=[SECRET])

    def test_secrets_are_wrapped_and_shown_nowhere(self) -> None:
        config = LockoutConfig(secret=SECRET, old_secrets=[b"o" * 40])
        assert config.secret == Secret(SECRET)
        assert config.old_secrets == (Secret(b"o" * 40),)
        assert "sss" not in repr(config)
        assert "ooo" not in repr(config)

    def test_rules_of_their_own(self) -> None:
        rules = LockoutRules(threshold=9)
        config = LockoutConfig(client_rules=rules, code_rules=rules)
        assert config.client_rules is config.code_rules is rules
