"""Starts and stops the servers, and asks them what their requests cost."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.server.variants import FACTORIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
SERVERS: Mapping[str, Sequence[str]] = {
    "uvicorn": ("--factory", "--no-access-log", "--log-level", "error", "--lifespan", "off"),
    "granian": ("--factory", "--interface", "asginl", "--no-ws", "--log-level", "error"),
}
_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Served:
    """A variant that answers on a port of the loopback."""

    name: str
    port: int
    process_id: int


class StartError(Exception):
    """A server did not come up; the text is what it said."""


def is_installed(server: str) -> bool:
    """Tell whether a server can be started at all."""
    return importlib.util.find_spec(server) is not None


def find_free_port() -> int:
    """Find a port of the loopback that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def serve(server: str, variant: str) -> Iterator[Served]:
    """Run one variant in a process of its own.

    Raises:
        StartError: if it does not answer.
    """
    port = find_free_port()
    target = f"benchmarks.server.variants:{FACTORIES[variant]}"
    process = subprocess.Popen(  # noqa: S603 -- our own interpreter, our own module
        [
            *(sys.executable, "-m", server, target, *SERVERS[server]),
            *("--host", "127.0.0.1", "--port", str(port)),
        ],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        _wait_for(process, port)
        yield Served(variant, port, process.pid)
    finally:
        process.terminate()
        try:
            process.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            _, told = process.communicate()
            lines = told.decode(errors="replace").strip().splitlines()
            raise StartError(lines[-1] if lines else f"ended with {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise StartError("no answer on its port")


@contextmanager
def serve_all(server: str) -> Iterator[tuple[list[Served], dict[str, str]]]:
    """Run every variant; those that did not come up are told with their reason."""
    with ExitStack() as stack:
        running: list[Served] = []
        absent: dict[str, str] = {}
        for variant in FACTORIES:
            try:
                running.append(stack.enter_context(serve(server, variant)))
            except StartError as error:
                absent[variant] = str(error)
        yield running, absent


def read_cpu_seconds(process_id: int) -> float | None:
    """Read the processor time of a process and its children; None where there is no /proc."""
    process = Path("/proc") / str(process_id)
    try:
        fields = (process / "stat").read_text().rpartition(")")[2].split()
        own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        for task in (process / "task").iterdir():
            for child in (task / "children").read_text().split():
                own += read_cpu_seconds(int(child)) or 0.0
    except (OSError, IndexError, ValueError):
        return None
    return own
