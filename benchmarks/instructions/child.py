"""Runs one case under callgrind, N times and 2 N times, with a mark after each run.

The mark is a system call that nothing else makes here: callgrind writes down what it has counted
whenever it is entered. The difference of the two runs, divided by N, is free of start and warm-up.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from typing import TYPE_CHECKING

from benchmarks.cases import CASES
from benchmarks.driving import run_now
from benchmarks.rows import BARE, TimedCase, silence

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from benchmarks.driving import Step

WARM_UP_CALLS = 40
MARK = "getpgrp"


def find_case(name: str) -> TimedCase:
    """Find a timed case by its name.

    Raises:
        LookupError: if there is none.
    """
    for case in CASES:
        if case.name == name and isinstance(case, TimedCase):
            return case
    raise LookupError(name)


def build_steps(name: str, side: str) -> Step:
    """Build the step of one side of a case."""
    case = find_case(name)
    if side == BARE:
        return case.bare
    return next(one for one in case.contenders if one.name == side).build().step


async def _run_waiting(step: Step, runs: Sequence[Sequence[Any]]) -> None:
    for inputs in runs:
        for one in inputs:
            await step(one)
        os.getpgrp()


def _run(step: Step, runs: Sequence[Sequence[Any]]) -> None:
    for inputs in runs:
        for one in inputs:
            run_now(step(one))
        os.getpgrp()


def main(name: str, side: str, calls: int) -> None:
    """Run one side of one case."""
    case = find_case(name)
    with silence():
        step = build_steps(name, side)
        runs = [case.inputs(count) for count in (WARM_UP_CALLS, calls, 2 * calls)]
        gc.collect()
        gc.disable()  # when it runs depends on what was imported
        if case.waits:
            asyncio.run(_run_waiting(step, runs))
        else:
            _run(step, runs)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
