"""Changes of an account, and what they end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from asgi_security.flows.accounts import (
    AccountChanged,
    AccountDeleted,
    AccountMissing,
    PasswordSet,
)
from asgi_security.flows.lockout import LockedOut, Unavailable
from asgi_security.flows.login import Refused, SignedIn
from asgi_security.flows.passwords import PasswordRefused
from tests.flows.account_world import BETTER, GOOD, HERE, NAME, WRONG, World
from tests.flows.test_ending import count_open, is_revoked, open_both

pytestmark = pytest.mark.anyio


class TestChangePassword:
    async def test_S31_S38_all_ends_but_what_asks(self) -> None:
        world = World()
        account = await world.add()
        for number in (1, 2, 3):
            await open_both(world.store, world.clock, account.id, number)
        world.clock.advance(1)
        outcome = await world.life.change_password(
            account, GOOD, BETTER, visit=HERE, keep_session=bytes([2]) * 32, keep_family="f3"
        )
        assert isinstance(outcome, PasswordSet)
        assert outcome.is_all_ended
        assert await world.load(account) == outcome.account
        assert outcome.account.epoch == 1
        now = world.clock.now
        assert await count_open(world.store, account.id, now) == (["s2"], ["f3"])
        assert await is_revoked(world.store, account.id, now, now)
        assert await world.login.sign_in(NAME, GOOD, visit=HERE) == Refused()
        assert isinstance(await world.login.sign_in(NAME, BETTER, visit=HERE), SignedIn)
        assert (await world.read_mail("password_changed")).recipient == NAME
        assert world.audit.actions[:2] == ["password_confirmed", "password_changed"]

    async def test_P71_E29_the_present_password_is_needed_and_counted(self) -> None:
        world = World()
        account = await world.add()
        for _ in range(5):
            outcome = await world.life.change_password(account, WRONG, BETTER, visit=HERE)
            assert outcome == Refused()
        outcome = await world.life.change_password(account, GOOD, BETTER, visit=HERE)
        assert isinstance(outcome, LockedOut)
        assert await world.load(account) == account
        assert world.passwords.hashed == 0
        assert await world.outbox.drain()
        assert not world.mailbox.messages

    @pytest.mark.parametrize(
        ("new", "codes"),
        [
            pytest.param(GOOD, ["unchanged"], id="P68 unchanged"),
            pytest.param("x", ["too_short"], id="P4 one character"),
            pytest.param("annabel@x.example", ["context"], id="P70 the name"),
            pytest.param("acmeacme2026", ["context"], id="P70 the site"),
        ],
    )
    async def test_P71_the_policy_holds(self, new: str, codes: list[str]) -> None:
        world = World()
        account = await world.add("annabel@x.example")
        outcome = await world.life.change_password(account, GOOD, new, visit=HERE)
        assert isinstance(outcome, PasswordRefused)
        assert [violation.code for violation in outcome.violations] == codes
        assert await world.load(account) == account

    async def test_who_has_no_password_cannot_change_it(self) -> None:
        world = World()
        account = await world.add(password=None)
        outcome = await world.life.change_password(account, "", BETTER, visit=HERE)
        assert outcome == Refused()

    @pytest.mark.parametrize("change", [{"epoch": 1}, {"is_active": False}, None])
    async def test_another_change_meanwhile_counts(self, change: Any) -> None:
        world = World()
        account = await world.add()
        hash_password = world.passwords.hash

        async def change_meanwhile(password: str) -> Any:
            if change is None:
                await world.store.store.accounts.delete(account.id)
            else:
                await world.store.store.accounts.save(replace(account, **change))
            return await hash_password(password)

        world.passwords.hash = change_meanwhile  # type: ignore[method-assign]
        outcome = await world.life.change_password(account, GOOD, BETTER, visit=HERE)
        assert outcome == Refused()
        stored = await world.load(account)
        assert stored == (None if change is None else replace(account, version=2, **change))

    @pytest.mark.parametrize("call", ["attempts.charge", "accounts.load", "accounts.save"])
    async def test_an_outage_changes_nothing(self, call: str) -> None:
        world = World()
        account = await world.add()
        world.store.failing[call] = 1
        outcome = await world.life.change_password(account, GOOD, BETTER, visit=HERE)
        assert outcome == Unavailable()
        assert await world.load(account) == account

    async def test_what_could_not_be_ended_is_said(self) -> None:
        world = World()
        account = await world.add()
        world.store.failing["refresh.revoke_subject"] = 2
        outcome = await world.life.change_password(account, GOOD, BETTER, visit=HERE)
        assert isinstance(outcome, PasswordSet)
        assert not outcome.is_all_ended


class TestDisable:
    async def test_P52_a_disabled_account_has_nothing_open_and_opens_nothing(self) -> None:
        world = World()
        account = await world.add()
        await open_both(world.store, world.clock, account.id, 1)
        outcome = await world.life.disable(account.id, actor="admin-1", visit=HERE)
        assert isinstance(outcome, AccountChanged)
        stored = await world.load(account)
        assert stored == outcome.account
        assert (stored.is_active, stored.epoch) == (False, 1)
        assert await count_open(world.store, account.id, world.clock.now) == ([], [])
        assert await is_revoked(world.store, account.id, world.clock.now, world.clock.now)
        assert await world.login.sign_in(NAME, GOOD, visit=HERE) == Refused()
        entry = world.audit.entries[0]
        assert (entry.action, entry.actor, entry.target) == (
            *("account_disabled", "admin-1"),
            account.id,
        )

    async def test_P52_its_owner_may_do_it(self) -> None:
        world = World()
        account = await world.add()
        await world.life.disable(account.id)
        assert world.audit.entries[0].actor == account.id

    async def test_it_can_be_done_again(self) -> None:
        world = World()
        account = await world.add()
        world.store.failing["sessions.delete_for"] = 2
        assert await world.life.disable(account.id, visit=HERE) == Unavailable()
        stored = await world.load(account)
        assert stored is not None
        assert not stored.is_active
        outcome = await world.life.disable(account.id, visit=HERE)
        assert isinstance(outcome, AccountChanged)
        assert outcome.account.epoch == 1

    async def test_enabled_again_it_signs_in_and_what_was_ended_stays_so(self) -> None:
        world = World()
        account = await world.add()
        await open_both(world.store, world.clock, account.id, 1)
        await world.life.disable(account.id, visit=HERE)
        outcome = await world.life.enable(account.id, actor="admin-1", visit=HERE)
        assert isinstance(outcome, AccountChanged)
        assert (outcome.account.is_active, outcome.account.epoch) == (True, 1)
        assert await count_open(world.store, account.id, world.clock.now) == ([], [])
        assert isinstance(await world.login.sign_in(NAME, GOOD, visit=HERE), SignedIn)
        assert "account_enabled" in world.audit.actions

    async def test_nobody_and_nothing(self) -> None:
        world = World()
        assert await world.life.disable("id-none", visit=HERE) == AccountMissing()
        assert await world.life.enable("id-none", visit=HERE) == AccountMissing()
        assert await world.life.delete("id-none", visit=HERE) == AccountMissing()
        assert not world.audit.entries

    async def test_an_outage_is_unavailable(self) -> None:
        world = World()
        account = await world.add()
        world.store.failing["accounts.save"] = 3
        assert await world.life.disable(account.id, visit=HERE) == Unavailable()
        assert await world.life.enable(account.id, visit=HERE) == Unavailable()
        assert await world.life.delete(account.id, visit=HERE) == Unavailable()
        assert await world.load(account) == account


class TestDelete:
    async def test_P52_nothing_is_left(self) -> None:
        world = World()
        account = await world.add()
        await open_both(world.store, world.clock, account.id, 1)
        assert await world.life.delete(account.id, actor="admin-1", visit=HERE) == AccountDeleted()
        assert await world.load(account) is None
        assert await count_open(world.store, account.id, world.clock.now) == ([], [])
        assert await world.login.sign_in(NAME, GOOD, visit=HERE) == Refused()
        assert world.audit.actions[:2] == ["account_disabled", "account_deleted"]
        assert await world.life.delete(account.id, visit=HERE) == AccountMissing()

    @pytest.mark.parametrize("call", ["accounts.delete", "sessions.delete_for"])
    async def test_a_delete_that_failed_is_completed_by_the_next(self, call: str) -> None:
        world = World()
        account = await world.add()
        world.store.failing[call] = 2
        assert await world.life.delete(account.id, visit=HERE) == Unavailable()
        stored = await world.load(account)
        assert stored is not None
        assert not stored.is_active
        world.store.failing.clear()
        assert await world.life.delete(account.id, visit=HERE) == AccountDeleted()
