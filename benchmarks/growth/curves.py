"""The shape of a curve and of its result, and the arithmetic that the timed curves share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from benchmarks.driving import build_subject
from benchmarks.measure import Effort, compute_added, compute_quartiles, find_disagreement, measure
from benchmarks.rows import BARE, MICROSECONDS, Side, build_sides, silence

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.driving import Inputs, Step
    from benchmarks.rows import Contender

Point: TypeAlias = dict[str, float]
"""One number for each side at one size."""


@dataclass(frozen=True, slots=True)
class GrowthEffort:
    """How long to measure a point, and up to which size: `most` bounds every curve."""

    timing: Effort
    most: int
    parked_websockets: int
    parked_streams: int


FULL = GrowthEffort(
    timing=Effort(rounds=25, piece_seconds=0.005, keys=0, imports=0),
    most=1_000_000,
    parked_websockets=10_000,
    parked_streams=1_000,
)
QUICK = GrowthEffort(
    timing=Effort(rounds=5, piece_seconds=0.002, keys=0, imports=0),
    most=100_000,
    parked_websockets=1_000,
    parked_streams=200,
)


class CurveError(Exception):
    """A point could not be measured: the sides answer differently, or did not do their work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What grows, in which sizes, and how one of its points is measured."""

    name: str
    size: str
    unit: str
    sizes: Sequence[int]
    measure: Callable[[int, GrowthEffort], Point]


@dataclass(frozen=True, slots=True)
class CurveResult:
    """The points of a curve: for each side one number for each size, None where it is absent."""

    name: str
    size: str
    unit: str
    sizes: tuple[int, ...]
    sides: dict[str, list[float | None]]
    fault: str = ""


def run_curve(curve: Curve, effort: GrowthEffort) -> CurveResult:
    """Measure every point up to the effort's bound; what fails is told and ends the curve."""
    sizes = [size for size in curve.sizes if size <= effort.most]
    points: list[Point] = []
    fault = ""
    try:
        with silence():
            for size in sizes:
                points.append(curve.measure(size, effort))  # noqa: PERF401 -- keep those done
    except Exception as error:  # noqa: BLE001 -- reported in the result and in the exit code
        fault = str(error) if isinstance(error, CurveError) else f"failed: {error!r}"
    names = dict.fromkeys(name for point in points for name in point)
    sides = {name: [point.get(name) for point in points] for name in names}
    return CurveResult(
        curve.name, curve.size, curve.unit, tuple(sizes[: len(points)]), sides, fault
    )


def time_point(
    contenders: Sequence[Contender], inputs: Inputs, bare: Step, effort: GrowthEffort
) -> Point:
    """Time the sides that are installed at one size; microseconds added over the bare step.

    Raises:
        CurveError: if their answers differ.
    """
    sides, _ = build_sides(contenders)
    fault = find_disagreement({side.name: side.answer() for side in sides})
    if fault:
        raise CurveError(fault)
    steps = [Side(BARE, bare, lambda: None), *sides]
    series = measure(
        [build_subject(side.name, side.step, inputs, most_calls=2_000) for side in steps],
        effort.timing,
    )
    base = series.pop(BARE)
    added = {name: compute_added(total, base) for name, total in series.items()}
    return {name: compute_quartiles(values).median * MICROSECONDS for name, values in added.items()}
