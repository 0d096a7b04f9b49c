"""Ends attempts at an account: settles their charge, and writes down what happened and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asgi_security.events import Severity
from asgi_security.flows.lockout import Unavailable
from asgi_security.flows.login_outcomes import BUSY, Refused
from asgi_security.flows.login_verifying import Undecided
from asgi_security.storage.protocols import Busy, Outcome

if TYPE_CHECKING:
    from asgi_security.flows.auditing import Reporter
    from asgi_security.flows.lockout import LockedOut, Lockout
    from asgi_security.flows.login_verifying import Wrong
    from asgi_security.flows.visits import Visit
    from asgi_security.policy.login import LoginConfig
    from asgi_security.storage.protocols import Account, Admitted, Settled


@dataclass(frozen=True, slots=True)
class LoginSettler:
    """Settles attempts of one kind; `refusal` is the name their refusals are recorded under."""

    config: LoginConfig
    lockout: Lockout
    reporter: Reporter
    refusal: str

    async def turn_away(
        self, begun: LockedOut | Busy | Unavailable, visit: Visit, account: Account | None = None
    ) -> LockedOut | Unavailable:
        """Answer what was not admitted: nothing was verified, right or wrong."""
        if isinstance(begun, Unavailable):
            return begun  # the lockout has said so, and the audit log is likely to be as far away
        reason = "busy" if isinstance(begun, Busy) else "locked_out"
        await self.record(account, reason, visit)
        return BUSY if isinstance(begun, Busy) else begun

    async def refuse(
        self, admitted: Admitted, verdict: Wrong | Undecided, visit: Visit
    ) -> Refused | Unavailable:
        """End an attempt whose password was not right, as far as anybody knows."""
        if isinstance(verdict, Undecided):
            await self.settle(admitted, Outcome.REFUND, visit)
            return Unavailable()
        settled = await self.settle(admitted, Outcome.FAILURE, visit)
        locked = settled is not None and any(
            after.locked and not before.locked
            for before, after in zip(settled.before, settled.after, strict=True)
        )
        await self.record(verdict.account, verdict.reason, visit, locked=locked)
        return Refused()

    async def keep_out(
        self, admitted: Admitted, account: Account, obstacle: str, visit: Visit
    ) -> Refused:
        """End an attempt of an account that may not sign in, with its right password.

        It takes what a wrong one takes; only that nobody pays for it and nothing is forgotten.
        """
        await self.settle(admitted, Outcome.REFUND, visit)
        await self.record(account, obstacle, visit, locked=False)
        return Refused(is_unverified=obstacle == "unverified" and self.config.reveal_unverified)

    async def settle(self, admitted: Admitted, outcome: Outcome, visit: Visit) -> Settled | None:
        """Settle the charge, with what is known of the browser."""
        return await self.lockout.settle(
            admitted, outcome, user_agent=visit.user_agent, address=visit.client
        )

    async def record(
        self, account: Account | None, reason: str, visit: Visit, **details: Any
    ) -> None:
        """Write a refusal down with its true reason, which nobody is told."""
        await self.reporter.record(
            self.refusal,
            target=None if account is None else account.id,
            tenant=None if account is None else account.tenant,
            outcome="refused",
            visit=visit,
            severity=Severity.WARNING,
            reason=reason,
            **details,
        )


def count_failures(admitted: Admitted, settled: Settled | None) -> int:
    """Return how many failures of the account there were before an attempt that was right."""
    if settled is None:
        return 0
    keys = admitted.receipt.keys
    pairs = zip(keys, settled.before, strict=True)
    return sum(before.failures for key, before in pairs if key.forgets_on_success)
