"""Runs `python -m benchmarks growth`: how the cost of each guard follows what it is given."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.table import Table

from benchmarks.growth import memory, requests
from benchmarks.growth.curves import FULL, QUICK, run_curve
from benchmarks.report import SIGNIFICANT, build_document, print_any, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.growth.curves import Curve, CurveResult, GrowthEffort

CURVES: tuple[Curve, ...] = (*requests.CURVES, *memory.CURVES)


def run(curves: Sequence[Curve], effort: GrowthEffort) -> list[CurveResult]:
    """Measure the curves, one after the other."""
    results: list[CurveResult] = []
    for curve in curves:
        print(f"{curve.name} ...", file=sys.stderr, flush=True)
        results.append(run_curve(curve, effort))
    return results


def build_part(results: Sequence[CurveResult], effort: GrowthEffort) -> dict[str, Any]:
    """Build the part of the JSON document that this command makes."""
    return {"growth": [asdict(result) for result in results], "growth_effort": asdict(effort)}


def build_growth_table(results: Sequence[CurveResult]) -> Table:
    """Build the table: one block for each curve, one line for each side."""
    table = Table(title="What each size adds over a bare app")
    for heading in ("curve", "side", "by size"):
        table.add_column(heading, overflow="fold")
    for result in results:
        name = f"{result.name} [dim]{result.unit}[/dim]"
        form = SIGNIFICANT[result.unit].format
        for side, values in result.sides.items():
            shown = "   ".join(
                f"[dim]{size}:[/dim] {'-' if value is None else form(value)}"
                for size, value in zip(result.sizes, values, strict=True)
            )
            table.add_row(name, side, shown)
            name = ""
        if result.fault:
            table.add_row(name, f"[red]{result.fault}[/red]")
        table.add_section()
    return table


def main(arguments: Sequence[str]) -> int:
    """Run what was asked for. 0, or 1 when answers differ or a curve failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks growth", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, at most 100 k keys")
    parser.add_argument("--only", metavar="PART", default="", help="curves with this in their name")
    parser.add_argument("--json", metavar="FILE", help="write the results there; - is stdout")
    options = parser.parse_args(arguments)
    effort = QUICK if options.quick else FULL
    results = run([curve for curve in CURVES if options.only in curve.name], effort)
    print_any(build_growth_table(results), to_stderr=options.json == "-")
    if options.json:
        write_json(build_document(build_part(results, effort)), options.json)
    return 1 if any(result.fault for result in results) else 0
