"""Messages that are sent behind the back of whoever asked."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from asgi_security.errors import ConfigError
from asgi_security.flows.outbox import Outbox
from asgi_security.flows.sending import Message
from tests.flows.account_world import Mailbox

if TYPE_CHECKING:
    from asgi_security.testing import EventRecorder

pytestmark = pytest.mark.anyio

NOTE = Message(kind="note", recipient="ann@example.com", account="id-1", token="secret")


async def test_T54_nothing_is_sent_before_the_caller_goes_on(events: EventRecorder) -> None:
    mailbox = Mailbox()
    outbox = Outbox(mailbox, events=events)
    outbox.post(NOTE)
    outbox.post(None)
    assert mailbox.messages == []
    gc.collect()  # the loop holds its tasks weakly
    assert await outbox.drain()
    assert mailbox.messages == [NOTE]
    assert await outbox.drain()
    assert not events.events


@pytest.mark.parametrize("kind", [OSError, RuntimeError, KeyError])
async def test_a_failing_sender_is_an_event_and_nothing_else(
    events: EventRecorder, kind: type[Exception]
) -> None:
    mailbox = Mailbox()
    mailbox.error = kind("smtp.example.com said no to ann@example.com")
    outbox = Outbox(mailbox, events=events)
    outbox.post(NOTE)
    assert await outbox.drain()
    (event,) = events.events
    assert event.name == "message_not_sent"
    assert event.facts == {"kind": "note", "account": "id-1", "error": kind.__name__}


async def test_a_sender_that_hangs_is_given_up(events: EventRecorder) -> None:
    mailbox = Mailbox()
    mailbox.hangs = True
    outbox = Outbox(mailbox, timeout_seconds=0.01, events=events)
    outbox.post(NOTE)
    assert await outbox.drain()
    assert [event.facts["error"] for event in events.events] == ["TimeoutError"]


async def test_a_flood_is_dropped_and_not_piled_up(events: EventRecorder) -> None:
    mailbox = Mailbox()
    outbox = Outbox(mailbox, waiting=2, events=events)
    for _ in range(5):
        outbox.post(NOTE)
    assert events.names == ["message_dropped"] * 3
    assert await outbox.drain()
    assert len(mailbox.messages) == 2
    outbox.post(None)
    outbox.post(NOTE)
    assert await outbox.drain()
    assert len(mailbox.messages) == 3


async def test_drain_says_when_it_was_too_early(events: EventRecorder) -> None:
    mailbox = Mailbox()
    mailbox.hangs = True
    outbox = Outbox(mailbox, timeout_seconds=0.2, events=events)
    outbox.post(NOTE)
    assert not await outbox.drain(timeout_seconds=0.01)
    results: list[bool] = []

    async def wait() -> None:
        results.append(await outbox.drain())

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        group.start_soon(wait)
    assert results == [True, True]


async def test_a_task_group_of_the_app_may_run_it(events: EventRecorder) -> None:
    mailbox = Mailbox()
    async with anyio.create_task_group() as group:
        outbox = Outbox(mailbox, start=group.start_soon, events=events)
        outbox.post(NOTE)
        assert not mailbox.messages
    assert mailbox.messages == [NOTE]


async def test_a_caller_that_is_cancelled_takes_no_message_along(events: EventRecorder) -> None:
    mailbox = Mailbox()
    outbox = Outbox(mailbox, events=events)
    with anyio.CancelScope() as scope:
        outbox.post(NOTE)
        scope.cancel()
        await anyio.sleep_forever()
    assert await outbox.drain()
    assert mailbox.messages == [NOTE]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"sender": None}, "sender"),
        ({"sender": "smtp://mail"}, "sender"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"waiting": 0}, "waiting"),
    ],
)
def test_what_cannot_be_meant_is_refused(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Outbox(**{"sender": Mailbox(), **fields})
    assert [problem.field for problem in raised.value.problems] == [field]
