"""The whole life of an account, with no HTTP at all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from asgi_security.flows.accounts import (
    Accepted,
    AccountChanged,
    AccountDeleted,
    AddressVerified,
    PasswordSet,
)
from asgi_security.flows.lockout import LockedOut
from asgi_security.flows.login import NeedsMfa, Refused, SignedIn
from asgi_security.flows.mfa import (
    Enrolled,
    EnrolmentStarted,
    Mfa,
    MfaChallenge,
    MfaPassed,
    MfaRefused,
)
from asgi_security.policy.mfa import MfaConfig
from tests.flows.account_world import BETTER, GOOD, HERE, NAME, WRONG, World
from tests.flows.mfa_world import Authenticator
from tests.storage import backends

if TYPE_CHECKING:
    from asgi_security.storage.protocols import Account, Store

pytestmark = [pytest.mark.anyio, backends.on("memory", "sqlite")]


class Story(World):
    """A world with second factors, and what its people do over and over."""

    def __init__(self, store: Any) -> None:
        super().__init__(store, mfa=self.make_mfa, lockout={"known_devices": True})

    def make_mfa(self, _: World) -> Mfa:
        self.mfa = Mfa(
            MfaConfig(issuer="Acme", secret="m" * 32, store_timeout_seconds=20),
            self.store,
            lockout=self.lockout,
            sender=self.mailbox,
            clock=self.clock,
            entropy=self.entropy,
            events=self.events,
            audit=self.audit,
        )
        return self.mfa

    async def sign_in(self, password: str, *devices: str) -> Any:
        return await self.login.sign_in(NAME, password, visit=replace(HERE, devices=devices))

    async def enrol(self, account: Account) -> tuple[Authenticator, tuple[str, ...]]:
        started = await self.mfa.start_enrolment(account, visit=HERE)
        assert isinstance(started, EnrolmentStarted)
        app = Authenticator(started.uri, self.clock)
        enrolled = await self.mfa.confirm_enrolment(account, app.code(), visit=HERE)
        assert isinstance(enrolled, Enrolled)
        self.clock.advance(60)
        assert await self.mfa.drain()
        self.mailbox.messages.clear()
        return app, enrolled.recovery_codes

    async def pass_both(self, password: str, app: Authenticator) -> SignedIn:
        needed = await self.sign_in(password)
        assert isinstance(needed, NeedsMfa)
        assert isinstance(needed.challenge, MfaChallenge)
        visit = replace(HERE, browser=needed.challenge.browser)
        passed = await self.mfa.redeem(needed.challenge.pre_token, code=app.code(), visit=visit)
        assert isinstance(passed, MfaPassed)
        signed_in = await self.login.finish(passed, visit=visit)
        assert isinstance(signed_in, SignedIn)
        return signed_in


async def test_from_registration_to_deletion(store: Store) -> None:
    world = Story(store)

    # Ann registers, and is nobody before she has shown that the address is hers.
    assert await world.life.register(NAME, GOOD, visit=HERE) == Accepted()
    verification = (await world.read_mail("verify")).token or ""
    assert await world.sign_in(GOOD) == Refused()
    assert isinstance(await world.life.verify(verification, visit=HERE), AddressVerified)

    # She signs in with her password only, and takes a second factor.
    first = await world.sign_in(GOOD)
    assert isinstance(first, SignedIn)
    assert first.amr == ("pwd",)
    assert first.device is not None
    app, _ = await world.enrol(first.account)

    # From now on the password opens nothing but the second step.
    both = await world.pass_both(GOOD, app)
    assert set(both.amr) >= {"pwd", "otp"}

    # A stranger guesses until the account is locked; the right password does not open it then.
    for _ in range(5):
        assert await world.sign_in(WRONG) == Refused()
    assert await world.sign_in(GOOD) == LockedOut(30)
    # But Ann's own browser is known.
    assert isinstance(await world.sign_in(GOOD, first.device), NeedsMfa)

    # She resets her password all the same. A reset is no way around the second factor.
    assert await world.life.request_reset(NAME, visit=HERE) == Accepted()
    reset = (await world.read_mail("reset")).token or ""
    assert isinstance(await world.life.reset(reset, BETTER, visit=HERE), PasswordSet)
    assert await world.sign_in(GOOD) == Refused()
    world.clock.advance(60)
    again = await world.pass_both(BETTER, app)
    assert again.account.epoch == 1
    assert again.failures == 1  # the old password, just now

    # An operator disables her, and enables her again.
    assert isinstance(
        await world.life.disable(again.account.id, actor="root", visit=HERE), AccountChanged
    )
    assert await world.sign_in(BETTER) == Refused()
    await world.life.enable(again.account.id, actor="root", visit=HERE)
    world.clock.advance(60)
    assert isinstance(await world.pass_both(BETTER, app), SignedIn)

    # She leaves.
    assert await world.life.delete(again.account.id, visit=HERE) == AccountDeleted()
    assert await world.sign_in(BETTER) == Refused()
    assert await world.life.register(NAME, GOOD, visit=HERE) == Accepted()

    written = str(world.audit.entries) + str(world.events.events)
    secrets = (NAME, GOOD, BETTER, WRONG, verification, reset, first.device, HERE.client or "")
    assert not [secret for secret in secrets if secret in written]


async def test_F96_a_pre_token_dies_with_the_password_it_was_won_by(store: Store) -> None:
    world = Story(store)
    account = await world.add()
    app, _ = await world.enrol(account)
    needed = await world.sign_in(GOOD)
    assert isinstance(needed, NeedsMfa)
    await world.life.request_reset(NAME, visit=HERE)
    reset = (await world.read_mail("reset")).token or ""
    await world.life.reset(reset, BETTER, visit=HERE)
    visit = replace(HERE, browser=needed.challenge.browser)
    outcome = await world.mfa.redeem(needed.challenge.pre_token, code=app.code(), visit=visit)
    assert isinstance(outcome, MfaRefused)
