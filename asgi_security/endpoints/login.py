"""Serves: signing in with a password, and signing out.

* `POST /login`: `username`, `password`, and for a form `next`; `client_id` and `client_secret`
  where only known clients may.
* `POST /logout`: the login of the `refresh_token`, in the body or in its cookie, or of the access
  token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgi_security.endpoints.serving.answers import (
    CHALLENGE,
    UNAVAILABLE,
    Answer,
    refuse,
    refuse_until,
)
from asgi_security.endpoints.serving.describing import describe
from asgi_security.flows.lockout import LockedOut, Unavailable
from asgi_security.flows.login import NeedsMfa, SignedIn
from asgi_security.flows.refresh_outcomes import FamiliesEnded

if TYPE_CHECKING:
    from starlette.routing import Route

    from asgi_security.endpoints.serving.arrival import Arrival
    from asgi_security.endpoints.serving.calls import Call
    from asgi_security.endpoints.serving.clients import ClientGate
    from asgi_security.endpoints.serving.front import Front
    from asgi_security.flows.login import Login, Refused
    from asgi_security.flows.refresh import RefreshTokens

# The device stays known: its cookie lets nobody in, and keeps strangers from locking its owner out.
_CLEARED = ((b"clear-site-data", b'"cache", "storage"'),)


class LoginEndpoints:
    """The way in by a password, and the way out."""

    def __init__(
        self,
        front: Front,
        login: Login,
        arrival: Arrival,
        *,
        refresh: RefreshTokens | None = None,
        gate: ClientGate | None = None,
    ) -> None:
        self._front = front
        self._gate = gate
        self._login = login
        self._arrival = arrival
        self._refresh = refresh
        status = login.config.refused_status
        headers = CHALLENGE if status == 401 else ()
        # One value for every reason: unknown, wrong, inactive and unverified are equal bytes (F93).
        self._refused = Answer(
            status, {"detail": "LOGIN_BAD_CREDENTIALS"}, "LOGIN_BAD_CREDENTIALS", headers=headers
        )

    def build_routes(self) -> list[Route]:
        """Return the routes, for a Router or a Mount."""
        route, page = self._front.route, self._front.config.login_page
        return [
            route("/login", self.sign_in, page=page),
            route("/logout", self.sign_out, page=page),
        ]

    @describe(
        "username password next? client_id? client_secret?",
        {
            200: "Arrived",
            400: "MALFORMED_LOGIN LOGIN_BAD_CREDENTIALS LOGIN_USER_NOT_VERIFIED",
            401: "MfaRequired MfaEnrolmentRequired NotArrived"
            " CLIENT_CREDENTIALS_REQUIRED INVALID_CLIENT_CREDENTIALS",
            429: "LOCKED_OUT",
        },
    )
    async def sign_in(self, call: Call) -> Answer:
        """Check the password, and let in, ask for the second factor, or refuse."""
        turned_away = None if self._gate is None else await self._gate.check(call)
        if turned_away is not None:
            return turned_away
        name, password = call.text("username"), call.text("password")
        if name is None or password is None:
            return refuse(400, "MALFORMED_LOGIN")
        outcome = await self._login.sign_in(name, password, visit=call.visit)
        if isinstance(outcome, SignedIn):
            return await self._arrival.sign_in(
                call,
                outcome.account,
                amr=outcome.amr,
                auth_time=outcome.auth_time,
                device=outcome.device,
            )
        if isinstance(outcome, NeedsMfa):
            return self._arrival.ask_further(call, outcome.challenge)
        if isinstance(outcome, LockedOut):
            return refuse_until(outcome.retry_after_seconds)
        if isinstance(outcome, Unavailable):
            return UNAVAILABLE
        return self._refuse(outcome)

    def _refuse(self, refused: Refused) -> Answer:
        if refused.is_unverified:
            return refuse(400, "LOGIN_USER_NOT_VERIFIED")
        return self._refused

    @describe("refresh_token?", {204: ""}, knows_account=True)
    async def sign_out(self, call: Call) -> Answer:
        """End the session, or the login with tokens, and delete their cookies.

        Idempotent: whoever is not signed in gets the same answer. Where a login could not be ended
        that is said, and its cookie stays for another try.
        """
        cookies = self._front.cookies
        lines = [cookies.pending.deletion, cookies.browser.deletion]
        if call.session is not None and call.session.user is not None:
            call.session.logout()
        if self._refresh is not None:
            if not await self._end_tokens(call, self._refresh):
                return UNAVAILABLE
            lines += cookies.list_token_deletions()
        page = self._front.config.login_page
        return Answer(204, page=page, cookies=tuple(lines), headers=_CLEARED)

    async def _end_tokens(self, call: Call, refresh: RefreshTokens) -> bool:
        token = call.text("refresh_token")
        kept = (token,) if token else call.cookies(self._front.cookies.refresh_name)
        ended = [await refresh.end(each, visit=call.visit) for each in kept]
        if call.account is not None and call.family is not None:
            ended.append(await refresh.revoke_handle(call.account, call.family, visit=call.visit))
        return all(isinstance(one, FamiliesEnded) for one in ended)
