"""Reports: what a security operator would want to know, as one value, to a sink of their choice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping


class Severity(IntEnum):
    """How loud an event is: the numbers are those of `logging`."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityEvent:
    """One thing that happened: a stable `name` in snake_case and facts that are safe to store.

    Safe to log because `facts` holds codes, counts, instants and keyed digests only: never a
    token, a secret, a password, a login name, a raw address or a driver's error text.
    """

    name: str
    severity: Severity = Severity.INFO
    facts: Mapping[str, Any] = field(default_factory=dict)


EventSink: TypeAlias = Callable[[SecurityEvent], None]
"""Takes an event and returns at once: it runs on the request's path."""


def log_event(event: SecurityEvent) -> None:
    """Write the event to the logger `asgi_security`; the sink that is used when none is given."""
    import logging  # noqa: PLC0415 -- a user whose stack reports nothing never pays for it

    logger = logging.getLogger("asgi_security")
    if not logger.isEnabledFor(event.severity):  # a flood of refusals need not be put into words
        return
    logger.log(
        event.severity,
        "%s %s",
        event.name,
        " ".join(f"{name}={value!r}" for name, value in event.facts.items()),
        extra={"security_event": event},
    )


def discard_event(event: SecurityEvent) -> None:
    """Drop the event: for programs that report elsewhere."""
