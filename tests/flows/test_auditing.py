"""What a flow did reaches the events and the audit log."""

from __future__ import annotations

import pytest

from asgi_security.errors import StorageError
from asgi_security.events import Severity
from asgi_security.flows.auditing import AuditEntry, Reporter
from asgi_security.flows.visits import Visit
from asgi_security.testing import EventRecorder

pytestmark = pytest.mark.anyio


class Log:
    """An audit log that keeps what it is given, until it breaks."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.entries: list[AuditEntry] = []
        self.fault = fault

    async def record(self, entry: AuditEntry) -> None:
        if self.fault is not None:
            raise self.fault
        self.entries.append(entry)


async def test_both_hear_of_it() -> None:
    events, log = EventRecorder(), Log()
    reporter = Reporter(events, log)
    await reporter.record(
        "login_refused", target="a1", outcome="failure", visit=Visit(request_id="r1"), code="wrong"
    )
    assert events.names == ["login_refused"]
    assert events.events[0].facts["code"] == "wrong"
    assert log.entries == [
        AuditEntry(
            action="login_refused",
            target="a1",
            outcome="failure",
            request_id="r1",
            details={"code": "wrong"},
        )
    ]


FAULTS = [
    pytest.param(StorageError("no room"), id="no room"),
    pytest.param(ValueError("16 KiB at most"), id="no record"),
]


@pytest.mark.parametrize("fault", FAULTS)
async def test_H91_a_log_that_fails_is_an_alarm_and_no_obstacle(fault: Exception) -> None:
    events = EventRecorder()
    await Reporter(events, Log(fault)).record("login", actor="a1")
    assert events.names == ["login", "audit_failed"]
    assert events.events[1].severity is Severity.ERROR


@pytest.mark.parametrize("fault", FAULTS)
async def test_H91_what_must_be_recorded_does_not_happen_without(fault: Exception) -> None:
    with pytest.raises(type(fault)):
        await Reporter(EventRecorder(), Log(fault)).record("erase", required=True)


async def test_without_a_log_the_events_still_hear() -> None:
    events = EventRecorder()
    await Reporter(events).record("login", required=True)
    assert events.names == ["login"]
