"""One backend: filled size by size, asked at every size, compared with a small one, and swept.

It is run in a fresh process, whose resident memory is that of the memory store.
"""

from __future__ import annotations

import asyncio
import statistics
from typing import TYPE_CHECKING

from benchmarks.rows import silence
from benchmarks.stores.filling import (
    MICROSECONDS,
    Compared,
    Filled,
    Measurement,
    StoreResult,
    compute_quantile,
)
from benchmarks.stores.operations import PLANS
from benchmarks.stores.places import MissingError, provide

if TYPE_CHECKING:
    from benchmarks.stores.filling import StoresEffort
    from benchmarks.stores.operations import FacetPlan
    from benchmarks.stores.places import Place

SMALL = 10_000
"""Keys of the store that the last size is compared with."""
_ROOM = 100_000


def measure_backend(backend: str, postgres_url: str, effort: StoresEffort) -> StoreResult:
    """Measure one backend; what is missing or fails is told in the result."""
    most_rows = effort.sizes[-1] * 4 + _ROOM
    with silence():
        try:
            with (
                provide(backend, postgres_url, most_rows) as place,
                provide(backend, postgres_url, SMALL + _ROOM) as small,
                asyncio.Runner() as runner,
            ):
                return _measure(backend, place, small, effort, runner)
        except MissingError as error:
            return StoreResult(backend, absent=str(error))
        except Exception as error:  # noqa: BLE001 -- reported in the result and in the exit code
            return StoreResult(backend, fault=f"failed: {error!r}")


def _measure(
    backend: str, place: Place, small_place: Place, effort: StoresEffort, runner: asyncio.Runner
) -> StoreResult:
    large, small = Measurement(place, effort), Measurement(small_place, effort)
    filled: list[Filled] = []
    compared: list[Compared] = []
    last = effort.sizes[-1]
    runner.run(large.warm_up())
    if last > SMALL:
        runner.run(small.warm_up())
        for plan in PLANS.values():
            runner.run(small.fill(plan, 0, SMALL))
    for facet, plan in PLANS.items():
        begin = 0
        for size in effort.sizes:
            before = place.count_bytes()
            fast = runner.run(large.fill(plan, begin, size))
            if size == last:
                each = (place.count_bytes() - before) / (size - begin)
                filled.append(Filled(facet, last, each, fast))
            for at_once, calls in effort.calls if size == last else effort.calls[:1]:
                runner.run(large.ask(facet, plan, size, at_once, calls))
            begin = size
        if last > SMALL:
            compared += runner.run(compare(facet, plan, small, large, effort))
    swept = [runner.run(large.sweep(facet)) for facet in PLANS]
    for measurement in (large, small):
        runner.run(measurement.close())
    return StoreResult(
        backend,
        effort.sizes,
        tuple(large.asked),
        tuple(filled),
        tuple(found for found in swept if found is not None),
        tuple(compared),
    )


async def compare(
    facet: str, plan: FacetPlan, small: Measurement, large: Measurement, effort: StoresEffort
) -> list[Compared]:
    """Ask every operation of a facet of both stores in turn, alone."""
    calls = max(1, effort.calls[0][1] // effort.rounds)
    found: dict[str, list[tuple[float, float]]] = {}
    for index in range(effort.rounds):
        sides = [(small, SMALL), (large, effort.sizes[-1])]
        medians: dict[str, dict[int, float]] = {}
        for side, size in sides if index % 2 else reversed(sides):
            async for operation, times, _ in side.time_all(plan, size, 1, calls):
                medians.setdefault(operation, {})[size] = compute_quantile(times, 0.5)
        for operation, by_size in medians.items():
            pair = (by_size[SMALL] * MICROSECONDS, by_size[effort.sizes[-1]] * MICROSECONDS)
            found.setdefault(operation, []).append(pair)
    return [
        Compared(
            facet,
            operation,
            statistics.median(one for one, _ in pairs),
            statistics.median(other for _, other in pairs),
            statistics.median(other / one for one, other in pairs),
        )
        for operation, pairs in found.items()
    ]
