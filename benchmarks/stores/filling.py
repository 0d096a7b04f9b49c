"""One backend: filled size by size, asked at every size, and swept at the end.

It is run in a fresh process, whose resident memory is that of the memory store.
"""

from __future__ import annotations

import asyncio
import gc
import random
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.rows import silence
from benchmarks.stores.operations import KEPT_SECONDS, PLANS, Turn
from benchmarks.stores.places import MissingError, provide

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from asgi_security.storage.protocols import Store
    from benchmarks.stores.operations import Act, FacetPlan
    from benchmarks.stores.places import Place

_SEED = 1
_FILL_AT_ONCE = 256
_WARM_FROM = 1_000_000_000
_FRESH_FROM = 2_000_000_000
_SWEEP_BATCH = 500
MICROSECONDS = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class StoresEffort:
    """How much to put in and how often to ask.

    `sizes` are keys of each facet. `calls` is how often an operation is asked, by how many ask at
    once; all but one at once only at the last size. `batches` bounds a sweep, `rounds` a duel of
    `duel_calls` for each side.
    """

    sizes: tuple[int, ...]
    calls: tuple[tuple[int, int], ...]
    batches: int
    rounds: int
    duel_calls: int


@dataclass(frozen=True, slots=True)
class Asked:
    """How long one operation took at one size, asked by so many at once."""

    facet: str
    operation: str
    size: int
    at_once: int
    p50_us: float
    p99_us: float
    per_second: float


@dataclass(frozen=True, slots=True)
class Filled:
    """What a key of a facet takes, and how fast they went in, 256 at once."""

    facet: str
    keys: int
    bytes_per_key: float
    per_second: float


@dataclass(frozen=True, slots=True)
class Swept:
    """What it costs to remove an expired row, and how long the longest batch of 500 took."""

    facet: str
    rows: int
    us_per_row: float
    longest_ms: float


@dataclass(frozen=True, slots=True)
class StoreResult:
    """All that was measured of one backend; what went wrong or is not there stands in `fault`."""

    backend: str
    sizes: tuple[int, ...] = ()
    asked: tuple[Asked, ...] = ()
    filled: tuple[Filled, ...] = ()
    swept: tuple[Swept, ...] = ()
    absent: str = ""
    fault: str = ""


def compute_quantile(ordered: Sequence[float], part: float) -> float:
    """Compute the number below which that part of them lies.

    >>> compute_quantile([1.0, 2.0, 3.0, 4.0], 0.5), compute_quantile([1.0, 2.0, 3.0], 0.99)
    (3.0, 3.0)
    """
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


async def ask_all(acts: Iterator[Callable[[], Awaitable[object]]], at_once: int) -> list[float]:
    """Call everything, so many at once; the seconds of each call."""
    times: list[float] = []
    clock = time.perf_counter

    async def lane() -> None:
        for act in acts:
            began = clock()
            await act()
            times.append(clock() - began)

    await asyncio.gather(*[lane() for _ in range(at_once)])
    return times


class Measurement:
    """A store on its way from empty to its last size."""

    def __init__(self, place: Place, effort: StoresEffort) -> None:
        self._place = place
        self._store: Store = place.store
        self._effort = effort
        self._now = time.time()
        self._fresh = _FRESH_FROM
        self._chance = random.Random(_SEED)  # noqa: S311 -- an order, not a secret
        self.asked: list[Asked] = []

    async def fill(self, plan: FacetPlan, begin: int, end: int) -> float:
        """Put in the keys of these numbers; how many went in a second."""
        turns = (Turn(number, 0, self._now) for number in range(begin, end))
        acts = (partial(plan.fill, self._store, turn) for turn in turns)
        gc.disable()  # it would walk through a growing heap over and over
        began = time.perf_counter()
        await ask_all(acts, _FILL_AT_ONCE)
        took = time.perf_counter() - began
        gc.enable()
        return (end - begin) / took

    async def ask(self, facet: str, plan: FacetPlan, size: int, at_once: int, calls: int) -> None:
        """Ask every operation of a facet, one after the other."""
        turns = [Turn(number, fresh, self._now) for number, fresh in self._draw(size, calls)]
        for operation in plan.operations:
            if operation.prepare is not None:
                await ask_all(self._bind(operation.prepare, turns), _FILL_AT_ONCE)
            gc.collect()
            began = time.perf_counter()
            times = await ask_all(self._bind(operation.act, turns), at_once)
            took = time.perf_counter() - began
            times.sort()
            self.asked.append(
                Asked(
                    facet,
                    operation.name,
                    size,
                    at_once,
                    compute_quantile(times, 0.5) * MICROSECONDS,
                    compute_quantile(times, 0.99) * MICROSECONDS,
                    len(times) / took,
                )
            )

    async def sweep(self, facet: str) -> Swept | None:
        """Let a facet remove what has expired, up to so many batches; None if it has no sweep."""
        swept: Any = getattr(self._store, facet)
        if not hasattr(swept, "sweep"):
            return None
        later = self._now + 2 * KEPT_SECONDS
        rows, longest, total = 0, 0.0, 0.0
        for _ in range(self._effort.batches):
            began = time.perf_counter()
            removed = swept.sweep(later, _SWEEP_BATCH)
            if not isinstance(removed, int):
                removed = await removed
            took = time.perf_counter() - began
            total += took
            longest = max(longest, took)
            rows += removed
            if not removed:
                break
        if not rows:
            return None
        return Swept(facet, rows, total / rows * MICROSECONDS, longest * 1000)

    async def close(self) -> None:
        """Let go of the store."""
        await self._store.aclose()

    def _draw(self, size: int, calls: int) -> Iterator[tuple[int, int]]:
        """Draw numbers that were filled in, none twice while there are others; and fresh ones."""
        for call in range(calls):
            if call % size == 0:
                order = self._chance.sample(range(size), min(size, calls - call))
            self._fresh += 1
            yield order[call % size], self._fresh

    def _bind(self, act: Act, turns: Sequence[Turn]) -> Iterator[Callable[[], Awaitable[object]]]:
        return (partial(act, self._store, turn) for turn in turns)


def measure_backend(backend: str, postgres_url: str, effort: StoresEffort) -> StoreResult:
    """Measure one backend; what is missing or fails is told in the result."""
    most_rows = effort.sizes[-1] * 4 + 100_000
    with silence():
        try:
            with provide(backend, postgres_url, most_rows) as place, asyncio.Runner() as runner:
                return _measure(backend, Measurement(place, effort), place, effort, runner)
        except MissingError as error:
            return StoreResult(backend, absent=str(error))
        except Exception as error:  # noqa: BLE001 -- reported in the result and in the exit code
            return StoreResult(backend, fault=f"failed: {error!r}")


def _measure(
    backend: str,
    measurement: Measurement,
    place: Place,
    effort: StoresEffort,
    runner: asyncio.Runner,
) -> StoreResult:
    filled: list[Filled] = []
    swept: list[Swept] = []
    last = effort.sizes[-1]
    # All connections, threads and prepared statements are there before anything is counted.
    for plan in PLANS.values():
        runner.run(measurement.fill(plan, _WARM_FROM, _WARM_FROM + _FILL_AT_ONCE))
    for facet, plan in PLANS.items():
        begin = 0
        for size in effort.sizes:
            before = place.count_bytes()
            fast = runner.run(measurement.fill(plan, begin, size))
            if size == last:
                each = (place.count_bytes() - before) / (size - begin)
                filled.append(Filled(facet, last, each, fast))
            for at_once, calls in effort.calls if size == last else effort.calls[:1]:
                runner.run(measurement.ask(facet, plan, size, at_once, calls))
            begin = size
    for facet in PLANS:
        found = runner.run(measurement.sweep(facet))
        if found is not None:
            swept.append(found)
    runner.run(measurement.close())
    asked = tuple(measurement.asked)
    return StoreResult(backend, effort.sizes, asked, tuple(filled), tuple(swept))
