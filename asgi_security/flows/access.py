"""Finds out who asks and whether they may: loads principals and records, and asks users' rules.

A check is a generator that yields what must be awaited: `access_driving` runs it to its end.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from asgi_security.events import SecurityEvent, Severity, log_event
from asgi_security.flows.access_memory import build_slot, is_async
from asgi_security.policy.access import (
    Allowed,
    Denied,
    Owns,
    Truth,
    asks_permission,
    decide_ownership,
    deny,
    parse_answer,
    weigh,
)
from asgi_security.policy.access_rules import AccessConfig
from asgi_security.principal import Principal

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from asgi_security.events import EventSink
    from asgi_security.flows.access_driving import Steps
    from asgi_security.flows.access_memory import AccessMemory
    from asgi_security.policy.access import AccessDecision, Question, Requirement, Resource
    from asgi_security.policy.access_roles import Roles

Arguments: TypeAlias = Callable[[str], object]
"""Finds an argument by name.

Raises:
    KeyError: where there is none of that name.
"""


class RequestFacts(Protocol):
    """What is read of a request's context."""

    principal: Principal | None
    session: MutableMapping[str, Any] | None


class _UnknownAskerError(Exception):
    """Who asks could not be found out."""


class Access:
    """The checks of one configuration. It holds no state of a request."""

    def __init__(
        self,
        config: AccessConfig | None = None,
        *,
        roles: Roles | None = None,
        events: EventSink = log_event,
    ) -> None:
        self.config = config or AccessConfig()
        self.roles = roles or self.config.roles
        self._events = events

    def with_roles(self, roles: Roles) -> Access:
        """Return the same checks by other roles."""
        return Access(self.config, roles=roles, events=self._events)

    def check(
        self,
        requirement: Requirement,
        facts: RequestFacts,
        memory: AccessMemory,
        arguments: Arguments,
        *,
        hides: bool = False,
        waits: bool = True,
    ) -> Steps[AccessDecision]:
        """Check one requirement.

        Args:
            hides: deny with "hidden" whatever the requirement says.
            waits: whether `run` drives this, and not `run_now`.

        Raises:
            RuntimeError: where a permission is required and nobody has said what roles grant.
        """
        if self.roles is None and asks_permission(requirement):
            raise RuntimeError(
                "a permission is required, but no roles are known here; add AccessMiddleware "
                "with AccessConfig(roles=...), or write requires(..., registry=...)"
            )
        try:
            principal = yield from self.find_principal(facts, memory, waits=waits)
        except _UnknownAskerError:
            return Denied("unavailable")
        if principal is not None:
            truth = yield from self._weigh(requirement, principal, memory, arguments, waits=waits)
            if truth is Truth.YES:
                return Allowed(principal)
        return self.refuse(requirement, principal, facts, hides=hides)

    def refuse(
        self,
        requirement: Requirement,
        principal: Principal | None,
        facts: RequestFacts,
        *,
        hides: bool = False,
    ) -> Denied:
        """Return the denial, and report it."""
        config = self.config
        denied = deny(
            requirement,
            principal,
            self.roles,
            bears_tokens=config.realm is not None or facts.session is None,
            realm=config.realm or "api",
            hides=hides or config.hide_existence,
        )
        # Safe to log because the names missing are written in the app's code.
        self._report("access_denied", Severity.INFO, reason=denied.reason, missing=denied.missing)
        return denied

    def find_principal(
        self, facts: RequestFacts, memory: AccessMemory, *, waits: bool = True
    ) -> Steps[Principal | None]:
        """Find who asks, once per request and subject: a token's, or else the session's user."""
        found = facts.principal
        try:
            if found is None:
                found = yield from _find_session_user(facts, waits=waits)
            if found is None:
                return None
            load = self.config.load_principal
            if load is None or memory.resolved == (load, id(found)):
                return found
            slot = (load, found.via, found.subject)
            loaded = yield from self._load_once(memory, slot, load, found, waits=waits)
        except Exception as error:  # a user's function, or a store
            self._fail("principal_load_failed", error)
            raise _UnknownAskerError from error
        if loaded is not None and not isinstance(loaded, Principal):
            self._fail("principal_load_failed", TypeError())
            raise _UnknownAskerError
        # What has been loaded stands in the context from now on, and must not be loaded again.
        memory.resolved = (load, id(loaded))
        self._report_unknown_roles(loaded, memory)
        return loaded

    def _report_unknown_roles(self, principal: Principal | None, memory: AccessMemory) -> None:
        if principal is None or self.roles is None:
            return
        unknown = self.roles.find_unknown_roles(principal.roles)
        if unknown and memory.note("unknown_role"):
            self._report("unknown_role", Severity.WARNING, count=len(unknown))

    def _weigh(
        self,
        requirement: Requirement,
        principal: Principal,
        memory: AccessMemory,
        arguments: Arguments,
        *,
        waits: bool,
    ) -> Steps[Truth]:
        weighing = weigh(requirement, principal, self.roles)
        answer: Any = None
        while True:
            try:
                question = weighing.send(answer)
            except StopIteration as end:
                truth: Truth = end.value
                return truth
            answer = yield from self._answer(question, principal, memory, arguments, waits=waits)

    def _answer(
        self,
        question: Question,
        principal: Principal,
        memory: AccessMemory,
        arguments: Arguments,
        *,
        waits: bool,
    ) -> Steps[Truth]:
        """Answer one question. Whatever raises, times out or says neither yes nor no is unknown."""
        try:
            given: tuple[object, ...] = (principal,)
            if question.resource is not None:
                record = yield from self._find_record(
                    question.resource, memory, arguments, waits=waits
                )
                if record is None:
                    return Truth.UNKNOWN
                given = (principal, record)
            if isinstance(question, Owns):
                return decide_ownership(question, given[1], principal)
            said = question.predicate(*given)
            if isawaitable(said):
                said = yield said
        except Exception as error:  # noqa: BLE001 -- users' functions, on a request of anyone's
            self._fail("access_rule_failed", error)
            return Truth.UNKNOWN
        truth = parse_answer(said)
        if truth is Truth.UNKNOWN:
            self._fail("access_rule_failed", TypeError())
        return truth

    def _find_record(
        self, resource: Resource, memory: AccessMemory, arguments: Arguments, *, waits: bool
    ) -> Steps[object]:
        key = arguments(resource.name)
        if resource.load is None:
            return key
        slot = build_slot(resource.load, key)
        return (yield from self._load_once(memory, slot, resource.load, key, waits=waits))

    def _load_once(
        self,
        memory: AccessMemory,
        slot: tuple[object, ...],
        load: Callable[[Any], Any],
        key: object,
        *,
        waits: bool,
    ) -> Steps[Any]:
        if not waits and not is_async(load):
            return memory.load_now(slot, load, key)
        return (yield memory.load(slot, load, key))

    def _fail(self, name: str, error: Exception) -> None:
        # Safe to log because a type's name says nothing of the record or the principal.
        self._report(name, Severity.ERROR, error=type(error).__name__)

    def _report(self, name: str, severity: Severity, **facts: Any) -> None:
        self._events(SecurityEvent(name=name, severity=severity, facts=facts))


def _find_session_user(facts: RequestFacts, *, waits: bool) -> Steps[Principal | None]:
    session: Any = facts.session
    if session is None:
        return None
    if waits and not getattr(session, "is_filled", True):
        yield session.load()
    user = getattr(session, "user", None)  # a mapping of somebody else's has none
    return None if user is None else Principal(subject=user, via="session")
