"""A new authenticator counts when a code has shown that it is there, and not before."""

from __future__ import annotations

from base64 import b32decode
from typing import Any

import pytest

from asgi_security.crypto.one_time_codes import compute_recovery_digest
from asgi_security.flows.lockout import LockedOut, Unavailable
from asgi_security.flows.mfa import Enrolled, EnrolmentStarted, MfaPassed, MfaRefused
from asgi_security.flows.mfa_enrolment import PENDING
from asgi_security.storage.memory import MemoryStore
from tests.flows.account_world import Watched
from tests.flows.mfa_world import HERE, NAME, Authenticator, World, passed

pytestmark = pytest.mark.anyio


async def start(world: World, account: Any) -> Authenticator:
    started = await world.mfa.start_enrolment(account, visit=HERE)
    assert isinstance(started, EnrolmentStarted)
    return Authenticator(started.uri, world.clock)


async def test_P40_F97_what_is_started() -> None:
    world = World()
    account = await world.add()
    started = await world.mfa.start_enrolment(account, visit=HERE)
    assert isinstance(started, EnrolmentStarted)
    app = Authenticator(started.uri, world.clock)
    assert b32decode(started.secret) == app.secret
    assert len(app.secret) * 8 == 160
    assert started.uri.startswith("otpauth://totp/Acme:ann%40example.com?")
    assert (app.digits, app.period) == (6, 30)
    (factor,) = await world.store.accounts.list_factors(account.id)
    assert (factor.kind, factor.step) == (PENDING, 0)


async def test_P40_what_is_confirmed() -> None:
    world = World(recovery_codes=3)
    account = await world.add()
    app = await start(world, account)
    enrolled = await world.mfa.confirm_enrolment(account, app.code(), visit=HERE)
    assert isinstance(enrolled, Enrolled)
    assert enrolled.passed is None
    factors = {
        (factor.kind, factor.id): factor
        for factor in await world.store.accounts.list_factors(account.id)
    }
    assert [kind for kind, _ in factors] == ["recovery"] * 3 + ["totp"]
    digests = {compute_recovery_digest(code) for code in enrolled.recovery_codes}
    assert {name for kind, name in factors if kind == "recovery"} == digests
    (totp,) = [factor for factor in factors.values() if factor.kind == "totp"]
    assert totp.step == world.clock.now // 30  # F97: its step is spent
    assert totp.created_at == world.clock.now
    await world.mfa.drain()
    assert world.mailbox.take("mfa_enabled").recipient == NAME


async def test_P34_codes_of_another_length_stay_good() -> None:
    world = World(recovery_codes=2, recovery_code_letters=40)
    account = await world.add()
    app = await start(world, account)
    enrolled = await world.mfa.confirm_enrolment(account, app.code(), visit=HERE)
    assert isinstance(enrolled, Enrolled)
    assert [len(code.replace("-", "")) for code in enrolled.recovery_codes] == [40, 40]
    shorter = World(world.store, recovery_code_letters=23)
    for code in enrolled.recovery_codes:
        assert isinstance(await shorter.mfa.verify(account, recovery_code=code), MfaPassed)
    assert not isinstance(
        await shorter.mfa.verify(account, recovery_code=enrolled.recovery_codes[0]), MfaPassed
    )


async def test_P40_every_secret_is_another() -> None:
    world = World()
    account = await world.add()
    first, second = await start(world, account), await start(world, account)
    assert first.secret != second.secret
    # The last one counts.
    refused = await world.mfa.confirm_enrolment(account, first.code())
    assert refused == MfaRefused("wrong_code")
    assert isinstance(await world.mfa.confirm_enrolment(account, second.code()), Enrolled)


async def test_P41_wrong_codes_are_counted() -> None:
    world = World()
    account = await world.add()
    app = await start(world, account)
    for _ in range(5):
        outcome = await world.mfa.confirm_enrolment(account, app.wrong())
        assert outcome == MfaRefused("wrong_code")
    assert await world.mfa.confirm_enrolment(account, app.code()) == LockedOut(30)
    world.clock.advance(30)
    assert isinstance(await world.mfa.confirm_enrolment(account, app.code()), Enrolled)


@pytest.mark.parametrize("window", [0, 1])
async def test_F97_the_window_holds_here_too(window: int) -> None:
    world = World(window=window)
    account = await world.add()
    app = await start(world, account)
    outcome = await world.mfa.confirm_enrolment(account, app.code(-1))
    assert isinstance(outcome, Enrolled) is (window == 1)


async def test_nothing_to_confirm_is_no_guess() -> None:
    world = World()
    account = await world.add()
    for _ in range(6):
        outcome = await world.mfa.confirm_enrolment(account, "123456")
        assert outcome == MfaRefused("not_enrolled")
    assert await world.failures("totp") == 0


async def test_a_secret_waits_only_so_long() -> None:
    world = World(enrolment_lifetime_seconds=600)
    account = await world.add()
    app = await start(world, account)
    world.clock.advance(600)
    assert await world.mfa.confirm_enrolment(account, app.code()) == MfaRefused("not_enrolled")
    app = await start(world, account)
    world.clock.advance(599)
    assert isinstance(await world.mfa.confirm_enrolment(account, app.code()), Enrolled)


async def test_an_authenticator_is_not_replaced_without_its_code() -> None:
    world = World()
    account = await world.add()
    before = await start(world, account)
    await world.enrol(account)
    refused = MfaRefused("already_enrolled")
    assert await world.mfa.start_enrolment(account) == refused
    assert await world.mfa.confirm_enrolment(account, before.code()) == refused


async def test_an_account_that_is_gone() -> None:
    world = World()
    account = await world.add()
    await world.store.accounts.delete(account.id)
    assert await world.mfa.start_enrolment(account) == MfaRefused("not_enrolled")


async def test_a_damaged_secret_confirms_nothing() -> None:
    world = World()
    account = await world.add()
    app = await start(world, account)
    other = World(world.store, clock=world.clock, secret="x" * 32)
    outcome = await other.mfa.confirm_enrolment(account, app.code())
    assert outcome == MfaRefused("wrong_code")


@pytest.mark.parametrize("path", ["accounts.list_factors", "accounts.replace_factors"])
async def test_a_store_that_fails_at_the_start(path: str) -> None:
    world = World(Watched())
    account = await world.add()
    world.store.failing[path] = 1
    assert await world.mfa.start_enrolment(account) == Unavailable()


@pytest.mark.parametrize(
    "path", ["accounts.list_factors", "accounts.delete_factor", "accounts.replace_factors"]
)
async def test_a_store_that_fails_at_the_end_leaves_no_half_way(path: str) -> None:
    world = World(Watched(), attempts=MemoryStore())
    account = await world.add()
    app = await start(world, account)
    world.store.failing[path] = 1
    assert await world.mfa.confirm_enrolment(account, app.code()) == Unavailable()
    kinds = [factor.kind for factor in await world.store.accounts.list_factors(account.id)]
    assert "totp" not in kinds
    app = await start(world, account)
    assert isinstance(await world.mfa.confirm_enrolment(account, app.code()), Enrolled)


class TestWithAPreToken:
    """F95: a sign-in that waits for the enrolment it requires."""

    async def test_F95_enrolment_completes_the_sign_in(self) -> None:
        world = World(enforce_for_all=True)
        account = await world.add()
        token, visit = await world.challenge(account)
        started = await world.mfa.start_enrolment(token, visit=visit)
        assert isinstance(started, EnrolmentStarted)
        app = Authenticator(started.uri, world.clock)
        wrong = await world.mfa.confirm_enrolment(token, app.wrong(), visit=visit)
        assert wrong == MfaRefused("wrong_code")
        enrolled = await world.mfa.confirm_enrolment(token, app.code(), visit=visit)
        assert isinstance(enrolled, Enrolled)
        done = passed(enrolled.passed)
        assert (done.account, done.amr) == (account, ("pwd", "otp", "mfa"))
        assert done.auth_time == world.clock.now
        assert world.audit.actions[-2:] == ["mfa_enabled", "mfa_passed"]
        # The step is spent by it, and so is the pre-token.
        assert await world.redeem(account, code=app.code()) == MfaRefused("spent_code")
        again = await world.mfa.start_enrolment(token, visit=visit)
        assert again == MfaRefused("already_enrolled")

    async def test_F96_it_is_good_for_one_sign_in(self) -> None:
        world = World(enforce_for_all=True)
        account = await world.add()
        token, visit = await world.challenge(account)
        started = await world.mfa.start_enrolment(token, visit=visit)
        assert isinstance(started, EnrolmentStarted)
        app = Authenticator(started.uri, world.clock)
        assert isinstance(
            await world.mfa.confirm_enrolment(token, app.code(), visit=visit), Enrolled
        )
        await world.mfa.reset(account, actor="operator")
        started = await world.mfa.start_enrolment(token, visit=visit)
        assert isinstance(started, EnrolmentStarted)
        app = Authenticator(started.uri, world.clock)
        again = await world.mfa.confirm_enrolment(token, app.code(), visit=visit)
        assert again == MfaRefused("dead_pre_token")
        kinds = {factor.kind for factor in await world.store.accounts.list_factors(account.id)}
        assert kinds == {PENDING}

    async def test_F95_the_pre_token_of_an_enrolled_account_sets_nothing_up(self) -> None:
        world = World()
        account = await world.add()
        app, _ = await world.enrol(account)
        token, visit = await world.challenge(account)
        refused = MfaRefused("bad_pre_token")
        assert await world.mfa.start_enrolment(token, visit=visit) == refused
        assert await world.mfa.confirm_enrolment(token, app.code(), visit=visit) == refused

    async def test_F95_nor_does_an_older_one_when_the_account_has_enrolled_since(self) -> None:
        """A thief with the password has asked first, and the owner was quicker."""
        world = World(enforce_for_all=True)
        account = await world.add()
        token, visit = await world.challenge(account)
        await world.enrol(account)
        refused = await world.mfa.start_enrolment(token, visit=visit)
        assert refused == MfaRefused("already_enrolled")

    async def test_M97_it_is_its_browser_s(self) -> None:
        world = World(enforce_for_all=True)
        account = await world.add()
        token, _ = await world.challenge(account)
        refused = MfaRefused("bad_pre_token")
        assert await world.mfa.start_enrolment(token, visit=HERE) == refused
        assert await world.mfa.confirm_enrolment(token, "123456", visit=HERE) == refused
