"""Runs `python -m benchmarks instructions`: counts, and judges them beside a baseline.

Time is no judge on a machine that others use too; instructions are. A count is comparable only
under the same Python: another one compiles the same source to other code.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from benchmarks.instructions.child import MARK
from benchmarks.report import build_document, describe_machine, print_any, write_json
from benchmarks.rows import BARE, OURS
from benchmarks.server.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GROWTH_ALLOWED = 0.10
CALLS = 100
_PATIENCE_SECONDS = 300.0
_BARE_CASE = "cors no Origin"
COUNTED: Mapping[str, tuple[str, str]] = {
    "bare app": (_BARE_CASE, BARE),
    **{
        name: (name, OURS)
        for name in (
            *("headers 7 lines", "cors no Origin", "cors actual", "cors preflight"),
            *("sessions present, unused", "sessions read", "sessions modified"),
            *("jwt HS256 first sight", "jwt HS256 repeat", "jwt HS256 third old secret"),
            *("jwt 22 kB of garbage", "lockout other path", "lockout login", "stack of five"),
        )
    },
}
"""What is counted: the case and its side. The rows of a filled store take too long to fill here."""


class CountError(Exception):
    """A case could not be counted."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """One case beside its baseline; `growth` is the part by which it has grown."""

    case: str
    now: float | None
    before: float

    @property
    def growth(self) -> float | None:
        """By which part the count has grown; None where it is missing now."""
        return None if self.now is None else self.now / self.before - 1

    @property
    def accepted(self) -> bool:
        """Whether it has grown by no more than is allowed."""
        return self.now is not None and self.now <= self.before * (1 + GROWTH_ALLOWED)


def compute_each(totals: Sequence[int], calls: int) -> float:
    """Compute the instructions of one call from what was counted up to each mark.

    >>> compute_each([9000, 1100, 2100], 10)
    100.0

    Raises:
        CountError: if there are not three marks.
    """
    if len(totals) != 3:
        raise CountError(f"{len(totals)} marks were seen, not 3")
    return (totals[2] - totals[1]) / calls


def count(case: str, side: str, calls: int = CALLS) -> float:
    """Count the instructions of one call of a side.

    Raises:
        CountError: if valgrind is missing, or the child failed.
    """
    if shutil.which("valgrind") is None:
        raise CountError("valgrind is not installed")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "counts"
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        done = subprocess.run(  # noqa: S603 -- our own module
            [
                *("valgrind", "--tool=callgrind", f"--dump-before={MARK}"),
                f"--callgrind-out-file={target}",
                *(sys.executable, "-m", "benchmarks.instructions.child", case, side, str(calls)),
            ],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE_SECONDS,
        )
        if done.returncode:
            raise CountError(done.stderr.strip().rpartition("\n")[2])
        return compute_each(_read_totals(target), calls)


def _read_totals(target: Path) -> list[int]:
    """Read the totals of the numbered dumps, in order; the last, unnumbered one is of the end."""
    totals: list[int] = []
    while (part := target.with_name(f"{target.name}.{len(totals) + 1}")).exists():
        found = re.search(r"^totals: (\d+)", part.read_text(encoding="utf-8"), re.MULTILINE)
        if found is None:
            raise CountError("callgrind wrote no totals")
        totals.append(int(found.group(1)))
    return totals


def run(names: Sequence[str]) -> tuple[dict[str, float], dict[str, str]]:
    """Count the cases; and tell which failed, and why."""
    counts: dict[str, float] = {}
    faults: dict[str, str] = {}
    for name in names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            counts[name] = count(*COUNTED[name])
        except (CountError, subprocess.TimeoutExpired) as error:
            faults[name] = str(error)
    return counts, faults


def judge(counts: Mapping[str, float], baseline: Mapping[str, float]) -> list[Judgement]:
    """Put the counts beside a baseline; a case that has gone is not accepted."""
    return [Judgement(case, counts.get(case), before) for case, before in baseline.items()]


def find_difference(baseline: Mapping[str, Any], machine: Mapping[str, Any]) -> str | None:
    """Tell why a baseline of another machine says nothing here; None if it does."""
    for name in ("implementation", "python", "machine"):
        before, now = baseline.get(name), machine[name]
        if before != now:
            return f"the baseline is of {name} {before}, this is {now}: count it anew"
    return None


def build_part(counts: Mapping[str, float], faults: Mapping[str, str]) -> dict[str, Any]:
    """Build the part of the JSON document that this command makes."""
    return {"instructions": dict(counts), "instructions_faults": dict(faults)}


def build_count_table(
    counts: Mapping[str, float], faults: Mapping[str, str], judgements: Sequence[Judgement]
) -> Table:
    """Build the table: what each case takes, and beside a baseline how it has grown."""
    table = Table(title="Instructions of one request, the bare app included")
    for heading in ("case", "instructions", "baseline", "growth", ""):
        table.add_column(heading)
    known = {one.case: one for one in judgements}
    for case in dict.fromkeys((*counts, *known, *faults)):
        one = known.get(case)
        now = f"{counts[case]:,.0f}" if case in counts else f"[red]{faults.get(case, 'gone')}[/red]"
        if one is None:
            table.add_row(case, now)
            continue
        growth = "-" if one.growth is None else f"{one.growth:+.1%}"
        verdict = "[green]accepted[/green]" if one.accepted else "[red]grown[/red]"
        table.add_row(case, now, f"{one.before:,.0f}", growth, verdict)
    return table


def main(arguments: Sequence[str]) -> int:
    """Count, and compare if asked to. 1 for growth or a failure, 2 for an unlike baseline."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks instructions", description=__doc__)
    parser.add_argument("--only", metavar="PART", default="", help="cases with this in their name")
    parser.add_argument("--json", metavar="FILE", help="write the counts there; - is stdout")
    parser.add_argument("--compare", metavar="BASELINE", help="fail on more than 10 %% growth")
    options = parser.parse_args(arguments)
    baseline: dict[str, float] = {}
    if options.compare:
        stored = json.loads(Path(options.compare).read_text(encoding="utf-8"))
        different = find_difference(stored["machine"], describe_machine())
        if different:
            print(different, file=sys.stderr)
            return 2
        baseline = {
            case: value for case, value in stored["instructions"].items() if options.only in case
        }
    counts, faults = run([name for name in COUNTED if options.only in name])
    judgements = judge(counts, baseline)
    table = build_count_table(counts, faults, judgements)
    print_any(table, to_stderr=options.json == "-")
    if options.json:
        write_json(build_document(build_part(counts, faults)), options.json)
    return 1 if faults or not all(one.accepted for one in judgements) else 0
