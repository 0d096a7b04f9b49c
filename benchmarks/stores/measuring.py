"""One backend: filled size by size, asked at every size, compared with a small one, and swept.

It is run in a fresh process, whose resident memory is that of the memory store.
"""

from __future__ import annotations

import asyncio
import gc
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
from benchmarks.stores.places import MissingError, provide
from benchmarks.stores.plans import PLANS

if TYPE_CHECKING:
    from benchmarks.stores.filling import StoresEffort
    from benchmarks.stores.places import Place

_ROOM = 100_000


def measure_backend(backend: str, postgres_url: str, effort: StoresEffort) -> StoreResult:
    """Measure one backend; what is missing or fails is told in the result."""
    most_rows = effort.sizes[-1] * 4 + _ROOM
    # A collection looks through all that is alive: what is there already is none of a run's
    # business, and in a process with much in it takes longer than all that is measured.
    gc.freeze()
    with silence():
        try:
            with (
                provide(backend, postgres_url, most_rows) as place,
                provide(backend, postgres_url, effort.small + _ROOM) as small,
                asyncio.Runner() as runner,
            ):
                return _measure(backend, place, small, effort, runner)
        except MissingError as error:
            return StoreResult(backend, absent=str(error))
        except Exception as error:  # noqa: BLE001 -- reported in the result and in the exit code
            return StoreResult(backend, fault=f"failed: {error!r}")
        finally:
            gc.unfreeze()


def _measure(
    backend: str, place: Place, small_place: Place, effort: StoresEffort, runner: asyncio.Runner
) -> StoreResult:
    large, small = Measurement(place, effort), Measurement(small_place, effort)
    try:
        filled, compared = _fill_and_ask(place, large, small, effort, runner)
        swept = [runner.run(large.sweep(facet)) for facet in PLANS]
    finally:
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


def _fill_and_ask(
    place: Place,
    large: Measurement,
    small: Measurement,
    effort: StoresEffort,
    runner: asyncio.Runner,
) -> tuple[list[Filled], list[Compared]]:
    """Fill every facet to each of its sizes, and ask its operations there."""
    filled: list[Filled] = []
    compared: list[Compared] = []
    is_compared = effort.sizes[-1] > effort.small
    runner.run(large.warm_up())
    if is_compared:
        runner.run(small.warm_up())
        for facet in PLANS:
            runner.run(small.fill(facet, 0, effort.small))
    for facet, plan in PLANS.items():
        begin = 0
        sizes = plan.limit_sizes(effort.sizes)
        last = sizes[-1]
        for size in sizes:
            before = place.count_bytes()
            fast = runner.run(large.fill(facet, begin, size))
            if size == last:
                each = (place.count_bytes() - before) / (size - begin)
                filled.append(Filled(facet, last, each, fast))
            for at_once, calls in effort.calls if size == last else effort.calls[:1]:
                runner.run(large.ask(facet, plan, size, at_once, calls))
            begin = size
        if is_compared:
            compared += runner.run(compare(facet, small, large, effort))
    return filled, compared


async def compare(
    facet: str, small: Measurement, large: Measurement, effort: StoresEffort
) -> list[Compared]:
    """Ask every operation of a facet of both stores in turn, alone."""
    plan = PLANS[facet]
    last = plan.limit_sizes(effort.sizes)[-1]
    calls = max(1, effort.calls[0][1] // effort.rounds)
    found: dict[str, list[tuple[float, float]]] = {}
    for index in range(effort.rounds):
        sides = [(small, effort.small), (large, last)]
        medians: dict[str, dict[int, float]] = {}
        for side, size in sides if index % 2 else reversed(sides):
            async for operation, times, _ in side.time_all(plan, size, 1, calls):
                medians.setdefault(operation, {})[size] = compute_quantile(times, 0.5)
        for operation, by_size in medians.items():
            pair = (by_size[effort.small] * MICROSECONDS, by_size[last] * MICROSECONDS)
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
