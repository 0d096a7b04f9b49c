"""Runs one piece of load: by `wrk` where it is installed, else by the generator beside this."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.server.processes import ROOT, read_cpu_seconds

if TYPE_CHECKING:
    from benchmarks.server.processes import Served

_PATIENCE_SECONDS = 60.0
_UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}
_PERCENTILE = re.compile(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s|m)\s*$", re.MULTILINE)


class LoadError(Exception):
    """A piece of load failed, or met answers other than 200."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One piece of load. `cpu_us` is the server's processor time for a request, where known."""

    throughput: float
    p50_ms: float
    p99_ms: float
    cpu_us: float | None = None


def find_generator() -> str:
    """Tell which generator is used."""
    return "wrk" if shutil.which("wrk") else "asyncio"


def load_server(served: Served, request: bytes, *, connections: int, seconds: float) -> Sample:
    """Load one server, and tell how it fared.

    Raises:
        LoadError: if the generator failed, or not every answer was a 200.
    """
    before = read_cpu_seconds(served.process_id)
    if find_generator() == "wrk":
        sample, requests = _run_wrk(served.port, request, connections, seconds)
    else:
        sample, requests = _run_own(served.port, request, connections, seconds)
    after = read_cpu_seconds(served.process_id)
    if before is None or after is None or not requests:
        return sample
    cpu_us = (after - before) / requests * 1e6
    return Sample(sample.throughput, sample.p50_ms, sample.p99_ms, cpu_us)


def _run_own(port: int, request: bytes, connections: int, seconds: float) -> tuple[Sample, int]:
    asked = {
        "port": port,
        "connections": connections,
        "seconds": seconds,
        "request": request.decode("latin-1"),
    }
    told = json.loads(
        _run([sys.executable, "-m", "benchmarks.server.load"], json.dumps(asked), seconds)
    )
    if told["failures"]:
        raise LoadError(f"{told['failures']} of {told['requests']} answers were no 200")
    return Sample(told["throughput"], told["p50_ms"], told["p99_ms"]), told["requests"]


def _run_wrk(port: int, request: bytes, connections: int, seconds: float) -> tuple[Sample, int]:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--latency"]
    for line in request.decode("latin-1").split("\r\n")[1:]:
        if line:
            command += ["-H", line]
    return parse_wrk(_run([*command, f"http://127.0.0.1:{port}/"], "", seconds))


def parse_wrk(told: str) -> tuple[Sample, int]:
    """Parse what `wrk --latency` prints: the sample, and how many requests it made.

    Raises:
        LoadError: if not every answer was a 200, or nothing can be read.
    """
    if "Non-2xx" in told or "Socket errors" in told:
        raise LoadError("wrk met answers other than 200, or errors of the connection")
    times = {rank: float(n) * _UNITS_MS[unit] for rank, n, unit in _PERCENTILE.findall(told)}
    throughput = re.search(r"Requests/sec:\s+([\d.]+)", told)
    requests = re.search(r"(\d+) requests in", told)
    if throughput is None or requests is None or set(times) != {"50", "99"}:
        raise LoadError("wrk said something else than expected")
    sample = Sample(float(throughput.group(1)), times["50"], times["99"])
    return sample, int(requests.group(1))


def _run(command: list[str], given: str, seconds: float) -> str:
    try:
        done = subprocess.run(  # noqa: S603 -- our own module, or wrk from the path
            command,
            input=given,
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            timeout=seconds + _PATIENCE_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise LoadError("the generator did not end") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise LoadError(lines[-1] if lines else f"the generator ended with {done.returncode}")
    return done.stdout
