"""Computes the branch coverage that each `policy/` and `crypto/` module gets from its own test.

A module that only the tests of others reach is not tested. Run as `python -m tests.own_coverage`;
exits with 1 and names the lines if any module is below 100 %.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.package_source import PACKAGE, ROOT

if TYPE_CHECKING:
    from pathlib import Path


def measure(module: Path) -> tuple[Path, bool, str]:
    """Run one module's mirror test under coverage; tell whether all its branches were taken."""
    relative = module.relative_to(PACKAGE)
    test = ROOT / "tests" / relative.parent / f"test_{relative.name}"
    with tempfile.TemporaryDirectory() as folder:
        data = f"--data-file={folder}/coverage"
        run = subprocess.run(
            [
                *(sys.executable, "-m", "coverage", "run", "--branch", data),
                *(f"--include={module}", "-m", "pytest", "-q", "-p", "no:cacheprovider"),
                str(test),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode:
            return relative, False, run.stdout[-2000:] + run.stderr[-2000:]
        report = subprocess.run(
            [sys.executable, "-m", "coverage", "report", "-m", data, "--fail-under=100"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    return relative, report.returncode == 0, report.stdout


def main() -> int:
    """Measure every module and print a line for each."""
    modules = sorted(
        path
        for floor in ("policy", "crypto")
        for path in (PACKAGE / floor).glob("*.py")
        if path.name != "__init__.py"
    )
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(measure, modules))
    for name, covered, details in results:
        line = f"{'100 %' if covered else 'below'}  {name}"
        print(line if covered else f"{line}\n{details}")  # noqa: T201 -- a command's output
    return 0 if all(covered for _, covered, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())
