"""Import time in fresh interpreters, without the interpreter's own start."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.measure import compute_order
from benchmarks.rows import OURS, Row, SideResult, find_own_absence, judge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.measure import Effort, Series

MILLISECONDS = 1e3
_HEAVY = ("jwt", "cryptography", "httpx", "sqlite3")
_PROGRAM = """\
import sys, time
began = time.process_time()
try:
{statement}
except ImportError as error:
    sys.exit("missing: %s" % error)
took = time.process_time() - began
print(took, *(name for name in {heavy!r} if name in sys.modules))
"""
_STATEMENTS = {
    OURS: "from asgi_security import SecurityHeadersMiddleware",
    "Starlette": """\
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.middleware.authentication import AuthenticationMiddleware""",
}


def _start(statement: str, environment: Mapping[str, str]) -> tuple[float, tuple[str, ...]] | str:
    """Import in a new interpreter: the seconds and the heavy modules loaded, or what is missing.

    Raises:
        RuntimeError: if the import failed for any other reason than a missing module.
    """
    program = _PROGRAM.format(statement=textwrap.indent(statement, "    "), heavy=_HEAVY)
    done = subprocess.run(  # noqa: S603 -- our own interpreter, our own text
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    if done.returncode:
        told = done.stderr.strip()
        if told.startswith("missing: "):
            return told
        raise RuntimeError(told)
    took, *heavy = done.stdout.split()
    return float(took), tuple(heavy)


def build_environment(cache: str) -> dict[str, str]:
    """Build an environment in which every side's modules are compiled once, into `cache`.

    An installed package has its bytecode beside it; a checkout may not, where Python has been told
    to write none, and compiling is no part of importing.
    """
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportCase:
    """What it costs to import each side's statement; ours must load none of the heavy modules."""

    name: str
    statements: Mapping[str, str]
    budgets: Mapping[str, float]

    def run(self, effort: Effort) -> Row:
        """Start the interpreters, interleaved, and tell."""
        with tempfile.TemporaryDirectory() as cache:
            return self._run(effort, build_environment(cache))

    def _run(self, effort: Effort, environment: Mapping[str, str]) -> Row:
        names = list(self.statements)
        found: dict[str, list[float]] = {name: [] for name in names}
        missing: dict[str, str] = {}
        fault = ""
        for index in range(effort.imports + 1):
            for position in compute_order(len(names), index):
                name = names[position]
                answer = _start(self.statements[name], environment)
                if isinstance(answer, str):
                    missing[name] = answer
                    continue
                seconds, heavy = answer
                if name == OURS and heavy:
                    fault = f"ours loads {', '.join(heavy)}"
                if index:  # the first round compiles, and warms the caches of the disk up
                    found[name].append(seconds)
        series: dict[str, Series] = {
            name: tuple(values) for name, values in found.items() if name not in missing
        }
        absent = tuple(SideResult(name, absent=text) for name, text in missing.items())
        sides = (*judge(series, self.budgets, MILLISECONDS), *absent)
        fault = fault or find_own_absence(absent)
        return Row(case=self.name, unit="ms", sides=sides, fault=fault)


CASES = (ImportCase(name="imports headers", statements=_STATEMENTS, budgets={"Starlette": 1 / 3}),)
