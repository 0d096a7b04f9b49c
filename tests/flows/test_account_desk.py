"""What is done alike in all flows of an account's life."""

from __future__ import annotations

from typing import Any

import pytest

from asgi_security.flows.account_desk import AccountDesk, find_mail_address
from asgi_security.flows.account_outcomes import Throttled
from asgi_security.flows.account_records import AccountRecords
from asgi_security.flows.auditing import Reporter
from asgi_security.flows.lockout import Unavailable
from asgi_security.flows.sending import Message
from asgi_security.flows.visits import Visit
from asgi_security.storage.protocols import Account
from tests.flows.account_world import HERE, NAME, World
from tests.flows.test_ending import open_both

pytestmark = pytest.mark.anyio

ANN = Account(id="id-1", name=NAME, tenant="acme", data=b'{"family_name": "Smith"}')


def make(world: World, **fields: Any) -> AccountDesk:
    given = {
        "config": world.life.config,
        "store": world.store,
        "records": AccountRecords(world.store, timeout_seconds=20),
        "passwords": world.passwords,
        "throttle": world.throttle,
        "outbox": world.outbox,
        "find_recipient": find_mail_address,
        "reporter": Reporter(world.events, world.audit),
        "clock": world.clock,
        **fields,
    }
    return AccountDesk(**given)


async def test_T54_mail_is_counted_by_recipient_and_address() -> None:
    world = World(quota=1)
    desk = make(world)
    assert await desk.admit(NAME, HERE) is None
    elsewhere = Visit(client="198.51.100.1")
    assert await desk.admit("bob@example.com", HERE) == Throttled(3600)
    assert await desk.admit(NAME, elsewhere) == Throttled(3600)
    assert await desk.admit("bob@example.com", Visit(client="198.51.100.2")) is None
    world.store.failing["throttles.take"] = 1
    assert await desk.admit(NAME, HERE) == Unavailable()


async def test_a_message_goes_where_the_account_is_written_to() -> None:
    world = World()
    desk = make(world, find_recipient=lambda _: "post@example.org")
    desk.post("reset", ANN, token="t", path="/reset", lifetime_seconds=60)
    assert await world.read_mail("reset") == Message(
        kind="reset",
        recipient="post@example.org",
        account="id-1",
        token="t",
        link="https://app.acme.example/reset?token=t",
        lifetime_seconds=60,
    )
    desk.post("note", ANN)
    assert (await world.read_mail("note")).link is None


@pytest.mark.parametrize(("account", "recipient"), [(None, NAME), (ANN, None)])
async def test_nobody_is_sent_nothing(account: Account | None, recipient: str | None) -> None:
    world = World()
    make(world, find_recipient=lambda _: recipient).post("reset", account, token="t", path="/x")
    assert await world.outbox.drain()
    assert not world.mailbox.messages


def test_find_mail_address_is_the_name() -> None:
    assert find_mail_address(ANN) == NAME


async def test_P70_the_words_of_an_account() -> None:
    assert make(World()).collect_context(ANN) == (NAME, "app.acme.example", "Smith")


async def test_ending_tells_how_much_or_that_it_failed() -> None:
    world = World()
    desk = make(world)
    await open_both(world.store, world.clock, "id-1", 1)
    assert await desk.end_all("id-1")
    (event,) = world.events.events
    assert event.name == "everything_ended"
    assert event.facts == {"account": "id-1", "sessions": 1, "families": 1}
    world.store.failing["revocations.revoke_subject"] = 2
    assert not await desk.end_all("id-1")
    assert world.events.names[-1] == "ending_failed"


async def test_a_record_names_ids_and_the_tenant_only() -> None:
    world = World()
    await make(world).record("account_seen", ANN, HERE, actor="id-2", extra=1)
    await make(world).record("account_seen", None, HERE)
    first, second = world.audit.entries
    assert (first.actor, first.target, first.tenant) == ("id-2", "id-1", "acme")
    assert (first.request_id, first.details) == ("r-1", {"extra": 1})
    assert (second.actor, second.target, second.tenant) == (None, None, None)
