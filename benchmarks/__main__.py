"""Runs the benchmarks: `python -m benchmarks [--quick] [--only PATTERN] [--json FILE]`.

Without a command: the timed rows, ours beside its peers. The commands, each with its own --help:

server        behind uvicorn and granian, the share of a bare app's throughput
growth        how cost follows origins, keys, headers, cookies, layers and connections
stores        every operation of every backend beside a million keys, and beside peers
instructions  processor instructions of one request; with --compare, judged by a baseline
report        a page with drawings from the JSON files of the others
all           all of these measured into one JSON file
"""

from __future__ import annotations

import argparse
import sys
from fnmatch import fnmatch
from importlib import import_module
from typing import TYPE_CHECKING

from benchmarks.cases import CASES
from benchmarks.measure import FULL, QUICK
from benchmarks.report import build_document, build_part, print_table, write_json
from benchmarks.rows import Row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.measure import Effort
    from benchmarks.rows import Case


COMMANDS: Mapping[str, str] = {
    "server": "benchmarks.server.command",
    "growth": "benchmarks.growth.command",
    "stores": "benchmarks.stores.command",
    "instructions": "benchmarks.instructions.command",
    "report": "benchmarks.pages.command",
    "all": "benchmarks.everything",
}


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="all rows within half a minute")
    parser.add_argument(
        "--only",
        metavar="PATTERN",
        action="append",
        default=[],
        help="cases whose name has this in it, or matches it as a glob; may be repeated",
    )
    parser.add_argument("--json", metavar="FILE", help="write the results there; - is stdout")
    parser.add_argument("--list", action="store_true", help="print the names of the cases")
    parser.add_argument(
        "--compare", metavar="BASELINE", help="count instructions, and fail on more than 10 %% more"
    )
    return parser


def select(cases: Sequence[Case], patterns: Sequence[str]) -> list[Case]:
    """Select the cases that any pattern names; all without a pattern."""
    if not patterns:
        return list(cases)
    return [
        case
        for case in cases
        if any(pattern in case.name or fnmatch(case.name, pattern) for pattern in patterns)
    ]


def run(cases: Sequence[Case], effort: Effort) -> list[Row]:
    """Run the cases; one that fails becomes a row that says so, and the others still run."""
    rows: list[Row] = []
    for case in cases:
        print(f"{case.name} ...", file=sys.stderr, flush=True)
        try:
            rows.append(case.run(effort))
        except Exception as error:  # noqa: BLE001 -- reported in the row and in the exit code
            rows.append(Row(case=case.name, unit="", fault=f"failed: {error!r}"))
    return rows


def run_command(name: str, arguments: Sequence[str]) -> int:
    """Run one of the commands; its module is imported only now."""
    command = import_module(COMMANDS[name])
    status: int = command.main(arguments)
    return status


def main(
    arguments: Sequence[str] | None = None,
    known: Sequence[Case] = CASES,
    *,
    quick: Effort = QUICK,
    full: Effort = FULL,
) -> int:
    """Run what was asked for. 0, or 1 when answers differ or a side failed; never for timing."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] in COMMANDS:
        return run_command(given[0], given[1:])
    options = _build_parser().parse_args(given)
    if options.compare:
        return run_command("instructions", ["--compare", options.compare])
    cases = select(known, options.only)
    if not cases:
        print(f"no case matches {' or '.join(options.only)}; see --list", file=sys.stderr)
        return 2
    if options.list:
        print("\n".join(case.name for case in cases))
        return 0
    effort = quick if options.quick else full
    rows = run(cases, effort)
    print_table(rows, to_stderr=options.json == "-")
    if options.json:
        write_json(build_document(build_part(rows, effort)), options.json)
    return 1 if any(row.fault for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
