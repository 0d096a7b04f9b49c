"""Guards: who may pass with a token that an authorization server vouches for.

Where `JwtMiddleware` verifies a signature, this one asks (RFC 7662); what the client meets, over
HTTP and WebSocket, is the same. Take one of them: both read the one Authorization header.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

from asgi_security.asgi.bearing import (
    TOKEN_ENDED,
    TOKEN_UNKNOWN,
    BearerRefusals,
    hide_subprotocol_token,
    name_nobody,
    name_user,
)
from asgi_security.asgi.layers import Layer
from asgi_security.asgi.pipeline import DEFAULT_ERROR_BODY, Pipeline
from asgi_security.asgi.watching import Watch
from asgi_security.clock import system_clock
from asgi_security.events import SecurityEvent, log_event
from asgi_security.flows.introspection import Introspector
from asgi_security.policy.bearer import BearerPolicy, Challenges, Fault, RequestFacts, is_preflight
from asgi_security.policy.introspection import IntrospectionConfig
from asgi_security.policy.introspection_answers import (
    Introspected,
    IntrospectionRefused,
    IntrospectionUnavailable,
)
from asgi_security.validation import resolve_configuration

if TYPE_CHECKING:
    from asgi_security.asgi.layers import Entered, Exchange
    from asgi_security.asgi.refusals import Refusal
    from asgi_security.asgi.types import ASGIApp, Message
    from asgi_security.asgi.watching import Ending
    from asgi_security.clock import Clock
    from asgi_security.events import EventSink
    from asgi_security.policy.bearer import Found
    from asgi_security.policy.introspection_answers import IntrospectionOutcome


class IntrospectionLayer(Layer):
    """Asks about the request's token, and makes known whose it is."""

    def __init__(
        self,
        config: IntrospectionConfig,
        *,
        clock: Clock = system_clock,
        events: EventSink = log_event,
        transport: Any = None,
    ) -> None:
        self._config = config
        self._clock = clock
        self._events = events
        self._introspector = Introspector(config, events=events, transport=transport)
        self._bearer = BearerPolicy(config.rules)
        self._scopes = frozenset(config.required_scopes)
        self._refusals = BearerRefusals(Challenges(config.rules))
        self.wants = self._bearer.wants

    def enter(self, exchange: Exchange) -> Entered:
        """Let the request pass as its token's subject, or refuse it."""
        scope, headers = exchange.scope, exchange.headers
        facts = RequestFacts(
            scope.get("method") if scope["type"] == "http" else None,
            subprotocols=scope.get("subprotocols") or (),
        )
        found = self._bearer.decide(headers.get(b"authorization", ()), facts)
        if isinstance(found, Fault):
            return self._obey_fault(exchange, found)
        now = self._clock()
        outcome = self._introspector.try_verify(found.token, now=now)
        if outcome is None or (self._introspector.asks_store and isinstance(outcome, Introspected)):
            return self._enter_later(exchange, found, now)
        return self._obey(exchange, found, outcome)

    async def _enter_later(self, exchange: Exchange, found: Found, now: float) -> Refusal | None:
        outcome = await self._introspector.verify(found.token, now=now)
        return self._obey(exchange, found, outcome)

    def accept(self, exchange: Exchange, start: Message) -> None:
        """Echo the marker where it carried the token and the app chose no protocol."""
        if exchange.notes.get(self) == "subprotocol" and not start.get("subprotocol"):
            start["subprotocol"] = self._config.websocket_protocol

    def _obey_fault(self, exchange: Exchange, fault: Fault) -> Refusal | None:
        if fault is not Fault.ABSENT:
            self._report(fault.value)
            return self._refusals.invalid_request
        scope, headers = exchange.scope, exchange.headers
        requested = headers.get(b"access-control-request-method", ())
        if self._config.optional or is_preflight(
            scope.get("method"), headers.get(b"origin", ()), requested
        ):
            name_nobody(exchange)
            return None
        return self._refusals.absent

    def _obey(
        self, exchange: Exchange, found: Found, outcome: IntrospectionOutcome
    ) -> Refusal | None:
        match outcome:
            case Introspected():
                return self._pass(exchange, found, outcome)
            case IntrospectionRefused(reason):
                self._report(reason)
                if reason == "malformed":  # of the wrong characters: there is no other kind here
                    return self._refusals.invalid_request
                return self._refusals.get_invalid(reason)
            case IntrospectionUnavailable():
                return self._refusals.unavailable
            case _:
                assert_never(outcome)

    def _pass(self, exchange: Exchange, found: Found, outcome: Introspected) -> Refusal | None:
        if not self._scopes <= outcome.scopes:
            self._report("insufficient_scope")
            return self._refusals.insufficient_scope
        name_user(exchange, outcome.principal, outcome.claims, sorted(outcome.scopes))
        if found.place == "subprotocol":
            exchange.notes[self] = found.place
            hide_subprotocol_token(exchange, self._config.websocket_protocol, found.token)
        if exchange.scope["type"] == "websocket":
            self._watch(exchange, found.token, outcome)
        return None

    def _watch(self, exchange: Exchange, token: bytes, outcome: Introspected) -> None:
        every = self._config.recheck_every_seconds
        if every is None:
            return

        async def recheck(now: float) -> float | Ending:
            again = await self._introspector.verify(token, now=now)
            if isinstance(again, Introspected):
                return again.lifetime.ends_at
            return TOKEN_ENDED if isinstance(again, IntrospectionRefused) else TOKEN_UNKNOWN

        ends_at = outcome.lifetime.ends_at
        exchange.receive = Watch(exchange, recheck, every=every, ends_at=ends_at, clock=self._clock)

    def _report(self, reason: str) -> None:
        # Safe to log because a reason is one word of a fixed set.
        self._events(SecurityEvent(name="token_refused", facts={"reason": reason}))


class IntrospectionMiddleware(Pipeline, fusible=True):
    """Demands of every request a token that is active. Fields: `IntrospectionConfig`.

    `transport` is an `httpx` transport to ask the authorization server through.
    """

    def __init__(
        self,
        app: ASGIApp,
        /,
        config: IntrospectionConfig | None = None,
        *,
        clock: Clock = system_clock,
        events: EventSink = log_event,
        transport: Any = None,
        error_body: bytes | None = DEFAULT_ERROR_BODY,
        **fields: Any,
    ) -> None:
        config = resolve_configuration(IntrospectionConfig, config, fields)
        layer = IntrospectionLayer(config, clock=clock, events=events, transport=transport)
        super().__init__(app, (layer,), error_body=error_body)
