from __future__ import annotations

from asgi_security.flows.visits import UNKNOWN_VISIT, Visit


def test_what_opens_something_is_not_shown() -> None:
    visit = Visit(client="192.0.2.7", devices=("device-token",), browser="binding-value")
    assert "192.0.2.7" in repr(visit)
    assert "device-token" not in repr(visit)
    assert "binding-value" not in repr(visit)


def test_everything_may_be_unknown() -> None:
    assert Visit() == UNKNOWN_VISIT
