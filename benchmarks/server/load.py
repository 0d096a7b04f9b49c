"""Loads a server: keep-alive connections that each send the next request when answered.

`python -m benchmarks.server.load` reads one JSON object from stdin (`port`, `connections`,
`seconds`, `request`) and prints one: a process of its own, so that it shares no loop with anybody.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from array import array
from typing import Any

MOST_REQUESTS = 2_000_000
_HEAD_END = b"\r\n\r\n"
_PATIENCE_SECONDS = 20.0


def compute_length(data: bytes) -> int | None:
    r"""Compute how many bytes a response has, from its head; None while that is not complete.

    >>> compute_length(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
    40
    """
    end = data.find(_HEAD_END)
    if end < 0:
        return None
    length = 0
    for line in data[:end].split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return end + len(_HEAD_END) + length


def compute_percentile(ordered: list[float], percent: float) -> float:
    """Compute a percentile by the nearest rank of numbers that are in order.

    >>> compute_percentile([1.0, 2.0, 3.0, 4.0], 50)
    2.0
    """
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]


class Generator:
    """The load of one run: what is sent, until when, and what came of it."""

    def __init__(self, request: bytes, seconds: float) -> None:
        self.request = request
        self.began = time.perf_counter()
        self.deadline = self.began + seconds
        self.latencies = array("d")
        self.failures = 0

    def is_over(self, now: float) -> bool:
        """Tell whether no further request shall be sent."""
        return now >= self.deadline or len(self.latencies) >= MOST_REQUESTS


class _Connection(asyncio.Protocol):
    def __init__(self, load: Generator) -> None:
        self._load = load
        self._buffer = b""
        self._usual = -1
        self._sent_at = 0.0
        self._transport: Any = None
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def _send(self) -> None:
        self._sent_at = time.perf_counter()
        self._transport.write(self._load.request)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer = self._buffer + data if self._buffer else data
        if len(buffer) != self._usual:
            length = compute_length(buffer)
            if length is None or len(buffer) < length:
                return
            self._usual = length
        now = time.perf_counter()
        load = self._load
        load.latencies.append(now - self._sent_at)
        if not buffer.startswith(b"HTTP/1.1 200"):
            load.failures += 1
        self._buffer = b""
        if load.is_over(now):
            self._transport.close()
        else:
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio calls it
        if not self._load.is_over(time.perf_counter()):
            self._load.failures += 1
        if not self.done.done():
            self.done.set_result(None)


async def load(port: int, connections: int, seconds: float, request: bytes) -> dict[str, float]:
    """Load a server on the loopback, and tell throughput and latencies.

    Raises:
        TimeoutError: if answers stay away.
    """
    running = asyncio.get_running_loop()
    run = Generator(request, seconds)
    made = [
        await running.create_connection(lambda: _Connection(run), "127.0.0.1", port)
        for _ in range(connections)
    ]
    async with asyncio.timeout(seconds + _PATIENCE_SECONDS):
        await asyncio.gather(*(protocol.done for _, protocol in made))
    took = time.perf_counter() - run.began
    ordered = sorted(run.latencies)
    return {
        "requests": len(ordered),
        "failures": run.failures,
        "throughput": len(ordered) / took,
        "p50_ms": compute_percentile(ordered, 50) * 1000,
        "p99_ms": compute_percentile(ordered, 99) * 1000,
    }


def _build_runner() -> asyncio.Runner:
    try:
        import uvloop
    except ImportError:
        return asyncio.Runner()
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


def main() -> None:
    """Run what stdin asks for."""
    asked = json.load(sys.stdin)
    with _build_runner() as runner:
        found = runner.run(
            load(
                asked["port"],
                asked["connections"],
                asked["seconds"],
                asked["request"].encode("latin-1"),
            )
        )
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
