"""Guards against other origins: answers preflights, marks responses, turns WebSockets away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

from asgi_security.asgi.headers import add_vary, get_values
from asgi_security.asgi.layers import Layer
from asgi_security.asgi.pipeline import DEFAULT_ERROR_BODY, Pipeline
from asgi_security.asgi.refusals import Reply, build_bare_refusal, build_refusal
from asgi_security.events import SecurityEvent, Severity, log_event
from asgi_security.policy.cors import (
    READS,
    VARY_ON_PREFLIGHT,
    ActualAllowed,
    ActualDenied,
    CorsConfig,
    CorsPolicy,
    NotCors,
    PreflightAllowed,
    PreflightDenied,
    PreflightExplained,
    check_cors_advice,
)
from asgi_security.policy.cors_websocket import WebSocketAllowed
from asgi_security.validation import resolve_configuration

if TYPE_CHECKING:
    from asgi_security.asgi.layers import Entered, Exchange
    from asgi_security.asgi.refusals import Answer
    from asgi_security.asgi.types import ASGIApp, Header, Message
    from asgi_security.events import EventSink
    from asgi_security.policy.cors_config import Resolver
    from asgi_security.policy.cors_websocket import WebSocketDecision

_PREFIX = b"access-control-"
_AFTER_PREFIX = b"access-control."
# One answer whatever the rule: it must not tell whether the origin or the method was at fault.
_PREFLIGHT_REFUSED = build_bare_refusal(403, "CORS_PREFLIGHT_REFUSED", VARY_ON_PREFLIGHT)
_SOCKET_REFUSED = build_refusal(403, "ORIGIN_NOT_ALLOWED")


class CorsLayer(Layer):
    """Asks the policy on the way in, and writes its headers on the way out."""

    __slots__ = ("_events", "_originless", "_policy", "needs_headers")

    wants = READS
    minds = frozenset({b"vary"})

    def __init__(self, config: CorsConfig, *, events: EventSink = log_event) -> None:
        self._policy = CorsPolicy(config)
        self._events = events
        self._originless = self._policy.originless.headers
        self.needs_headers = not (
            self._policy.depends_on_path or self._policy.websockets.require_origin
        )
        for advice in check_cors_advice(config):
            facts = {"field": advice.field, "reason": advice.reason, "hint": advice.hint}
            self._report("cors_configuration_advice", Severity.WARNING, **facts)

    def enter(self, exchange: Exchange) -> Entered:
        """Answer a preflight, refuse a WebSocket, or note what the response will say."""
        if self.needs_headers and b"origin" not in exchange.headers:
            return None
        policy = self._policy
        if policy.depends_on_path:
            policy = policy.select(exchange.scope["path"])
        if policy.resolver is not None:
            origin = policy.find_unresolved(exchange.headers)
            if origin is not None:
                return self._enter_resolved(exchange, policy, policy.resolver, origin)
        return self._decide(exchange, policy)

    async def _enter_resolved(
        self, exchange: Exchange, policy: CorsPolicy, resolver: Resolver, origin: str
    ) -> Answer | None:
        try:
            # Exactly True: a forgotten `await` inside, or a row object, must not open the door.
            allows = await resolver(origin) is True
        except Exception as error:  # noqa: BLE001 -- whatever it is, it allows nothing
            self._report("cors_resolver_failed", Severity.ERROR, error=type(error).__name__)
            allows = False
        return self._decide(exchange, policy, resolver_allows=allows)

    def _decide(
        self, exchange: Exchange, policy: CorsPolicy, *, resolver_allows: bool = False
    ) -> Answer | None:
        scope, headers = exchange.scope, exchange.headers
        if scope["type"] != "http":
            return self._obey_websocket(
                policy.websockets.decide(
                    headers.get(b"origin", ()),
                    get_values(scope.get("headers", ()), b"host"),
                    scheme=scope.get("scheme", "ws"),
                    resolver_allows=resolver_allows,
                )
            )
        decision = policy.decide(headers, method=scope["method"], resolver_allows=resolver_allows)
        # Not by `match`: to pass one `case` costs four times as much as to look at the type.
        if type(decision) is PreflightAllowed:
            return Reply(204, decision.headers)
        if type(decision) is ActualAllowed or isinstance(decision, (ActualDenied, NotCors)):
            exchange.notes[self] = decision.headers
            return None
        if isinstance(decision, PreflightExplained):
            self._report("cors_preflight_explained", Severity.WARNING, rule=decision.rule)
            return Reply(204, decision.headers)
        if isinstance(decision, PreflightDenied):
            self._report("cors_preflight_refused", Severity.DEBUG, rule=decision.rule)
            return _PREFLIGHT_REFUSED
        assert_never(decision)

    def _obey_websocket(self, decision: WebSocketDecision) -> Answer | None:
        if isinstance(decision, WebSocketAllowed):
            return None
        self._report("websocket_origin_refused", Severity.WARNING, rule=decision.rule)
        return _SOCKET_REFUSED

    def leave(self, exchange: Exchange, start: Message) -> None:
        """Write the policy's headers in the place of whatever the app wrote of them."""
        lines: tuple[Header, ...] = exchange.notes.get(self, self._originless)
        headers = start["headers"]
        if len(headers) == exchange.plain_lines:
            headers += lines
            return
        for name, _ in headers:
            # `startswith` in two comparisons, of which most names need the first alone.
            if name == b"vary" or (name < _AFTER_PREFIX and name >= _PREFIX):
                break
        else:
            headers.extend(lines)
            return
        kept = [pair for pair in headers if not pair[0].startswith(_PREFIX)]
        if len(kept) != len(headers):
            self._report("cors_headers_of_app_removed", Severity.DEBUG)
            headers[:] = kept
        for name, value in lines:
            if name == b"vary":
                add_vary(headers, (value,))
            else:
                headers.append((name, value))

    def _report(self, name: str, severity: Severity, **facts: str) -> None:
        self._events(SecurityEvent(name=name, severity=severity, facts=facts))


class CorsMiddleware(Pipeline, fusible=True):
    """CORS and WebSocket origins for any ASGI app: `CorsMiddleware(app, allow_origins=[...])`."""

    def __init__(
        self,
        app: ASGIApp,
        /,
        config: CorsConfig | None = None,
        *,
        events: EventSink = log_event,
        error_body: bytes | None = DEFAULT_ERROR_BODY,
        **fields: Any,
    ) -> None:
        resolved = resolve_configuration(CorsConfig, config, fields)
        super().__init__(app, (CorsLayer(resolved, events=events),), error_body=error_body)
