"""Serves: the next pair of tokens, and the end of a login by its token.

* `POST /refresh`: `refresh_token` in the body or in its cookie, and `scope`.
* `POST /revoke`: `token` (RFC 7009).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgi_security.endpoints.serving.answers import UNAVAILABLE, Answer, refuse
from asgi_security.endpoints.serving.describing import describe
from asgi_security.flows.refresh_outcomes import FamiliesEnded, Refreshed, RefreshRefused

if TYPE_CHECKING:
    from starlette.routing import Route

    from asgi_security.endpoints.serving.arrival import Arrival
    from asgi_security.endpoints.serving.calls import Call
    from asgi_security.endpoints.serving.front import Front
    from asgi_security.flows.refresh import RefreshTokens


class RefreshEndpoints:
    """Where a client goes with a refresh token."""

    def __init__(self, front: Front, refresh: RefreshTokens, arrival: Arrival) -> None:
        self._front = front
        self._refresh = refresh
        self._arrival = arrival

    def build_routes(self) -> list[Route]:
        """Return the routes, for a Router or a Mount."""
        route, page = self._front.route, self._front.config.login_page
        return [
            route("/refresh", self.renew, page=page),
            route("/revoke", self.revoke, page=page),
        ]

    @describe(
        "refresh_token? scope?",
        {
            200: "Tokens",
            400: "AMBIGUOUS_REFRESH_TOKEN RefreshRefused",
            401: "MISSING_REFRESH_TOKEN RefreshRefused",
        },
    )
    async def renew(self, call: Call) -> Answer:
        """Use the token up; a client that lost the reply gets the same successor again.

        The body's token counts, and that of the cookie where there is none. A browser that was
        refused keeps its cookie unless the login is over: it may hold a newer token by now.
        """
        cookies = self._front.cookies
        token = call.text("refresh_token")
        kept = call.cookies(cookies.refresh_name) if token is None else ()
        if len(kept) > 1:  # one of them was tossed in by a neighbour: neither is taken
            return refuse(400, "AMBIGUOUS_REFRESH_TOKEN")
        if token is None and not kept:
            return refuse(401, "MISSING_REFRESH_TOKEN")
        outcome = await self._refresh.refresh(
            token if token is not None else kept[0], scope=call.text("scope"), visit=call.visit
        )
        if isinstance(outcome, Refreshed):
            return self._arrival.hand_over(outcome.pair)
        if not isinstance(outcome, RefreshRefused):
            return UNAVAILABLE
        ended = cookies.list_token_deletions() if kept and outcome.ends_cookie else ()
        content = {"error": outcome.code, "detail": "INVALID_REFRESH_TOKEN"}
        status = 400 if outcome.code == "invalid_scope" else 401
        return Answer(status, content, "INVALID_REFRESH_TOKEN", cookies=ended)

    @describe("token", {200: "Nothing", 400: "InvalidRequest"})
    async def revoke(self, call: Call) -> Answer:
        """End the login of a token; what is none was never good, which is what was asked for."""
        token = call.text("token")
        if token is None:
            return Answer(400, {"error": "invalid_request"}, "INVALID_REQUEST")
        outcome = await self._refresh.end(token, visit=call.visit)
        return Answer(200, {}) if isinstance(outcome, FamiliesEnded) else UNAVAILABLE
