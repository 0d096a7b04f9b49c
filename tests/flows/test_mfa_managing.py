"""What owners do with their second factors, and what it takes."""

from __future__ import annotations

from typing import Any

import pytest

from asgi_security.flows.lockout import LockedOut, Unavailable
from asgi_security.flows.mfa import (
    MailedCodesEnabled,
    MfaDisabled,
    MfaRefused,
    MfaStatus,
    NotDue,
    RecoveryCodes,
)
from asgi_security.storage.memory import MemoryStore
from tests.flows.account_world import Watched
from tests.flows.mfa_world import HERE, World, passed

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("proof", ["code", "recovery_code"])
async def test_P40_to_disable_takes_a_code(proof: str) -> None:
    world = World()
    account = await world.add()
    app, codes = await world.enrol(account)
    right = {"code": app.code(), "recovery_code": codes[0]}[proof]
    assert await world.mfa.disable(account) == MfaRefused("no_code")
    wrong = await world.mfa.disable(account, **{proof: app.wrong()})  # type: ignore[arg-type]
    assert wrong == MfaRefused("wrong_code")
    assert (await status(world, account)).enabled
    assert await world.mfa.disable(account, **{proof: right}, visit=HERE) == MfaDisabled()
    assert await world.store.accounts.list_factors(account.id) == ()
    assert await world.mfa.begin(account) == NotDue()
    assert world.audit.actions[-1] == "mfa_disabled"
    await world.mfa.drain()
    assert world.mailbox.take("mfa_disabled").account == account.id
    again = await world.mfa.disable(account, code=app.code(1))
    assert again == MfaRefused("not_enrolled")


async def test_P40_new_recovery_codes_take_a_code() -> None:
    world = World()
    account = await world.add()
    app, codes = await world.enrol(account)
    assert await world.mfa.renew_recovery_codes(account) == MfaRefused("no_code")
    refused = await world.mfa.renew_recovery_codes(account, code=app.wrong())
    assert refused == MfaRefused("wrong_code")
    renewed = await world.mfa.renew_recovery_codes(account, code=app.code(), visit=HERE)
    assert isinstance(renewed, RecoveryCodes)
    assert len(renewed.codes) == 10
    assert not set(renewed.codes) & set(codes)
    # F98: the old ones are dead.
    for code in codes[:4]:
        assert await world.redeem(account, recovery_code=code) == MfaRefused("wrong_code")
    passed(await world.redeem(account, recovery_code=renewed.codes[0]))
    await world.mfa.drain()
    assert [message.kind for message in world.mailbox.messages][-1] == "mfa_recovery_codes_renewed"


async def test_P40_guesses_at_either_are_counted_together() -> None:
    world = World()
    account = await world.add()
    app, _ = await world.enrol(account)
    for _ in range(3):
        await world.mfa.disable(account, code=app.wrong())
    for _ in range(2):
        await world.mfa.renew_recovery_codes(account, code=app.wrong())
    assert await world.mfa.disable(account, code=app.code()) == LockedOut(30)
    assert await world.mfa.renew_recovery_codes(account, code=app.code()) == LockedOut(30)
    assert await world.redeem(account, code=app.code()) == LockedOut(30)


async def status(world: World, account: Any) -> MfaStatus:
    found = await world.mfa.status(account)
    assert isinstance(found, MfaStatus)
    return found


async def test_P40_the_status_at_every_stage() -> None:
    world = World()
    account = await world.add()
    nothing = MfaStatus(
        enabled=False,
        methods=(),
        confirmed_at=None,
        recovery_codes_left=0,
        email_codes=False,
        email_mask="a***@e***.com",
    )
    assert await status(world, account) == nothing
    await world.mfa.start_enrolment(account)
    assert await status(world, account) == nothing
    confirmed_at = world.clock.now
    app, codes = await world.enrol(account)
    assert await status(world, account) == MfaStatus(
        enabled=True,
        methods=("totp", "recovery"),
        confirmed_at=confirmed_at,
        recovery_codes_left=10,
        email_codes=False,
        email_mask="a***@e***.com",
    )
    await world.redeem(account, recovery_code=codes[0])
    await world.mfa.enable_mailed_codes(account, code=app.code())
    found = await status(world, account)
    assert (found.recovery_codes_left, found.email_codes) == (9, True)
    assert found.methods == ("totp", "recovery", "mailed_code")
    await world.mfa.drain()


async def test_P40_the_status_where_nothing_is_mailed() -> None:
    world = World(mails=False)
    account = await world.add()
    assert (await status(world, account)).email_mask is None
    named = World()
    assert (await status(named, await named.add("ann"))).email_mask is None


async def test_P40_mailed_codes_alone_are_a_factor() -> None:
    world = World()
    account = await world.add()
    confirmed_at = world.clock.now
    assert await world.mfa.enable_mailed_codes(account) == MailedCodesEnabled()
    found = await status(world, account)
    assert (found.enabled, found.confirmed_at) == (True, confirmed_at)
    await world.mfa.drain()
    world.mailbox.messages.clear()
    await world.mfa.send_code(account)
    code = world.mailbox.take("mfa_code").code
    renewed = await world.mfa.renew_recovery_codes(account, mailed_code=code)
    assert isinstance(renewed, RecoveryCodes)
    passed(await world.redeem(account, recovery_code=renewed.codes[0]))
    await world.mfa.drain()


async def test_mailed_codes_for_an_account_that_is_gone() -> None:
    world = World()
    account = await world.add()
    await world.store.accounts.delete(account.id)
    assert await world.mfa.enable_mailed_codes(account) == MfaRefused("not_enrolled")


@pytest.mark.parametrize(
    ("call", "path"),
    [
        ("disable", "accounts.list_factors"),
        ("disable", "accounts.advance_factor"),
        ("disable", "accounts.replace_factors"),
        ("renew_recovery_codes", "accounts.list_factors"),
        ("renew_recovery_codes", "accounts.replace_factors"),
        ("enable_mailed_codes", "accounts.list_factors"),
        ("enable_mailed_codes", "accounts.replace_factors"),
    ],
)
async def test_a_store_that_fails(call: str, path: str) -> None:
    world = World(Watched(), attempts=MemoryStore())
    account = await world.add()
    app, _ = await world.enrol(account)
    world.store.failing[path] = 1
    assert await getattr(world.mfa, call)(account, code=app.code()) == Unavailable()
    assert world.events.names[-1] == "mfa_store_failed"


async def test_a_status_that_cannot_be_had() -> None:
    world = World(Watched())
    account = await world.add()
    world.store.failing["accounts.list_factors"] = 1
    assert await world.mfa.status(account) == Unavailable()


@pytest.mark.parametrize("call", ["start_enrolment", "confirm_enrolment", "send_code"])
async def test_the_account_of_a_pre_token_that_cannot_be_had(call: str) -> None:
    enrols = call != "send_code"
    world = World(Watched(), attempts=MemoryStore(), enforce_for_all=True)
    account = await world.add()
    if not enrols:
        await world.enrol(account)
    token, visit = await world.challenge(account)
    world.store.failing["accounts.load"] = 1
    given = (token, "123456") if call == "confirm_enrolment" else (token,)
    assert await getattr(world.mfa, call)(*given, visit=visit) == Unavailable()
