"""Guards paths by rules, and tells the decorators further in what roles grant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

from asgi_security.asgi.layers import Layer
from asgi_security.asgi.pipeline import DEFAULT_ERROR_BODY, Pipeline
from asgi_security.asgi.refusals import build_refusal, build_unavailable
from asgi_security.clock import system_clock
from asgi_security.events import log_event
from asgi_security.flows.access import Access
from asgi_security.flows.access_driving import run
from asgi_security.flows.access_memory import AccessMemory
from asgi_security.policy.access import STATUSES, Allowed, Authenticated
from asgi_security.policy.access_rules import (
    WEBSOCKET,
    AccessConfig,
    AccessPolicy,
    PathClosed,
    PathNeeds,
    PathOpen,
)
from asgi_security.policy.assurance import describe_step_up
from asgi_security.validation import resolve_configuration

if TYPE_CHECKING:
    from asgi_security.asgi.context import SecurityContext
    from asgi_security.asgi.layers import Entered, Exchange
    from asgi_security.asgi.refusals import Refusal
    from asgi_security.asgi.types import ASGIApp
    from asgi_security.clock import Clock
    from asgi_security.events import EventSink
    from asgi_security.policy.access import Denied, Reason, Requirement
    from asgi_security.principal import Principal

_PLAIN = Access()
_CODES: dict[Reason, tuple[str, str]] = {
    "anonymous": ("AUTHENTICATION_REQUIRED", "Say who you are."),
    "step_up": ("INSUFFICIENT_USER_AUTHENTICATION", "Say who you are again, or say it better."),
    "forbidden": ("FORBIDDEN", "This is not permitted."),
    "hidden": ("NOT_FOUND", ""),
}


class RequestAccess:
    """What a request's checks share: the configuration that counts, and what they have loaded."""

    __slots__ = ("access", "memory")

    def __init__(self) -> None:
        self.access = _PLAIN
        self.memory = AccessMemory()


def find_request_access(context: SecurityContext) -> RequestAccess:
    """Return what the checks of the request in hand share; it lives as long as its context."""
    kept = vars(context)
    found: RequestAccess | None = kept.get("access")
    if found is None:
        found = kept["access"] = RequestAccess()
    return found


def build_denial(denied: Denied, *, reveals: bool = False) -> Refusal:
    """Build the answer of a denial; with `reveals` it names what is missing."""
    if denied.reason == "unavailable":
        return build_unavailable("ACCESS_UNAVAILABLE")
    code, detail = _CODES[denied.reason]
    challenge = denied.challenge
    members: dict[str, Any] = {}
    if denied.step_up is not None:
        members.update(describe_step_up(denied.step_up))
    if reveals and denied.missing:
        members["missing"] = list(denied.missing)
    return build_refusal(
        STATUSES[denied.reason],
        code,
        detail=detail,
        headers=() if challenge is None else ((b"www-authenticate", challenge.encode()),),
        members=members or None,
    )


class AccessLayer(Layer):
    """Asks, for each path that is not open to all, whether who asks may pass."""

    def __init__(
        self,
        config: AccessConfig,
        *,
        clock: Clock = system_clock,
        events: EventSink = log_event,
    ) -> None:
        self._access = Access(config, clock=clock, events=events)
        self._config = config
        self._policy = None if config.rules is None else AccessPolicy(config.rules)

    def enter(self, exchange: Exchange) -> Entered:
        """Let open paths pass at once."""
        find_request_access(exchange.context).access = self._access
        if self._policy is None:
            return None
        scope = exchange.scope
        decision = self._policy.decide(
            scope["method"] if scope["type"] == "http" else WEBSOCKET,
            scope["path"],
            root_path=scope.get("root_path", ""),
        )
        match decision:
            case PathOpen():
                return None
            case PathNeeds(requirement):
                return self._guard(exchange, requirement, may_pass=True)
            case PathClosed():
                return self._guard(exchange, Authenticated(), may_pass=False)
            case _:
                assert_never(decision)

    async def _guard(
        self, exchange: Exchange, requirement: Requirement, *, may_pass: bool
    ) -> Refusal | None:
        access, context = self._access, exchange.context
        memory = find_request_access(context).memory
        arguments = exchange.scope.get("path_params", {}).__getitem__
        check = access.check(requirement, context, memory, arguments)
        decision = await run(check, timeout_seconds=self._config.timeout_seconds)
        if isinstance(decision, Allowed) and may_pass:
            _set_user(exchange, decision.principal)
            return None
        if isinstance(decision, Allowed):
            decision = access.refuse(requirement, decision.principal, context)
        return build_denial(decision, reveals=self._config.reveal_missing)


def _set_user(exchange: Exchange, principal: Principal) -> None:
    """Say who asks where Starlette's `AuthenticationMiddleware` says it."""
    context, scope = exchange.context, exchange.scope
    if context.principal is principal:
        return  # whoever verified the token has said it
    from starlette.authentication import AuthCredentials  # noqa: PLC0415 -- on use

    context.principal, context.private = principal, True
    scope["user"] = principal
    scope["auth"] = AuthCredentials(sorted(principal.scopes))


class AccessMiddleware(Pipeline, fusible=True):
    """Rules for paths, and roles for the decorators. Fields: `AccessConfig`.

    It stands inside what authenticates. With rules, a path that none speaks of is denied.
    """

    def __init__(
        self,
        app: ASGIApp,
        /,
        config: AccessConfig | None = None,
        *,
        clock: Clock = system_clock,
        events: EventSink = log_event,
        error_body: bytes | None = DEFAULT_ERROR_BODY,
        **fields: Any,
    ) -> None:
        resolved = resolve_configuration(AccessConfig, config, fields)
        layer = AccessLayer(resolved, clock=clock, events=events)
        super().__init__(app, (layer,), error_body=error_body)
