"""The one door to an account's life; what lies behind it has tests of its own."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from asgi_security.errors import ConfigError
from asgi_security.flows.accounts import AccountLife, AddressVerified, PasswordSet
from asgi_security.flows.login import SignedIn
from asgi_security.flows.outbox import Outbox
from asgi_security.policy.accounts import AccountConfig
from tests.flows.account_world import BETTER, GOOD, NAME, SITE, Mailbox, World
from tests.flows.test_ending import count_open, open_both

pytestmark = pytest.mark.anyio


def build(world: World, **fields: Any) -> AccountLife:
    given = {
        "config": AccountConfig(site_url=SITE),
        "login": world.login,
        "lockout": world.lockout,
        "throttle": world.throttle,
        "sender": Mailbox(),
        "clock": world.clock,
        "events": world.events,
        **fields,
    }
    return AccountLife(given.pop("config"), world.store, world.passwords, **given)


def test_a_sender_is_needed() -> None:
    with pytest.raises(ConfigError, match="sender"):
        build(World(), sender=None)


def test_names_of_any_kind_need_somebody_who_finds_a_recipient() -> None:
    config = AccountConfig(site_url=SITE, names="any")
    with pytest.raises(ConfigError, match="recipient="):
        build(World(), config=config)
    build(World(), config=config, recipient=lambda _: None)


def test_an_outbox_of_ones_own_is_taken_as_it_is() -> None:
    world = World()
    mine = Outbox(Mailbox(), waiting=3)
    assert build(world, sender=mine).outbox is mine
    assert isinstance(build(world).outbox, Outbox)


async def test_everything_works_without_a_visit() -> None:
    world = World()
    life = world.life
    await life.register(NAME, GOOD)
    token = (await world.read_mail("verify")).token or ""
    assert isinstance(await life.verify(token), AddressVerified)
    await life.request_verification(NAME)
    await life.request_reset(NAME)
    token = (await world.read_mail("reset")).token or ""
    reset = await life.reset(token, BETTER)
    assert isinstance(reset, PasswordSet)
    assert isinstance(await life.change_password(reset.account, BETTER, GOOD), PasswordSet)
    assert isinstance(await world.login.sign_in(NAME, GOOD), SignedIn)


async def test_lifetimes_are_those_of_the_configuration() -> None:
    fields = {"reset_lifetime_seconds": 60, "verification_lifetime_seconds": 120}
    world = World(accounts={**fields, "token_in": "fragment", "verify_path": "/v"})
    await world.life.register(NAME, GOOD)
    message = await world.read_mail("verify")
    assert message.lifetime_seconds == 120
    assert (message.link or "").startswith(f"{SITE}/v#token=")
    await world.life.request_reset(NAME)
    assert (await world.read_mail("reset")).lifetime_seconds == 60


def prepare(world: World, account: Any, tokens: dict[str, str]) -> dict[str, Any]:
    """Return each use case that must not stop half-way, ready to be called."""
    life = world.life
    return {
        "register": lambda: life.register("eve@example.com", GOOD),
        "verify": lambda: life.verify(tokens["verify"]),
        "reset": lambda: life.reset(tokens["reset"], BETTER),
        "change_password": lambda: life.change_password(account, GOOD, BETTER),
        "disable": lambda: life.disable(account.id),
        "delete": lambda: life.delete(account.id),
    }


@pytest.mark.parametrize(
    ("case", "call", "action"),
    [
        ("register", "accounts.create", "account_registered"),
        ("verify", "once.take", "account_verified"),
        ("reset", "once.take", "password_reset"),
        ("reset", "accounts.save", "password_reset"),
        ("change_password", "accounts.save", "password_changed"),
        ("disable", "accounts.save", "account_disabled"),
        ("delete", "accounts.save", "account_deleted"),
    ],
)
async def test_hanging_up_stops_nothing_half_way(case: str, call: str, action: str) -> None:
    world = World(login={"require_verified": False})
    account = await world.add(is_verified=False)
    await open_both(world.store, world.clock, account.id, 1)
    tokens = {}
    for kind, request in (
        ("verify", world.life.request_verification),
        ("reset", world.life.request_reset),
    ):
        await request(NAME)
        tokens[kind] = (await world.read_mail(kind)).token or ""
    async with anyio.create_task_group() as group:
        world.store.before[call] = group.cancel_scope.cancel
        group.start_soon(prepare(world, account, tokens)[case])
    assert call in world.store.calls
    assert world.audit.actions[-1] == action
    sessions, families = await count_open(world.store, account.id, world.clock.now)
    assert (not sessions and not families) is (case not in ("register", "verify"))
