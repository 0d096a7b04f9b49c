"""Guards against requests that another site has forged, by what browsers say of themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgi_security.asgi.headers import add_vary
from asgi_security.asgi.layers import Layer
from asgi_security.asgi.pipeline import DEFAULT_ERROR_BODY, Pipeline
from asgi_security.asgi.refusals import build_refusal
from asgi_security.events import SecurityEvent, Severity, log_event
from asgi_security.policy.csrf import READS, SAFE_METHODS, CsrfConfig, CsrfPolicy, CsrfRefused
from asgi_security.validation import resolve_configuration

if TYPE_CHECKING:
    from asgi_security.asgi.layers import Exchange
    from asgi_security.asgi.refusals import Refusal
    from asgi_security.asgi.types import ASGIApp, Message
    from asgi_security.events import EventSink

_VARY = (b"Sec-Fetch-Site", b"Sec-Fetch-Mode", b"Sec-Fetch-Dest")
_REFUSED = build_refusal(
    403,
    "CROSS_SITE_REQUEST",
    detail="Another site may not send this request.",
    headers=((b"vary", b", ".join(_VARY)),),
)


class CsrfLayer(Layer):
    """Asks where a request comes from before anything is paid for it."""

    wants = READS

    def __init__(self, config: CsrfConfig, *, events: EventSink = log_event) -> None:
        self._policy = CsrfPolicy(config)
        self._safe = frozenset() if config.isolate_resources else SAFE_METHODS
        self._events = events

    def enter(self, exchange: Exchange) -> Refusal | None:
        """Refuse what may be forged; without isolation safe methods are not even looked at."""
        scope = exchange.scope
        method = scope.get("method")
        if method in self._safe:
            return None
        decision = self._policy.decide(
            exchange.headers, method=method, path=scope["path"], scheme=scope.get("scheme", "http")
        )
        if isinstance(decision, CsrfRefused):
            facts = {"rule": decision.rule}
            event = SecurityEvent(name="csrf_refused", severity=Severity.WARNING, facts=facts)
            self._events(event)
            return _REFUSED
        if decision.varies:
            exchange.notes[self] = True
        return None

    def leave(self, exchange: Exchange, start: Message) -> None:
        """Keep caches from giving an answer to a request that would have been refused."""
        if self in exchange.notes:
            add_vary(start["headers"], _VARY)


class CsrfMiddleware(Pipeline, fusible=True):
    """Cross-site request forgery and, on request, resource isolation. Fields: `CsrfConfig`."""

    def __init__(
        self,
        app: ASGIApp,
        /,
        config: CsrfConfig | None = None,
        *,
        events: EventSink = log_event,
        error_body: bytes | None = DEFAULT_ERROR_BODY,
        **fields: Any,
    ) -> None:
        resolved = resolve_configuration(CsrfConfig, config, fields)
        super().__init__(app, (CsrfLayer(resolved, events=events),), error_body=error_body)
