"""What a `ThrottleStore` must do."""
# ruff: noqa: N802 -- the names cite the numbers of the specification

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from asgi_security.storage.protocols import ThrottleRule, ThrottleState
from asgi_security.testing.contracts.expecting import START, build_digest, expect, race

if TYPE_CHECKING:
    from asgi_security.storage.protocols import ThrottleStore

KEY = build_digest("key")
RULE = ThrottleRule(limit=5, window_seconds=60.0)
FIXED = ThrottleRule(limit=5, window_seconds=60.0, fixed_window=True)
MINUTE = START - START % 60


class HasThrottles(Protocol):
    """A store, as far as this contract uses it."""

    @property
    def throttles(self) -> ThrottleStore:
        """The facet under test."""
        ...


async def count_admitted(
    throttles: ThrottleStore, rule: ThrottleRule, *, now: float, times: int
) -> int:
    """Take one unit so many times and return how many were there."""
    states = [await throttles.take(KEY, rule, now=now) for _ in range(times)]
    return sum(state.admitted for state in states)


class ThrottleContract:
    """A `ThrottleStore`, rule by rule."""

    async def test_T49_a_burst_and_then_one_each_period(self, store: HasThrottles) -> None:
        """The limit is there at once, and then a unit every window / limit."""
        take = store.throttles.take
        for left in (4, 3, 2, 1, 0):
            reset = 60.0 - 12 * left
            expect(await take(KEY, RULE, now=START), ThrottleState(True, left, reset, 0.0))
        expect(await take(KEY, RULE, now=START), ThrottleState(False, 0, 60.0, 12.0))
        expect(await take(KEY, RULE, now=START + 11.5), ThrottleState(False, 0, 48.5, 0.5))
        for turn in (1, 2, 3):
            expect(await count_admitted(store.throttles, RULE, now=START + 12 * turn, times=3), 1)
        expect(await count_admitted(store.throttles, RULE, now=START + 36 + 60, times=9), 5)

    async def test_T49_refusals_do_not_push_the_time_away(self, store: HasThrottles) -> None:
        """Asking in vain a hundred times costs nothing."""
        expect(await count_admitted(store.throttles, RULE, now=START, times=105), 5)
        expect(await count_admitted(store.throttles, RULE, now=START + 11.75, times=100), 0)
        expect(await count_admitted(store.throttles, RULE, now=START + 12, times=3), 1)

    async def test_T49_the_wait_that_is_told_is_enough(self, store: HasThrottles) -> None:
        """Whoever comes back after it is admitted: also where the period is an odd one."""
        now = START + 0.1
        rule = ThrottleRule(limit=7, window_seconds=3.3)
        for _ in range(50):
            state = await store.throttles.take(KEY, rule, now=now)
            if not state.admitted:
                # To the microsecond: fifty sums of floats would drift by more.
                now = round(now + state.retry_after_seconds, 6)
                expect((await store.throttles.take(KEY, rule, now=now)).admitted, wanted=True)

    async def test_T49_never_more_than_the_limit(self, store: HasThrottles) -> None:
        """Of a quota whose period is no whole number of anything, all are there and no more."""
        for limit, window in ((1000, 60.0), (700, 3.3), (3, 1.0), (1, 0.001)):
            rule = ThrottleRule(limit, window)
            key = build_digest(f"{limit}")
            states = [
                await store.throttles.take(key, rule, now=START + 0.7) for _ in range(limit + 3)
            ]
            expect(sum(state.admitted for state in states), limit)

    async def test_T49_cost(self, store: HasThrottles) -> None:
        """All units of a request are there, or none is taken."""
        take = store.throttles.take
        expect(await take(KEY, RULE, now=START, cost=3), ThrottleState(True, 2, 36.0, 0.0))
        expect(await take(KEY, RULE, now=START, cost=3), ThrottleState(False, 2, 36.0, 12.0))
        expect(await take(KEY, RULE, now=START, cost=2), ThrottleState(True, 0, 60.0, 0.0))
        expect(await take(KEY, RULE, now=START + 60, cost=5), ThrottleState(True, 0, 60.0, 0.0))

    async def test_T49_keys_are_apart(self, store: HasThrottles) -> None:
        """One key's quota is none of another's."""
        expect(await count_admitted(store.throttles, RULE, now=START, times=9), 5)
        other = await store.throttles.take(build_digest("other"), RULE, now=START)
        expect(other, ThrottleState(True, 4, 12.0, 0.0))

    async def test_T49_fixed_window(self, store: HasThrottles) -> None:
        """The units come back together: twice the limit passes around a border."""
        take = store.throttles.take
        at = MINUTE + 59
        for left in (4, 3, 2, 1, 0):
            expect(await take(KEY, FIXED, now=at), ThrottleState(True, left, 1.0, 0.0))
        expect(await take(KEY, FIXED, now=at), ThrottleState(False, 0, 1.0, 1.0))
        expect(await count_admitted(store.throttles, FIXED, now=MINUTE + 60, times=9), 5)
        expect(await count_admitted(store.throttles, FIXED, now=MINUTE + 119.5, times=9), 0)
        expect(await take(KEY, FIXED, now=MINUTE + 120, cost=4), ThrottleState(True, 1, 60.0, 0.0))
        expect(
            await take(KEY, FIXED, now=MINUTE + 130, cost=2), ThrottleState(False, 1, 50.0, 50.0)
        )

    async def test_D55_expired_is_absent(self, store: HasThrottles) -> None:
        """From the instant on at which its quota is whole, a key is as one never seen."""
        unseen = await store.throttles.take(build_digest("unseen"), RULE, now=START + 60)
        expect(await count_admitted(store.throttles, RULE, now=START, times=5), 5)
        expect(await store.throttles.take(KEY, RULE, now=START + 60), unseen)

    async def test_D56_the_clock_goes_back(self, store: HasThrottles) -> None:
        """No unit is taken back and none is given."""
        expect(await count_admitted(store.throttles, RULE, now=START, times=9), 5)
        expect(await count_admitted(store.throttles, RULE, now=START - 30, times=9), 0)
        expect(await count_admitted(store.throttles, RULE, now=START + 11.5, times=9), 0)
        expect(await count_admitted(store.throttles, RULE, now=START + 12, times=9), 1)

    async def test_D56_the_clock_goes_back_over_a_border(self, store: HasThrottles) -> None:
        """What was taken of the later window stays taken, and what was left of it is there."""
        expect(await count_admitted(store.throttles, FIXED, now=MINUTE, times=3), 3)
        expect(await count_admitted(store.throttles, FIXED, now=MINUTE - 1, times=9), 2)
        expect(await count_admitted(store.throttles, FIXED, now=MINUTE + 59, times=9), 0)

    async def test_T50_as_many_as_the_limit_of_1000_at_once(self, store: HasThrottles) -> None:
        """Of 1000 at once exactly 100 are admitted."""
        for name, fixed in (("gcra", False), ("fixed", True)):
            rule = ThrottleRule(100, 60.0, fixed)
            key = build_digest(name)

            async def take(
                _number: int, key: bytes = key, rule: ThrottleRule = rule
            ) -> ThrottleState:
                return await store.throttles.take(key, rule, now=START)

            states = await race(1000, take)
            expect(sum(state.admitted for state in states), 100)
            left = sorted(state.remaining for state in states if state.admitted)
            expect(left, list(range(100)), "what the admitted were told is left")
