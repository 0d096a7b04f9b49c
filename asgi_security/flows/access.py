"""Finds out who asks and whether they may: loads principals and records, and asks users' rules.

A check is a generator that yields what must be awaited: `access_driving` runs it to its end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from asgi_security.clock import system_clock
from asgi_security.events import SecurityEvent, Severity, log_event
from asgi_security.flows.access_assurance import fill_session, read_statement
from asgi_security.flows.access_memory import build_slot, is_async
from asgi_security.policy.access import (
    Allowed,
    Denied,
    Owns,
    Truth,
    asks_permission,
    decide_ownership,
    deny,
    find_leaves,
    parse_answer,
    weigh,
)
from asgi_security.policy.access_rules import AccessConfig
from asgi_security.policy.assurance import StepUp, decide_step_up, merge_step_ups
from asgi_security.principal import Principal

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from asgi_security.clock import Clock
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
    claims: Mapping[str, Any] | None
    session: MutableMapping[str, Any] | None


class _UnknownAskerError(Exception):
    """Who asks could not be found out."""


@dataclass(slots=True)
class _Asking:
    """One check under way, and what has been answered in it."""

    facts: RequestFacts
    principal: Principal
    memory: AccessMemory
    arguments: Arguments
    waits: bool
    answers: dict[int, Truth] = field(default_factory=dict)


class Access:
    """The checks of one configuration. It holds no state of a request."""

    def __init__(
        self,
        config: AccessConfig | None = None,
        *,
        roles: Roles | None = None,
        clock: Clock = system_clock,
        events: EventSink = log_event,
    ) -> None:
        self.config = config or AccessConfig()
        self.roles = roles or self.config.roles
        self._clock = clock
        self._events = events

    def with_roles(self, roles: Roles) -> Access:
        """Return the same checks by other roles."""
        return Access(self.config, roles=roles, clock=self._clock, events=self._events)

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
        step_up = None
        if principal is not None:
            asking = _Asking(facts, principal, memory, arguments, waits)
            if (yield from self._weigh(requirement, asking)) is Truth.YES:
                return Allowed(principal)
            step_up = yield from self._find_step_up(requirement, asking)
        return self.refuse(requirement, principal, facts, hides=hides, step_up=step_up)

    def refuse(
        self,
        requirement: Requirement,
        principal: Principal | None,
        facts: RequestFacts,
        *,
        hides: bool = False,
        step_up: StepUp | None = None,
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
            step_up=step_up,
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

    def _weigh(self, requirement: Requirement, asking: _Asking) -> Steps[Truth]:
        weighing = weigh(requirement, asking.principal, self.roles)
        answer: Any = None
        while True:
            try:
                question = weighing.send(answer)
            except StopIteration as end:
                truth: Truth = end.value
                return truth
            # By identity: a user's function need not have a hash.
            answer = asking.answers.get(id(question))
            if answer is None:
                answer = yield from self._answer(question, asking)
                asking.answers[id(question)] = answer

    def _find_step_up(self, requirement: Requirement, asking: _Asking) -> Steps[StepUp | None]:
        """Return the authentication that is all there is between the principal and a yes."""
        unmet = []
        for leaf in find_leaves(requirement):
            if isinstance(leaf, StepUp):
                # Weighed or not: a client that is told of one at a time comes back for each.
                truth = yield from self._answer(leaf, asking)
                if truth is not Truth.YES:
                    unmet.append(leaf)
        if not unmet:
            return None
        asking.answers.update((id(leaf), Truth.YES) for leaf in unmet)
        truth = yield from self._weigh(requirement, asking)
        return merge_step_ups(unmet) if truth is Truth.YES else None

    def _answer(self, question: Question, asking: _Asking) -> Steps[Truth]:
        """Answer one question. Whatever raises, times out or says neither yes nor no is unknown."""
        principal = asking.principal
        try:
            if isinstance(question, StepUp):
                stated = yield from read_statement(asking.facts, principal, waits=asking.waits)
                met = decide_step_up(question, stated, now=self._clock())
                return Truth.YES if met else Truth.NO
            given: tuple[object, ...] = (principal,)
            if question.resource is not None:
                record = yield from self._find_record(question.resource, asking)
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

    def _find_record(self, resource: Resource, asking: _Asking) -> Steps[object]:
        key = asking.arguments(resource.name)
        if resource.load is None:
            return key
        slot = build_slot(resource.load, key)
        memory, waits = asking.memory, asking.waits
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
    session = yield from fill_session(facts, waits=waits)
    user = getattr(session, "user", None)  # a mapping of somebody else's has none
    return None if user is None else Principal(subject=user, via="session")
