"""Serves: the way in through other providers.

* `GET /oauth/{provider}/login?next=`: to the provider.
* `GET /oauth/{provider}/callback`: back from it. Its whole address is the provider's
  `redirect_uri`.
* `POST /oauth/{provider}/link`: link an identity to who is signed in.
* `GET /oauth/identities`, `DELETE /oauth/identities/{handle}`,
  `POST /oauth/identities/{handle}/unlink`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from asgi_security.endpoints.serving.answers import UNAVAILABLE, Answer, refuse, refuse_until
from asgi_security.endpoints.serving.describing import describe
from asgi_security.flows.mfa_outcomes import MfaChallenge, MfaEnrolmentRequired, NotDue
from asgi_security.flows.oauth_linking import IdentityUnlinked, LastWayIn
from asgi_security.flows.oauth_outcomes import IdentityLinked, IdentityVerified, Redirect

if TYPE_CHECKING:
    from starlette.routing import Route

    from asgi_security.endpoints.serving.arrival import Arrival
    from asgi_security.endpoints.serving.calls import Call
    from asgi_security.endpoints.serving.front import Front
    from asgi_security.flows.mfa import Mfa
    from asgi_security.flows.oauth import OAuthLogin
    from asgi_security.policy.oauth_linking import LinkRequired
    from asgi_security.policy.oauth_response import OAuthRefused

_SENT_AWAY = {303: "", 404: "UNKNOWN_PROVIDER", 503: "PROVIDER_UNAVAILABLE"}
_COME_BACK = {
    200: "Arrived IdentityLinked",
    400: "ACCESS_DENIED ACCOUNT_CHANGED ACCOUNT_GONE INVALID_GRANT INVALID_ID_TOKEN INVALID_NONCE"
    " INVALID_RESPONSE INVALID_STATE ISSUER_MISMATCH LOGIN_REQUIRED SUBJECT_MISMATCH"
    " UNVERIFIED_EMAIL",
    401: "MfaRequired MfaEnrolmentRequired NotArrived",
    403: "ACCOUNT_DISABLED NO_ACCOUNT",
    404: "UNKNOWN_PROVIDER",
    409: "IDENTITY_TAKEN LINK_REQUIRED",
    502: "PROVIDER_ERROR",
    503: "PROVIDER_UNAVAILABLE",
}


class OAuthEndpoints:
    """Sends browsers to providers, and takes them back."""

    def __init__(
        self, front: Front, oauth: OAuthLogin, arrival: Arrival, *, mfa: Mfa | None = None
    ) -> None:
        self._front = front
        self._oauth = oauth
        self._arrival = arrival
        self._mfa = mfa

    def build_routes(self) -> list[Route]:
        """Return the routes, for a Router or a Mount."""
        route, page = self._front.route, self._front.config.login_page
        foreign = partial(route, method="GET", page=page, is_foreign=True)
        own = partial(route, is_private=True)
        return [
            foreign("/oauth/{provider}/login", self.begin),
            foreign("/oauth/{provider}/callback", self.complete),
            own("/oauth/{provider}/link", self.link),
            own("/oauth/identities", self.list_identities, method="GET"),
            own("/oauth/identities/{handle}", self.unlink, method="DELETE"),
            own("/oauth/identities/{handle}/unlink", self.unlink),
        ]

    @describe("next?", _SENT_AWAY)
    async def begin(self, call: Call) -> Answer:
        """Send the browser to the provider."""
        return await self._send_away(call, account=None)

    @describe("next?", _SENT_AWAY)
    async def link(self, call: Call) -> Answer:
        """Send who is signed in to the provider, to link an identity of theirs."""
        return await self._send_away(call, account=call.account)

    async def _send_away(self, call: Call, *, account: str | None) -> Answer:
        outcome = await self._oauth.begin(
            call.path("provider"),
            next_path=call.text("next"),
            browser=self._find_browser(call),
            account=account,
        )
        if not isinstance(outcome, Redirect):
            return _refuse(outcome)
        line = self._front.cookies.oauth.build_line(outcome.browser.encode())
        return Answer(303, page=outcome.url, cookies=(line,))

    @describe(
        "state? code? error? error_description? iss?",
        _COME_BACK,
        knows_account=True,
    )
    async def complete(self, call: Call) -> Answer:
        """Take the browser back: sign in, ask for the second factor, or link."""
        outcome = await self._oauth.complete(
            call.path("provider"),
            call.request.query_params.multi_items(),
            browser=self._find_browser(call),
            visit=call.visit,
            current_account=call.account,
        )
        if isinstance(outcome, IdentityLinked):
            return Answer(200, {"linked": outcome.provider}, page=outcome.next_path)
        if not isinstance(outcome, IdentityVerified):
            return _refuse(outcome)
        if self._mfa is not None:
            begun = await self._mfa.begin(outcome.account, visit=call.visit, amr=outcome.amr)
            if isinstance(begun, (MfaChallenge, MfaEnrolmentRequired)):
                return self._arrival.ask_further(call, begun, next_path=outcome.next_path)
            if not isinstance(begun, NotDue):
                return UNAVAILABLE
        return await self._arrival.sign_in(
            call,
            outcome.account,
            amr=outcome.amr,
            auth_time=outcome.auth_time,
            next_path=outcome.next_path,
        )

    @describe("", {200: "Identities"})
    async def list_identities(self, call: Call) -> Answer:
        """Return the identities that open the account."""
        found = await self._oauth.identities.list_for(call.account or "")
        if not isinstance(found, tuple):
            return _refuse(found)
        listed = [
            {"handle": one.handle, "provider": one.provider, "linked_at": one.linked_at}
            for one in found
        ]
        return Answer(200, {"identities": listed}, is_shown=True)

    @describe("", {204: "", 409: "LAST_WAY_IN"})
    async def unlink(self, call: Call) -> Answer:
        """Take an identity away, but never the last way in."""
        account, handle = call.account or "", call.path("handle")
        outcome = await self._oauth.identities.unlink(account, handle, visit=call.visit)
        if isinstance(outcome, LastWayIn):
            return refuse(409, "LAST_WAY_IN")
        if not isinstance(outcome, IdentityUnlinked):
            return _refuse(outcome)
        return Answer(204, code="UNLINKED")

    def _find_browser(self, call: Call) -> str | None:
        kept = call.cookies(self._front.cookies.oauth_name)
        return kept[0] if len(kept) == 1 else None


def _refuse(refused: OAuthRefused | LinkRequired) -> Answer:
    if refused.status == 503:
        return refuse_until(5, 503, refused.code.upper())
    return refuse(refused.status, refused.code.upper())
