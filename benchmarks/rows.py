"""Judges: the shapes of a case and of its result, and how one becomes the other.

A case first asks every side for its answer to the same request. Only sides that agree are
compared: a guard that does something else is not faster or slower, it is different.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from benchmarks.driving import build_subject, build_waiting_subject
from benchmarks.measure import (
    compute_added,
    compute_quartiles,
    compute_ratio,
    find_disagreement,
    measure,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from benchmarks.driving import Inputs, Step
    from benchmarks.measure import Effort, Quartiles, Series

OURS = "ours"
BARE = "bare"
MICROSECONDS = 1e6


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Keep logs out of the clock: one peer configures the root logger when it is imported."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


@dataclass(frozen=True, slots=True)
class Side:
    """One contender, ready: the step that is timed, and what it answers to the same request.

    `answer` returns anything that compares equal exactly when two sides did the same work: a
    status, the headers that matter, the claims. It is asked once, before the clock runs.
    """

    name: str
    step: Step
    answer: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Contender:
    """A side that can be built if its package is installed; `build` imports it."""

    name: str
    build: Callable[[], Side]


@dataclass(frozen=True, slots=True)
class SideResult:
    """What became of one side. `ratio` is ours divided by this side's, `budget` its bound."""

    name: str
    added: Quartiles | None = None
    ratio: Quartiles | None = None
    budget: float | None = None
    absent: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the budget is met; None where there is none, or nothing to compare."""
        if self.budget is None or self.ratio is None:
            return None
        return self.ratio.median <= self.budget


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The result of one case. With a `fault` (answers differ, a side failed) it has no ratio."""

    case: str
    unit: str
    bare: Quartiles | None = None
    sides: tuple[SideResult, ...] = ()
    fault: str = ""


class Case(Protocol):
    """What the command line asks of a case."""

    @property
    def name(self) -> str:
        """The name, beginning with the word of the feature."""
        ...

    def run(self, effort: Effort) -> Row:
        """Check the answers, measure, and tell."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedCase:
    """A case that is timed call by call, over a `bare` step.

    `inputs(calls)` makes the inputs of a piece outside the clock. `budgets` maps the name of a
    peer to the largest ratio that section 9 of the design allows. `waits` says that a side needs
    a running event loop; then all sides, and the bare one, get one.
    """

    name: str
    contenders: tuple[Contender, ...]
    inputs: Inputs
    bare: Step
    budgets: Mapping[str, float] = field(default_factory=dict)
    waits: bool = False
    most_calls: int = 20_000

    def run(self, effort: Effort) -> Row:
        """Check the answers, measure, and tell."""
        with silence():
            return self._run(effort)

    def _run(self, effort: Effort) -> Row:
        sides, absent = build_sides(self.contenders)
        fault = find_disagreement({side.name: side.answer() for side in sides})
        if fault:
            return Row(case=self.name, unit="us", sides=absent, fault=fault)
        series = self._time(sides, effort)
        bare = series.pop(BARE)
        added = {name: compute_added(total, bare) for name, total in series.items()}
        return Row(
            case=self.name,
            unit="us",
            bare=compute_quartiles(bare).scale(MICROSECONDS),
            sides=(*judge(added, self.budgets, MICROSECONDS), *absent),
            fault=find_own_absence(absent),
        )

    def _time(self, sides: Sequence[Side], effort: Effort) -> dict[str, Series]:
        steps = {BARE: self.bare, **{side.name: side.step for side in sides}}
        if not self.waits:
            return measure(
                [
                    build_subject(name, step, self.inputs, most_calls=self.most_calls)
                    for name, step in steps.items()
                ],
                effort,
            )
        with asyncio.Runner() as runner:
            return measure(
                [
                    build_waiting_subject(
                        name, step, self.inputs, runner, most_calls=self.most_calls
                    )
                    for name, step in steps.items()
                ],
                effort,
            )


def build_sides(
    contenders: Sequence[Contender],
) -> tuple[list[Side], tuple[SideResult, ...]]:
    """Build the contenders whose packages are there; the others' results say what is missing."""
    sides: list[Side] = []
    absent: list[SideResult] = []
    for contender in contenders:
        try:
            sides.append(contender.build())
        except ImportError as error:
            absent.append(SideResult(contender.name, absent=f"missing: {error}"))
    return sides, tuple(absent)


def find_own_absence(absent: Sequence[SideResult]) -> str:
    """Tell that ours could not be imported: a peer may be missing, ours may not."""
    return f"{OURS} could not be imported" if any(side.name == OURS for side in absent) else ""


def judge(
    found: Mapping[str, Series], budgets: Mapping[str, float], factor: float
) -> tuple[SideResult, ...]:
    """Put our numbers beside every peer's; `factor` turns them into the unit of the row."""
    ours = found.get(OURS)
    return tuple(
        SideResult(
            name,
            added=compute_quartiles(series).scale(factor),
            ratio=None if ours is None or name == OURS else compute_ratio(ours, series),
            budget=budgets.get(name),
        )
        for name, series in found.items()
    )
