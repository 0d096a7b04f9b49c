"""Guards against hosts that are not ours, and against plain HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

from asgi_security.asgi.layers import Layer
from asgi_security.asgi.pipeline import DEFAULT_ERROR_BODY, Pipeline
from asgi_security.asgi.refusals import Reply, build_refusal
from asgi_security.events import SecurityEvent, Severity, log_event
from asgi_security.policy.hosts import (
    HostAllowed,
    HostPolicy,
    HostRefused,
    HostsConfig,
    PlainRefused,
    SentToHttps,
)
from asgi_security.validation import resolve_configuration

if TYPE_CHECKING:
    from asgi_security.asgi.layers import Exchange
    from asgi_security.asgi.refusals import Answer
    from asgi_security.asgi.types import ASGIApp, Scope
    from asgi_security.events import EventSink

_REFUSED = build_refusal(400, "HOST_NOT_ALLOWED")
_PLAIN_REFUSED = build_refusal(403, "TLS_REQUIRED")


class HostsLayer(Layer):
    """Asks whether the host is ours before anything believes it."""

    wants = frozenset({b"host", b"x-forwarded-proto"})

    def __init__(self, config: HostsConfig, *, events: EventSink = log_event) -> None:
        self._policy = HostPolicy(config)
        self._events = events

    def enter(self, exchange: Exchange) -> Answer | None:
        """Refuse, redirect or let pass."""
        scope = exchange.scope
        decision = self._policy.decide(
            exchange.headers.get(b"host", ()),
            scheme=scope.get("scheme", "http"),
            path=scope["path"],
            target=_build_target(scope),
        )
        match decision:
            case HostAllowed():
                return None
            case HostRefused(rule):
                self._report("host_refused", rule=rule)
                return _REFUSED
            case SentToHttps(location):
                if b"https" in exchange.headers.get(b"x-forwarded-proto", ()):
                    # The client came over TLS already: the server does not trust its proxy.
                    self._report("https_redirect_loop", hint="let the server trust the proxy")
                return Reply(308, ((b"location", location), (b"content-length", b"0")))
            case PlainRefused():
                self._report("plain_websocket_refused")
                return _PLAIN_REFUSED
            case _:
                assert_never(decision)

    def _report(self, name: str, **facts: str) -> None:
        self._events(SecurityEvent(name=name, severity=Severity.WARNING, facts=facts))


def _build_target(scope: Scope) -> bytes:
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope.get("query_string", b"")
    return b"%b?%b" % (path, query) if query else path


class HostsMiddleware(Pipeline, fusible=True):
    """Hosts that may be named, and plain HTTP sent on to HTTPS. Fields: `HostsConfig`."""

    def __init__(
        self,
        app: ASGIApp,
        /,
        config: HostsConfig | None = None,
        *,
        events: EventSink = log_event,
        error_body: bytes | None = DEFAULT_ERROR_BODY,
        **fields: Any,
    ) -> None:
        resolved = resolve_configuration(HostsConfig, config, fields)
        super().__init__(app, (HostsLayer(resolved, events=events),), error_body=error_body)
