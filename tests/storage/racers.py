"""Several processes that begin at once."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tests.package_source import ROOT

if TYPE_CHECKING:
    from typing import Self

PATIENCE_SECONDS = 120


class Racers:
    """Processes that run one module, each given the same arguments and, last, its own number.

    Each prints "ready" as soon as it could begin, and begins when it is sent a line.
    """

    def __init__(self, module: str, *arguments: str, count: int) -> None:
        command = [sys.executable, "-W", "error", "-m", module, *arguments]
        self.processes = [
            subprocess.Popen(
                [*command, str(number)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
            )
            for number in range(count)
        ]
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for process in self.processes:
            self._stack.enter_context(process)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()  # after a failure: none of those that have finished is left
        self._stack.close()

    def wait(self) -> None:
        """Return once all are ready."""
        assert self.read() == ["ready"] * len(self.processes)

    def begin(self, line: str = "") -> None:
        """Send all a line."""
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write(f"{line}\n")
            process.stdin.flush()

    def read(self) -> list[str]:
        """Return the next line of each."""
        lines = []
        for process in self.processes:
            assert process.stdout is not None
            lines.append(process.stdout.readline().strip())
        return lines

    def finish(self) -> list[str]:
        """Return what else each says, and check that it ends well."""
        answers = [
            process.communicate(timeout=PATIENCE_SECONDS)[0].strip() for process in self.processes
        ]
        assert [process.returncode for process in self.processes] == [0] * len(self.processes)
        return answers


def run(module: str, *arguments: str, count: int) -> list[str]:
    """Let processes begin at once, and return what each says."""
    with Racers(module, *arguments, count=count) as racers:
        racers.wait()
        racers.begin()
        return racers.finish()
