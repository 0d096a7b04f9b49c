"""The outside world under a test's control: its clock, its entropy, and the events it sees."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asgi_security.events import SecurityEvent


class FakeClock:
    """A `Clock` that stands still until it is told to move.

    >>> clock = FakeClock(1000.0)
    >>> clock.advance(30)
    >>> clock()
    1030.0
    """

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the instant at which the clock stands."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Move the clock by that many seconds; negative moves it back."""
        self.now += seconds


class SeededEntropy:
    """An `Entropy` that gives the same bytes in every run, different ones at every call."""

    def __init__(self, seed: str = "") -> None:
        self._seed = seed
        self._calls = 0

    def __call__(self, count: int) -> bytes:
        """Return the next `count` bytes."""
        self._calls += 1
        return hashlib.shake_256(f"{self._seed}:{self._calls}".encode()).digest(count)


class EventRecorder:
    """An `EventSink` that keeps what it is given, in order."""

    def __init__(self) -> None:
        self.events: list[SecurityEvent] = []

    def __call__(self, event: SecurityEvent) -> None:
        """Keep the event."""
        self.events.append(event)

    @property
    def names(self) -> list[str]:
        """The names of the events so far."""
        return [event.name for event in self.events]
