"""Checks a requirement where the app's code says so: one object for every way to say it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, TypeVar

from asgi_security.asgi.context import current
from asgi_security.flows.access_driving import run, run_now
from asgi_security.flows.access_memory import build_slot
from asgi_security.guards.denials import AccessDenied, SocketAccessDenied
from asgi_security.guards.wrapping import find_argument, find_connection, wrap
from asgi_security.middleware.access import find_request_access
from asgi_security.policy.access import Allowed, find_leaves
from asgi_security.policy.access_needs import build_requirement, check_requirement
from asgi_security.policy.access_roles import Roles
from asgi_security.validation import Findings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from asgi_security.policy.access import AccessDecision, Denied, Requirement
    from asgi_security.principal import Principal

T = TypeVar("T")


class Guard:
    """A requirement, ready to be checked for the request in hand.

    * `@guard` on a function (plain, async, a generator), a method, a partial or an ASGI app.
    * `Depends(guard)` in FastAPI, `guards=[guard]` in Litestar.
    * `await check(guard)`, `await authorize(guard)` anywhere.

    Args:
        registry: what roles grant; None for the roles of the `AccessMiddleware` around.
        hide_existence: answer 404 and not 403.

    Raises:
        ConfigError: for names that `registry` does not know, and for empty combinations.
    """

    def __init__(
        self,
        requirement: object,
        *,
        registry: Roles | None = None,
        hide_existence: bool = False,
    ) -> None:
        self.requirement: Requirement = build_requirement(requirement)
        self._registry = registry
        self._hides = hide_existence
        findings = Findings("requires")
        findings.check_boolean("hide_existence", hide_existence)
        given: object = registry
        if given is not None and not isinstance(given, Roles):
            findings.add("registry", given, "no Roles", "write Roles({'admin': [...]})")
        else:
            check_requirement(findings, self.requirement, registry)
        findings.raise_if_any()
        # FastAPI and Litestar look here to learn whether a call must be awaited: theirs must.
        vars(self)["__call__"] = self._depend

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Decorate a function; or, called by a framework, check and return the principal."""
        if len(arguments) == 1 and not named:
            return wrap(self, arguments[0])
        given = {**dict(zip(("connection", "handler"), arguments, strict=False)), **named}
        if _is_on_loop():
            return self._depend(**given)
        # A framework that takes this for a plain function would drop the coroutine, unchecked.
        return self.enforce_now(given)

    def __getattr__(self, name: str) -> Any:
        if name == "__signature__":  # read by FastAPI; Starlette is imported no sooner
            return _build_signature(self.requirement)
        raise AttributeError(name)

    def __repr__(self) -> str:
        return f"<Guard {self.requirement}>"

    async def _depend(self, **named: Any) -> Principal:
        return await self.enforce(named)

    async def decide(self, arguments: Mapping[str, Any]) -> AccessDecision:
        """Decide for the request in hand.

        Raises:
            RuntimeError: outside a request that passed one of our middlewares.
        """
        steps, seconds = self._begin(arguments, waits=True)
        decision: AccessDecision = await run(steps, timeout_seconds=seconds)
        return _note(decision)

    def decide_now(self, arguments: Mapping[str, Any]) -> AccessDecision:
        """Decide in a plain function."""
        steps, seconds = self._begin(arguments, waits=False)
        decision: AccessDecision = run_now(steps, timeout_seconds=seconds)
        return _note(decision)

    async def enforce(self, arguments: Mapping[str, Any]) -> Principal:
        """Return who asks, or raise `AccessDenied`."""
        return _obey(await self.decide(arguments), arguments)

    def enforce_now(self, arguments: Mapping[str, Any]) -> Principal:
        """Do the same in a plain function."""
        return _obey(self.decide_now(arguments), arguments)

    def _begin(self, arguments: Mapping[str, Any], *, waits: bool) -> Any:
        context = current()
        shared = find_request_access(context)
        access = shared.access
        if self._registry is not None:
            access = access.with_roles(self._registry)
        find = find_argument(arguments)
        steps = access.check(
            self.requirement, context, shared.memory, find, hides=self._hides, waits=waits
        )
        return steps, access.config.timeout_seconds


def _note(decision: AccessDecision) -> AccessDecision:
    """Let `current().principal` say who asks: the user of a stored session is known from here."""
    if isinstance(decision, Allowed):
        context = current()
        context.principal, context.private = decision.principal, True
    return decision


def _obey(decision: AccessDecision, arguments: Mapping[str, Any]) -> Principal:
    if isinstance(decision, Allowed):
        return decision.principal
    raise build_error(decision, arguments)


def build_error(denied: Denied, arguments: Mapping[str, Any]) -> AccessDenied:
    """Build the exception that the framework in hand makes the best answer of."""
    reveals = find_request_access(current()).access.config.reveal_missing
    connection = find_connection(arguments)
    is_socket = connection is not None and connection.scope["type"] == "websocket"
    return (SocketAccessDenied if is_socket else AccessDenied)(denied, reveals=reveals)


def _is_on_loop() -> bool:
    from anyio import get_current_task  # noqa: PLC0415 -- on use

    try:
        get_current_task()
    except RuntimeError:
        return False
    return True


def _build_signature(requirement: Requirement) -> inspect.Signature:
    """Build what FastAPI is to inject: the connection, and each record's key."""
    from starlette.requests import HTTPConnection  # noqa: PLC0415 -- on use

    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = {"connection": inspect.Parameter("connection", keyword, annotation=HTTPConnection)}
    for leaf in find_leaves(requirement):
        resource = getattr(leaf, "resource", None)
        if resource is not None and resource.name not in parameters:
            annotation = _find_key_type(resource.load)
            made = inspect.Parameter(resource.name, keyword, annotation=annotation)
            parameters[resource.name] = made
    return inspect.Signature(list(parameters.values()))


def _find_key_type(load: Callable[[Any], Any] | None) -> Any:
    """Return the type that a loader wants its key in, as it says in its signature."""
    if load is None:
        return inspect.Parameter.empty
    for parameter in inspect.signature(load, eval_str=True).parameters.values():
        return parameter.annotation
    return inspect.Parameter.empty


def _resolve(requirement: object) -> Guard:
    return requirement if isinstance(requirement, Guard) else Guard(requirement)


async def authorize(requirement: object, **arguments: Any) -> AccessDecision:
    """Return `Allowed(principal)` or `Denied(reason)` for the request in hand.

    `requirement` is a permission, `requires(...)`, or a combination; `arguments` are what it finds
    records by, such as `resource=invoice` for `owns_resource()`.
    """
    return await _resolve(requirement).decide(arguments)


async def check(requirement: object, **arguments: Any) -> Principal:
    """Return who asks.

    Raises:
        AccessDenied: when they may not.
    """
    return await _resolve(requirement).enforce(arguments)


async def load_once(load: Callable[[Any], Any], key: object) -> Any:
    """Load a record, or return the one that a check of this request has loaded by the same key."""
    memory = find_request_access(current()).memory
    return await memory.load(build_slot(load, key), load, key)
