"""Mailed codes: how they are made, how often, and that asking again buys no guesses."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from asgi_security.flows.lockout import LockedOut, Unavailable
from asgi_security.flows.mfa import (
    CodeSent,
    CodeWaits,
    MailedCodesEnabled,
    MfaDisabled,
    MfaPassed,
    MfaRefused,
)
from asgi_security.flows.visits import Visit
from asgi_security.policy.lockout import LockoutRules
from asgi_security.storage.memory import MemoryStore
from tests.flows.account_world import Watched
from tests.flows.mfa_world import HERE, NAME, World, passed

if TYPE_CHECKING:
    from asgi_security.storage.protocols import Account

pytestmark = pytest.mark.anyio

# The lock of five wrong codes is tested elsewhere; here it would stand before the bounds of ours.
PATIENT = {"code_rules": LockoutRules(threshold=100)}


async def enable(world: World, name: str = NAME) -> Account:
    account = await world.add(name)
    assert await world.mfa.enable_mailed_codes(account, visit=HERE) == MailedCodesEnabled()
    await world.mfa.drain()
    world.mailbox.messages.clear()
    return account


async def send(world: World, account: Account, visit: Visit = HERE) -> str:
    """Have a code mailed, and read it."""
    assert await world.mfa.send_code(account, visit=visit) == CodeSent(60)
    return world.mailbox.take("mfa_code").code or ""


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06}"


async def test_P43_a_mailed_code_passes_once() -> None:
    world = World()
    account = await enable(world)
    assert await world.mfa.send_code(account, visit=HERE) == CodeSent(60)
    message = world.mailbox.messages[-1]
    assert (message.kind, message.recipient, message.account) == ("mfa_code", NAME, account.id)
    assert message.lifetime_seconds == 300
    code = message.code or ""
    assert len(code) == 6
    assert code.isdigit()
    outcome = passed(await world.redeem(account, code=code))
    assert (outcome.amr, outcome.method) == (("pwd", "mca"), "mailed_code")
    assert await world.redeem(account, code=code) == MfaRefused("wrong_code")


async def test_P43_it_can_be_asked_for_with_the_pre_token() -> None:
    world = World()
    account = await enable(world)
    token, visit = await world.challenge(account)
    assert await world.mfa.send_code(token, visit=visit) == CodeSent(60)
    code = world.mailbox.take("mfa_code").code
    passed(await world.mfa.redeem(token, code=code, visit=visit))
    # M97: not from another browser, M94: nor after its time.
    world.clock.advance(60)
    assert await world.mfa.send_code(token, visit=HERE) == MfaRefused("bad_pre_token")
    world.clock.advance(240)
    assert await world.mfa.send_code(token, visit=visit) == MfaRefused("bad_pre_token")


async def test_P43_it_dies_in_time() -> None:
    world = World(email_code_lifetime_seconds=120)
    account = await enable(world)
    code = await send(world, account)
    world.clock.advance(120)
    assert await world.redeem(account, code=code) == MfaRefused("wrong_code")


async def test_P43_the_cooldown_is_the_account_s() -> None:
    world = World()
    account = await enable(world)
    await send(world, account)
    for _ in range(3):
        assert await world.mfa.send_code(account, visit=HERE) == CodeWaits(60)
    world.clock.advance(59.5)
    assert await world.mfa.send_code(account, visit=HERE) == CodeWaits(1)
    assert world.mailbox.messages == []
    world.clock.advance(0.5)
    await send(world, account)
    other = await enable(world, "bob@example.com")
    await send(world, other)


async def test_P43_a_new_code_ends_the_one_before() -> None:
    world = World()
    account = await enable(world)
    first = await send(world, account)
    world.clock.advance(60)
    second = await send(world, account)
    assert first != second
    assert await world.redeem(account, code=first) == MfaRefused("wrong_code")
    passed(await world.redeem(account, code=second))


async def test_P43_asking_again_buys_no_guesses() -> None:
    world = World(lockout=PATIENT)
    account = await enable(world)
    code = await send(world, account)
    for _ in range(4):
        assert await world.redeem(account, code=wrong(code)) == MfaRefused("wrong_code")
    world.clock.advance(60)
    code = await send(world, account)
    assert await world.redeem(account, code=wrong(code)) == MfaRefused("wrong_code")
    assert await world.redeem(account, code=code) == LockedOut(240)
    world.clock.advance(60)
    code = await send(world, account)
    assert await world.redeem(account, code=code) == LockedOut(180)
    assert await world.failures("mailed_code") == 5  # what is not looked at is no guess
    # One more in each lifetime, and a right one makes all of them good again.
    world.clock.advance(180)
    code = await send(world, account)
    passed(await world.redeem(account, code=code))
    world.clock.advance(60)
    code = await send(world, account)
    for _ in range(4):
        assert await world.redeem(account, code=wrong(code)) == MfaRefused("wrong_code")
    passed(await world.redeem(account, code=code))


async def test_P43_right_codes_use_up_no_attempts() -> None:
    world = World()
    account = await enable(world)
    for _ in range(9):
        passed(await world.redeem(account, code=await send(world, account)))
        world.clock.advance(60)


async def test_P43_to_disable_and_enable_buys_no_guesses_without_a_right_code() -> None:
    world = World(lockout=PATIENT)
    account = await enable(world)
    code = await send(world, account)
    await world.redeem(account, code=wrong(code))
    assert await world.mfa.enable_mailed_codes(account) == MfaRefused("already_enrolled")
    assert await world.mfa.disable(account, code=code) == MfaDisabled()
    # Set up anew it is another factor: no code of the old one is good for it.
    await world.mfa.enable_mailed_codes(account)
    assert await world.redeem(account, code=code) == MfaRefused("wrong_code")


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "\u0661" * 6, "x" * 6, "\ud800"])
async def test_P43_what_is_no_code_is_a_wrong_one(typed: str) -> None:
    world = World()
    account = await enable(world)
    await send(world, account)
    assert await world.redeem(account, code=typed) == MfaRefused("wrong_code")
    assert await world.failures("mailed_code") == 1


async def test_a_code_is_one_account_s() -> None:
    world = World()
    ann, bob = await enable(world), await enable(world, "bob@example.com")
    code = await send(world, ann)
    assert await world.redeem(bob, code=code) == MfaRefused("wrong_code")
    passed(await world.redeem(ann, code=code))


async def test_T54_mails_are_bounded_by_recipient_and_by_address() -> None:
    world = World(email_codes_per_hour=2, email_codes_per_hour_and_client=3)
    ann, bob = await enable(world), await enable(world, "bob@example.com")
    for _ in range(2):
        await send(world, ann)
        world.clock.advance(60)
    elsewhere = Visit(client="198.51.100.1")
    waits = await world.mfa.send_code(ann, visit=elsewhere)
    assert isinstance(waits, CodeWaits)
    assert waits.retry_after_seconds > 60
    await send(world, bob)
    world.clock.advance(60)
    assert isinstance(await world.mfa.send_code(bob, visit=HERE), CodeWaits)
    world.clock.advance(60)
    await send(world, bob, elsewhere)


async def test_P43_codes_are_drawn_again_where_they_would_be_unfair() -> None:
    world = World()
    account = await enable(world)
    drawn: list[int] = []
    seeded = world.entropy

    def entropy(count: int) -> bytes:
        drawn.append(count)
        return b"\xff" * count if count == 8 and drawn.count(8) < 3 else seeded(count)

    mail = world.mfa._parts.mail
    assert mail is not None
    mail._entropy = entropy
    code = await send(world, account)
    assert drawn == [8, 8, 8]
    assert code != f"{(2**64 - 1) % 10**6:06}"


async def test_P43_codes_are_spread_evenly() -> None:
    world = World(email_codes_per_hour=1000, email_codes_per_hour_and_client=100_000)
    account = await enable(world)
    codes = []
    for _ in range(300):
        codes.append(await send(world, account))
        world.clock.advance(60)
    assert len(set(codes)) > 290
    digits = Counter("".join(codes))
    assert set(digits) == set("0123456789")
    assert max(digits.values()) < 2 * min(digits.values())


@pytest.mark.parametrize(
    ("account", "fields", "enabled"),
    [
        pytest.param({"is_verified": False}, {}, False, id="P43 unverified address"),
        pytest.param({"name": "ann"}, {}, False, id="no address"),
        pytest.param({"name": "@"}, {}, False, id="no address but a sign"),
        pytest.param({}, {"mails": False}, False, id="P43 switched off"),
        pytest.param({}, {}, True, id="P43 chosen"),
    ],
)
async def test_who_may_choose_it(
    account: dict[str, Any],
    fields: dict[str, Any],
    enabled: bool,  # noqa: FBT001 -- a table
) -> None:
    world = World(**fields)
    stored = await world.add(**{"name": NAME, **account})
    outcome = await world.mfa.enable_mailed_codes(stored)
    assert outcome == (MailedCodesEnabled() if enabled else MfaRefused("not_offered"))


async def test_P43_it_is_not_offered_to_who_has_not_chosen_it() -> None:
    world = World()
    account = await world.add()
    app, _ = await world.enrol(account)
    token, visit = await world.challenge(account)
    assert await world.mfa.send_code(token, visit=visit) == MfaRefused("not_offered")
    assert await world.mfa.send_code(account, visit=HERE) == MfaRefused("not_offered")
    # Beside an authenticator it takes a code of that.
    assert await world.mfa.enable_mailed_codes(account) == MfaRefused("no_code")
    wrong_code = await world.mfa.enable_mailed_codes(account, code=app.wrong())
    assert wrong_code == MfaRefused("wrong_code")
    assert await world.mfa.enable_mailed_codes(account, code=app.code()) == MailedCodesEnabled()
    code = await send_after_notice(world, account)
    passed(await world.redeem(account, mailed_code=code))


async def send_after_notice(world: World, account: Account) -> str:
    await world.mfa.drain()
    return await send(world, account)


@pytest.mark.parametrize("trouble", ["error", "hangs"])
async def test_a_sender_that_fails(trouble: str) -> None:
    world = World(send_timeout_seconds=0.05)
    account = await enable(world)
    world.mailbox.hangs = trouble == "hangs"
    world.mailbox.error = OSError("ann@example.com refused 123456")
    assert await world.mfa.send_code(account, visit=HERE) == Unavailable()
    event = world.events.events[-1]
    assert event.name == "message_not_sent"
    assert event.facts == {
        "kind": "mfa_code",
        "error": "timeout" if trouble == "hangs" else "OSError",
    }
    assert "ann@example.com" not in repr(world.events.events)
    assert not any(entry.action == "mfa_code_sent" for entry in world.audit.entries)


@pytest.mark.parametrize(
    "path", ["accounts.list_factors", "throttles.take", "once.take", "once.put"]
)
async def test_a_store_that_fails_sends_nothing(path: str) -> None:
    world = World(Watched(), attempts=MemoryStore())
    account = await enable(world)
    world.store.failing[path] = 1
    assert await world.mfa.send_code(account, visit=HERE) == Unavailable()
    assert world.mailbox.messages == []


async def test_T54_quotas_that_cannot_be_asked_send_nothing() -> None:
    world = World()
    account = await enable(world)
    mail = world.mfa._parts.mail
    assert mail is not None
    broken = Watched()
    broken.failing["throttles.take"] = 10
    mail._sending._clients._throttles = broken.throttles
    assert await world.mfa.send_code(account, visit=HERE) == Unavailable()
    assert world.mailbox.messages == []


async def test_codes_outlive_a_new_secret() -> None:
    store = MemoryStore()
    old = World(store)
    account = await enable(old)
    code = await send(old, account)
    new = World(store, clock=old.clock, secret="n" * 32, old_secrets=["m" * 32], seed="2")
    passed(await new.redeem(account, code=code))
    new.clock.advance(60)
    code = await send(old, account)
    alone = World(store, clock=old.clock, secret="n" * 32, seed="3")
    assert await alone.redeem(account, code=code) == MfaRefused("wrong_code")


async def test_two_codes_of_one_step_are_one_pass() -> None:
    """A code that was taken while another request had moved the step on is spent."""
    world = World()
    account = await enable(world)
    code = await send(world, account)
    (factor,) = await world.store.accounts.list_factors(account.id)
    mail = world.mfa._parts.mail
    assert mail is not None
    await world.store.accounts.advance_factor(account.id, factor.kind, factor.id, 1)
    assert await mail.spend(account, factor, code) == "spent"
    code = await send_later(world, account)
    current = replace(factor, step=1)
    assert await mail.spend(account, current, code) == "right"
    assert isinstance(await world.redeem(account, code=await send_later(world, account)), MfaPassed)


async def send_later(world: World, account: Account) -> str:
    world.clock.advance(60)
    return await send(world, account)
