"""Looks, now and then, at the server's clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgi_security.events import SecurityEvent, Severity

if TYPE_CHECKING:
    from asgi_security.events import EventSink

EVERY_SECONDS = 300.0
MOST_SKEW_SECONDS = 2.0

CLOCK = "SELECT extract(epoch FROM clock_timestamp())::double precision"


def report_skew(events: EventSink, *, ahead_seconds: float, passed_seconds: float) -> None:
    """Report a server's clock that disagrees with the caller's.

    It changes no verdict, since each comes with the caller's time: but it tells that machines
    disagree about the time, and their verdicts with them.

    Args:
        events: where to.
        ahead_seconds: the server's clock less ours at the question.
        passed_seconds: from the question to the answer; at some moment in between it looked.
    """
    if not -MOST_SKEW_SECONDS <= ahead_seconds <= MOST_SKEW_SECONDS + passed_seconds:
        facts = {"backend": "postgres", "difference_seconds": round(ahead_seconds, 3)}
        events(SecurityEvent(name="clock_skew", severity=Severity.WARNING, facts=facts))
