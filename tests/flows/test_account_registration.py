"""Registration and verification: alike for names that are taken and names that are free."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import anyio
import pytest

from asgi_security.flows.accounts import (
    Accepted,
    AddressVerified,
    NameRefused,
    Throttled,
    TokenRefused,
)
from asgi_security.flows.lockout import Unavailable
from asgi_security.flows.login import SignedIn
from asgi_security.flows.passwords import PasswordRefused
from asgi_security.policy.passwords import PasswordPolicy
from tests.flows.account_world import GOOD, HERE, NAME, World

pytestmark = pytest.mark.anyio


async def register(world: World, name: str = NAME, password: str = GOOD, **fields: Any) -> object:
    return await world.life.register(name, password, visit=HERE, **fields)


class TestRegister:
    async def test_P51_an_account_is_opened_and_its_owner_mailed(self) -> None:
        world = World(accounts={"new_roles": ["user"]})
        outcome = await register(world, " ANN@example.com", data={"name": "Ann"}, tenant="acme")
        assert outcome == Accepted()
        account = await world.store.store.accounts.find(NAME)
        assert account is not None
        assert (account.is_active, account.is_verified, account.epoch) == (True, False, 0)
        assert (account.roles, account.tenant) == (("user",), "acme")
        assert json.loads(account.data) == {"name": "Ann"}
        assert account.created_at == world.clock.now
        assert len(account.id) == 22  # 128 bits
        message = await world.read_mail("verify")
        assert (message.recipient, message.account) == (NAME, account.id)
        assert message.link == f"https://app.acme.example/verify?token={message.token}"
        assert message.lifetime_seconds == 24 * 3600
        assert world.audit.actions == ["account_registered"]
        assert world.audit.entries[0].tenant == "acme"
        assert GOOD not in str(account) + str(world.audit.entries) + str(world.events.events)

    async def test_P51_a_taken_name_is_answered_alike_after_the_same_work(self) -> None:
        world = World()
        free = await register(world)
        work = world.take_work()
        await world.read_mail("verify")
        taken = await register(world, "Ann@EXAMPLE.com", "another horse battery")
        other = world.take_work()
        assert free == taken == Accepted()
        assert work == (
            ["throttles.take", "throttles.take", "accounts.create", "once.put"],
            *(0, 1, 1),
        )
        assert other == (
            ["throttles.take", "throttles.take", "accounts.create", "accounts.find"],
            *(0, 1, 1),
        )

    async def test_P51_the_owner_of_a_taken_name_gets_a_notice(self) -> None:
        world = World()
        owner = await world.add()
        await register(world, password="another horse battery")
        message = await world.read_mail("name_taken")
        assert (message.recipient, message.account) == (NAME, owner.id)
        assert message.token is message.link is message.code is None
        assert await world.load(owner) == owner
        (entry,) = world.audit.entries
        assert (entry.action, entry.outcome) == ("registration_refused", "refused")
        assert (entry.target, entry.actor) == (owner.id, None)
        assert entry.details == {"reason": "name_taken"}

    async def test_P34_verified_at_once_where_development_asks_for_it(self) -> None:
        world = World(accounts={"dangerously_verify_at_once": True})
        free = await register(world)
        account = await world.store.store.accounts.find(NAME)
        assert account is not None
        assert account.is_verified
        assert isinstance(await world.login.sign_in(NAME, GOOD, visit=HERE), SignedIn)
        world.take_work()
        assert await register(world) == free == Accepted()  # still nobody learns who is there

    async def test_an_unverified_owner_cannot_be_made_to_verify_a_strangers_account(self) -> None:
        world = World()
        await register(world, password="the password of a stranger")
        await world.read_mail("verify")
        await register(world)
        assert (await world.read_mail("name_taken")).token is None

    @pytest.mark.parametrize(
        "name",
        ["", "ann", "a" * 400, "a\0@example.com", "ann@example.com,eve@example.net", "\ud800@a.b"],
    )
    async def test_E25_names_that_nobody_can_have(self, name: str) -> None:
        world = World()
        assert await register(world, name) == NameRefused()
        assert world.take_work() == ([], 0, 0, 0)
        assert not world.mailbox.messages

    @pytest.mark.parametrize(
        ("password", "codes"),
        [
            pytest.param("short", ["too_short"], id="P71 too short"),
            pytest.param("x", ["too_short"], id="P4 one character"),
            pytest.param("password", ["too_short", "common"], id="P68 all at once"),
            pytest.param("annann.example", ["context"], id="P70 parts of the name"),
            pytest.param("acmeacme2026", ["context"], id="P70 the site"),
            pytest.param("annabelle2026", ["context"], id="P70 what is known of the owner"),
            pytest.param("\ud800 horse battery", ["bad_character"], id="P66 lone surrogate"),
            pytest.param("x" * 5000, ["too_long"], id="P63 too long"),
        ],
    )
    async def test_P68_P71_the_policy_holds(self, password: str, codes: list[str]) -> None:
        world = World()
        name = "annann@example.com" if password.startswith("annann") else NAME
        outcome = await register(world, name, password, data={"given_name": "Annabelle"})
        assert isinstance(outcome, PasswordRefused)
        assert [violation.code for violation in outcome.violations] == codes
        assert world.take_work() == ([], 0, 0, 0)

    async def test_P71_the_policy_says_nothing_about_who_is_registered(self) -> None:
        world = World()
        await world.add()
        refused = [await register(world, name, "short") for name in (NAME, "eve@example.com")]
        assert refused[0] == refused[1]

    async def test_T54_too_much_mail_is_refused_before_anything_is_looked_up(self) -> None:
        world = World(quota=2)
        await world.add()
        answers = {
            name: [await register(world, name) for _ in range(3)] for name in ("eve@example.com",)
        }
        assert answers["eve@example.com"][:2] == [Accepted(), Accepted()]
        world.take_work()
        throttled = await register(world)
        assert throttled == answers["eve@example.com"][2] == Throttled(1800)
        assert world.take_work() == (["throttles.take"], 0, 0, 0)

    async def test_T54_a_password_that_is_refused_uses_up_no_mail(self) -> None:
        world = World(quota=1)
        for _ in range(5):
            await register(world, password="short")
        assert await register(world) == Accepted()

    @pytest.mark.parametrize(
        "call", ["throttles.take", "accounts.create", "once.put"], ids=lambda call: f"D59 {call}"
    )
    async def test_an_outage_is_unavailable(self, call: str) -> None:
        world = World()
        world.store.failing[call] = 1
        assert await register(world) == Unavailable()
        assert await world.outbox.drain()
        assert not world.mailbox.messages

    async def test_an_outage_looks_alike_for_a_taken_name(self) -> None:
        world = World()
        await world.add()
        world.store.failing["accounts.find"] = 1
        assert await register(world) == Unavailable()

    async def test_P80_hashing_that_is_busy_is_unavailable(self) -> None:
        world = World(waiting=0)
        outcomes: list[object] = []

        async def try_once(number: int) -> None:
            outcomes.append(await register(world, f"user{number}@example.com"))

        async with anyio.create_task_group() as group:
            for number in range(8):
                group.start_soon(try_once, number)
        assert outcomes.count(Unavailable()) == 4
        assert outcomes.count(Accepted()) == 4

    async def test_a_sender_that_fails_or_hangs_changes_no_answer(self) -> None:
        world = World()
        world.mailbox.error = OSError("no such mailbox")
        assert await register(world) == Accepted()
        world.mailbox.hangs = True
        assert await register(world, "eve@example.com") == Accepted()
        assert await world.outbox.drain()
        assert world.events.names.count("message_not_sent") == 2

    async def test_data_is_what_json_can_hold(self) -> None:
        world = World()
        with pytest.raises(TypeError):
            await register(world, data={"x": object()})
        with pytest.raises(ValueError, match="JSON"):
            await register(world, data={"x": float("nan")})

    async def test_a_recipient_may_be_another_than_the_name(self) -> None:
        def find(account: Any) -> str | None:
            email: str | None = json.loads(account.data).get("email")
            return email

        world = World(accounts={"names": "any"}, recipient=find)
        await register(world, "ann", data={"email": "ann@mail.example"})
        assert (await world.read_mail("verify")).recipient == "ann@mail.example"
        await register(world, "bob")
        assert await world.outbox.drain()
        assert not world.mailbox.messages

    async def test_P72_breaches_are_looked_up_before_anything_is_counted(self) -> None:
        world = World(policy=PasswordPolicy(breach_check=True, on_breach_error="refuse"))

        class Breached:
            async def check(self, _: str) -> Any:
                from asgi_security.policy.breaches import Breached  # noqa: PLC0415

                return Breached(7)

        world.passwords._breaches = Breached()  # type: ignore[assignment]
        outcome = await register(world)
        assert isinstance(outcome, PasswordRefused)
        assert [violation.code for violation in outcome.violations] == ["breached"]
        assert world.take_work() == ([], 0, 0, 0)


class TestVerification:
    async def test_P51_the_mailed_token_verifies_once(self) -> None:
        world = World()
        await register(world)
        token = (await world.read_mail("verify")).token
        assert token is not None
        outcome = await world.life.verify(token, visit=HERE)
        assert isinstance(outcome, AddressVerified)
        stored = await world.load(outcome.account)
        assert stored == outcome.account
        assert stored.is_verified
        assert world.audit.actions[-1] == "account_verified"
        assert await world.life.verify(token, visit=HERE) == TokenRefused()

    @pytest.mark.parametrize("token", ["", "unused", "x" * 43, "é" * 43, "\ud800"])
    async def test_P51_forged_tokens_verify_nothing(self, token: str) -> None:
        world = World()
        await register(world)
        assert await world.life.verify(token, visit=HERE) == TokenRefused()

    async def test_P51_a_token_for_a_reset_verifies_nothing(self) -> None:
        world = World()
        await world.add(is_verified=False)
        await world.life.request_reset(NAME, visit=HERE)
        token = (await world.read_mail("reset")).token
        assert token is not None
        assert await world.life.verify(token, visit=HERE) == TokenRefused()

    @pytest.mark.parametrize("change", [{"epoch": 1}, {"is_active": False}, None])
    async def test_a_token_dies_with_what_its_account_was(self, change: Any) -> None:
        world = World()
        await register(world)
        token = (await world.read_mail("verify")).token
        account = await world.store.store.accounts.find(NAME)
        if change is None:
            await world.store.store.accounts.delete(account.id)
        else:
            await world.store.store.accounts.save(replace(account, **change))
        assert await world.life.verify(token or "", visit=HERE) == TokenRefused()

    async def test_a_token_dies_after_a_day(self) -> None:
        world = World()
        await register(world)
        token = (await world.read_mail("verify")).token
        world.clock.advance(24 * 3600)
        assert await world.life.verify(token or "", visit=HERE) == TokenRefused()

    @pytest.mark.parametrize("call", ["once.take", "accounts.load", "accounts.save"])
    async def test_an_outage_is_unavailable(self, call: str) -> None:
        world = World()
        await register(world)
        token = (await world.read_mail("verify")).token
        world.store.failing[call] = 1
        assert await world.life.verify(token or "", visit=HERE) == Unavailable()

    @pytest.mark.parametrize(
        ("fields", "is_sent"),
        [
            pytest.param({"is_verified": False}, True, id="T54 due"),
            pytest.param({}, False, id="T54 verified already"),
            pytest.param({"is_verified": False, "is_active": False}, False, id="T54 disabled"),
            pytest.param(None, False, id="T54 unknown"),
        ],
    )
    async def test_T54_asking_again_is_alike_for_all(self, fields: Any, *, is_sent: bool) -> None:
        world = World()
        if fields is not None:
            await world.add(**fields)
        assert await world.life.request_verification(NAME, visit=HERE) == Accepted()
        assert world.take_work() == (
            ["throttles.take", "throttles.take", "accounts.find", "once.put"],
            *(0, 0, 1),
        )
        assert await world.outbox.drain()
        assert [message.kind for message in world.mailbox.messages] == ["verify"] * is_sent

    async def test_T54_asking_again_is_throttled(self) -> None:
        world = World(quota=1)
        await world.add(is_verified=False)
        assert await world.life.request_verification(NAME, visit=HERE) == Accepted()
        assert isinstance(await world.life.request_verification(NAME, visit=HERE), Throttled)
        assert await world.outbox.drain()
        assert len(world.mailbox.messages) == 1

    @pytest.mark.parametrize("call", ["throttles.take", "accounts.find", "once.put"])
    async def test_asking_again_in_an_outage(self, call: str) -> None:
        world = World()
        await world.add(is_verified=False)
        world.store.failing[call] = 1
        assert await world.life.request_verification(NAME, visit=HERE) == Unavailable()
        assert await world.outbox.drain()
        assert not world.mailbox.messages
