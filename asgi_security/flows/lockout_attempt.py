"""Carries an admitted login attempt from its charge to its settlement."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asgi_security.policy.login_routes import Verdict
    from asgi_security.storage.protocols import Admitted


class LoginAttempt:
    """An admitted attempt; at `current().attempt` for an app that says itself how it ended.

    What the app says counts more than its status, until its response starts; the last word does.
    """

    __slots__ = ("account", "admitted", "client", "is_settled", "user_agent", "verdict")

    def __init__(
        self, admitted: Admitted, *, account: str | None, client: str | None, user_agent: str
    ) -> None:
        self.admitted = admitted
        self.account = account
        self.client = client
        self.user_agent = user_agent
        self.is_settled = False
        self.verdict: Verdict | None = None

    def succeed(self) -> None:
        """Say that the credentials were right."""
        self.verdict = "success"

    def fail(self) -> None:
        """Say that they were wrong."""
        self.verdict = "failure"

    def neutral(self) -> None:
        """Say that nothing was decided yet (a second factor is due): the charge is undone."""
        self.verdict = "refund"
