"""Guards: who may pass with a signed token, over HTTP and WebSocket.

A WebSocket is refused before it is accepted. Its token may come as the subprotocol after the
marker `bearer`; the app then sees neither in `scope["subprotocols"]`, and if it chooses no protocol
of its own the marker is echoed, as browsers want one of those they offered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from asgi_security.asgi.bearing import (
    TOKEN_ENDED,
    TOKEN_UNKNOWN,
    BearerRefusals,
    hide_subprotocol_token,
    name_nobody,
    name_user,
)
from asgi_security.asgi.cookies import find_cookies, make_private
from asgi_security.asgi.layers import Layer
from asgi_security.asgi.pipeline import DEFAULT_ERROR_BODY, Pipeline
from asgi_security.asgi.refusals import build_refusal
from asgi_security.asgi.watching import Watch
from asgi_security.clock import system_clock
from asgi_security.events import SecurityEvent, log_event
from asgi_security.flows.jwt import JwtVerifier, Refused, Unavailable, Verified
from asgi_security.policy.bearer import (
    BearerPolicy,
    Challenges,
    Fault,
    RequestFacts,
    find_in_header,
    is_b64token,
    is_preflight,
)
from asgi_security.policy.jwt import JwtConfig
from asgi_security.validation import resolve_configuration

if TYPE_CHECKING:
    from typing import Self

    from asgi_security.asgi.layers import Entered, Exchange
    from asgi_security.asgi.refusals import Answer, Refusal
    from asgi_security.asgi.types import ASGIApp, Message
    from asgi_security.asgi.watching import Ending
    from asgi_security.clock import Clock
    from asgi_security.events import EventSink
    from asgi_security.flows.jwt import Outcome
    from asgi_security.policy.bearer import Presented

_CROSS_SITE = build_refusal(403, "CROSS_SITE_REQUEST", detail="The request is not from our pages.")


class JwtLayer(Layer):
    """Verifies the request's token, and makes known whose it is."""

    def __new__(cls, config: JwtConfig, **_: Any) -> Self:
        """Choose the kind that edits responses only where a token may be in the query."""
        kind: type[Any] = cls if config.query_parameter is None else QueryJwtLayer
        return cast("Self", super().__new__(kind))

    def __init__(
        self,
        config: JwtConfig,
        *,
        clock: Clock = system_clock,
        events: EventSink = log_event,
        transport: Any = None,
    ) -> None:
        self._config = config
        self._clock = clock
        self._events = events
        self._verifier = JwtVerifier(config, events=events, transport=transport)
        self._bearer = BearerPolicy(config)
        self._cookie = (config.cookie_name or "").encode()
        self._scopes = frozenset(config.required_scopes)
        self._refusals = BearerRefusals(Challenges(config))
        self.wants = self._bearer.wants

    def enter(self, exchange: Exchange) -> Entered:
        """Let the request pass as its token's subject, or refuse it."""
        authorization = exchange.headers.get(b"authorization", ())
        found: Presented | Fault
        if self._bearer.header_only and exchange.scope["type"] == "http":
            token = find_in_header(authorization)
            found = (token, "header") if isinstance(token, bytes) else token
        else:
            found = self._bearer.decide(authorization, self._gather(exchange))
        if not isinstance(found, tuple):
            return self._obey_fault(exchange, found)
        now = self._clock()
        outcome = self._verifier.try_verify(found[0], now=now)
        if outcome is None or (self._verifier.asks_store and isinstance(outcome, Verified)):
            return self._enter_later(exchange, found, now)
        return self._obey(exchange, found, outcome)

    async def _enter_later(self, exchange: Exchange, found: Presented, now: float) -> Answer | None:
        outcome = await self._verifier.verify(found[0], now=now)
        return self._obey(exchange, found, outcome)

    def accept(self, exchange: Exchange, start: Message) -> None:
        """Echo the marker where it carried the token and the app chose no protocol."""
        if exchange.notes.get(self) == "subprotocol" and not start.get("subprotocol"):
            start["subprotocol"] = self._config.websocket_protocol

    def _gather(self, exchange: Exchange) -> RequestFacts:
        scope, headers = exchange.scope, exchange.headers
        return RequestFacts(
            scope.get("method") if scope["type"] == "http" else None,
            scope.get("query_string", b""),
            find_cookies(headers.get(b"cookie", ()), self._cookie) if self._cookie else (),
            scope.get("subprotocols") or (),
            headers.get(b"origin", ()),
            headers.get(b"sec-fetch-site", ()),
        )

    def _obey_fault(self, exchange: Exchange, fault: Fault) -> Refusal | None:
        if fault is not Fault.ABSENT:
            self._report(fault.value)
            return _CROSS_SITE if fault is Fault.FORGEABLE else self._refusals.invalid_request
        headers = exchange.headers
        requested = headers.get(b"access-control-request-method", ())
        method = exchange.scope.get("method")
        if self._config.optional or is_preflight(method, headers.get(b"origin", ()), requested):
            name_nobody(exchange)
            return None
        return self._refusals.absent

    def _obey(self, exchange: Exchange, found: Presented, outcome: Outcome) -> Refusal | None:
        if not isinstance(outcome, Verified):
            return self._refuse(found[0], outcome)
        if self._scopes and not self._scopes <= outcome.scopes:
            self._report("insufficient_scope")
            return self._refusals.insufficient_scope
        if outcome.attachment is None:
            outcome.attachment = outcome.principal, outcome.granted
        principal, granted = outcome.attachment
        name_user(exchange, principal, outcome.claims, granted)
        if found[1] != "header":
            exchange.notes[self] = found[1]
        if exchange.scope["type"] == "websocket":
            self._prepare_websocket(exchange, found, outcome)
        return None

    def _refuse(self, token: bytes, outcome: Refused | Unavailable) -> Refusal:
        if isinstance(outcome, Unavailable):
            return self._refusals.unavailable
        self._report(outcome.reason)
        if outcome.reason == "malformed" and not is_b64token(token):
            return self._refusals.invalid_request
        return self._refusals.get_invalid(outcome.reason)

    def _prepare_websocket(self, exchange: Exchange, found: Presented, verified: Verified) -> None:
        token, place = found
        if place == "subprotocol":
            hide_subprotocol_token(exchange, self._config.websocket_protocol, token)
        every = self._config.recheck_every_seconds
        if every is None:
            return

        async def recheck(now: float) -> float | Ending:
            again = await self._verifier.verify(token, now=now)
            if isinstance(again, Verified):
                return again.lifetime.ends_at
            return TOKEN_ENDED if isinstance(again, Refused) else TOKEN_UNKNOWN

        ends_at = verified.lifetime.ends_at
        exchange.receive = Watch(exchange, recheck, every=every, ends_at=ends_at, clock=self._clock)

    def _report(self, reason: str) -> None:
        # Safe to log because a reason is one word of a fixed set.
        self._events(SecurityEvent(name="token_refused", facts={"reason": reason}))


class QueryJwtLayer(JwtLayer):
    """The same where a token may be in the query, whose response no shared cache may keep."""

    def leave(self, exchange: Exchange, start: Message) -> None:
        """Make the response private (RFC 6750 section 2.3)."""
        if exchange.notes.get(self) == "query":
            make_private(start["headers"])


class JwtMiddleware(Pipeline, fusible=True):
    """Demands a signed token of every request. Fields: `JwtConfig`.

    `transport` is an `httpx` transport to fetch published keys with.
    """

    def __init__(
        self,
        app: ASGIApp,
        /,
        config: JwtConfig | None = None,
        *,
        clock: Clock = system_clock,
        events: EventSink = log_event,
        transport: Any = None,
        error_body: bytes | None = DEFAULT_ERROR_BODY,
        **fields: Any,
    ) -> None:
        config = resolve_configuration(JwtConfig, config, fields)
        layer = JwtLayer(config, clock=clock, events=events, transport=transport)
        super().__init__(app, (layer,), error_body=error_body)
