"""Guards responses: sends the security headers, and strips those that say too much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgi_security.asgi.headers import get_values, remove_headers
from asgi_security.asgi.layers import Layer
from asgi_security.asgi.pipeline import DEFAULT_ERROR_BODY, Pipeline
from asgi_security.events import SecurityEvent, Severity, log_event
from asgi_security.policy.headers import SecurityHeadersConfig, check_headers
from asgi_security.policy.merging import CACHE_CONTROL, HSTS, build_headers
from asgi_security.validation import resolve_configuration

if TYPE_CHECKING:
    from asgi_security.asgi.layers import Exchange
    from asgi_security.asgi.types import ASGIApp, Message
    from asgi_security.events import EventSink
    from asgi_security.policy.merging import HeaderPlan

_SWITCHING_PROTOCOLS = 101


class SecurityHeadersLayer(Layer):
    """Adds to a response what its configuration says and the app has not said itself.

    The scheme is the one the server reports: `X-Forwarded-Proto` is never read here. Behind a
    proxy that ends TLS, let the server trust that proxy (uvicorn: `--forwarded-allow-ips`).
    """

    __slots__ = ("_events", "_plain", "_plans", "_secure", "minds")

    def __init__(self, config: SecurityHeadersConfig, *, events: EventSink = log_event) -> None:
        self._plans = build_headers(config)
        self._secure = self._plans.secure
        self._plain = self._plans.plain
        self.minds = self._secure.touched | self._plain.touched
        self._events = events
        for hint in check_headers(config):
            facts = {"field": hint.field, "reason": hint.reason, "hint": hint.hint}
            events(SecurityEvent(name="headers_hint", severity=Severity.WARNING, facts=facts))

    def leave(self, exchange: Exchange, start: Message) -> None:
        """Add the headers; most responses are a look at the names and one list addition."""
        scheme = exchange.scope.get("scheme")
        plan = self._secure if scheme == "https" or scheme == "wss" else self._plain
        context = exchange.context
        headers = start["headers"]
        if (
            context.overrides is None
            and (len(headers) == exchange.plain_lines or plan.touched.isdisjoint(dict(headers)))
            and (plan.is_constant or plan.is_unread(context.nonce_if_read, start["status"]))
        ):
            if context.private and not any(name == CACHE_CONTROL for name, _ in headers):
                headers += plan.private_lines
            else:
                headers += plan.lines
            return
        self._edit(plan, exchange, start, context.overrides or {})

    def accept(self, exchange: Exchange, start: Message) -> None:
        """Add HSTS to a handshake over TLS: no other header means anything there."""
        if exchange.scope.get("scheme") == "wss":
            overrides = exchange.context.overrides or {}
            own = {name: value for name, value in overrides.items() if name == HSTS}
            self._edit(self._plans.handshake, exchange, start, own)

    def _edit(
        self,
        plan: HeaderPlan,
        exchange: Exchange,
        start: Message,
        overrides: dict[bytes, bytes | None],
    ) -> None:
        headers = start["headers"]
        hosts = [] if plan.secure else get_values(exchange.scope.get("headers", []), b"host")
        edit = plan.decide(
            headers,
            status=start.get("status", _SWITCHING_PROTOCOLS),
            nonce=exchange.context.nonce_if_read,
            overrides=overrides,
            private=exchange.context.private,
            host=hosts[0].decode("latin-1") if len(hosts) == 1 else "",
        )
        if edit.drop:
            remove_headers(headers, edit.drop)
        headers += edit.add
        if edit.leaks_nonce:
            self._events(SecurityEvent(name="csp_nonce_public", severity=Severity.WARNING))


class SecurityHeadersMiddleware(Pipeline, fusible=True):
    """Sends security headers with every response, errors and denials too.

    `SecurityHeadersMiddleware(app)` sends the practical profile; give a `SecurityHeadersConfig`,
    or its fields as keywords, for another.
    """

    def __init__(
        self,
        app: ASGIApp,
        /,
        config: SecurityHeadersConfig | None = None,
        *,
        events: EventSink = log_event,
        error_body: bytes | None = DEFAULT_ERROR_BODY,
        **fields: Any,
    ) -> None:
        resolved = resolve_configuration(SecurityHeadersConfig, config, fields)
        layer = SecurityHeadersLayer(resolved, events=events)
        super().__init__(app, (layer,), error_body=error_body)
