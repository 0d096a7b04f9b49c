"""The one step of a quota, shared by the backends: pure, and all the state is one integer.

The integer is an instant, in microseconds since the Unix epoch, from which on the quota is whole:
a key whose instant has come says the same as one that was never seen.

* GCRA: what has been taken is owed as time. Each unit puts the instant off by one period, and as
  much as the whole quota may be owed at once. A refusal does not move it.
* Fixed window: the instant is the window's end, put off by one microsecond for each unit taken.

Microseconds as integers, because sums of floats drift: at this century's instants a float is off
by a tenth of one with each addition, and of a hundred units the last is refused or one too many
admitted.

Source: ITU-T I.371 annex A (GCRA as virtual scheduling).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgi_security.storage.protocols import ThrottleState

if TYPE_CHECKING:
    from asgi_security.storage.protocols import ThrottleRule

_SECOND = 1_000_000


def count_microseconds(seconds: float) -> int:
    """Return an instant or a duration in whole microseconds.

    Rounded: cut off, an instant that was told as a float could lie just before itself.
    """
    return int(seconds * _SECOND + 0.5)


def take_units(
    whole_at: int, rule: ThrottleRule, *, now: float, cost: int
) -> tuple[ThrottleState, int | None]:
    """Return the answer, and the new instant or None where nothing changes.

    Args:
        whole_at: the stored instant; 0 for none.
    """
    at = int(now * _SECOND + 0.5)
    window = int(rule.window_seconds * _SECOND + 0.5)
    if rule.fixed_window:
        return _take_of_window(whole_at, rule.limit, window, at, cost)
    # Rounded up, lest the window hold a unit too many.
    period = -(-window // rule.limit)
    start = max(at, whole_at)
    taken = start + cost * period
    early = taken - rule.limit * period - at
    if early <= 0:
        return ThrottleState(True, -early // period, (taken - at) / _SECOND, 0.0), taken
    # Owed may be more than a quota, when the clock went back or the rule has changed.
    remaining = max(0, (at + rule.limit * period - start) // period)
    return ThrottleState(False, remaining, (start - at) / _SECOND, early / _SECOND), None


def _take_of_window(
    whole_at: int, limit: int, window: int, at: int, cost: int
) -> tuple[ThrottleState, int | None]:
    end = (at // window + 1) * window
    used = 0
    if whole_at > end:  # a unit of this window has been taken, or of a later one: the clock is back
        used = whole_at % window
        end = whole_at - used
    left = (end - at) / _SECOND
    if used + cost <= limit:
        return ThrottleState(True, limit - used - cost, left, 0.0), end + used + cost
    return ThrottleState(False, max(0, limit - used), left, left), None
