"""A hundred at once, on every backend: guesses, logins, resets, registrations."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from asgi_security.flows.accounts import Accepted, AddressVerified, PasswordSet, TokenRefused
from asgi_security.flows.lockout import LockedOut
from asgi_security.flows.login import Refused, SignedIn
from asgi_security.testing.contracts.expecting import race
from tests.flows.account_world import BETTER, GOOD, HERE, NAME, WRONG, World
from tests.storage import backends

if TYPE_CHECKING:
    from asgi_security.storage.protocols import Store

pytestmark = [pytest.mark.anyio, backends.on(*backends.ALL)]

RACERS = 100


async def test_E14_100_wrong_guesses_5_are_verified(store: Store) -> None:
    world = World(store)
    await world.add()
    outcomes = await race(RACERS, lambda _: world.login.sign_in(NAME, WRONG, visit=HERE))
    assert len(world.passwords.verified) <= 5
    assert outcomes.count(Refused()) == len(world.passwords.verified)
    assert all(isinstance(outcome, LockedOut | Refused) for outcome in outcomes)
    for _ in range(5):
        await world.login.sign_in(NAME, WRONG, visit=HERE)
    assert (await world.status()).failures == 5
    assert len(world.passwords.verified) == 5
    assert isinstance(await world.login.sign_in(NAME, GOOD, visit=HERE), LockedOut)


async def test_E15_100_right_logins_lock_nobody_out(store: Store) -> None:
    world = World(store)
    account = await world.add()
    outcomes = await race(RACERS, lambda _: world.login.sign_in(NAME, GOOD, visit=HERE))
    signed_in = [outcome for outcome in outcomes if isinstance(outcome, SignedIn)]
    assert signed_in
    assert {outcome.account for outcome in signed_in} == {account}
    assert outcomes.count(LockedOut(1)) == RACERS - len(signed_in)
    status = await world.status()
    assert (status.failures, status.locked) == (0, False)
    assert isinstance(await world.login.sign_in(NAME, GOOD, visit=HERE), SignedIn)


async def test_P51_100_redemptions_of_one_reset_1_succeeds(store: Store) -> None:
    world = World(store)
    account = await world.add()
    await world.life.request_reset(NAME, visit=HERE)
    token = (await world.read_mail("reset")).token or ""
    passwords = [f"{BETTER} number {number}" for number in range(RACERS)]

    async def reset(number: int) -> tuple[int, Any]:
        return number, await world.life.reset(token, passwords[number], visit=HERE)

    outcomes = await race(RACERS, reset)
    (winner,) = [number for number, outcome in outcomes if isinstance(outcome, PasswordSet)]
    assert sum(outcome == TokenRefused() for _, outcome in outcomes) == RACERS - 1
    assert world.passwords.hashed == 1
    stored = await world.load(account)
    assert stored is not None
    assert stored.epoch == 1
    assert isinstance(await world.login.sign_in(NAME, passwords[winner], visit=HERE), SignedIn)


async def test_P51_two_tokens_of_one_account_open_it_once(store: Store) -> None:
    world = World(store)
    account = await world.add()
    tokens = []
    for _ in range(10):
        await world.life.request_reset(NAME, visit=HERE)
        tokens.append((await world.read_mail("reset")).token or "")
    outcomes = await race(10, lambda number: world.life.reset(tokens[number], BETTER, visit=HERE))
    assert Counter(type(outcome) for outcome in outcomes) == {PasswordSet: 1, TokenRefused: 9}
    stored = await world.load(account)
    assert stored is not None
    assert stored.epoch == 1


async def test_P51_100_registrations_of_one_name_1_account(store: Store) -> None:
    world = World(store)
    outcomes = await race(
        RACERS, lambda number: world.life.register(NAME, f"{GOOD} {number}", visit=HERE)
    )
    assert outcomes == [Accepted()] * RACERS
    assert await world.outbox.drain()
    kinds = Counter(message.kind for message in world.mailbox.messages)
    assert kinds == {"verify": 1, "name_taken": RACERS - 1}
    account = await store.accounts.find(NAME)
    assert account is not None
    assert {message.account for message in world.mailbox.messages} == {account.id}
    assert Counter(world.audit.actions) == {
        "account_registered": 1,
        "registration_refused": RACERS - 1,
    }


async def test_P51_100_verifications_by_one_token_1_succeeds(store: Store) -> None:
    world = World(store)
    await world.life.register(NAME, GOOD, visit=HERE)
    token = (await world.read_mail("verify")).token or ""
    outcomes = await race(RACERS, lambda _: world.life.verify(token, visit=HERE))
    assert sum(isinstance(outcome, AddressVerified) for outcome in outcomes) == 1
    assert outcomes.count(TokenRefused()) == RACERS - 1


async def test_one_of_many_password_changes_holds(store: Store) -> None:
    world = World(store)
    account = await world.add()

    async def change(number: int) -> tuple[str, Any]:
        new = f"{BETTER} number {number}"
        return new, await world.life.change_password(account, GOOD, new, visit=HERE)

    outcomes = await race(20, change)
    (new,) = [new for new, outcome in outcomes if isinstance(outcome, PasswordSet)]
    assert all(isinstance(outcome, PasswordSet | Refused | LockedOut) for _, outcome in outcomes)
    stored = await world.load(account)
    assert stored is not None
    assert stored.epoch == 1
    assert isinstance(await world.login.sign_in(NAME, new, visit=HERE), SignedIn)
