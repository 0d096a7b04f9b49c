"""The way back to an account: for its mailbox only, and alike for every name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from asgi_security.flows.accounts import Accepted, PasswordSet, Throttled, TokenRefused
from asgi_security.flows.lockout import LockedOut, Unavailable
from asgi_security.flows.login import REAUTHENTICATION, Refused, SignedIn
from asgi_security.flows.passwords import PasswordRefused
from asgi_security.storage.protocols import Admitted, Outcome
from tests.flows.account_world import BETTER, GOOD, HERE, NAME, WRONG, World
from tests.flows.test_ending import count_open, is_revoked, open_both

if TYPE_CHECKING:
    from asgi_security.storage.protocols import Account

pytestmark = pytest.mark.anyio


async def ask(world: World, name: str = NAME) -> str:
    """Ask for a reset, and return the token that was mailed."""
    assert await world.life.request_reset(name, visit=HERE) == Accepted()
    return (await world.read_mail("reset")).token or ""


class TestRequest:
    async def test_P51_the_owner_is_mailed_a_link_to_the_configured_site(self) -> None:
        world = World()
        account = await world.add()
        assert await world.life.request_reset(" ANN@example.com", visit=HERE) == Accepted()
        message = await world.read_mail("reset")
        assert (message.recipient, message.account) == (NAME, account.id)
        assert message.link == f"https://app.acme.example/reset-password?token={message.token}"
        assert message.lifetime_seconds == 3600
        assert world.audit.actions == ["reset_requested"]

    @pytest.mark.parametrize(
        ("fields", "is_sent"),
        [
            pytest.param({}, True, id="P51 known"),
            pytest.param({"is_verified": False}, True, id="P51 unverified"),
            pytest.param(None, False, id="P51 unknown"),
            pytest.param({"is_active": False}, False, id="P51 disabled"),
            pytest.param({"password": None}, True, id="password-less, verified"),
            pytest.param({"password": None, "is_verified": False}, False, id="never proven"),
        ],
    )
    async def test_P51_T54_the_same_work_for_every_name(
        self, fields: Any, *, is_sent: bool
    ) -> None:
        world = World()
        if fields is not None:
            await world.add(**fields)
        assert await world.life.request_reset(NAME, visit=HERE) == Accepted()
        assert not world.mailbox.messages  # nothing is sent before the answer
        assert world.take_work() == (
            ["throttles.take", "throttles.take", "accounts.find", "once.put"],
            *(0, 0, 1),
        )
        assert await world.outbox.drain()
        assert [message.kind for message in world.mailbox.messages] == ["reset"] * is_sent

    async def test_mail_goes_to_the_stored_address_and_not_to_what_was_typed(self) -> None:
        world = World()
        await world.add("mike@example.com")
        # The Kelvin sign folds to k: typed, it may be another mailbox.
        await world.life.request_reset("mi\u212ae@example.com", visit=HERE)
        assert (await world.read_mail("reset")).recipient == "mike@example.com"

    @pytest.mark.parametrize("name", ["", "x" * 400, "a\0b", "\ud800"])
    async def test_any_text_is_accepted(self, name: str) -> None:
        world = World()
        assert await world.life.request_reset(name, visit=HERE) == Accepted()
        assert await world.outbox.drain()
        assert not world.mailbox.messages

    @pytest.mark.parametrize("name", [NAME, "eve@example.com"], ids=["T54 known", "T54 unknown"])
    async def test_T54_throttled_by_recipient_alike(self, name: str) -> None:
        world = World(quota=2)
        await world.add()
        answers = []
        for number in range(3):
            visit = replace(HERE, client=f"192.0.2.{number + 1}")
            answers.append(await world.life.request_reset(name, visit=visit))
        assert answers == [Accepted(), Accepted(), Throttled(1800)]
        assert await world.outbox.drain()
        assert len(world.mailbox.messages) == (2 if name == NAME else 0)

    async def test_T54_throttled_by_address(self) -> None:
        world = World(quota=2)
        names = [f"user{number}@example.com" for number in range(3)]
        answers = [await world.life.request_reset(name, visit=HERE) for name in names]
        assert answers == [Accepted(), Accepted(), Throttled(1800)]

    async def test_E23_asking_changes_nothing(self) -> None:
        world = World()
        account = await world.add()
        await open_both(world.store, world.clock, account.id, 1)
        for _ in range(5):
            await world.login.sign_in(NAME, WRONG, visit=HERE)
        await ask(world)
        assert await world.load(account) == account
        assert await count_open(world.store, account.id, world.clock.now) == (["s1"], ["f1"])
        assert isinstance(await world.login.sign_in(NAME, GOOD, visit=HERE), LockedOut)

    @pytest.mark.parametrize("call", ["throttles.take", "accounts.find", "once.put"])
    async def test_an_outage_is_unavailable_for_every_name(self, call: str) -> None:
        world = World()
        await world.add()
        for name in (NAME, "eve@example.com"):
            world.store.failing[call] = 1
            assert await world.life.request_reset(name, visit=HERE) == Unavailable()
        assert await world.outbox.drain()
        assert not world.mailbox.messages


class TestReset:
    async def test_P51_S38_a_reset_sets_the_password_and_ends_all(self) -> None:
        world = World()
        account = await world.add(is_verified=False)
        await open_both(world.store, world.clock, account.id, 1)
        token = await ask(world)
        world.clock.advance(1)
        outcome = await world.life.reset(token, BETTER, visit=HERE)
        assert isinstance(outcome, PasswordSet)
        assert outcome.is_all_ended
        stored = await world.load(account)
        assert stored == outcome.account
        assert stored.password_hash != account.password_hash
        assert stored.epoch == 1
        assert stored.is_verified  # whoever got the token reads that mailbox
        now = world.clock.now
        assert await count_open(world.store, account.id, now) == ([], [])
        assert await is_revoked(world.store, account.id, now, now)
        assert await world.login.sign_in(NAME, GOOD, visit=HERE) == Refused()
        assert isinstance(await world.login.sign_in(NAME, BETTER, visit=HERE), SignedIn)
        assert (await world.read_mail("password_changed")).token is None
        actions = ["reset_requested", "password_reset"]
        assert world.audit.actions[:2] == actions
        assert world.audit.entries[1].details == {"all_ended": True}
        assert token not in str(world.events.events) + str(world.audit.entries)

    async def test_P51_a_token_is_good_once(self) -> None:
        world = World()
        await world.add()
        token = await ask(world)
        assert isinstance(await world.life.reset(token, BETTER, visit=HERE), PasswordSet)
        assert await world.life.reset(token, GOOD, visit=HERE) == TokenRefused()
        assert isinstance(await world.login.sign_in(NAME, BETTER, visit=HERE), SignedIn)

    async def test_P51_all_other_tokens_die_with_it(self) -> None:
        world = World()
        await world.add()
        first, second = await ask(world), await ask(world)
        assert isinstance(await world.life.reset(second, BETTER, visit=HERE), PasswordSet)
        assert await world.life.reset(first, GOOD, visit=HERE) == TokenRefused()

    @pytest.mark.parametrize("token", ["", "unused", "x" * 43, "é" * 43, "\ud800"])
    async def test_P51_forged_tokens_reset_nothing_and_cost_no_hash(self, token: str) -> None:
        world = World()
        await world.add()
        assert await world.life.reset(token, BETTER, visit=HERE) == TokenRefused()
        assert world.passwords.hashed == 0

    async def test_a_token_dies_after_an_hour(self) -> None:
        world = World()
        await world.add()
        token = await ask(world)
        world.clock.advance(3600)
        assert await world.life.reset(token, BETTER, visit=HERE) == TokenRefused()

    async def test_E23_the_lock_is_lifted(self) -> None:
        world = World()
        account = await world.add()
        for _ in range(5):
            await world.login.sign_in(NAME, WRONG, visit=HERE)
            await world.login.confirm_password(account, WRONG, visit=HERE)
        token = await ask(world)
        await world.life.reset(token, BETTER, visit=HERE)
        assert not (await world.status()).locked
        assert not (await world.status(factor=REAUTHENTICATION)).locked
        assert isinstance(await world.login.sign_in(NAME, BETTER, visit=HERE), SignedIn)
        assert "account_unlocked" in world.events.names

    async def test_E29_guesses_at_a_second_factor_are_not_forgotten(self) -> None:
        world = World()
        await world.add()
        for _ in range(4):
            begun = await world.lockout.begin(account=NAME, client=None, factor="totp")
            assert isinstance(begun, Admitted)
            await world.lockout.settle(begun, Outcome.FAILURE)
        await world.life.reset(await ask(world), BETTER, visit=HERE)
        assert (await world.status(factor="totp")).failures == 4

    async def test_E22_known_devices_are_strangers_again(self) -> None:
        world = World(lockout={"known_devices": True})
        await world.add()
        signed_in = await world.login.sign_in(NAME, GOOD, visit=HERE)
        assert isinstance(signed_in, SignedIn)
        assert signed_in.device is not None
        await world.life.reset(await ask(world), BETTER, visit=HERE)
        for _ in range(5):
            await world.login.sign_in(NAME, WRONG, visit=HERE)
        known = replace(HERE, devices=(signed_in.device,))
        assert isinstance(await world.login.sign_in(NAME, BETTER, visit=known), LockedOut)

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param({"is_active": False}, id="disabled meanwhile"),
            pytest.param({"epoch": 5}, id="changed meanwhile"),
            pytest.param(None, id="deleted meanwhile"),
        ],
    )
    async def test_an_account_that_is_not_what_it_was_is_left_alone(self, change: Any) -> None:
        world = World()
        account = await world.add()
        token = await ask(world)
        if change is None:
            await world.store.store.accounts.delete(account.id)
        else:
            await world.store.store.accounts.save(replace(account, **change))
        before = await world.load(account)
        assert await world.life.reset(token, BETTER, visit=HERE) == TokenRefused()
        assert await world.load(account) == before

    @pytest.mark.parametrize("change", [{"is_active": False}, {"epoch": 5}])
    async def test_also_while_the_new_password_is_hashed(self, change: Any) -> None:
        world = World()
        account = await world.add()
        token = await ask(world)
        hash_password = world.passwords.hash

        async def change_meanwhile(password: str) -> Any:
            await world.store.store.accounts.save(replace(account, **change))
            return await hash_password(password)

        world.passwords.hash = change_meanwhile  # type: ignore[method-assign]
        assert await world.life.reset(token, BETTER, visit=HERE) == TokenRefused()
        stored = await world.load(account)
        assert stored == replace(account, version=2, **change)

    async def test_a_change_that_is_none_of_the_credentials_does_not_stop_it(self) -> None:
        world = World()
        account = await world.add()
        token = await ask(world)
        hash_password = world.passwords.hash

        async def change_meanwhile(password: str) -> Any:
            await world.store.store.accounts.save(replace(account, data=b'{"x":1}'))
            return await hash_password(password)

        world.passwords.hash = change_meanwhile  # type: ignore[method-assign]
        outcome = await world.life.reset(token, BETTER, visit=HERE)
        assert isinstance(outcome, PasswordSet)
        assert outcome.account.data == b'{"x":1}'

    @pytest.mark.parametrize(
        ("password", "codes"),
        [
            pytest.param("x", ["too_short"], id="P4 one character resets nothing"),
            pytest.param("password", ["too_short", "common"], id="P68 all at once"),
            pytest.param("acmeacme2026", ["context"], id="P70 the site"),
            pytest.param("annabel@x.example", ["context"], id="P70 the name"),
        ],
    )
    async def test_P71_what_stands_against_the_password_leaves_the_token_good(
        self, password: str, codes: list[str]
    ) -> None:
        world = World()
        account = await world.add("annabel@x.example")
        token = await ask(world, account.name)
        for _ in range(3):
            outcome = await world.life.reset(token, password, visit=HERE)
            assert isinstance(outcome, PasswordRefused)
            assert [violation.code for violation in outcome.violations] == codes
        assert await world.load(account) == account
        assert isinstance(await world.life.reset(token, BETTER, visit=HERE), PasswordSet)

    @pytest.mark.parametrize("call", ["accounts.load", "accounts.save"])
    async def test_an_outage_leaves_the_token_good(self, call: str) -> None:
        world = World()
        await world.add()
        token = await ask(world)
        world.store.failing[call] = 1
        assert await world.life.reset(token, BETTER, visit=HERE) == Unavailable()
        assert isinstance(await world.life.reset(token, BETTER, visit=HERE), PasswordSet)

    async def test_an_outage_when_the_token_is_taken(self) -> None:
        world = World()
        await world.add()
        token = await ask(world)
        world.store.failing["once.take"] = 1
        assert await world.life.reset(token, BETTER, visit=HERE) == Unavailable()
        assert isinstance(await world.life.reset(token, BETTER, visit=HERE), PasswordSet)

    async def test_an_outage_that_also_loses_the_token(self) -> None:
        world = World()
        account = await world.add()
        token = await ask(world)
        world.store.failing |= {"accounts.save": 1, "once.put": 1}
        assert await world.life.reset(token, BETTER, visit=HERE) == Unavailable()
        assert await world.life.reset(token, BETTER, visit=HERE) == TokenRefused()
        assert await world.load(account) == account

    async def test_a_lost_answer_does_not_revive_the_token(self) -> None:
        world = World()
        account = await world.add()
        token = await ask(world)
        save = world.store.store.accounts.save

        async def save_and_lose(changed: Account) -> Any:
            await save(changed)
            raise world.store.error

        world.store.store.accounts.save = save_and_lose
        assert await world.life.reset(token, BETTER, visit=HERE) == Unavailable()
        world.store.store.accounts.save = save
        stored = await world.load(account)
        assert stored is not None
        assert stored.epoch == 1
        assert await world.life.reset(token, GOOD, visit=HERE) == TokenRefused()

    async def test_P80_hashing_that_is_busy_leaves_the_token_good(self) -> None:
        world = World(waiting=0)
        tokens = []
        for number in range(5):
            name = f"user{number}@example.com"
            await world.add(name)
            tokens.append(await ask(world, name))
        outcomes: dict[str, object] = {}

        async def reset(token: str) -> None:
            outcomes[token] = await world.life.reset(token, BETTER, visit=HERE)

        async with anyio.create_task_group() as group:
            for token in tokens:
                group.start_soon(reset, token)
        (again,) = (token for token in tokens if outcomes[token] == Unavailable())
        assert isinstance(await world.life.reset(again, BETTER, visit=HERE), PasswordSet)

    async def test_what_could_not_be_ended_is_said(self) -> None:
        world = World()
        await world.add()
        token = await ask(world)
        world.store.failing["sessions.delete_for"] = 2
        outcome = await world.life.reset(token, BETTER, visit=HERE)
        assert isinstance(outcome, PasswordSet)
        assert not outcome.is_all_ended
        assert "ending_failed" in world.events.names
        assert world.audit.entries[-1].details == {"all_ended": False}

    async def test_an_unlock_that_fails_does_not_undo_the_reset(self) -> None:
        world = World()
        await world.add()
        token = await ask(world)
        world.store.failing["attempts.clear"] = 1
        assert isinstance(await world.life.reset(token, BETTER, visit=HERE), PasswordSet)
        assert "unlock_failed" in world.events.names
