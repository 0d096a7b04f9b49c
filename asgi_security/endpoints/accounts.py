"""Serves: the life of an account.

* `POST /register`: `username`, `password`, and `data` of the app's own (JSON). 202, known or not.
* `POST /request-verification`: `username`. 202.
* `POST /verify`: `token`, of a registration or of a change of the name.
* `POST /forgot-password`: `username`. 202.
* `POST /reset-password`: `token`, `password`.
* `POST /change-password`: `current_password`, `password`.
* `POST /change-name`: `current_password`, and the new `username`. 202, taken or not.
* `POST /disable`, `POST /delete`: `current_password`; one's own account.

The names of FastAPI Users' fields, `email` for `username`, do as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgi_security.endpoints.serving.answers import (
    NOT_SIGNED_IN,
    UNAVAILABLE,
    Answer,
    refuse,
    refuse_until,
)
from asgi_security.endpoints.serving.describing import describe
from asgi_security.flows.account_outcomes import (
    Accepted,
    AccountChanged,
    AccountDeleted,
    AddressVerified,
    NameRefused,
    PasswordSet,
    Throttled,
    TokenRefused,
)
from asgi_security.flows.lockout import LockedOut
from asgi_security.flows.login_outcomes import PasswordConfirmed, Refused
from asgi_security.flows.passwords import PasswordRefused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.routing import Route

    from asgi_security.endpoints.serving.calls import Call
    from asgi_security.endpoints.serving.front import Front
    from asgi_security.flows.account_records import AccountRecords
    from asgi_security.flows.accounts import AccountLife
    from asgi_security.flows.login import Login
    from asgi_security.storage.protocols import Account

_ACCEPTED = Answer(202, {"detail": "ACCEPTED"}, "ACCEPTED")
_TOKEN_REFUSED = refuse(400, "TOKEN_REFUSED")
_MALFORMED = refuse(400, "MALFORMED_REQUEST")
_REQUESTED = {202: "ACCEPTED", 400: "MALFORMED_REQUEST", 429: "TOO_MANY_MESSAGES"}
_UNCONFIRMED = {
    400: "MALFORMED_REQUEST WRONG_PASSWORD",
    401: "NOT_SIGNED_IN",
    429: "LOCKED_OUT",
}


class AccountEndpoints:
    """Registers, verifies, resets, changes, and closes. Nothing tells who has an account."""

    def __init__(
        self, front: Front, life: AccountLife, login: Login, accounts: AccountRecords
    ) -> None:
        self._front = front
        self._life = life
        self._login = login
        self._accounts = accounts

    def build_routes(self) -> list[Route]:
        """Return the routes, for a Router or a Mount."""
        config, route = self._front.config, self._front.route
        return [
            route("/register", self.register, page=config.register_page),
            route("/request-verification", self.request_verification, page=config.login_page),
            route("/verify", self.verify, page=config.login_page),
            route("/forgot-password", self.request_reset, page=config.forgot_page),
            route("/reset-password", self.reset, page=config.reset_page),
            route("/change-password", self.change_password, is_private=True),
            route("/change-name", self.change_name, is_private=True),
            route("/disable", self.disable, is_private=True),
            route("/delete", self.delete, is_private=True),
        ]

    @describe(
        "username|email password data?",
        {
            202: "ACCEPTED",
            400: "MALFORMED_REQUEST NAME_REFUSED PasswordRefused",
            429: "TOO_MANY_MESSAGES",
        },
    )
    async def register(self, call: Call) -> Answer:
        """Open an account, or say what is wrong with the name or the password."""
        name, password = _find_name(call), call.text("password")
        data = call.fields.get("data", {})
        if name is None or password is None or type(data) is not dict:
            return _MALFORMED
        outcome = await self._life.register(name, password, data=data, visit=call.visit)
        if isinstance(outcome, Accepted):
            return Answer(202, {"detail": "ACCEPTED"}, "REGISTERED", self._front.config.login_page)
        if isinstance(outcome, NameRefused):
            return refuse(400, "NAME_REFUSED")
        if isinstance(outcome, PasswordRefused):
            return _refuse_password(outcome)
        if isinstance(outcome, Throttled):
            return refuse_until(outcome.retry_after_seconds, code="TOO_MANY_MESSAGES")
        return UNAVAILABLE

    @describe("username|email", _REQUESTED)
    async def request_verification(self, call: Call) -> Answer:
        """Mail the verification once more."""
        return await self._request(call, self._life.request_verification)

    @describe("username|email", _REQUESTED)
    async def request_reset(self, call: Call) -> Answer:
        """Mail what resets the password."""
        return await self._request(call, self._life.request_reset)

    async def _request(self, call: Call, ask: Callable[..., Awaitable[object]]) -> Answer:
        name = _find_name(call)
        if name is None:
            return _MALFORMED
        outcome = await ask(name, visit=call.visit)
        if isinstance(outcome, Accepted):
            return _ACCEPTED
        if isinstance(outcome, Throttled):
            return refuse_until(outcome.retry_after_seconds, code="TOO_MANY_MESSAGES")
        return UNAVAILABLE

    @describe("token", {200: "VERIFIED", 400: "MALFORMED_REQUEST TOKEN_REFUSED"})
    async def verify(self, call: Call) -> Answer:
        """Take the token that was mailed."""
        token = call.text("token")
        if token is None:
            return _MALFORMED
        outcome = await self._life.verify(token, visit=call.visit)
        if isinstance(outcome, AddressVerified):
            return Answer(200, {"detail": "VERIFIED"}, "VERIFIED")
        return _TOKEN_REFUSED if isinstance(outcome, TokenRefused) else UNAVAILABLE

    @describe(
        "token password",
        {200: "PASSWORD_SET", 400: "MALFORMED_REQUEST TOKEN_REFUSED PasswordRefused"},
    )
    async def reset(self, call: Call) -> Answer:
        """Set a new password by the token that was mailed. It signs nobody in."""
        token, password = call.text("token"), call.text("password")
        if token is None or password is None:
            return _MALFORMED
        outcome = await self._life.reset(token, password, visit=call.visit)
        if isinstance(outcome, PasswordSet):
            page = self._front.config.login_page
            return Answer(200, {"detail": "PASSWORD_SET"}, "PASSWORD_SET", page)
        if isinstance(outcome, PasswordRefused):
            return _refuse_password(outcome)
        return _TOKEN_REFUSED if isinstance(outcome, TokenRefused) else UNAVAILABLE

    @describe(
        "current_password password",
        {
            200: "PASSWORD_SET",
            400: "MALFORMED_REQUEST WRONG_PASSWORD PasswordRefused",
            401: "NOT_SIGNED_IN",
            429: "LOCKED_OUT",
        },
    )
    async def change_password(self, call: Call) -> Answer:
        """Set a new password, given the present one; all else that is signed in ends.

        The session that asks gets a new id, so that a copy of the old one is worth nothing (S31).
        """
        current, new = call.text("current_password"), call.text("password")
        if current is None or new is None:
            return _MALFORMED
        account = await self._accounts.load(call.account or "")
        if account is None:
            return NOT_SIGNED_IN
        found = None if call.session is None else call.session.found
        outcome = await self._life.change_password(
            account,
            current,
            new,
            visit=call.visit,
            keep_session=None if found is None else found.key,
            keep_family=call.family,
        )
        if isinstance(outcome, PasswordSet):
            if call.session is not None:
                call.session.regenerate()
            return Answer(200, {"detail": "PASSWORD_SET"}, "PASSWORD_SET")
        if isinstance(outcome, PasswordRefused):
            return _refuse_password(outcome)
        return _refuse_confirmation(outcome)

    @describe(
        "current_password username|email",
        {
            202: "ACCEPTED",
            400: "MALFORMED_REQUEST WRONG_PASSWORD NAME_REFUSED",
            401: "NOT_SIGNED_IN",
            429: "LOCKED_OUT TOO_MANY_MESSAGES",
        },
    )
    async def change_name(self, call: Call) -> Answer:
        """Mail a new address what makes it the login name, given the present password."""
        current, name = call.text("current_password"), _find_name(call)
        if current is None or name is None:
            return _MALFORMED
        account = await self._accounts.load(call.account or "")
        if account is None:
            return NOT_SIGNED_IN
        outcome = await self._life.change_name(account, current, name, visit=call.visit)
        if isinstance(outcome, Accepted):
            return _ACCEPTED
        if isinstance(outcome, NameRefused):
            return refuse(400, "NAME_REFUSED")
        if isinstance(outcome, Throttled):
            return refuse_until(outcome.retry_after_seconds, code="TOO_MANY_MESSAGES")
        return _refuse_confirmation(outcome)

    @describe("current_password", {200: "ACCOUNT_DISABLED", **_UNCONFIRMED})
    async def disable(self, call: Call) -> Answer:
        """Close one's own account until an operator opens it again."""
        account = await self._confirm(call)
        if isinstance(account, Answer):
            return account
        outcome = await self._life.disable(account.id, visit=call.visit)
        return self._leave(call, "ACCOUNT_DISABLED", is_done=isinstance(outcome, AccountChanged))

    @describe("current_password", {200: "ACCOUNT_DELETED", **_UNCONFIRMED})
    async def delete(self, call: Call) -> Answer:
        """Delete one's own account for good."""
        account = await self._confirm(call)
        if isinstance(account, Answer):
            return account
        outcome = await self._life.delete(account.id, visit=call.visit)
        return self._leave(call, "ACCOUNT_DELETED", is_done=isinstance(outcome, AccountDeleted))

    async def _confirm(self, call: Call) -> Account | Answer:
        """Return the account that asks, once its password has been shown again."""
        password = call.text("current_password")
        if password is None:
            return _MALFORMED
        account = await self._accounts.load(call.account or "")
        if account is None:
            return NOT_SIGNED_IN
        outcome = await self._login.confirm_password(account, password, visit=call.visit)
        if isinstance(outcome, PasswordConfirmed):
            return outcome.account
        return _refuse_confirmation(outcome)

    def _leave(self, call: Call, code: str, *, is_done: bool) -> Answer:
        if not is_done:
            return UNAVAILABLE
        if call.session is not None:
            call.session.logout()
        front = self._front
        gone = front.cookies.list_token_deletions() if front.config.refresh_cookie else ()
        page = self._front.config.login_page
        return Answer(200, {"detail": code}, code, page, cookies=gone)


def _find_name(call: Call) -> str | None:
    return call.text("username") or call.text("email")


def _refuse_password(refused: PasswordRefused) -> Answer:
    """Say all that is wrong with a password at once; the texts hold nothing of it."""
    reasons = [{"code": one.code, "text": one.text} for one in refused.violations]
    return Answer(400, {"detail": "PASSWORD_REFUSED", "reasons": reasons}, "PASSWORD_REFUSED")


def _refuse_confirmation(outcome: object) -> Answer:
    if isinstance(outcome, LockedOut):
        return refuse_until(outcome.retry_after_seconds)
    return refuse(400, "WRONG_PASSWORD") if isinstance(outcome, Refused) else UNAVAILABLE
