"""A store on its way from empty to its last size: filled, asked, compared and swept."""

from __future__ import annotations

import asyncio
import gc
import random
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.stores.bulk import build_rows
from benchmarks.stores.operations import KEPT_SECONDS, Turn
from benchmarks.stores.plans import PLANS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

    from asgi_security.storage.protocols import Store
    from benchmarks.stores.operations import Act, FacetPlan
    from benchmarks.stores.places import Place

_SEED = 1
_FILL_AT_ONCE = 256
_WARM_FROM = 1_000_000_000
_FRESH_FROM = 2_000_000_000
_SWEEP_BATCH = 500
_READ_BACK = 100
MICROSECONDS = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class StoresEffort:
    """How much to put in and how often to ask.

    `sizes` are keys of each facet. `calls` is how often an operation is asked, by how many ask at
    once; all but one at once only at the last size. `batches` bounds a sweep, `rounds` a duel of
    `duel_calls` for each side. `small` are the keys of each facet in the store that the last size
    is compared with; `warm_keys` go into each before anything is timed.
    """

    sizes: tuple[int, ...]
    calls: tuple[tuple[int, int], ...]
    batches: int
    rounds: int
    duel_calls: int
    small: int = 10_000
    warm_keys: int = _FILL_AT_ONCE


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
    """What a key of a facet takes, and how fast they went in, in bulk where the place can."""

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
class Compared:
    """One operation, asked alone of a small store and of the large one, turn by turn.

    The two are asked within one round, so that a slow moment of the machine or of its disk meets
    both; `ratio` is the median of the rounds.
    """

    facet: str
    operation: str
    small_us: float
    large_us: float
    ratio: float


@dataclass(frozen=True, slots=True)
class StoreResult:
    """All that was measured of one backend; what went wrong or is not there stands in `fault`."""

    backend: str
    sizes: tuple[int, ...] = ()
    asked: tuple[Asked, ...] = ()
    filled: tuple[Filled, ...] = ()
    swept: tuple[Swept, ...] = ()
    compared: tuple[Compared, ...] = ()
    absent: str = ""
    fault: str = ""

    @property
    def lasts(self) -> dict[str, int]:
        """The last size of each facet: of some it is below the last one of the run."""
        return {one.facet: one.size for one in sorted(self.asked, key=lambda one: one.size)}


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

    def __init__(self, place: Place, effort: StoresEffort, *, now: float | None = None) -> None:
        self._place = place
        self._store: Store = place.store
        self._effort = effort
        self._now = time.time() if now is None else now
        self._fresh = _FRESH_FROM
        self._chance = random.Random(_SEED)  # noqa: S311 -- an order, not a secret
        self.asked: list[Asked] = []

    async def warm_up(self) -> None:
        """Open all connections, start all threads, and prepare the statements."""
        for plan in PLANS.values():
            await self._operate(plan, _WARM_FROM, _WARM_FROM + self._effort.warm_keys)

    async def fill(self, facet: str, begin: int, end: int) -> float:
        """Put in the keys of these numbers; how many went in a second.

        Raises:
            LookupError: The store does not read what was put in.
        """
        plan, load = PLANS[facet], self._place.load
        rows = build_rows(facet, has_arrays=self._place.has_arrays) if load is not None else None
        gc.disable()  # it would walk through a growing heap over and over
        began = time.perf_counter()
        if load is None or rows is None:
            await self._operate(plan, begin, end)
        else:
            await load(rows, (rows.build(number, self._now) for number in range(begin, end)))
        took = time.perf_counter() - began
        # Nor shall it while operations are timed: what was put in stays, and is not looked through.
        gc.freeze()
        gc.enable()
        await self._read_back(facet, begin, end)
        return (end - begin) / took

    async def _operate(self, plan: FacetPlan, begin: int, end: int) -> None:
        turns = (
            Turn(number, 0, self._now, until=min(number + plan.batch, end))
            for number in range(begin, end, plan.batch)
        )
        await ask_all((partial(plan.fill, self._store, turn) for turn in turns), plan.fill_at_once)

    async def _read_back(self, facet: str, begin: int, end: int) -> None:
        """Read some of the keys of these numbers, the first and the last among them."""
        plan = PLANS[facet]
        chosen = self._chance.sample(range(begin, end), min(_READ_BACK, end - begin))
        for number in {begin, *chosen, end - 1}:
            turn = Turn(number, 0, self._now)
            if await plan.read(self._store, turn) != plan.expect(turn):
                raise LookupError(f"{facet}: key {number} does not read as it was put in")

    async def ask(self, facet: str, plan: FacetPlan, size: int, at_once: int, calls: int) -> None:
        """Ask every operation of a facet, one after the other, and keep what is found."""
        async for operation, times, took in self.time_all(plan, size, at_once, calls):
            self.asked.append(
                Asked(
                    facet,
                    operation,
                    size,
                    at_once,
                    compute_quantile(times, 0.5) * MICROSECONDS,
                    compute_quantile(times, 0.99) * MICROSECONDS,
                    len(times) / took,
                )
            )

    async def time_all(
        self, plan: FacetPlan, size: int, at_once: int, calls: int
    ) -> AsyncIterator[tuple[str, list[float], float]]:
        """Time every operation of a facet: its name, the seconds of its calls in order, and all."""
        turns = [Turn(number, fresh, self._now) for number, fresh in self._draw(size, calls)]
        for operation in plan.operations:
            if operation.prepare is not None:
                await ask_all(self._bind(operation.prepare, turns), _FILL_AT_ONCE)
            gc.collect()
            began = time.perf_counter()
            times = await ask_all(self._bind(operation.act, turns), at_once)
            took = time.perf_counter() - began
            yield operation.name, sorted(times), took

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
