"""Lets in whoever a flow has signed in: with a session, or with tokens."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from asgi_security.endpoints.serving.answers import CHALLENGE, NOT_SIGNED_IN, UNAVAILABLE, Answer
from asgi_security.errors import ConfigError, Problem
from asgi_security.flows.mfa_outcomes import MfaEnrolmentRequired
from asgi_security.flows.refresh_outcomes import RefreshRefused, TokenPair
from asgi_security.flows.refresh_renewal import build_account_claims
from asgi_security.policy.assurance import build_assurance
from asgi_security.policy.return_paths import parse_return_path

if TYPE_CHECKING:
    from asgi_security.endpoints.serving.calls import Call
    from asgi_security.endpoints.serving.front import Front
    from asgi_security.flows.account_records import AccountRecords
    from asgi_security.flows.mfa_outcomes import MfaChallenge
    from asgi_security.flows.refresh import Confirm, RefreshTokens
    from asgi_security.storage.protocols import Account


class Arrival:
    """The last step of every way in, the same for all of them.

    Raises:
        ConfigError: for the transport "bearer" without `refresh`, which makes the tokens.
    """

    def __init__(
        self, front: Front, accounts: AccountRecords, *, refresh: RefreshTokens | None = None
    ) -> None:
        self._front = front
        self._accounts = accounts
        self._refresh = refresh
        if front.config.transport == "bearer" and refresh is None:
            hint = "give RefreshTokens, or use the transport 'session'"
            raise ConfigError(
                "EndpointConfig", [Problem("transport", "'bearer'", "no tokens", hint)]
            )

    async def sign_in(
        self,
        call: Call,
        account: Account,
        *,
        amr: tuple[str, ...],
        auth_time: float,
        device: str | None = None,
        next_path: str | None = None,
    ) -> Answer:
        """Sign in to the session of the request, or open a family of tokens.

        A session gets a new id by it, and forgets what another user left in it (F99). Neither a
        session nor tokens are handed out if the account has changed its password since it was
        verified: that ended everything, and could not end what did not exist yet.

        Args:
            call: the request; a form's own `next` is read, and checked.
            account, amr, auth_time: who has arrived, how it was proven, and when.
            device: the token of a known device, for its cookie.
            next_path: where the browser goes then; checked by whoever gives it.
        """
        cookies = self._front.cookies
        confirm = partial(self._accounts.is_current, account)
        page = next_path or parse_return_path(call.fields.get("next"))
        lines = [cookies.browser.deletion, cookies.pending.deletion]
        if device is not None:
            lines.append(cookies.device.build_line(device.encode()))
        if self._refresh is not None and self._front.config.transport == "bearer":
            pair = await self._refresh.open(
                account.id,
                claims=build_account_claims(account),
                amr=amr,
                auth_time=auth_time,
                confirm=confirm,
                visit=call.visit,
            )
            if isinstance(pair, RefreshRefused):
                return NOT_SIGNED_IN
            if not isinstance(pair, TokenPair):
                return UNAVAILABLE
            return self.hand_over(pair, lines=tuple(lines), page=page)
        self._begin_session(call, account, build_assurance(amr, auth_time=auth_time), confirm)
        return Answer(
            200,
            {"account": account.id, "amr": list(amr)},
            page=page or self._front.config.home_page,
            cookies=tuple(lines),
        )

    def _begin_session(
        self, call: Call, account: Account, assurance: dict[str, Any], confirm: Confirm
    ) -> None:
        session = call.session
        if session is None:
            raise RuntimeError("no SessionMiddleware is above the endpoints; wrap the app in one")
        session.login(account.id, confirm=confirm)
        session.update(assurance)

    def ask_further(
        self,
        call: Call,
        challenge: MfaChallenge | MfaEnrolmentRequired,
        *,
        next_path: str | None = None,
    ) -> Answer:
        """Answer that a second factor is due (401), with the token that takes it and its cookie.

        The token is in the body; a form, which cannot keep it, gets it in a cookie of its own. In
        an address it would stay in histories and logs.
        """
        config, cookies = self._front.config, self._front.cookies
        content: dict[str, Any] = {"pre_token": challenge.pre_token}
        if isinstance(challenge, MfaEnrolmentRequired):
            page = config.enrolment_page
            content["detail"] = "MFA_ENROLMENT_REQUIRED"
        else:
            page = config.code_page
            content |= {"detail": "MFA_REQUIRED", "methods": list(challenge.methods)}
        lines = [cookies.browser.build_line(challenge.browser.encode())]
        if call.is_form:
            lines.append(cookies.pending.build_line(challenge.pre_token.encode()))
        target = parse_return_path(next_path or call.fields.get("next"))
        if target is not None:
            page = f"{page}?{urlencode({'next': target})}"
        return Answer(401, content, page=page, cookies=tuple(lines), headers=CHALLENGE)

    def hand_over(
        self, pair: TokenPair, *, lines: tuple[bytes, ...] = (), page: str | None = None
    ) -> Answer:
        """Answer with tokens (RFC 6749 5.1): in the body, or the refresh token in its cookie."""
        content: dict[str, Any] = {
            "access_token": pair.access_token,
            "token_type": "bearer",
            "expires_in": pair.expires_in_seconds,
        }
        in_cookie = self._front.config.refresh_cookie
        if in_cookie:
            token = pair.refresh_token.encode()
            cookies = self._front.cookies
            lines = (*lines, cookies.refresh.build_line(token))
            if cookies.access is not None:
                del content["access_token"]  # for no script to read
                lines = (*lines, cookies.access.build_line(pair.access_token.encode()))
        else:
            content["refresh_token"] = pair.refresh_token
        page = page or self._front.config.home_page
        return Answer(200, content, page=page, cookies=lines, is_shown=not in_cookie)
