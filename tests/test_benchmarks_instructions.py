"""The judge by instructions: its arithmetic and its verdicts; no valgrind runs here."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from benchmarks.__main__ import main
from benchmarks.cases import CASES
from benchmarks.instructions import child, command
from benchmarks.instructions.command import (
    COUNTED,
    CountError,
    Judgement,
    compute_each,
    find_difference,
    judge,
)
from benchmarks.report import describe_machine
from benchmarks.rows import BARE, TimedCase

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("now", "accepted"),
    [
        pytest.param(1_000.0, True, id="the same"),
        pytest.param(500.0, True, id="half"),
        pytest.param(1_100.0, True, id="at the bound"),
        pytest.param(1_101.0, False, id="above it"),
        pytest.param(None, False, id="gone"),
    ],
)
def test_a_case_may_grow_by_a_tenth(now: float | None, *, accepted: bool) -> None:
    assert Judgement("one", now, 1_000.0).accepted is accepted


def test_a_case_that_is_new_is_not_judged() -> None:
    assert judge({"old": 10.0, "new": 99.0}, {"old": 10.0}) == [Judgement("old", 10.0, 10.0)]


def test_what_the_start_takes_is_no_part_of_a_call() -> None:
    assert compute_each([10**9, 7_000 + 100, 14_000 + 100], 70) == 100.0


@pytest.mark.parametrize("totals", [[], [1, 2], [1, 2, 3, 4]])
def test_marks_that_are_missing_are_told(totals: list[int]) -> None:
    with pytest.raises(CountError, match="marks"):
        compute_each(totals, 1)


def test_every_counted_case_exists() -> None:
    timed = {case.name: case for case in CASES if isinstance(case, TimedCase)}
    for case, side in COUNTED.values():
        names = {BARE, *(contender.name for contender in timed[case].contenders)}
        assert side in names


def test_the_child_runs_thrice_and_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    marks: list[int] = []
    served: list[object] = []

    async def step(given: object) -> None:
        served.append(given)

    monkeypatch.setattr(os, child.MARK, lambda: marks.append(len(served)))
    monkeypatch.setattr(child, "build_steps", lambda name, side: step)
    for name in ("cors no Origin", "lockout other path"):
        marks.clear()
        served.clear()
        child.main(name, BARE, 3)
        assert marks == [child.WARM_UP_CALLS, child.WARM_UP_CALLS + 3, child.WARM_UP_CALLS + 9]


def test_a_case_of_another_name_is_an_error() -> None:
    with pytest.raises(LookupError):
        child.find_case("no such case")


@pytest.mark.parametrize("name", ["python", "machine", "implementation"])
def test_a_baseline_of_another_machine_says_nothing(name: str) -> None:
    here = describe_machine()
    assert find_difference(here, here) is None
    assert name in (find_difference({**here, name: "another"}, here) or "")


def _write_baseline(folder: Path, **more: object) -> str:
    target = folder / "baseline.json"
    document = {"machine": describe_machine(), "instructions": {"bare app": 1_000.0}, **more}
    target.write_text(json.dumps(document), encoding="utf-8")
    return str(target)


@pytest.mark.parametrize(
    ("counted", "status"),
    [
        pytest.param(1_050.0, 0, id="within"),
        pytest.param(1_200.0, 1, id="grown"),
        pytest.param(None, 1, id="failed"),
    ],
)
def test_comparison_through_the_command_line(
    counted: float | None,
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def count(case: str, side: str) -> float:
        if counted is None:
            raise CountError("valgrind is not installed")
        return counted

    monkeypatch.setattr(command, "count", count)
    monkeypatch.setattr(command, "COUNTED", {"bare app": ("cors no Origin", BARE)})
    assert main(["--compare", _write_baseline(tmp_path)]) == status
    shown = capsys.readouterr().out
    assert ("valgrind is not" if counted is None else f"{counted:,.0f}") in shown


def test_a_baseline_of_another_python_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = {**describe_machine(), "python": "2.7.18"}
    assert main(["--compare", _write_baseline(tmp_path, machine=machine)]) == 2
    assert "2.7.18" in capsys.readouterr().err


def test_without_valgrind_nothing_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CountError, match="valgrind"):
        command.count("cors no Origin", BARE)
