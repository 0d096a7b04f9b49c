"""Lets owners manage their second factors: set up, look at, renew, take away, be mailed a code.

Whoever calls this has found out who asks: by a session, whose `Account` is given, or by a
pre-token, which is looked at here.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from asgi_security.errors import StorageError
from asgi_security.flows.mfa_codes import MAILED, RECOVERY, TOTP, Given, find_factor
from asgi_security.flows.mfa_outcomes import (
    Enrolled,
    MailedCodesEnabled,
    MfaDisabled,
    MfaRefused,
    MfaStatus,
    RecoveryCodes,
)
from asgi_security.flows.mfa_parts import find_recipient
from asgi_security.flows.visits import UNKNOWN_VISIT
from asgi_security.policy.mfa import has_factor, mask_address

if TYPE_CHECKING:
    from asgi_security.flows.lockout import Unavailable
    from asgi_security.flows.mfa_outcomes import (
        CodeSent,
        CodeWaits,
        EnrolmentStarted,
        Stopped,
    )
    from asgi_security.flows.mfa_parts import MfaParts
    from asgi_security.flows.visits import Visit
    from asgi_security.storage.protocols import Account


class FactorManagement:
    """The second factors of accounts, as their owners manage them."""

    def __init__(self, parts: MfaParts) -> None:
        self._parts = parts

    async def start_enrolment(
        self, who: Account | str, *, visit: Visit = UNKNOWN_VISIT
    ) -> EnrolmentStarted | Stopped:
        """Make a new authenticator secret, to be confirmed.

        Args:
            who: the account that is signed in, or the pre-token of a sign-in that waits for this.
        """
        try:
            found = await self._parts.identify(who, purpose="enrol", visit=visit)
            if isinstance(found, MfaRefused):
                return found
            account, _ = found
            started = await self._parts.enrolment.start(account)
        except StorageError:
            return self._parts.checker.fail("start_enrolment")
        if not isinstance(started, MfaRefused):
            await self._parts.record("mfa_enrolment_started", account, visit)
        return started

    async def confirm_enrolment(
        self, who: Account | str, code: str, *, visit: Visit = UNKNOWN_VISIT
    ) -> Enrolled | Stopped:
        """Let the authenticator count; its code shows that the app has the secret.

        With a pre-token this completes the sign-in.
        """
        try:
            found = await self._parts.identify(who, purpose="enrol", visit=visit)
            if isinstance(found, MfaRefused):
                return found
            account, token = found
            gate = None if token is None else partial(self._parts.tokens.spend, token)
            codes = await self._parts.enrolment.confirm(account, code, visit=visit, gate=gate)
        except StorageError:
            return self._parts.checker.fail("confirm_enrolment")
        if not isinstance(codes, tuple):
            return codes
        await self._parts.record("mfa_enabled", account, visit, method=TOTP)
        self._parts.notify("mfa_enabled", account)
        if token is None:
            return Enrolled(codes)
        return Enrolled(codes, await self._parts.pass_on(account, token.amr, TOTP, visit=visit))

    async def disable(
        self,
        account: Account,
        *,
        code: str | None = None,
        recovery_code: str | None = None,
        mailed_code: str | None = None,
        visit: Visit = UNKNOWN_VISIT,
    ) -> MfaDisabled | Stopped:
        """Take all second factors from an account, against one code of any of them."""
        given = Given(code=code, recovery_code=recovery_code, mailed_code=mailed_code)
        try:
            method = await self._parts.prove(account, given, visit=visit)
            if not isinstance(method, str):
                return method
            await self._parts.enrolment.remove(account)
        except StorageError:
            return self._parts.checker.fail("disable")
        await self._parts.record("mfa_disabled", account, visit, method=method)
        self._parts.notify("mfa_disabled", account)
        return MfaDisabled()

    async def renew_recovery_codes(
        self,
        account: Account,
        *,
        code: str | None = None,
        mailed_code: str | None = None,
        visit: Visit = UNKNOWN_VISIT,
    ) -> RecoveryCodes | Stopped:
        """Make new recovery codes, against a code: no recovery code, of which one may be stolen."""
        try:
            method = await self._parts.prove(
                account, Given(code=code, mailed_code=mailed_code), visit=visit
            )
            if not isinstance(method, str):
                return method
            codes = await self._parts.enrolment.renew_recovery_codes(account)
        except StorageError:
            return self._parts.checker.fail("renew_recovery_codes")
        await self._parts.record("mfa_recovery_codes_renewed", account, visit, method=method)
        self._parts.notify("mfa_recovery_codes_renewed", account)
        return RecoveryCodes(codes)

    async def enable_mailed_codes(
        self,
        account: Account,
        *,
        code: str | None = None,
        recovery_code: str | None = None,
        visit: Visit = UNKNOWN_VISIT,
    ) -> MailedCodesEnabled | Stopped:
        """Let codes be mailed to a verified address; beside an authenticator against its code."""
        if self._parts.mail is None or not account.is_verified or find_recipient(account) is None:
            return MfaRefused("not_offered")
        try:
            factors = await self._parts.checker.list_factors(account.id)
            if find_factor(factors, MAILED) is not None:
                return MfaRefused("already_enrolled")
            if find_factor(factors, TOTP) is not None:
                method = await self._parts.prove(
                    account, Given(code=code, recovery_code=recovery_code), visit=visit
                )
                if not isinstance(method, str):
                    return method
            if not await self._parts.enrolment.enable_mailed_codes(account):
                return MfaRefused("not_enrolled")
        except StorageError:
            return self._parts.checker.fail("enable_mailed_codes")
        await self._parts.record("mfa_enabled", account, visit, method=MAILED)
        self._parts.notify("mfa_enabled", account)
        return MailedCodesEnabled()

    async def send_code(
        self, who: Account | str, *, visit: Visit = UNKNOWN_VISIT
    ) -> CodeSent | CodeWaits | MfaRefused | Unavailable:
        """Mail a code to an account that has chosen to be.

        Args:
            who: the account that is signed in, or the pre-token of a sign-in.
        """
        try:
            found = await self._parts.identify(who, purpose="verify", visit=visit)
            if isinstance(found, MfaRefused):
                return found
            account, _ = found
            factor = find_factor(await self._parts.checker.list_factors(account.id), MAILED)
            recipient = find_recipient(account)
            if self._parts.mail is None or factor is None or recipient is None:
                return MfaRefused("not_offered")
            return await self._parts.mail.send(account, factor, recipient, visit=visit)
        except StorageError:
            return self._parts.checker.fail("send_code")

    async def status(self, account: Account) -> MfaStatus | Unavailable:
        """Return what an account has, for its owner."""
        try:
            factors = await self._parts.checker.list_factors(account.id)
        except StorageError:
            return self._parts.checker.fail("status")
        methods = self._parts.checker.list_methods(factors)
        totp = find_factor(factors, TOTP) or find_factor(factors, MAILED)
        recipient = None if self._parts.mail is None else find_recipient(account)
        return MfaStatus(
            enabled=has_factor(methods),
            methods=methods,
            confirmed_at=totp.created_at if totp is not None and methods else None,
            recovery_codes_left=sum(factor.kind == RECOVERY for factor in factors),
            email_codes=MAILED in methods,
            email_mask=None if recipient is None else mask_address(recipient),
        )
