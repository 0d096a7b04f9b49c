"""Guards: who may pass with an API key, over HTTP and WebSocket.

Place it inside `JwtMiddleware(..., optional=True)` where an app takes both, and outside
`AccessMiddleware`. A request with two credentials is refused: which of them counts would be a
matter of the order of middlewares.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, assert_never

from asgi_security.asgi.layers import Layer
from asgi_security.asgi.pipeline import DEFAULT_ERROR_BODY, Pipeline
from asgi_security.asgi.refusals import build_refusal, build_unavailable
from asgi_security.clock import system_clock
from asgi_security.events import SecurityEvent, log_event
from asgi_security.flows.api_keys import (
    ApiKeyRefused,
    ApiKeys,
    ApiKeysUnavailable,
    ApiKeyVerified,
)
from asgi_security.policy.api_keys import ApiKeyConfig
from asgi_security.policy.bearer import is_preflight
from asgi_security.validation import resolve_configuration

if TYPE_CHECKING:
    from asgi_security.asgi.layers import Entered, Exchange
    from asgi_security.asgi.refusals import Refusal
    from asgi_security.asgi.types import ASGIApp
    from asgi_security.clock import Clock
    from asgi_security.events import EventSink
    from asgi_security.policy.api_keys import Reason
    from asgi_security.storage.protocols import Store

_DETAILS: dict[Reason, str] = {
    "invalid_api_key": "The API key is not accepted.",
    "api_key_revoked": "The API key has been revoked.",
    "api_key_expired": "The API key has expired.",
    "account_disabled": "The account of the API key is disabled.",
}


class ApiKeyLayer(Layer):
    """Verifies the request's API key, and makes known whose it is."""

    def __init__(
        self,
        config: ApiKeyConfig,
        store: Store,
        *,
        clock: Clock = system_clock,
        events: EventSink = log_event,
    ) -> None:
        self._keys = ApiKeys(config, store, clock=clock, events=events)
        self._required = config.required
        self._header = config.header.encode("ascii")
        self._events = events
        self.wants = frozenset(
            (self._header, b"authorization", b"origin", b"access-control-request-method")
        )
        challenge = ((b"www-authenticate", b'ApiKey realm="%b"' % config.realm.encode("ascii")),)
        self._absent = build_refusal(
            401, "API_KEY_REQUIRED", detail="An API key is required.", headers=challenge
        )
        self._repeated = build_refusal(400, "INVALID_REQUEST", detail="One API key is expected.")
        self._conflict = build_refusal(
            400, "CONFLICTING_CREDENTIALS", detail="One credential is expected."
        )
        self._refused = {
            reason: build_refusal(401, reason.upper(), detail=detail, headers=challenge)
            for reason, detail in _DETAILS.items()
        }
        self._unavailable = build_unavailable("VERIFICATION_UNAVAILABLE")

    def enter(self, exchange: Exchange) -> Entered:
        """Let the request pass as its key's owner, or without any key if none is required."""
        headers = exchange.headers
        values = headers.get(self._header, ())
        if not values:
            return self._pass_without(exchange)
        if len(values) > 1:
            return self._turn_away("repeated", self._repeated)
        if exchange.context.principal is not None or _is_bearer(headers.get(b"authorization", ())):
            return self._turn_away("conflict", self._conflict)
        return self._verify(exchange, values[0])

    def _pass_without(self, exchange: Exchange) -> Refusal | None:
        headers, scope = exchange.headers, exchange.scope
        requested = headers.get(b"access-control-request-method", ())
        if self._required and not is_preflight(
            scope.get("method"), headers.get(b"origin", ()), requested
        ):
            return self._absent
        if "user" not in scope:
            make_credentials, nobody = _load_starlette()
            scope["user"], scope["auth"] = nobody, make_credentials()
        return None

    async def _verify(self, exchange: Exchange, value: bytes) -> Refusal | None:
        outcome = await self._keys.verify(value)
        match outcome:
            case ApiKeyVerified(principal):
                make_credentials, _ = _load_starlette()
                context, scope = exchange.context, exchange.scope
                context.principal, context.private = principal, True
                scope["user"] = principal
                scope["auth"] = make_credentials(sorted(principal.scopes))
                return None
            case ApiKeyRefused(reason):
                return self._refused[reason]
            case ApiKeysUnavailable():
                return self._unavailable
            case _:
                assert_never(outcome)

    def _turn_away(self, reason: str, refusal: Refusal) -> Refusal:
        self._events(SecurityEvent(name="api_key_refused", facts={"reason": reason}))
        return refusal


def _is_bearer(lines: list[bytes] | tuple[()]) -> bool:
    return any(line[:7].lower() == b"bearer " or line.lower() == b"bearer" for line in lines)


@cache
def _load_starlette() -> tuple[Any, Any]:
    from starlette.authentication import (  # noqa: PLC0415 -- only who authenticates pays for it
        AuthCredentials,
        UnauthenticatedUser,
    )

    return AuthCredentials, UnauthenticatedUser()


class ApiKeyMiddleware(Pipeline, fusible=True):
    """Takes API keys as credentials. Fields: `ApiKeyConfig`.

    `store` is where the keys and their owners' accounts are.
    """

    def __init__(
        self,
        app: ASGIApp,
        /,
        config: ApiKeyConfig | None = None,
        *,
        store: Store,
        clock: Clock = system_clock,
        events: EventSink = log_event,
        error_body: bytes | None = DEFAULT_ERROR_BODY,
        **fields: Any,
    ) -> None:
        resolved = resolve_configuration(ApiKeyConfig, config, fields)
        layer = ApiKeyLayer(resolved, store, clock=clock, events=events)
        super().__init__(app, (layer,), error_body=error_body)
