"""Guards: how many requests a client, a principal or a path may make in a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

from asgi_security.asgi.layers import Layer
from asgi_security.asgi.pipeline import DEFAULT_ERROR_BODY, Pipeline
from asgi_security.asgi.refusals import Refusal, build_refusal, build_unavailable
from asgi_security.clock import system_clock, system_entropy
from asgi_security.events import SecurityEvent, Severity, log_event
from asgi_security.flows.throttle import Throttle, Uncounted
from asgi_security.policy.login_routes import normalise_path
from asgi_security.policy.throttle import Exceeded, ThrottleConfig, Within
from asgi_security.validation import resolve_configuration

if TYPE_CHECKING:
    from asgi_security.asgi.layers import Entered, Exchange
    from asgi_security.asgi.types import ASGIApp, Message
    from asgi_security.clock import Clock, Entropy
    from asgi_security.events import EventSink
    from asgi_security.flows.throttle import Taken
    from asgi_security.policy.throttle import KeyFinder
    from asgi_security.storage.protocols import Store, ThrottleStore

_UNAVAILABLE = build_unavailable()


class ThrottleLayer(Layer):
    """Takes of a quota for every request, WebSocket handshakes too; preflights are free.

    Several can stand around one app, each with a name of its own; the RateLimit fields then list
    them all.
    """

    wants = frozenset({b"access-control-request-method", b"origin"})

    def __init__(
        self,
        config: ThrottleConfig,
        throttles: Store | ThrottleStore,
        *,
        clock: Clock = system_clock,
        entropy: Entropy = system_entropy,
        events: EventSink = log_event,
    ) -> None:
        self._throttle = Throttle(config, throttles, clock=clock, entropy=entropy, events=events)
        self._policy = self._throttle.policy
        self._key = config.key
        self._sends_headers = config.send_headers
        self._events = events
        self._refused = build_refusal(
            429,
            "THROTTLED",
            detail="Too many requests; try again later.",
            members={"violated-policies": [config.name]},
        )

    def enter(self, exchange: Exchange) -> Entered:
        """Let what is not counted pass at once."""
        scope, headers = exchange.scope, exchange.headers
        if not self._policy.counts(scope["path"]):
            return None
        # A browser sends preflights unasked, and a script cannot see what became of one.
        if scope.get("method") == "OPTIONS" and headers.keys() >= self.wants:
            return None
        return self._guard(exchange)

    def leave(self, exchange: Exchange, start: Message) -> None:
        """Tell the quota, unless the answer is a refusal that says when to come back.

        Those are of a lockout, whose remaining guesses nobody may be told; of an inner throttle,
        which tells its own; or of the app, whose wait ours would contradict.
        """
        within = exchange.notes.get(self)
        if within is not None:
            headers = start["headers"]
            if not any(name == b"retry-after" for name, _ in headers):
                headers += (self._policy.policy_field, self._policy.build_limit_field(within))

    accept = leave

    async def _guard(self, exchange: Exchange) -> Refusal | None:
        taken = await self._take(exchange)
        match taken:
            case None:
                return None
            case Within():
                if self._sends_headers:
                    exchange.notes[self] = taken
                return None
            case Exceeded():
                return self._refuse(taken)
            case Uncounted(admitted):
                return None if admitted else _UNAVAILABLE
            case _:
                assert_never(taken)

    async def _take(self, exchange: Exchange) -> Taken | None:
        key, context = self._key, exchange.context
        if key == "path":
            return await self._throttle.take(normalise_path(exchange.scope["path"]), kind="path")
        if key == "principal" and context.principal is not None:
            return await self._throttle.take(context.principal.subject, kind="principal")
        if not isinstance(key, str):
            try:
                found = _find_key(key, exchange)
            except Exception as error:  # noqa: BLE001 -- a user's hook, on a request of anyone's
                # Not "no key": whoever can make it fail would be rid of the quota.
                facts = {"throttle": self._throttle.config.name, "error": type(error).__name__}
                self._events(
                    SecurityEvent(name="throttle_key_failed", severity=Severity.ERROR, facts=facts)
                )
            else:
                return None if found is None else await self._throttle.take(found)
        peer = exchange.scope.get("client")
        return await self._throttle.take_client(context.client or (peer[0] if peer else None))

    def _refuse(self, exceeded: Exceeded) -> Refusal:
        refused = self._refused
        headers = (*refused.headers, (b"retry-after", b"%d" % exceeded.retry_after_seconds))
        if self._sends_headers:
            fields = (self._policy.policy_field, self._policy.build_limit_field(exceeded))
            headers = (*headers, *fields)
        return Refusal(refused.status, refused.code, headers, refused.body)


def _find_key(find: KeyFinder, exchange: Exchange) -> str | None:
    found = find(exchange.scope)
    if found is not None and not isinstance(found, str):
        raise TypeError("a key is a string or None")
    return found


class ThrottleMiddleware(Pipeline, fusible=True):
    """Bounds how many requests are made. Fields: `ThrottleConfig`.

    Args:
        throttles: a store, or its throttles facet; one for all processes of the app.
    """

    def __init__(
        self,
        app: ASGIApp,
        /,
        config: ThrottleConfig | None = None,
        *,
        throttles: Store | ThrottleStore,
        clock: Clock = system_clock,
        entropy: Entropy = system_entropy,
        events: EventSink = log_event,
        error_body: bytes | None = DEFAULT_ERROR_BODY,
        **fields: Any,
    ) -> None:
        resolved = resolve_configuration(ThrottleConfig, config, fields)
        layer = ThrottleLayer(resolved, throttles, clock=clock, entropy=entropy, events=events)
        super().__init__(app, (layer,), error_body=error_body)
