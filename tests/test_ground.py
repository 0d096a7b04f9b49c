"""Secrets that stay hidden, events that are logged, a clock and entropy that tests can own."""

from __future__ import annotations

import logging
import pickle
import traceback
from typing import TYPE_CHECKING

import pytest

from asgi_security.clock import system_clock, system_entropy
from asgi_security.events import SecurityEvent, Severity, discard_event, log_event
from asgi_security.principal import Principal
from asgi_security.secret import Secret
from asgi_security.testing import FakeClock, SeededEntropy
from asgi_security.values import value

if TYPE_CHECKING:
    from asgi_security.testing import EventRecorder


def test_a_secret_is_never_shown() -> None:
    secret = Secret("correct horse battery staple")
    shown = f"{secret} {secret!r} {[secret]} {secret!s:>40}"
    shown += "".join(traceback.format_exception(ValueError(secret)))
    assert "horse" not in shown
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(secret)


def test_a_secret_reveals_and_compares() -> None:
    assert Secret("a").reveal() == b"a" == Secret(Secret(b"a")).reveal()
    assert Secret("a") == Secret(b"a") != Secret("b")
    assert len({Secret("a"), Secret(b"a")}) == 1
    assert len(Secret("abc")) == 3
    assert Secret("a") != b"a"


def test_events_are_logged_with_their_severity(caplog: pytest.LogCaptureFixture) -> None:
    event = SecurityEvent(name="account_locked", severity=Severity.WARNING, facts={"failures": 5})
    with caplog.at_level(logging.DEBUG, logger="asgi_security"):
        log_event(event)
        discard_event(event)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("asgi_security", logging.WARNING)
    assert record.getMessage() == "account_locked failures=5"
    assert record.__dict__["security_event"] is event


def test_an_event_that_nobody_logs_is_not_put_into_words(caplog: pytest.LogCaptureFixture) -> None:
    class Unspeakable:
        def __repr__(self) -> str:
            raise AssertionError

    with caplog.at_level(logging.ERROR, logger="asgi_security"):
        log_event(SecurityEvent(name="x", facts={"a": Unspeakable()}))
    assert caplog.records == []


def test_a_value_is_a_value() -> None:
    @value
    class Point:
        x: int
        y: int = 0

    assert Point(1) == Point(1, 0) != Point(1, 1)
    assert hash(Point(1)) == hash(Point(1))
    assert repr(Point(1)).endswith("Point(x=1, y=0)")
    assert not hasattr(Point(1), "__dict__")


def test_the_doubles_stand_still_and_repeat(events: EventRecorder) -> None:
    clock = FakeClock(10)
    clock.advance(-2.5)
    assert clock() == 7.5
    assert SeededEntropy("a")(8) == SeededEntropy("a")(8) != SeededEntropy("b")(8)
    entropy = SeededEntropy()
    assert entropy(8) != entropy(8)
    events(SecurityEvent(name="x"))
    assert events.names == ["x"]


def test_the_real_ones_are_real() -> None:
    assert system_clock() > 1_700_000_000
    assert len(system_entropy(16)) == 16
    assert system_entropy(16) != system_entropy(16)


def test_a_principal_is_what_starlette_expects_of_a_user() -> None:
    principal = Principal(subject="42", via="jwt", claims={"email": "a@b.test"})
    assert (principal.is_authenticated, principal.display_name, principal.identity) == (
        True,
        "42",
        "42",
    )
    assert "a@b.test" not in repr(principal)
