"""Times: several subjects in one process, round by round, and what can be said of the numbers.

How it keeps honest on a machine that does other things too:

* All subjects of a row run in every round, one short piece each, in an order that rotates and
  turns around, so that a slow moment of the machine meets all of them.
* The clock is the thread's CPU time: what another process takes away is not counted.
* The garbage collector is off while a piece is timed and runs between rows.
* What is told is the median and the quartiles of the rounds, and differences and ratios are made
  within a round before their median is taken.
"""

from __future__ import annotations

import gc
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Series: TypeAlias = tuple[float, ...]
"""One number for each round."""

_MOST_CALLS = 200_000
_SHOWN_CHARACTERS = 160


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure: `rounds` pieces of about `piece_seconds` for every subject.

    `keys` is how many keys a store is filled with, `imports` how many fresh interpreters are
    started for each subject.
    """

    rounds: int
    piece_seconds: float
    keys: int
    imports: int


FULL = Effort(rounds=101, piece_seconds=0.01, keys=100_000, imports=15)
QUICK = Effort(rounds=25, piece_seconds=0.004, keys=100_000, imports=5)


@dataclass(frozen=True, slots=True)
class Quartiles:
    """The middle of many numbers and how far they spread."""

    lower: float
    median: float
    upper: float

    def scale(self, factor: float) -> Quartiles:
        """Return the same in another unit."""
        return Quartiles(self.lower * factor, self.median * factor, self.upper * factor)


def compute_quartiles(values: Sequence[float]) -> Quartiles:
    """Compute the quartiles of at least one number.

    >>> compute_quartiles([1.0, 2.0, 3.0, 4.0, 100.0])
    Quartiles(lower=2.0, median=3.0, upper=4.0)
    """
    if len(values) == 1:
        return Quartiles(values[0], values[0], values[0])
    return Quartiles(*statistics.quantiles(values, n=4, method="inclusive"))


def compute_order(count: int, round_index: int) -> tuple[int, ...]:
    """Compute in which order a round runs its subjects: there, back, and rotated by one.

    >>> [compute_order(3, index) for index in range(3)]
    [(0, 1, 2), (2, 1, 0), (1, 2, 0)]
    """
    shift = round_index // 2 % count
    order = tuple((position + shift) % count for position in range(count))
    return order[::-1] if round_index % 2 else order


def compute_added(total: Series, bare: Series) -> Series:
    """Compute what a subject added over the bare one, in each round."""
    return tuple(one - base for one, base in zip(total, bare, strict=True))


def compute_ratio(ours: Series, theirs: Series) -> Quartiles | None:
    """Compute how many times theirs ours is; None when theirs vanishes in the noise."""
    if not theirs or compute_quartiles(theirs).lower <= 0:
        return None
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True) if other > 0]
    return compute_quartiles(ratios)


def find_disagreement(answers: Mapping[str, object]) -> str | None:
    """Tell which subjects did not give the answer of the first one, or None if all did.

    >>> find_disagreement({"ours": 200, "Starlette": 400})
    'answers differ: ours 200, Starlette 400'
    """
    names = list(answers)
    told: list[str] = []
    for name in names[1:]:
        if answers[name] != answers[names[0]]:
            first, other = _narrow(answers[names[0]], answers[name])
            told.append(f"{names[0]} {_cut(first)}, {name} {_cut(other)}")
    return f"answers differ: {'; '.join(told)}" if told else None


def _narrow(first: object, other: object) -> tuple[object, object]:
    """Narrow two answers that differ down to where they do."""
    if isinstance(first, tuple) and isinstance(other, tuple) and len(first) == len(other):
        pairs = zip(first, other, strict=True)
        return next(_narrow(mine, theirs) for mine, theirs in pairs if mine != theirs)
    if isinstance(first, list) and isinstance(other, list):
        mine = [one for one in first if one not in other]
        theirs = [one for one in other if one not in first]
        return (mine, theirs) if mine or theirs else (first, other)
    return first, other


def _cut(answer: object) -> str:
    text = repr(answer)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 3]}..."


@dataclass(frozen=True, slots=True)
class Subject:
    """Something to time: `run(calls)` makes that many calls and returns the seconds they took.

    `most_calls` bounds a piece where every call needs an input made beforehand.
    """

    name: str
    run: Callable[[int], float]
    most_calls: int = _MOST_CALLS


def calibrate(subject: Subject, *, piece_seconds: float) -> int:
    """Find how many calls take about `piece_seconds`, warming the subject up on the way."""
    calls = 1
    while True:
        took = subject.run(calls)
        if took >= piece_seconds / 4 or calls >= subject.most_calls:
            break
        calls = min(calls * 2, subject.most_calls)
    wanted = round(calls * piece_seconds / took) if took > 0 else subject.most_calls
    return max(1, min(wanted, subject.most_calls))


def measure(subjects: Sequence[Subject], effort: Effort) -> dict[str, Series]:
    """Time the subjects, interleaved; the seconds of one call in each round, by name."""
    gc.collect()
    calls = [calibrate(subject, piece_seconds=effort.piece_seconds) for subject in subjects]
    found: list[list[float]] = [[] for _ in subjects]
    for index in range(effort.rounds):
        for position in compute_order(len(subjects), index):
            found[position].append(subjects[position].run(calls[position]) / calls[position])
    return {subject.name: tuple(found[at]) for at, subject in enumerate(subjects)}


class Stopwatch:
    """Measures the CPU time of a block, without the garbage collector.

    >>> with Stopwatch() as watch:
    ...     total = sum(range(10))
    >>> watch.seconds >= 0
    True
    """

    __slots__ = ("_began", "_clock", "_collects", "seconds")

    def __init__(self, clock: Callable[[], float] = time.thread_time) -> None:
        self._clock = clock
        self._began = 0.0
        self._collects = False
        self.seconds = 0.0

    def __enter__(self) -> Self:
        self._collects = gc.isenabled()
        gc.disable()
        self._began = self._clock()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = self._clock() - self._began
        if self._collects:
            gc.enable()
