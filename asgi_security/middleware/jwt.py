"""Guards: who may pass with a signed token, over HTTP and WebSocket.

A WebSocket is refused before it is accepted. Its token may come as the subprotocol after the
marker `bearer`; the app then sees neither in `scope["subprotocols"]`, and if it chooses no protocol
of its own the marker is echoed, as browsers want one of those they offered.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, cast

from asgi_security.asgi.cookies import find_cookies, make_private
from asgi_security.asgi.layers import Layer
from asgi_security.asgi.pipeline import DEFAULT_ERROR_BODY, Pipeline
from asgi_security.asgi.refusals import build_refusal, build_unavailable
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
    from asgi_security.clock import Clock
    from asgi_security.events import EventSink
    from asgi_security.flows.jwt import Outcome
    from asgi_security.policy.bearer import Presented

_TOKEN_ENDED = 4001
_TRY_AGAIN_LATER = 1013  # IANA WebSocket close codes


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
        self._refusals = _Refusals(config)
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
            return self._refusals.by_fault[fault]
        headers = exchange.headers
        requested = headers.get(b"access-control-request-method", ())
        method = exchange.scope.get("method")
        if self._config.optional or is_preflight(method, headers.get(b"origin", ()), requested):
            _set_user(exchange, None)
            return None
        return self._refusals.by_fault[fault]

    def _obey(self, exchange: Exchange, found: Presented, outcome: Outcome) -> Refusal | None:
        if not isinstance(outcome, Verified):
            return self._refuse(found[0], outcome)
        if self._scopes and not self._scopes <= outcome.scopes:
            self._report("insufficient_scope")
            return self._refusals.insufficient_scope
        _set_user(exchange, outcome)
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
            return self._refusals.by_fault[Fault.MALFORMED]
        return self._refusals.by_reason.get(outcome.reason, self._refusals.invalid_token)

    def _prepare_websocket(self, exchange: Exchange, found: Presented, verified: Verified) -> None:
        token, place = found
        if place == "subprotocol":
            hidden = (self._config.websocket_protocol, token.decode("latin-1"))
            offered = exchange.scope["subprotocols"]
            exchange.scope["subprotocols"] = [name for name in offered if name not in hidden]
        every = self._config.recheck_every_seconds
        if every is not None:
            exchange.receive = _Watch(
                exchange, self._verifier, token, verified, every=every, clock=self._clock
            )

    def _report(self, reason: str) -> None:
        # Safe to log because a reason is one word of a fixed set.
        self._events(SecurityEvent(name="token_refused", facts={"reason": reason}))


class QueryJwtLayer(JwtLayer):
    """The same where a token may be in the query, whose response no shared cache may keep."""

    def leave(self, exchange: Exchange, start: Message) -> None:
        """Make the response private (RFC 6750 section 2.3)."""
        if exchange.notes.get(self) == "query":
            make_private(start["headers"])


class _Refusals:
    """Every refusal that a configuration can give."""

    def __init__(self, config: JwtConfig) -> None:
        challenges = Challenges(config)

        def build(status: int, code: str, detail: str, challenge: bytes) -> Refusal:
            headers = ((b"www-authenticate", challenge),)
            return build_refusal(status, code, detail=detail, headers=headers)

        request = build(
            400, "INVALID_REQUEST", "One token is expected.", challenges.invalid_request
        )
        csrf = build_refusal(403, "CROSS_SITE_REQUEST", detail="The request is not from our pages.")
        self.by_fault = {
            Fault.ABSENT: build(401, "TOKEN_REQUIRED", "A token is required.", challenges.absent),
            Fault.MALFORMED: request,
            Fault.REPEATED: request,
            Fault.FORGEABLE: csrf,
        }
        self.by_reason = {
            reason: build(401, "INVALID_TOKEN", "The token is not accepted.", challenge)
            for reason, challenge in challenges.invalid_token.items()
        }
        self.invalid_token = self.by_reason[""]
        self.insufficient_scope = build(
            403,
            "INSUFFICIENT_SCOPE",
            "The token does not reach so far.",
            challenges.insufficient_scope,
        )
        self.unavailable = build_unavailable("VERIFICATION_UNAVAILABLE")


@cache
def _load_starlette() -> tuple[Any, Any]:
    from starlette import authentication  # noqa: PLC0415 -- only who authenticates pays for it

    return authentication.AuthCredentials, authentication.UnauthenticatedUser()


def _set_user(exchange: Exchange, verified: Verified | None) -> None:
    """Say who asks, in our context and where Starlette's `AuthenticationMiddleware` says it."""
    make_credentials, nobody = _load_starlette()
    scope = exchange.scope
    if verified is None:
        scope["user"], scope["auth"] = nobody, make_credentials()
        return
    if verified.attachment is None:
        verified.attachment = verified.principal, verified.granted
    principal, granted = verified.attachment
    context = exchange.context
    context.claims, context.principal, context.private = verified.claims, principal, True
    scope["user"] = nobody if principal is None else principal
    scope["auth"] = make_credentials(granted)  # new each time: an app may add to its list


class _Watch:
    """Receives for an app on a WebSocket, and ends it when its token does.

    The one place where a layer sends: the connection must close although the app may never look up
    again, and there is no message by which a layer could ask the engine to. An app that only sends
    and never receives is not stopped; it would not notice a disconnect either.
    """

    def __init__(
        self,
        exchange: Exchange,
        verifier: JwtVerifier,
        token: bytes,
        verified: Verified,
        *,
        every: float,
        clock: Clock,
    ) -> None:
        self._send = exchange.send
        self._receive = exchange.receive
        self._verifier = verifier
        self._token = token
        self._every = every
        self._clock = clock
        self._due_at = min(clock() + every, verified.lifetime.ends_at)
        self._closed: Message | None = None

    async def __call__(self) -> Message:
        """Return the app's next message, or its disconnect when the token has ended."""
        from anyio import move_on_after  # noqa: PLC0415 -- only who watches waits

        message: Message | None = None
        while self._closed is None:
            if message is not None and message["type"] == "websocket.disconnect":
                return message
            now = self._clock()
            if now >= self._due_at:
                outcome = await self._verifier.verify(self._token, now=now)
                if not isinstance(outcome, Verified):
                    ended = isinstance(outcome, Refused)
                    return await self._close(_TOKEN_ENDED if ended else _TRY_AGAIN_LATER)
                self._due_at = min(now + self._every, outcome.lifetime.ends_at)
            if message is not None:
                return message
            with move_on_after(self._due_at - now):
                message = await self._receive()
        return self._closed

    async def _close(self, code: int) -> Message:
        self._closed = {"type": "websocket.disconnect", "code": code, "reason": "TOKEN_ENDED"}
        await self._send({**self._closed, "type": "websocket.close"})
        return self._closed


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
