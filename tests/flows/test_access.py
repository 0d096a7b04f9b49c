from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from asgi_security.errors import StorageError
from asgi_security.flows.access import Access
from asgi_security.flows.access_driving import run, run_now
from asgi_security.flows.access_memory import AccessMemory
from asgi_security.policy.access import (
    Allowed,
    Authenticated,
    Denied,
    Holds,
    Not,
    Owns,
    Resource,
    Satisfies,
)
from asgi_security.policy.access_roles import Roles
from asgi_security.policy.access_rules import AccessConfig
from asgi_security.principal import Principal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from asgi_security.testing import EventRecorder

pytestmark = pytest.mark.anyio

ROLES = Roles({"clerk": ["invoice:read"]})
CLERK = Principal(subject="1", via="jwt", roles=frozenset({"clerk"}))
READ = Holds("permission", "invoice:read")


@dataclass
class Facts:
    """Stands for a request's context."""

    principal: Principal | None = None
    session: Any = None
    claims: Mapping[str, Any] | None = None


class Session(dict[str, Any]):
    """A session that a store loads."""

    def __init__(self, user: str | None, error: Exception | None = None) -> None:
        super().__init__()
        self._user, self._error = user, error
        self.is_filled = False

    async def load(self) -> None:
        if self._error:
            raise self._error
        self.is_filled = True

    @property
    def user(self) -> str | None:
        if not self.is_filled:
            raise RuntimeError("not loaded")
        return self._user


async def decide(
    access: Access, requirement: Any, facts: Facts, memory: AccessMemory | None = None, **given: Any
) -> Any:
    steps = access.check(requirement, facts, memory or AccessMemory(), given.__getitem__)
    return await run(steps, timeout_seconds=1)


def decide_now(access: Access, requirement: Any, facts: Facts, **given: Any) -> Any:
    steps = access.check(requirement, facts, AccessMemory(), given.__getitem__, waits=False)
    return run_now(steps, timeout_seconds=1)


async def test_Z108_who_asks_and_whether_they_may(events: EventRecorder) -> None:
    access = Access(AccessConfig(roles=ROLES), events=events)
    assert await decide(access, READ, Facts(CLERK)) == Allowed(CLERK)
    assert decide_now(access, READ, Facts(CLERK)) == Allowed(CLERK)
    anonymous = Denied("anonymous", (), 'Bearer realm="api"')
    assert await decide(access, READ, Facts()) == anonymous
    assert (await decide(access, Not(READ), Facts(CLERK))).reason == "forbidden"
    assert events.names == ["access_denied"] * 2


async def test_Z108_the_challenge_fits_what_can_authenticate(events: EventRecorder) -> None:
    by_cookie = Access(AccessConfig(), events=events)
    assert (await decide(by_cookie, Authenticated(), Facts(session={}))).challenge is None
    both = Access(AccessConfig(realm="app"), events=events)
    denied = await decide(both, Authenticated(), Facts(session={}))
    assert denied.challenge == 'Bearer realm="app"'


async def test_Y105_a_permission_needs_roles_to_grant_it() -> None:
    with pytest.raises(RuntimeError, match="AccessMiddleware"):
        await decide(Access(), READ, Facts(CLERK))
    assert await decide(Access().with_roles(ROLES), READ, Facts(CLERK)) == Allowed(CLERK)


async def test_Z113_a_session_user_is_a_principal(events: EventRecorder) -> None:
    access = Access(events=events)
    allowed = await decide(access, Authenticated(), Facts(session=Session("7")))
    assert allowed == Allowed(Principal(subject="7", via="session"))
    assert (
        await decide(access, Authenticated(), Facts(session=Session(None)))
    ).reason == "anonymous"
    assert await decide(access, Authenticated(), Facts(CLERK, Session("7"))) == Allowed(CLERK)


async def test_an_outage_is_no_denial_and_no_entry(events: EventRecorder) -> None:
    access = Access(events=events)
    down = Facts(session=Session("7", StorageError("redis://secret")))
    assert await decide(access, Authenticated(), down) == Denied("unavailable")
    unread = Facts(session=Session("7"))
    assert decide_now(access, Authenticated(), unread) == Denied("unavailable")
    assert [event.facts for event in events.events] == [
        {"error": "StorageError"},
        {"error": "RuntimeError"},
    ]


@pytest.mark.parametrize("how", [decide, decide_now])
async def test_Z113_the_loader_gives_roles_once(
    how: Callable[..., Any], events: EventRecorder
) -> None:
    loads = []

    def load(found: Principal) -> Principal:
        loads.append(found)
        return replace(found, via="loaded", roles=frozenset({"clerk", "unheard"}))

    access = Access(AccessConfig(roles=ROLES, load_principal=load), events=events)
    facts, memory = Facts(Principal(subject="1", via="jwt")), AccessMemory()
    no_arguments: dict[str, object] = {}
    for _ in range(2):
        steps = access.check(READ, facts, memory, no_arguments.__getitem__, waits=how is decide)
        if how is decide:
            decision = await run(steps, timeout_seconds=1)
        else:
            decision = run_now(steps, timeout_seconds=1)
        assert isinstance(decision, Allowed)
        facts.principal = decision.principal  # as the middleware does
    assert len(loads) == 1
    assert [(event.name, event.facts) for event in events.events] == [
        ("unknown_role", {"count": 1})
    ]


@pytest.mark.parametrize("loaded", ["admin", 7])
async def test_a_loader_that_gives_no_principal_has_failed(
    loaded: Any, events: EventRecorder
) -> None:
    access = Access(AccessConfig(load_principal=lambda _: loaded), events=events)
    assert await decide(access, Authenticated(), Facts(CLERK)) == Denied("unavailable")
    assert events.names == ["principal_load_failed"]


async def test_Z110_rules_that_fail_deny_and_are_reported(events: EventRecorder) -> None:
    access = Access(events=events)

    async def no_answer(who: Principal) -> str:
        return "yes"

    for rule, error in [(lambda _: 1 / 0, "ZeroDivisionError"), (no_answer, "TypeError")]:
        events.events.clear()
        for requirement in (Satisfies(rule), Not(Satisfies(rule))):
            assert isinstance(await decide(access, requirement, Facts(CLERK)), Denied)
        failed = [event.facts for event in events.events if event.name == "access_rule_failed"]
        assert failed == [{"error": error}] * 2


async def test_Y106_records_come_from_arguments_and_loaders(events: EventRecorder) -> None:
    access = Access(events=events)

    async def load(key: int) -> object:
        return {1: {"owner_id": "1"}, 2: {"owner_id": "2"}}.get(key)

    given, loaded = Resource("r"), Resource("r", load)
    plain = Resource("r", {1: {"owner_id": "1"}}.get)
    assert await decide(
        access, Owns("owner_id", given), Facts(CLERK), r={"owner_id": "1"}
    ) == Allowed(CLERK)
    assert await decide(access, Owns("owner_id", loaded), Facts(CLERK), r=1) == Allowed(CLERK)
    assert decide_now(access, Owns("owner_id", plain), Facts(CLERK), r=1) == Allowed(CLERK)
    for key in (2, 3):
        denied = await decide(access, Owns("owner_id", loaded), Facts(CLERK), r=key)
        assert denied == Denied("hidden")
    assert events.names == ["access_denied"] * 2  # a missing record is nobody's failure
