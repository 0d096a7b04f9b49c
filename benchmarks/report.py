"""Tells: the rows as a table for people and as JSON for programs."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from benchmarks.rows import OURS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.measure import Effort, Quartiles
    from benchmarks.rows import Row, SideResult

_PACKAGES = (
    *("asgi-security", "starlette", "itsdangerous", "pyjwt", "joserfc", "cryptography"),
    *("authx", "limits", "slowapi", "fastapi-guard", "secure", "secweb", "asgi-cors"),
    *("starsessions", "litestar", "svc-infra", "uvicorn", "uvloop", "httptools", "granian"),
    *("redis", "asyncpg", "aiosqlite"),
)
SIGNIFICANT = {"us": "{:.2f}", "ms": "{:.1f}", "bytes": "{:.0f}"}


def _find_version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _find_processor() -> str:
    """Find the model of the processor, where the system tells it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor()
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1).strip() if found else platform.processor()


def describe_machine() -> dict[str, Any]:
    """Describe where the numbers come from: without it nobody can tell what they mean."""
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": platform.system(),
        "machine": platform.machine(),
        "processor": _find_processor(),
        "processors": os.cpu_count(),
        "versions": {package: _find_version(package) for package in _PACKAGES},
    }


def build_document(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """Build the JSON document of a run from the parts that its commands made."""
    document: dict[str, Any] = {"machine": describe_machine()}
    for part in parts:
        document.update(part)
    return document


def build_part(rows: Sequence[Row], effort: Effort) -> dict[str, Any]:
    """Build the part of the document that the timed rows are."""
    return {
        "effort": asdict(effort),
        "rows": [
            {
                **asdict(row),
                "sides": [{**asdict(side), "met": side.met} for side in row.sides],
            }
            for row in rows
        ],
    }


def write_json(document: dict[str, Any], target: str) -> None:
    """Write the document into a file, or to stdout for `-`."""
    text = json.dumps(document, indent=2) + "\n"
    if target == "-":
        sys.stdout.write(text)
        return
    with open(target, "w", encoding="utf-8") as file:  # noqa: PTH123 -- a path or a device
        file.write(text)


def _show(value: Quartiles | None, unit: str) -> str:
    if value is None:
        return "-"
    form = SIGNIFICANT[unit].format
    return f"{form(value.median)} [dim]({form(value.lower)}-{form(value.upper)})[/dim]"


def _show_ratio(side: SideResult) -> str:
    ratio = side.ratio
    if ratio is None:
        return "-"
    return f"{ratio.median:.3f} [dim]({ratio.lower:.3f}-{ratio.upper:.3f})[/dim]"


def _show_verdict(side: SideResult) -> str:
    if side.met is None:
        return ""
    return "[green]met[/green]" if side.met else "[red]not met[/red]"


def build_table(rows: Sequence[Row]) -> Table:
    """Build the table: one block for each case, one line for each side."""
    table = Table(title="Work added over a bare app: median (quartiles)")
    for heading in ("case", "side", "added", "ours / side", "budget", ""):
        table.add_column(heading, overflow="fold", no_wrap=heading != "side")
    for row in rows:
        name = f"{row.case} [dim]{row.unit}[/dim]"
        for side in sorted(row.sides, key=lambda one: one.name != OURS):
            if side.absent:
                table.add_row(name, f"{side.name} [yellow]{side.absent}[/yellow]")
            else:
                budget = "" if side.budget is None else f"<= {side.budget:.3f}"
                table.add_row(
                    name,
                    side.name,
                    _show(side.added, row.unit),
                    _show_ratio(side),
                    budget,
                    _show_verdict(side),
                )
            name = ""
        if row.fault:
            table.add_row(name, f"[red]{row.fault}[/red]")
        table.add_section()
    return table


def show_median(value: Quartiles | None, form: str) -> str:
    """Show the median alone, as `form` says."""
    return "-" if value is None else form.format(value.median)


def print_any(table: Table, *, to_stderr: bool) -> None:
    """Print a table; beside a JSON document on stdout it goes to stderr."""
    console = Console(stderr=to_stderr, width=None if sys.stdout.isatty() else 132)
    console.print(table)


def print_table(rows: Sequence[Row], *, to_stderr: bool) -> None:
    """Print the timed rows."""
    print_any(build_table(rows), to_stderr=to_stderr)
