"""Messages, and the sender for development."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from asgi_security.events import Severity
from asgi_security.flows.sending import ConsoleSender, Message

if TYPE_CHECKING:
    from asgi_security.testing import EventRecorder

pytestmark = pytest.mark.anyio

MESSAGE = Message(
    kind="reset",
    recipient="ann@example.com",
    account="id-1",
    token="secret-token",
    code="123456",
    link="https://app.example.com/reset?token=secret-token",
    lifetime_seconds=3600,
)


def test_a_message_shows_nothing_that_opens_or_names() -> None:
    assert repr(MESSAGE) == "Message(kind='reset', account='id-1', lifetime_seconds=3600)"


async def test_the_console_shows_it_all_and_says_so_loudly(events: EventRecorder) -> None:
    stream = io.StringIO()
    await ConsoleSender(stream, events=events).send(MESSAGE)
    assert stream.getvalue() == (
        "--- reset to 'ann@example.com' (ConsoleSender: not sent)\n"
        "    code: 123456\n"
        "    token: secret-token\n"
        "    link: https://app.example.com/reset?token=secret-token\n"
        "    good for 3600 s\n"
    )
    (event,) = events.events
    assert (event.name, event.severity) == ("console_sender_in_use", Severity.WARNING)


async def test_it_prints_to_standard_error(
    capsys: pytest.CaptureFixture[str], events: EventRecorder
) -> None:
    await ConsoleSender(events=events).send(Message(kind="note", recipient="a@b.example\n\x1b[2J"))
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == r"--- note to 'a@b.example\n\x1b[2J' (ConsoleSender: not sent)" + "\n"
