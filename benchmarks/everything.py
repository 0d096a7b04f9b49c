"""Runs `python -m benchmarks all --json FILE`: every measurement into one file for the report."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.report import write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

PARTS = ("", "server", "growth", "stores", "instructions")
"""The commands in the order they run; the first is the timed rows."""
_KNOW_QUICK = {"", "server", "growth", "stores"}


def merge(documents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Merge the documents of several commands; of what two of them say, the later one counts."""
    merged: dict[str, Any] = {}
    for document in documents:
        merged.update(document)
    return merged


def main(arguments: Sequence[str]) -> int:
    """Run every command. The worst of their exit codes; the file holds whatever was measured."""
    from benchmarks.__main__ import main as run

    parser = argparse.ArgumentParser(prog="python -m benchmarks all", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="each command's quick form")
    parser.add_argument("--json", metavar="FILE", required=True, help="- is stdout")
    options = parser.parse_args(arguments)
    documents: list[dict[str, Any]] = []
    worst = 0
    with tempfile.TemporaryDirectory() as folder:
        for part in PARTS:
            target = Path(folder) / f"{part or 'rows'}.json"
            quick = ["--quick"] if options.quick and part in _KNOW_QUICK else []
            worst = max(worst, run([*filter(None, [part]), *quick, "--json", str(target)]))
            if target.exists():
                documents.append(json.loads(target.read_text(encoding="utf-8")))
            else:
                print(f"{part or 'the rows'}: nothing was written", file=sys.stderr)
    write_json(merge(documents), options.json)
    return worst
