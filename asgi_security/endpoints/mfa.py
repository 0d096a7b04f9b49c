"""Serves: second factors, for a sign-in that waits for one and for who is signed in.

* `POST /mfa/verify`: a code, to complete the sign-in of a `pre_token`, or to step up.
* `POST /mfa/send-code`: mail a code.
* `POST /mfa/start`, `POST /mfa/confirm`: enrol an authenticator.
* `POST /mfa/disable`, `POST /mfa/recovery/regenerate`, `POST /mfa/mailed-codes`: against a code.
* `GET /mfa/status`.

A code is `code` (an authenticator's), `recovery_code` or `mailed_code`. The `pre_token` is in the
body, or in the cookie that a form without script was given; in an address it would stay in
histories and logs.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from asgi_security.endpoints.serving.answers import (
    NOT_SIGNED_IN,
    UNAVAILABLE,
    Answer,
    refuse,
    refuse_until,
)
from asgi_security.endpoints.serving.describing import describe
from asgi_security.flows.lockout import LockedOut
from asgi_security.flows.login_outcomes import SignedIn
from asgi_security.flows.mfa_outcomes import (
    CodeSent,
    CodeWaits,
    Enrolled,
    EnrolmentStarted,
    MailedCodesEnabled,
    MfaDisabled,
    MfaPassed,
    MfaRefused,
    MfaStatus,
    RecoveryCodes,
)
from asgi_security.flows.mfa_qr import build_qr_svg
from asgi_security.policy.assurance import build_assurance

if TYPE_CHECKING:
    from starlette.routing import Route

    from asgi_security.endpoints.serving.arrival import Arrival
    from asgi_security.endpoints.serving.calls import Call
    from asgi_security.endpoints.serving.front import Front
    from asgi_security.flows.account_records import AccountRecords
    from asgi_security.flows.login import Login
    from asgi_security.flows.mfa import Mfa
    from asgi_security.storage.protocols import Account

_REFUSED = refuse(400, "CODE_REFUSED")
_STOPPED = {400: "CodeRefused", 401: "NOT_SIGNED_IN", 429: "LOCKED_OUT"}


class MfaEndpoints:
    """Takes second factors, and manages them."""

    def __init__(
        self, front: Front, mfa: Mfa, login: Login, arrival: Arrival, accounts: AccountRecords
    ) -> None:
        self._front = front
        self._mfa = mfa
        self._login = login
        self._arrival = arrival
        self._accounts = accounts

    def build_routes(self) -> list[Route]:
        """Return the routes, for a Router or a Mount.

        What a pre-token opens as well is not private: it asks for itself who calls.
        """
        config, route = self._front.config, self._front.route
        own = partial(route, is_private=True)
        return [
            route("/mfa/verify", self.verify, page=config.code_page),
            route("/mfa/send-code", self.send_code, page=config.code_page),
            route("/mfa/start", self.start, page=config.enrolment_page),
            route("/mfa/confirm", self.confirm, page=config.enrolment_page),
            own("/mfa/disable", self.disable),
            own("/mfa/recovery/regenerate", self.renew_recovery_codes),
            own("/mfa/mailed-codes", self.enable_mailed_codes),
            own("/mfa/status", self.show_status, method="GET"),
        ]

    @describe(
        "pre_token? code? recovery_code? mailed_code? next?",
        {200: "Arrived Verified", **_STOPPED},
        knows_account=True,
    )
    async def verify(self, call: Call) -> Answer:
        """Complete a sign-in, or add the factor to who is signed in."""
        pre_token = self._find_pre_token(call)
        if pre_token is not None:
            passed = await self._mfa.redeem(pre_token, **_find_codes(call), visit=call.visit)
            if not isinstance(passed, MfaPassed):
                return _stop(passed, is_told=False)
            return await self._let_in(call, passed)
        account = await self._load(call)
        if account is None:
            return NOT_SIGNED_IN
        passed = await self._mfa.verify(
            account, **_find_codes(call), amr=_find_amr(call), visit=call.visit
        )
        if not isinstance(passed, MfaPassed):
            return _stop(passed)
        if call.session is None:
            # An access token says what it says; a client with tokens signs in anew.
            return Answer(200, {"amr": list(passed.amr)}, "VERIFIED")
        call.session.regenerate()
        call.session.update(build_assurance(passed.amr, auth_time=passed.auth_time))
        return Answer(200, {"amr": list(passed.amr)}, "VERIFIED")

    async def _let_in(self, call: Call, passed: MfaPassed) -> Answer:
        signed_in = await self._login.finish(passed, visit=call.visit)
        if not isinstance(signed_in, SignedIn):
            return _REFUSED
        return await self._arrival.sign_in(
            call,
            signed_in.account,
            amr=signed_in.amr,
            auth_time=signed_in.auth_time,
            device=signed_in.device,
        )

    @describe(
        "pre_token?",
        {200: "CodeSent", **_STOPPED, 429: "LOCKED_OUT TOO_MANY_MESSAGES"},
        knows_account=True,
    )
    async def send_code(self, call: Call) -> Answer:
        """Mail a code to the account of the pre-token, or to who is signed in."""
        who = await self._find_who(call)
        if who is None:
            return NOT_SIGNED_IN
        outcome = await self._mfa.send_code(who, visit=call.visit)
        if isinstance(outcome, CodeSent):
            content = {"sent": True, "cooldown_seconds": outcome.cooldown_seconds}
            return Answer(200, content, "CODE_SENT")
        if isinstance(outcome, CodeWaits):
            return refuse_until(outcome.retry_after_seconds, code="TOO_MANY_MESSAGES")
        return _stop(outcome, is_told=not isinstance(who, str))

    @describe("pre_token?", {200: "Enrolment", **_STOPPED}, knows_account=True)
    async def start(self, call: Call) -> Answer:
        """Make an authenticator's secret, shown once as text, link and QR code."""
        who = await self._find_who(call)
        if who is None:
            return NOT_SIGNED_IN
        outcome = await self._mfa.start_enrolment(who, visit=call.visit)
        if not isinstance(outcome, EnrolmentStarted):
            return _stop(outcome, is_told=not isinstance(who, str))
        content = {
            "secret": outcome.secret,
            "otpauth_url": outcome.uri,
            "qr_svg": build_qr_svg(outcome.uri),
        }
        return Answer(200, content, is_shown=True)

    @describe(
        "pre_token? code next?",
        {200: "RecoveryCodes Confirmed", **_STOPPED, 503: "RecoveryCodes"},
        knows_account=True,
    )
    async def confirm(self, call: Call) -> Answer:
        """Let the authenticator count; recovery codes are shown once. A waiting sign-in is done."""
        who, code = await self._find_who(call), call.text("code")
        if who is None:
            return NOT_SIGNED_IN
        if code is None:
            return _REFUSED
        outcome = await self._mfa.confirm_enrolment(who, code, visit=call.visit)
        if not isinstance(outcome, Enrolled):
            return _stop(outcome, is_told=not isinstance(who, str))
        content: dict[str, Any] = {"codes": list(outcome.recovery_codes)}
        if outcome.passed is None:
            return Answer(200, content, is_shown=True)
        arrived = await self._let_in(call, outcome.passed)
        return Answer(
            arrived.status,
            {**(arrived.content or {}), **content},
            arrived.code,
            arrived.page,
            cookies=arrived.cookies,
            headers=arrived.headers,
            is_shown=True,
        )

    @describe("code? recovery_code? mailed_code?", {204: "", **_STOPPED})
    async def disable(self, call: Call) -> Answer:
        """Take all second factors away, against a code."""
        account = await self._load(call)
        if account is None:
            return NOT_SIGNED_IN
        outcome = await self._mfa.disable(account, **_find_codes(call), visit=call.visit)
        if isinstance(outcome, MfaDisabled):
            return Answer(204, code="MFA_DISABLED")
        return _stop(outcome)

    @describe("code? mailed_code?", {200: "RecoveryCodes", **_STOPPED})
    async def renew_recovery_codes(self, call: Call) -> Answer:
        """Make new recovery codes, against a code that is none of them."""
        account = await self._load(call)
        if account is None:
            return NOT_SIGNED_IN
        codes = _find_codes(call)
        codes.pop("recovery_code")
        outcome = await self._mfa.renew_recovery_codes(account, **codes, visit=call.visit)
        if isinstance(outcome, RecoveryCodes):
            return Answer(200, {"codes": list(outcome.codes)}, is_shown=True)
        return _stop(outcome)

    @describe("code? recovery_code?", {204: "", **_STOPPED})
    async def enable_mailed_codes(self, call: Call) -> Answer:
        """Let codes be mailed to the account."""
        account = await self._load(call)
        if account is None:
            return NOT_SIGNED_IN
        codes = _find_codes(call)
        codes.pop("mailed_code")
        outcome = await self._mfa.enable_mailed_codes(account, **codes, visit=call.visit)
        if isinstance(outcome, MailedCodesEnabled):
            return Answer(204, code="MAILED_CODES_ENABLED")
        return _stop(outcome)

    @describe("", {200: "MfaStatus", 401: "NOT_SIGNED_IN"})
    async def show_status(self, call: Call) -> Answer:
        """Return what second factors the account has."""
        account = await self._load(call)
        if account is None:
            return NOT_SIGNED_IN
        status = await self._mfa.status(account)
        if not isinstance(status, MfaStatus):
            return UNAVAILABLE
        content = {
            "enabled": status.enabled,
            "methods": list(status.methods),
            "confirmed_at": status.confirmed_at,
            "recovery_codes_left": status.recovery_codes_left,
            "email_otp": status.email_codes,
            "email_mask": status.email_mask,
        }
        return Answer(200, content, is_shown=True)

    async def _find_who(self, call: Call) -> Account | str | None:
        pre_token = self._find_pre_token(call)
        return pre_token if pre_token is not None else await self._load(call)

    def _find_pre_token(self, call: Call) -> str | None:
        given = call.text("pre_token")
        if given is not None:
            return given
        kept = call.cookies(self._front.cookies.pending_name) if call.is_form else ()
        return kept[0] if len(kept) == 1 and call.account is None else None

    async def _load(self, call: Call) -> Account | None:
        return None if call.account is None else await self._accounts.load(call.account)


def _find_codes(call: Call) -> dict[str, str | None]:
    return {name: call.text(name) or None for name in ("code", "recovery_code", "mailed_code")}


def _find_amr(call: Call) -> tuple[str, ...]:
    stated: Any = () if call.session is None else call.session.get("amr", ())
    return tuple(stated) if isinstance(stated, list) else ()


def _stop(outcome: object, *, is_told: bool = True) -> Answer:
    """Answer that it was not done; why, only to who is signed in."""
    if isinstance(outcome, LockedOut):
        return refuse_until(outcome.retry_after_seconds)
    if not isinstance(outcome, MfaRefused):
        return UNAVAILABLE
    return refuse(400, "CODE_REFUSED", reason=outcome.reason) if is_told else _REFUSED
