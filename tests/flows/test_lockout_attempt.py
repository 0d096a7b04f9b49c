"""What an app says of the attempt in hand; its use is tested in `middleware/test_lockout.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgi_security.flows.lockout_attempt import LoginAttempt
from asgi_security.storage.protocols import Admitted, Receipt

if TYPE_CHECKING:
    from asgi_security.asgi.context import OutcomeReporter


def test_G41_the_last_word_counts() -> None:
    attempt = LoginAttempt(
        Admitted(Receipt(b"", (), 0.0)), account=None, client=None, user_agent=""
    )
    reporter: OutcomeReporter = attempt
    assert attempt.verdict is None
    said: list[str | None] = []
    for say in (reporter.succeed, reporter.fail, reporter.neutral):
        say()
        said.append(attempt.verdict)
    assert said == ["success", "failure", "refund"]
