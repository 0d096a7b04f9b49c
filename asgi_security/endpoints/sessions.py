"""Serves: what is signed in to an account, for its owner to see and to end.

* `GET /sessions`: sessions of browsers and logins with tokens, the present one marked.
* `DELETE /sessions/{handle}`, `POST /sessions/{handle}/revoke`: one of them.
* `POST /sessions/revoke-others`: all but the present one.
* `DELETE /sessions`, `POST /sessions/revoke-all`: all, the present one included.

What is not there and what is somebody else's are the same 404.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from asgi_security.clock import system_clock
from asgi_security.endpoints.serving.answers import UNAVAILABLE, Answer, refuse
from asgi_security.endpoints.serving.describing import describe
from asgi_security.flows.auditing import Reporter
from asgi_security.flows.refresh_outcomes import FamiliesEnded
from asgi_security.flows.sessions import list_sessions
from asgi_security.flows.store_bound import StoreBound

if TYPE_CHECKING:
    from starlette.routing import Route

    from asgi_security.clock import Clock
    from asgi_security.endpoints.serving.calls import Call
    from asgi_security.endpoints.serving.front import Front
    from asgi_security.flows.auditing import Auditor
    from asgi_security.flows.refresh import RefreshTokens
    from asgi_security.flows.refresh_outcomes import ListedFamily
    from asgi_security.flows.sessions import SessionInfo
    from asgi_security.storage.protocols import SessionStore

_STORE_SECONDS = 2.0
_SHOWN_CLIENT_BYTES = 6


class SessionEndpoints:
    """Lists and ends what is signed in. Next to nothing of it could open anything."""

    def __init__(
        self,
        front: Front,
        sessions: SessionStore,
        *,
        refresh: RefreshTokens | None = None,
        clock: Clock = system_clock,
        audit: Auditor | None = None,
    ) -> None:
        self._front = front
        self._sessions = sessions
        self._refresh = refresh
        self._clock = clock
        self._reporter = Reporter(front.events, audit)

    def build_routes(self) -> list[Route]:
        """Return the routes, for a Router or a Mount."""
        route = partial(self._front.route, is_private=True)
        return [
            route("/sessions", self.list_all, method="GET"),
            route("/sessions", self.revoke_all, method="DELETE"),
            route("/sessions/revoke-others", self.revoke_others),
            route("/sessions/revoke-all", self.revoke_all),
            route("/sessions/{handle}", self.revoke_one, method="DELETE"),
            route("/sessions/{handle}/revoke", self.revoke_one),
        ]

    @describe("", {200: "Sessions"})
    async def list_all(self, call: Call) -> Answer:
        """Return the account's sessions and logins, the one used last first."""
        account = call.account or ""
        with StoreBound(_STORE_SECONDS):
            found = await list_sessions(
                self._sessions, account, current=call.session, clock=self._clock
            )
        listed = [_describe_session(one) for one in found]
        if self._refresh is not None:
            families = await self._refresh.list_for(account, current=call.family)
            if not isinstance(families, tuple):
                return UNAVAILABLE
            listed += [_describe_family(one) for one in families]
        listed.sort(key=lambda one: one["last_seen_at"], reverse=True)
        return Answer(200, {"sessions": listed}, is_shown=True)

    @describe("", {204: "", 404: "UNKNOWN_SESSION"})
    async def revoke_one(self, call: Call) -> Answer:
        """End one, whichever kind it is of."""
        account, handle = call.account or "", call.path("handle")
        if call.session is not None and call.session.handle == handle:
            call.session.logout()
            return await self._done(call, handle=handle)
        with StoreBound(_STORE_SECONDS):
            if await self._sessions.delete_handle(account, handle):
                return await self._done(call, handle=handle)
        if self._refresh is not None:
            ended = await self._refresh.revoke_handle(account, handle, visit=call.visit)
            if not isinstance(ended, FamiliesEnded):
                return UNAVAILABLE
            if ended.handles:
                return Answer(204, code="SESSION_REVOKED")
        return refuse(404, "UNKNOWN_SESSION")

    @describe("", {204: ""})
    async def revoke_others(self, call: Call) -> Answer:
        """End all but the one that asks."""
        found = None if call.session is None else call.session.found
        keep = None if found is None else found.key
        return await self._revoke(call, keep=keep, keep_family=call.family)

    @describe("", {204: ""})
    async def revoke_all(self, call: Call) -> Answer:
        """End all, the one that asks included."""
        if call.session is not None:
            call.session.logout()
        return await self._revoke(call, keep=None, keep_family=None)

    async def _revoke(self, call: Call, *, keep: bytes | None, keep_family: str | None) -> Answer:
        account = call.account or ""
        if self._refresh is not None:
            ended = await self._refresh.revoke_subject(account, keep=keep_family, visit=call.visit)
            if not isinstance(ended, FamiliesEnded):
                return UNAVAILABLE
        with StoreBound(_STORE_SECONDS):
            count = await self._sessions.delete_for(account, keep=keep)
        return await self._done(call, count=count)

    async def _done(self, call: Call, **details: Any) -> Answer:
        await self._reporter.record(
            "sessions_revoked",
            actor=call.account,
            target=call.account,
            visit=call.visit,
            **details,
        )
        return Answer(204, code="SESSION_REVOKED")


def _describe_session(info: SessionInfo) -> dict[str, Any]:
    return {
        "handle": info.handle,
        "kind": "session",
        "user_agent": info.user_agent,
        "client": _show_client(info.client),
        "created_at": _show_time(info.created_at),
        "last_seen_at": _show_time(info.seen_at),
        "is_current": info.is_current,
    }


def _describe_family(family: ListedFamily) -> dict[str, Any]:
    return {
        "handle": family.handle,
        "kind": "token",
        "user_agent": family.user_agent,
        "client": _show_client(family.client),
        "created_at": _show_time(family.created_at),
        "last_seen_at": _show_time(family.advanced_at),
        "is_current": family.is_current,
    }


def _show_client(digest: bytes | None) -> str | None:
    """Return enough of a keyed digest to tell equal addresses from others, and no address."""
    return None if digest is None else digest[:_SHOWN_CLIENT_BYTES].hex()


def _show_time(instant: float) -> str:
    """Return RFC 3339 in UTC, to the second."""
    return datetime.fromtimestamp(int(instant), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
