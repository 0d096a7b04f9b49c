"""Hands messages to whoever can deliver them: the port for mail and codes.

How a message is worded, in which language and through which service, is the application's.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from asgi_security.events import SecurityEvent, Severity, log_event

if TYPE_CHECKING:
    from typing import TextIO

    from asgi_security.events import EventSink


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message to one recipient, before it has words.

    `kind` is one of a flow's documented set, such as "reset" or "mfa_code". `recipient` is the
    address. `account` is its id, None where there is none. `token` opens something through a
    `link` or by itself; `code` is short, to be typed. Both are worth nothing `lifetime_seconds`
    later; None where the message carries neither.

    Safe to log because its `repr` shows neither recipient, token, code nor link.
    """

    kind: str
    recipient: str = field(repr=False)
    account: str | None = None
    token: str | None = field(default=None, repr=False)
    code: str | None = field(default=None, repr=False)
    link: str | None = field(default=None, repr=False)
    lifetime_seconds: float | None = None


class Sender(Protocol):
    """Whoever delivers messages. It may take its time, and it may fail: flows bound both."""

    async def send(self, message: Message) -> None:
        """Deliver one message, or raise whatever the delivery raises."""
        ...


class ConsoleSender:
    """Prints messages with all their secrets, for development only: nothing is sent to anyone.

    It is the default of nothing, and says loudly at its construction what it does.
    """

    def __init__(self, stream: TextIO | None = None, *, events: EventSink = log_event) -> None:
        self._stream = stream
        events(
            SecurityEvent(
                name="console_sender_in_use",
                severity=Severity.WARNING,
                facts={"hint": "tokens and codes are printed and sent to nobody: development only"},
            )
        )

    async def send(self, message: Message) -> None:
        """Print the message, each part on a line of its own."""
        lines = [f"--- {message.kind} to {message.recipient!r} (ConsoleSender: not sent)"]
        for name in ("code", "token", "link"):
            value = getattr(message, name)
            if value is not None:
                lines.append(f"    {name}: {value}")
        if message.lifetime_seconds is not None:
            lines.append(f"    good for {message.lifetime_seconds:g} s")
        # Looked up late: a test or a server may have put another stream in its place.
        print(*lines, sep="\n", file=self._stream or sys.stderr)
