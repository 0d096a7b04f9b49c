"""How attempts end, and what is written down of them."""

from __future__ import annotations

from typing import Any

import pytest

from asgi_security.events import Severity
from asgi_security.flows.auditing import Reporter
from asgi_security.flows.lockout import LockedOut, Unavailable
from asgi_security.flows.login_outcomes import BUSY, Refused
from asgi_security.flows.login_settling import LoginSettler, count_failures
from asgi_security.flows.login_verifying import Undecided, Wrong
from asgi_security.policy.lockout import LockoutRules
from asgi_security.policy.login import LoginConfig
from asgi_security.storage.protocols import Admitted, Busy, Outcome
from tests.flows.account_world import HERE, NAME, World

pytestmark = pytest.mark.anyio


def make(world: World, **fields: Any) -> LoginSettler:
    reporter = Reporter(world.events, world.audit)
    return LoginSettler(LoginConfig(**fields), world.lockout, reporter, "sign_in_refused")


async def begin(world: World) -> Admitted:
    begun = await world.lockout.begin(account=NAME, client=HERE.client)
    assert isinstance(begun, Admitted)
    return begun


async def test_what_was_not_admitted_is_answered_and_written_down() -> None:
    world = World()
    account = await world.add()
    settler = make(world)
    assert await settler.turn_away(Busy(), HERE) == BUSY
    assert await settler.turn_away(LockedOut(7), HERE, account) == LockedOut(7)
    assert await settler.turn_away(Unavailable(), HERE) == Unavailable()
    assert [(entry.details["reason"], entry.target) for entry in world.audit.entries] == [
        ("busy", None),
        ("locked_out", account.id),
    ]


async def test_F92_a_refusal_carries_its_reason_to_the_audit_log_only() -> None:
    world = World()
    account = await world.add(tenant="acme")
    outcome = await make(world).refuse(await begin(world), Wrong("wrong_password", account), HERE)
    assert outcome == Refused()
    (entry,) = world.audit.entries
    assert (entry.action, entry.outcome, entry.target) == (
        *("sign_in_refused", "refused"),
        account.id,
    )
    assert (entry.tenant, entry.actor, entry.request_id) == ("acme", None, "r-1")
    assert entry.details == {"reason": "wrong_password", "locked": False}
    (event,) = world.events.events
    assert event.severity is Severity.WARNING
    assert (await world.status()).failures == 1
    (record,) = await world.store.store.attempts.history()
    assert (record.user_agent, record.outcome) == ("Browser/1", "failure")


@pytest.mark.parametrize("key", ["account", "client"])
async def test_F101_the_failure_that_locks_is_marked_once(key: str) -> None:
    threshold = 2 if key == "client" else 1000
    world = World(
        lockout={"client_rules": LockoutRules(threshold=threshold), "threshold": 3}
        if key == "account"
        else {"client_rules": LockoutRules(threshold=threshold)}
    )
    settler = make(world)
    marks = []
    for _ in range(3 if key == "account" else 2):
        await settler.refuse(await begin(world), Wrong("unknown_name", None), HERE)
        marks.append(world.audit.entries[-1].details["locked"])
    assert marks[-1] is True
    assert not any(marks[:-1])


async def test_E19_what_nobody_knows_is_given_back() -> None:
    world = World()
    assert await make(world).refuse(await begin(world), Undecided(), HERE) == Unavailable()
    assert (await world.status()).failures == 0
    assert not world.audit.entries


async def test_F94_who_is_kept_out_pays_nothing() -> None:
    world = World()
    account = await world.add()
    for reveal, obstacle, outcome in (
        (False, "unverified", Refused()),
        (True, "inactive", Refused()),
        (True, "unverified", Refused(is_unverified=True)),
    ):
        settler = make(world, reveal_unverified=reveal)
        assert await settler.keep_out(await begin(world), account, obstacle, HERE) == outcome
        details = world.audit.entries[-1].details
        assert details == {"reason": obstacle, "locked": False}
    assert (await world.status()).failures == 0


async def test_F101_failures_of_the_account_are_counted_and_not_those_of_the_address() -> None:
    world = World()
    settler = make(world)
    for _ in range(3):
        await settler.settle(await begin(world), Outcome.FAILURE, HERE)
    other = await world.lockout.begin(account="bob@example.com", client=HERE.client)
    assert isinstance(other, Admitted)
    await settler.settle(other, Outcome.FAILURE, HERE)
    admitted = await begin(world)
    settled = await settler.settle(admitted, Outcome.SUCCESS, HERE)
    assert count_failures(admitted, settled) == 3
    assert count_failures(admitted, None) == 0


async def test_addresses_are_kept_where_the_lockout_says_so() -> None:
    world = World(lockout={"keep_raw_addresses": True})
    await make(world).settle(await begin(world), Outcome.FAILURE, HERE)
    (record,) = await world.store.store.attempts.history()
    assert record.address == HERE.client
