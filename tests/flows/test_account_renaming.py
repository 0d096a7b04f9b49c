"""A login name changes when the password and then the new address have proven who it is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from asgi_security.flows.accounts import (
    Accepted,
    AddressVerified,
    NameRefused,
    Throttled,
    TokenRefused,
)
from asgi_security.flows.lockout import LockedOut, Unavailable
from asgi_security.flows.login import Refused, SignedIn
from tests.flows.account_world import BETTER, GOOD, HERE, NAME, WRONG, World
from tests.flows.test_ending import count_open, is_revoked, open_both

if TYPE_CHECKING:
    from asgi_security.flows.sending import Message
    from asgi_security.storage.protocols import Account

pytestmark = pytest.mark.anyio

NEW, TAKEN = "ann@new.example", "bob@example.com"


async def ask(world: World, account: Account, name: str = NEW, password: str = GOOD) -> object:
    return await world.life.change_name(account, password, name, visit=HERE)


async def ask_for_mail(world: World, account: Account, name: str = NEW) -> Message:
    assert await ask(world, account, name) == Accepted()
    return await world.read_mail("rename")


async def confirm(world: World, message: Message) -> object:
    assert message.token is not None
    return await world.life.verify(message.token, visit=HERE)


class TestAsking:
    async def test_P51_the_new_address_is_mailed_and_nothing_changes(self) -> None:
        world = World()
        account = await world.add()
        message = await ask_for_mail(world, account, " Ann@NEW.example")
        assert (message.recipient, message.account) == (NEW, account.id)
        assert message.link == f"https://app.acme.example/verify?token={message.token}"
        assert message.lifetime_seconds == 3600
        assert await world.load(account) == account
        assert world.audit.actions == ["password_confirmed", "name_change_requested"]
        assert NEW not in str(world.events.events) + str(world.audit.entries)

    async def test_P51_a_taken_name_is_answered_alike_after_the_same_work(self) -> None:
        world = World()
        account = await world.add()
        await world.add(TAKEN)
        free = await ask(world, account)
        work = world.take_work()
        await world.read_mail("rename")
        taken = await ask(world, account, TAKEN)
        assert free == taken == Accepted()
        assert work == world.take_work()
        message = await world.read_mail("name_taken")
        assert (message.recipient, message.token, message.link) == (TAKEN, None, None)

    async def test_P51_E29_the_present_password_is_needed_and_counted(self) -> None:
        world = World()
        account = await world.add()
        for _ in range(5):
            assert await ask(world, account, password=WRONG) == Refused()
        assert isinstance(await ask(world, account), LockedOut)
        assert await world.outbox.drain()
        assert not world.mailbox.messages

    @pytest.mark.parametrize(
        "name", ["", "ann", NAME, NAME.upper(), "a@b.example,c@d.example", "a@b.example\r\nBcc: c"]
    )
    async def test_P51_what_is_no_name_or_no_new_one(self, name: str) -> None:
        world = World()
        assert await ask(world, await world.add(), name) == NameRefused()
        assert world.passwords.verified == []

    async def test_P51_an_unverified_account_verifies_its_first_name_first(self) -> None:
        world = World()
        assert await ask(world, await world.add(is_verified=False)) == Refused()

    async def test_who_has_no_password_cannot_change_it(self) -> None:
        world = World()
        assert await ask(world, await world.add(password=None)) == Refused()

    async def test_messages_are_counted(self) -> None:
        world = World(quota=2)
        account = await world.add()
        assert await ask(world, account) == await ask(world, account) == Accepted()
        assert isinstance(await ask(world, account), Throttled)

    @pytest.mark.parametrize("call", ["attempts.charge", "accounts.find", "once.put"])
    async def test_an_outage_changes_nothing(self, call: str) -> None:
        world = World()
        account = await world.add()
        world.store.failing[call] = 1
        assert await ask(world, account) == Unavailable()
        assert await world.outbox.drain()
        assert not world.mailbox.messages


class TestConfirming:
    async def test_P51_S38_the_name_changes_and_all_ends(self) -> None:
        world = World()
        account = await world.add()
        message = await ask_for_mail(world, account)
        for number in (1, 2):
            await open_both(world.store, world.clock, account.id, number)
        world.clock.advance(1)
        outcome = await confirm(world, message)
        assert isinstance(outcome, AddressVerified)
        stored = await world.load(account)
        assert stored == outcome.account
        assert (stored.name, stored.epoch, stored.is_verified) == (NEW, 1, True)
        now = world.clock.now
        assert await count_open(world.store, account.id, now) == ([], [])
        assert await is_revoked(world.store, account.id, now, now)
        assert await world.login.sign_in(NAME, GOOD, visit=HERE) == Refused()
        assert isinstance(await world.login.sign_in(NEW, GOOD, visit=HERE), SignedIn)
        notice = await world.read_mail("name_changed")
        assert (notice.recipient, notice.token) == (NAME, None)
        entry = next(one for one in world.audit.entries if one.action == "name_changed")
        assert (entry.actor, entry.target) == (account.id, account.id)
        assert entry.details == {"all_ended": True}

    async def test_P51_the_token_is_good_once_and_for_an_hour(self) -> None:
        world = World()
        account = await world.add()
        message = await ask_for_mail(world, account)
        assert isinstance(await confirm(world, message), AddressVerified)
        await world.outbox.drain()
        assert await confirm(world, message) == TokenRefused()
        changed = await world.load(account)
        assert changed is not None
        late = await ask_for_mail(world, changed, "third@example.com")
        world.clock.advance(3600)
        assert await confirm(world, late) == TokenRefused()

    async def test_P51_who_takes_the_name_first_has_it(self) -> None:
        world = World()
        account = await world.add()
        message = await ask_for_mail(world, account)
        await world.add(NEW)
        assert await confirm(world, message) == TokenRefused()
        assert await world.load(account) == account

    async def test_P51_a_token_for_a_taken_name_is_nobodys(self) -> None:
        world = World()
        account, owner = await world.add(), await world.add(TAKEN)
        await ask(world, account, TAKEN)
        await world.read_mail("name_taken")
        assert await world.load(account) == account
        assert await world.load(owner) == owner

    async def test_P51_100_accounts_want_one_name_and_1_gets_it(self) -> None:
        world = World()
        accounts = [await world.add(f"user{number}@example.com") for number in range(100)]
        renaming = world.life._renaming
        tokens = [await renaming._tokens.issue(account, name=NEW) for account in accounts]
        outcomes: list[object] = []

        async def run(token: str) -> None:
            outcomes.append(await world.life.verify(token, visit=HERE))

        async with anyio.create_task_group() as group:
            for token in tokens:
                group.start_soon(run, token)
        assert sum(isinstance(outcome, AddressVerified) for outcome in outcomes) == 1
        assert sum(outcome == TokenRefused() for outcome in outcomes) == 99

    async def test_P51_a_changed_password_kills_the_token(self) -> None:
        world = World()
        account = await world.add()
        message = await ask_for_mail(world, account)
        await world.life.change_password(account, GOOD, BETTER, visit=HERE)
        assert await confirm(world, message) == TokenRefused()

    @pytest.mark.parametrize("change", [{"is_active": False}, None])
    async def test_an_account_that_is_closed_keeps_its_name(self, change: Any) -> None:
        world = World()
        account = await world.add()
        message = await ask_for_mail(world, account)
        if change is None:
            await world.store.store.accounts.delete(account.id)
        else:
            await world.store.store.accounts.save(replace(account, **change))
        assert await confirm(world, message) == TokenRefused()

    async def test_a_mailed_verification_gives_no_name(self) -> None:
        world = World()
        account = await world.add()
        token = await world.life._renaming._tokens.issue(account)
        assert await world.life.verify(token, visit=HERE) == TokenRefused()

    @pytest.mark.parametrize("call", ["once.take", "accounts.load", "accounts.save"])
    async def test_an_outage_changes_nothing(self, call: str) -> None:
        world = World()
        account = await world.add()
        message = await ask_for_mail(world, account)
        world.store.failing[call] = 1
        assert await confirm(world, message) == Unavailable()
        assert await world.load(account) == account

    async def test_what_could_not_be_ended_is_recorded(self) -> None:
        world = World()
        account = await world.add()
        message = await ask_for_mail(world, account)
        world.store.failing["sessions.delete_for"] = 2
        assert isinstance(await confirm(world, message), AddressVerified)
        entry = next(one for one in world.audit.entries if one.action == "name_changed")
        assert entry.details == {"all_ended": False}
