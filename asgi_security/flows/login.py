"""Does: a login with a password, from the name that was typed to the answer, without HTTP.

Whatever is wrong, the answer is the same value after the same work: one charge, one look-up, one
verification of one hash, one settlement. The reason is in the audit log and nowhere else.

What comes of a sign-in, a session or tokens, is not made here.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from asgi_security.clock import system_clock
from asgi_security.events import Severity, log_event
from asgi_security.flows.account_records import AccountRecords
from asgi_security.flows.auditing import Reporter
from asgi_security.flows.lockout import Unavailable
from asgi_security.flows.login_outcomes import NeedsMfa, PasswordConfirmed, Refused, SignedIn
from asgi_security.flows.login_settling import LoginSettler, count_failures
from asgi_security.flows.login_verifying import AccountVerifier, Right
from asgi_security.flows.mfa_outcomes import MfaChallenge, MfaEnrolmentRequired, NotDue
from asgi_security.flows.visits import UNKNOWN_VISIT
from asgi_security.policy.login import LoginConfig, decide_entry
from asgi_security.storage.protocols import Admitted, Outcome

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asgi_security.clock import Clock
    from asgi_security.events import EventSink
    from asgi_security.flows.auditing import Auditor
    from asgi_security.flows.lockout import Lockout
    from asgi_security.flows.login_outcomes import Confirmation, SignIn
    from asgi_security.flows.mfa import Mfa
    from asgi_security.flows.mfa_outcomes import MfaPassed
    from asgi_security.flows.passwords import Passwords
    from asgi_security.flows.visits import Visit
    from asgi_security.storage.protocols import Account, AccountStore, Store

__all__ = [
    "REAUTHENTICATION",
    "Login",
    "NeedsMfa",
    "PasswordConfirmed",
    "Refused",
    "SignedIn",
]

REAUTHENTICATION = "reauthentication"
"""The factor under which passwords of those who are signed in already are counted."""

_BY_PASSWORD = ("pwd",)


class Login:
    """Signs in with passwords.

    Args:
        config: what is refused, and how.
        store: where the accounts are: a store, or its accounts facet.
        passwords: hashes and verifies; the same object as everywhere else, or its bound on threads
            is none.
        lockout: counts, together with all other ways into these accounts. Give it
            `account_epoch=build_account_epoch(store)` if it knows devices.
        mfa: decides whether a second factor is due; None for an app that has none.
        clock, events, audit: the outside world.
    """

    def __init__(
        self,
        config: LoginConfig | None,
        store: Store | AccountStore,
        passwords: Passwords,
        *,
        lockout: Lockout,
        mfa: Mfa | None = None,
        clock: Clock = system_clock,
        events: EventSink = log_event,
        audit: Auditor | None = None,
    ) -> None:
        self.config = config or LoginConfig()
        self._lockout = lockout
        self._mfa = mfa
        self._clock = clock
        self._reporter = Reporter(events, audit)
        self._records = AccountRecords(store, timeout_seconds=self.config.store_timeout_seconds)
        self._verifier = AccountVerifier(self._records, passwords, self._reporter)
        outside = (self.config, lockout, self._reporter)
        self._logins = LoginSettler(*outside, "sign_in_refused")
        self._confirmations = LoginSettler(*outside, "confirmation_refused")

    async def sign_in(self, name: str, password: str, *, visit: Visit = UNKNOWN_VISIT) -> SignIn:
        """Sign in, or say how not.

        Args:
            name: as it was typed, known or not.
            password: as it was typed.
            visit: its `client` and `devices` matter to the lockout.
        """
        begun = await self._lockout.begin(account=name, client=visit.client, devices=visit.devices)
        if not isinstance(begun, Admitted):
            return await self._logins.turn_away(begun, visit)
        # Shielded: if hanging up stopped the verification, it would buy free guesses.
        with anyio.CancelScope(shield=True):
            find = partial(self._records.find, name)
            found: Right | SignIn
            found = await self._verify(self._logins, begun, find, password, visit)
            if isinstance(found, Right) and self._mfa is None:
                signed_in = SignedIn(found.account, _BY_PASSWORD, self._clock())
                found = await self._let_in(begun, signed_in, visit)
        if isinstance(found, Right):
            return await self._ask_further(begun, found.account, visit)
        return found

    async def finish(
        self, passed: MfaPassed, *, visit: Visit = UNKNOWN_VISIT
    ) -> SignedIn | Refused:
        """Complete a sign-in whose second factor was right.

        Only now are the failures of the password forgotten, and may the device become a known one.
        A lock that others have caused by now stays theirs, and does not stop the owner.
        """
        account = passed.account
        obstacle = self._find_obstacle(account)
        if obstacle is not None:
            await self._logins.record(account, obstacle, visit)
            return Refused()
        signed_in = SignedIn(account, passed.amr, passed.auth_time)
        begun = await self._lockout.begin(
            account=account.name, client=visit.client, devices=visit.devices
        )
        if isinstance(begun, Admitted):
            return await self._let_in(begun, signed_in, visit)
        await self._record_sign_in(signed_in, visit)
        return signed_in

    async def confirm_password(
        self, account: Account, password: str, *, visit: Visit = UNKNOWN_VISIT
    ) -> Confirmation:
        """Have somebody who is signed in prove it again, before what matters.

        Counted apart from logins: a stranger at the login cannot keep the owner from it, and
        whoever holds a stolen session cannot guess for long.
        """
        begun = await self._lockout.begin(
            account=account.name, client=visit.client, factor=REAUTHENTICATION
        )
        if not isinstance(begun, Admitted):
            return await self._confirmations.turn_away(begun, visit, account)
        with anyio.CancelScope(shield=True):
            load = partial(self._records.load, account.id)
            found = await self._verify(self._confirmations, begun, load, password, visit)
            if isinstance(found, Right):
                await self._confirmations.settle(begun, Outcome.SUCCESS, visit)
                await self._record("password_confirmed", found.account, visit)
        if isinstance(found, Right):
            return PasswordConfirmed(found.account, self._clock())
        return found

    async def _verify(
        self,
        settler: LoginSettler,
        admitted: Admitted,
        find: Callable[[], Awaitable[Account | None]],
        password: str,
        visit: Visit,
    ) -> Right | Refused | Unavailable:
        """Verify, and settle all that ends here; a charge is still open after a right password."""
        verdict = await self._verifier.verify(
            find, password, may_enter=lambda account: self._find_obstacle(account) is None
        )
        if not isinstance(verdict, Right):
            return await settler.refuse(admitted, verdict, visit)
        obstacle = self._find_obstacle(verdict.account)
        if obstacle is not None:
            return await settler.keep_out(admitted, verdict.account, obstacle, visit)
        return verdict

    def _find_obstacle(self, account: Account) -> str | None:
        return decide_entry(
            self.config, is_active=account.is_active, is_verified=account.is_verified
        )

    async def _ask_further(self, admitted: Admitted, account: Account, visit: Visit) -> SignIn:
        """Let in who needs no second factor; where nobody can tell, nobody is let in."""
        due = None
        try:
            due = await self._begin_mfa(account, visit)
        finally:
            if not isinstance(due, NotDue):
                # Also when cancelled in there: the password was right, so nobody pays for it, and
                # not enough, so nothing is forgotten.
                await self._logins.settle(admitted, Outcome.REFUND, visit)
        if isinstance(due, NotDue):
            signed_in = SignedIn(account, _BY_PASSWORD, self._clock())
            return await self._let_in(admitted, signed_in, visit)
        if isinstance(due, MfaChallenge | MfaEnrolmentRequired):
            return NeedsMfa(due)
        await self._logins.record(account, "mfa_unavailable", visit)
        return Unavailable()

    async def _begin_mfa(self, account: Account, visit: Visit) -> object:
        if self._mfa is None:
            return None
        try:
            return await self._mfa.begin(account, visit=visit, amr=_BY_PASSWORD)
        except Exception as error:  # noqa: BLE001 -- an app's own policy may be behind it
            self._reporter.tell("mfa_failed", Severity.ERROR, error=type(error).__name__)
            return None

    async def _let_in(self, admitted: Admitted, signed_in: SignedIn, visit: Visit) -> SignedIn:
        settled = await self._logins.settle(admitted, Outcome.SUCCESS, visit)
        device = None
        if self._lockout.config.known_devices:
            device = await self._lockout.issue_device(admitted, signed_in.account.name)
        failures = count_failures(admitted, settled)
        complete = replace(signed_in, device=device, failures=failures)
        await self._record_sign_in(complete, visit)
        return complete

    async def _record_sign_in(self, signed_in: SignedIn, visit: Visit) -> None:
        amr, failures = list(signed_in.amr), signed_in.failures
        await self._record("signed_in", signed_in.account, visit, amr=amr, failures=failures)

    async def _record(self, action: str, account: Account, visit: Visit, **details: Any) -> None:
        await self._reporter.record(
            action,
            actor=account.id,
            target=account.id,
            tenant=account.tenant,
            visit=visit,
            **details,
        )
