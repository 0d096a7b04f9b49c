"""Guards: the client's address, so that everything keyed by it counts the right party.

Place it before anything that reads `scope["client"]` or `current().client`. No server in front
should rewrite the address too (uvicorn: `--no-proxy-headers`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgi_security.asgi.layers import Layer
from asgi_security.asgi.pipeline import DEFAULT_ERROR_BODY, Pipeline
from asgi_security.events import SecurityEvent, Severity, log_event
from asgi_security.policy.clients import ClientConfig, ClientPolicy
from asgi_security.validation import resolve_configuration

if TYPE_CHECKING:
    from asgi_security.asgi.layers import Exchange
    from asgi_security.asgi.types import ASGIApp
    from asgi_security.events import EventSink


class ClientLayer(Layer):
    """Sets `context.client` and `scope["client"]` to the client behind trusted proxies."""

    def __init__(self, config: ClientConfig, *, events: EventSink = log_event) -> None:
        self._policy = ClientPolicy(config)
        self._header = self._policy.header
        self._events = events
        if self._header is not None:
            self.wants = frozenset((self._header,))

    def enter(self, exchange: Exchange) -> None:
        """Find the address; without a trusted proxy no header is even collected."""
        peer = exchange.scope.get("client")
        address = peer[0] if peer else None
        if self._header is None:
            exchange.context.client = address or None
            return
        found = self._policy.decide(address, exchange.headers.get(self._header, ()))
        exchange.context.client = found.address
        if found.address is not None and found.address != address:
            # The port was the proxy's: 0 says that the client's is unknown.
            exchange.scope["client"] = (found.address, 0)
        if found.rejected is not None:
            facts = {"header": self._header.decode(), "reason": found.rejected}
            self._events(
                SecurityEvent(name="client_header_rejected", severity=Severity.WARNING, facts=facts)
            )


class ClientMiddleware(Pipeline, fusible=True):
    """Tells the app who asks, when trusted proxies stand in front. Fields: `ClientConfig`."""

    def __init__(
        self,
        app: ASGIApp,
        /,
        config: ClientConfig | None = None,
        *,
        events: EventSink = log_event,
        error_body: bytes | None = DEFAULT_ERROR_BODY,
        **fields: Any,
    ) -> None:
        layer = ClientLayer(resolve_configuration(ClientConfig, config, fields), events=events)
        super().__init__(app, (layer,), error_body=error_body)
