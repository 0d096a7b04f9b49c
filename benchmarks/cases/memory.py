"""Memory for each key that has one failure, as `tracemalloc` counts it."""

from __future__ import annotations

import gc
import os
import time
import tracemalloc
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.cases.lockout import WINDOW_MINUTES, build_address, build_attempts, build_key
from benchmarks.driving import run_now
from benchmarks.measure import find_disagreement
from benchmarks.rows import OURS, Row, SideResult, find_own_absence, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.measure import Effort, Series

    Fill = Callable[[int], "Filled"]

LIMIT = 5


@dataclass(frozen=True, slots=True)
class Filled:
    """A store in which every key has one failure, and how many more its first key may have."""

    store: object
    attempts_left: int


def _fill_ours(keys: int) -> Filled:
    """Charge every key and let it fail; the digests are made anew, as a request makes them."""
    from asgi_security.storage.protocols import Admitted, AttemptKey, Outcome

    attempts = build_attempts()
    first = build_key(0, threshold=LIMIT)

    async def fail(number: int) -> None:
        key = AttemptKey(first.kind, number.to_bytes(32), first.schedule, forgets_on_success=True)
        now = time.time()
        answer = await attempts.charge((key,), ticket=os.urandom(16), now=now)
        if isinstance(answer, Admitted):
            await attempts.settle(answer.receipt, Outcome.FAILURE, now=now)

    async def count_left() -> int:
        (status,) = await attempts.status((first,), now=time.time())
        return LIMIT - status.failures

    for number in range(keys):
        run_now(fail(number))
    return Filled(attempts, run_now(count_left()))


def _fill_limits(keys: int) -> Filled:
    from limits import RateLimitItemPerMinute, strategies
    from limits.storage import MemoryStorage

    limiter = strategies.FixedWindowRateLimiter(MemoryStorage())
    item = RateLimitItemPerMinute(LIMIT, WINDOW_MINUTES)
    for number in range(keys):
        limiter.hit(item, build_address(number))
    return Filled(limiter, limiter.get_window_stats(item, build_address(0)).remaining)


def _count_bytes(fill: Fill, keys: int) -> tuple[float, int]:
    """Count the bytes of a key; and, as the answer to compare, what its first key has left."""
    fill(1)  # what is imported and made once is no part of a key
    gc.collect()
    gc.disable()  # it would walk through a growing heap over and over
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        filled = fill(keys)
        gc.collect()
        after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
        gc.enable()
    return (after - before) / keys, filled.attempts_left


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryCase:
    """How many bytes each side keeps for a key; counted once, for counting has no noise."""

    name: str
    fills: Mapping[str, Fill]
    budgets: Mapping[str, float]

    def run(self, effort: Effort) -> Row:
        """Fill every side and tell."""
        series: dict[str, Series] = {}
        answers: dict[str, object] = {}
        absent: list[SideResult] = []
        for name, fill in self.fills.items():
            try:
                counted, answers[name] = _count_bytes(fill, effort.keys)
                series[name] = (counted,)
            except ImportError as error:
                absent.append(SideResult(name, absent=f"missing: {error}"))
        fault = find_disagreement(answers)
        if fault:
            return Row(case=self.name, unit="bytes", sides=tuple(absent), fault=fault)
        sides = (*judge(series, self.budgets, 1.0), *absent)
        return Row(case=self.name, unit="bytes", sides=sides, fault=find_own_absence(absent))


FILLS: Mapping[str, Fill] = {OURS: _fill_ours, "limits fixed": _fill_limits}

CASES = (
    MemoryCase(
        name="memory per key",
        fills=FILLS,
        budgets={"limits fixed": 1.0},
    ),
)
