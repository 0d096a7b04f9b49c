"""Looks, now and then, at what of a server endangers what is stored: its clock, its evictions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from asgi_security.events import SecurityEvent, Severity
from asgi_security.storage.redis.commands import Command
from asgi_security.storage.redis.lane import Call

if TYPE_CHECKING:
    from typing import Any

    from asgi_security.events import EventSink
    from asgi_security.storage.redis.lane import Lane

EVERY_SECONDS = 300.0
MOST_SKEW_SECONDS = 2.0

_TIME = Command((b"TIME",), b"", is_repeatable=True, writes=False)
_MEMORY = Command((b"INFO", b"memory"), b"", is_repeatable=True, writes=False)


class Watch:
    """Asks behind an operation, every five minutes, and reports; nobody waits for it.

    A skewed clock changes no verdict, since each comes with the caller's time: but it tells that
    servers disagree about the time, and their verdicts with them.
    """

    def __init__(self, events: EventSink) -> None:
        self._events = events
        self._looked_at: float | None = None

    def is_due(self, at: float) -> bool:
        """Tell whether it is time to look, by the clock of the event loop."""
        return self._looked_at is None or at - self._looked_at >= EVERY_SECONDS

    def look(self, lane: Lane, now: float, at: float, timeout_seconds: float) -> None:
        """Ask what the time is and what the server does when it is full.

        Args:
            lane: where to ask.
            now: the time by our clock when that of the event loop was `at`.
            at: an instant of the event loop's clock.
            timeout_seconds: how long to wait.
        """
        self._looked_at = at
        deadline = asyncio.get_running_loop().time() + timeout_seconds
        time, memory = Call(_TIME, deadline), Call(_MEMORY, deadline)
        time.future.add_done_callback(lambda future: self._judge_time(future, now, at))
        memory.future.add_done_callback(self._judge_memory)
        lane.submit(time)
        lane.submit(memory)

    def _judge_time(self, future: asyncio.Future[Any], now: float, at: float) -> None:
        reply = None if future.cancelled() else future.result()
        if not isinstance(reply, list) or len(reply) != 2:
            return
        passed = future.get_loop().time() - at
        try:
            ahead = int(reply[0]) + int(reply[1]) / 1e6 - now
        except ValueError:
            return
        # The server looked at its clock at some moment between the question and the answer.
        if not -MOST_SKEW_SECONDS <= ahead <= MOST_SKEW_SECONDS + passed:
            facts = {"backend": "redis", "difference_seconds": round(ahead, 3)}
            self._report("clock_skew", facts)

    def _judge_memory(self, future: asyncio.Future[Any]) -> None:
        reply = None if future.cancelled() else future.result()
        if not isinstance(reply, bytes):
            return
        for line in reply.decode("latin-1").splitlines():
            name, _, policy = line.partition(":")
            # Every key has an expiry, so that the volatile-* policies reach all of them too.
            if name == "maxmemory_policy" and policy != "noeviction":
                self._report("store_may_evict", {"backend": "redis", "policy": policy})

    def _report(self, name: str, facts: dict[str, object]) -> None:
        self._events(SecurityEvent(name=name, severity=Severity.WARNING, facts=facts))
