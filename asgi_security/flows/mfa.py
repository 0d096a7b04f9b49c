"""Does second factors: decides with the app's rule whether one is due, and takes it.

What stands between the two factors is a pre-token and no session. A store that fails, and a rule
that fails, let nobody in.
"""

from __future__ import annotations

from functools import partial
from inspect import isawaitable
from typing import TYPE_CHECKING, TypeAlias

import anyio

from asgi_security.clock import system_clock, system_entropy
from asgi_security.errors import StorageError
from asgi_security.events import Severity, log_event
from asgi_security.flows.lockout import LockedOut, Unavailable
from asgi_security.flows.mfa_codes import Given
from asgi_security.flows.mfa_managing import FactorManagement
from asgi_security.flows.mfa_outcomes import (
    CodeSent,
    CodeWaits,
    Enrolled,
    EnrolmentStarted,
    MailedCodesEnabled,
    MfaChallenge,
    MfaDisabled,
    MfaEnrolmentRequired,
    MfaPassed,
    MfaPolicyFailed,
    MfaRefused,
    MfaStatus,
    NotDue,
    RecoveryCodes,
)
from asgi_security.flows.mfa_parts import MfaParts
from asgi_security.flows.mfa_qr import build_qr_svg
from asgi_security.flows.visits import UNKNOWN_VISIT
from asgi_security.policy.mfa import decide_due, is_enforced

if TYPE_CHECKING:
    from asgi_security.clock import Clock, Entropy
    from asgi_security.events import EventSink
    from asgi_security.flows.auditing import Auditor
    from asgi_security.flows.lockout import Lockout
    from asgi_security.flows.mfa_outcomes import Stopped
    from asgi_security.flows.sending import Sender
    from asgi_security.flows.visits import Visit
    from asgi_security.policy.mfa import MfaConfig
    from asgi_security.storage.protocols import Account, Store

__all__ = [
    "CodeSent",
    "CodeWaits",
    "Enrolled",
    "EnrolmentStarted",
    "LockedOut",
    "MailedCodesEnabled",
    "Mfa",
    "MfaChallenge",
    "MfaDisabled",
    "MfaEnrolmentRequired",
    "MfaPassed",
    "MfaPolicyFailed",
    "MfaRefused",
    "MfaStatus",
    "NotDue",
    "RecoveryCodes",
    "Unavailable",
    "build_qr_svg",
]

Begun: TypeAlias = NotDue | MfaChallenge | MfaEnrolmentRequired | MfaPolicyFailed | Unavailable

_MULTIPLE = "mfa"


class Mfa(FactorManagement):
    """Second factors of one configuration.

    Args:
        config: what they are like, and who must have one.
        store: with its accounts, one-time values and throttles.
        lockout: counts codes, beside the passwords of the same accounts.
        sender: delivers mailed codes, and tells owners of changes.

    Raises:
        ConfigError: for mailed codes without a sender, or without the extra `asgi-security[mfa]`.
    """

    def __init__(
        self,
        config: MfaConfig,
        store: Store,
        *,
        lockout: Lockout,
        sender: Sender | None = None,
        clock: Clock = system_clock,
        entropy: Entropy = system_entropy,
        events: EventSink = log_event,
        audit: Auditor | None = None,
    ) -> None:
        self.config = config
        parts = MfaParts(
            config,
            store,
            lockout=lockout,
            sender=sender,
            clock=clock,
            entropy=entropy,
            events=events,
            audit=audit,
        )
        super().__init__(parts)

    async def begin(
        self, account: Account, *, visit: Visit = UNKNOWN_VISIT, amr: tuple[str, ...] = ("pwd",)
    ) -> Begun:
        """Say what is due after a first factor.

        Args:
            amr: the values of RFC 8176 for what was shown. "mfa" among them, which the caller
                answers for, makes nothing more due.
        """
        if _MULTIPLE in amr:
            return NotDue()
        asked = await self._ask(account, visit)
        if isinstance(asked, MfaPolicyFailed):
            return asked
        parts = self._parts
        try:
            factors = await parts.checker.list_factors(account.id)
        except StorageError:
            return parts.checker.fail("begin")
        methods = parts.checker.list_methods(factors)
        enforced = is_enforced(self.config, tenant=account.tenant, created_at=account.created_at)
        due = decide_due(methods, enforced=enforced, asked=asked)
        if due == "none":
            return NotDue()
        pre_token, browser = parts.tokens.issue(account, purpose=due, amr=amr)
        lifetime = float(self.config.pre_token_lifetime_seconds)
        await parts.record("mfa_due", account, visit, due=due)
        if due == "enrol":
            return MfaEnrolmentRequired(
                pre_token=pre_token, browser=browser, lifetime_seconds=lifetime
            )
        return MfaChallenge(
            pre_token=pre_token, methods=methods, browser=browser, lifetime_seconds=lifetime
        )

    async def redeem(
        self,
        pre_token: str,
        *,
        code: str | None = None,
        recovery_code: str | None = None,
        mailed_code: str | None = None,
        visit: Visit = UNKNOWN_VISIT,
    ) -> MfaPassed | Stopped:
        """Complete a sign-in with a second factor: once for each pre-token.

        Args:
            code: an authenticator's; a mailed one for an account without an authenticator.
            recovery_code: used up by it.
            mailed_code: for an account that has an authenticator too.
            visit: `browser` is the value of the cookie that came with the challenge.
        """
        given = Given(code=code, recovery_code=recovery_code, mailed_code=mailed_code)
        parts = self._parts
        try:
            found = await parts.identify(pre_token, purpose="verify", visit=visit)
            if isinstance(found, MfaRefused):
                return found
            account, token = found
            if token is None:  # only for an account in place of a pre-token
                return MfaRefused("bad_pre_token")
            method = await parts.prove(
                account,
                given,
                visit=visit,
                before=partial(parts.tokens.take_attempt, token),
                after=partial(parts.tokens.spend, token),
            )
        except StorageError:
            return parts.checker.fail("redeem")
        if not isinstance(method, str):
            return method
        return await parts.pass_on(account, token.amr, method, visit=visit)

    async def verify(
        self,
        account: Account,
        *,
        code: str | None = None,
        recovery_code: str | None = None,
        mailed_code: str | None = None,
        amr: tuple[str, ...] = (),
        visit: Visit = UNKNOWN_VISIT,
    ) -> MfaPassed | Stopped:
        """Take a second factor from who is signed in: to step up, before what matters.

        Args:
            amr: what the session already states; the method is added to it.
        """
        given = Given(code=code, recovery_code=recovery_code, mailed_code=mailed_code)
        try:
            method = await self._parts.prove(account, given, visit=visit)
        except StorageError:
            return self._parts.checker.fail("verify")
        if not isinstance(method, str):
            return method
        return await self._parts.pass_on(account, amr, method, visit=visit)

    async def reset(
        self, account: Account, *, actor: str, visit: Visit = UNKNOWN_VISIT
    ) -> MfaDisabled | Unavailable:
        """Take all second factors from an account whose owner has lost them, by an operator.

        Whoever asks for it may be a thief with the password: find out who it is by other means.
        """
        try:
            await self._parts.enrolment.remove(account)
        except StorageError:
            return self._parts.checker.fail("reset")
        await self._parts.record("mfa_reset", account, visit, actor=actor)
        self._parts.notify("mfa_disabled", account)
        return MfaDisabled()

    async def drain(self, *, timeout_seconds: float = 5.0) -> bool:
        """Wait at shutdown for notices under way; tell whether all were delivered in time."""
        outbox = self._parts.outbox
        return outbox is None or await outbox.drain(timeout_seconds=timeout_seconds)

    async def _ask(self, account: Account, visit: Visit) -> bool | MfaPolicyFailed | None:
        """Ask the app's own rule; whatever is no answer is a failure, and never a no."""
        rule = self.config.is_due
        if rule is None:
            return None
        try:
            with anyio.fail_after(self.config.is_due_timeout_seconds):
                said = rule(account, visit)
                answer: object = await said if isawaitable(said) else said
        except Exception as error:  # noqa: BLE001 -- a user's rule
            return self._report_policy(type(error).__name__)
        if answer is None or isinstance(answer, bool):
            return answer
        return self._report_policy("TypeError")

    def _report_policy(self, error: str) -> MfaPolicyFailed:
        # Safe to log because a type's name says nothing of the account.
        self._parts.reporter.tell("mfa_policy_failed", Severity.ERROR, error=error)
        return MfaPolicyFailed()
