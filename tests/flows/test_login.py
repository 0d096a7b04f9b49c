"""A login from the name that was typed to the answer: alike for all that is wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from asgi_security.crypto.passwords import PasswordHasher, ScryptProfile
from asgi_security.flows.lockout import LockedOut, Unavailable
from asgi_security.flows.login import (
    REAUTHENTICATION,
    NeedsMfa,
    PasswordConfirmed,
    Refused,
    SignedIn,
)
from asgi_security.flows.mfa_outcomes import (
    MfaChallenge,
    MfaEnrolmentRequired,
    MfaPassed,
    MfaPolicyFailed,
    NotDue,
)
from tests.flows.account_world import GOOD, HERE, NAME, WRONG, World, make_hash

if TYPE_CHECKING:
    from asgi_security.flows.visits import Visit
    from asgi_security.storage.protocols import Account

pytestmark = pytest.mark.anyio

CHALLENGE = MfaChallenge(pre_token="pre", methods=("totp",), browser="b", lifetime_seconds=300)
ENROL = MfaEnrolmentRequired(pre_token="pre", browser="b", lifetime_seconds=300)


class Asked:
    """A decision about second factors that is always the same, or an error."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.calls: list[tuple[str, tuple[str, ...]]] = []
        self.entered = anyio.Event()

    async def begin(self, account: Account, *, visit: Visit, amr: tuple[str, ...]) -> Any:
        self.calls.append((account.id, amr))
        if self.answer == "hangs":
            self.entered.set()
            await anyio.sleep_forever()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class TestSignIn:
    async def test_F92_a_right_password_signs_in(self) -> None:
        world = World()
        account = await world.add()
        outcome = await world.login.sign_in(" ANN@Example.com", GOOD, visit=HERE)
        assert outcome == SignedIn(account, ("pwd",), world.clock.now)
        (entry,) = world.audit.entries
        assert (entry.action, entry.actor, entry.target) == ("signed_in", account.id, account.id)
        assert entry.details == {"amr": ["pwd"], "failures": 0}
        assert entry.request_id == "r-1"

    @pytest.mark.parametrize(
        ("fields", "name", "password", "reason", "failures"),
        [
            pytest.param({}, "eve@example.com", GOOD, "unknown_name", 1, id="F93 unknown"),
            pytest.param({}, "", GOOD, "unknown_name", None, id="E25 F93 blank"),
            pytest.param({}, "x" * 400, GOOD, "unknown_name", None, id="E25 F93 too long"),
            pytest.param({}, "a\0b", GOOD, "unknown_name", 1, id="F93 NUL in the name"),
            pytest.param({}, "\ud800", GOOD, "unknown_name", None, id="F93 lone surrogate"),
            pytest.param({}, NAME, WRONG, "wrong_password", 1, id="F93 wrong"),
            pytest.param({}, NAME, "\ud800", "wrong_password", 1, id="F93 surrogate as password"),
            pytest.param({}, NAME, "x" * 100_000, "wrong_password", 1, id="F93 huge password"),
            pytest.param({"is_active": False}, NAME, GOOD, "inactive", 0, id="F93 F94 inactive"),
            pytest.param(
                {"is_active": False}, NAME, WRONG, "wrong_password", 1, id="F93 inactive, wrong"
            ),
            pytest.param(
                {"is_verified": False}, NAME, GOOD, "unverified", 0, id="F93 F94 unverified"
            ),
            pytest.param(
                {"is_verified": False}, NAME, WRONG, "wrong_password", 1, id="F93 unverified, wrong"
            ),
            pytest.param(
                {"password": None}, NAME, GOOD, "no_password", 1, id="G47 F93 password-less"
            ),
        ],
    )
    async def test_F92_F93_G47_one_answer_after_the_same_work(
        self, fields: Any, name: str, password: str, reason: str, failures: int | None
    ) -> None:
        world = World()
        account = await world.add(**fields)
        outcome = await world.login.sign_in(name, password, visit=HERE)
        assert outcome == Refused()
        assert repr(outcome) == repr(Refused())
        (entry,) = world.audit.entries
        assert (entry.action, entry.outcome, entry.details["reason"]) == (
            *("sign_in_refused", "refused"),
            reason,
        )
        assert entry.actor is None
        assert entry.target == (None if reason == "unknown_name" else account.id)
        shown = str(world.events.events) + str(world.audit.entries)
        assert not any(secret in shown.replace(account.id, "") for secret in (NAME, GOOD, WRONG))
        if failures is not None:
            assert (await world.status(name)).failures == failures
        calls, verified, hashed, records = world.take_work()
        expected = ["attempts.charge", "accounts.find", "attempts.settle"]
        if name == "a\0b" or failures is None:
            expected.remove("accounts.find")  # such a name can stand in no store
        assert (calls, verified, hashed, records) == (expected, 1, 0, 1)

    async def test_F93_unverified_is_revealed_only_if_configured_and_only_to_its_owner(
        self,
    ) -> None:
        world = World(login={"reveal_unverified": True})
        await world.add(is_verified=False)
        await world.add("off@example.com", is_active=False)
        assert await world.login.sign_in(NAME, WRONG, visit=HERE) == Refused()
        assert await world.login.sign_in("off@example.com", GOOD, visit=HERE) == Refused()
        assert await world.login.sign_in(NAME, GOOD, visit=HERE) == Refused(is_unverified=True)

    async def test_F94_unverified_may_enter_where_verification_is_not_asked_for(self) -> None:
        world = World(login={"require_verified": False})
        await world.add(is_verified=False)
        assert isinstance(await world.login.sign_in(NAME, GOOD, visit=HERE), SignedIn)

    @pytest.mark.parametrize("fields", [{"is_active": False}, {"is_verified": False}])
    async def test_F94_a_right_password_that_does_not_enter_resets_nothing(
        self, fields: Any
    ) -> None:
        world = World()
        await world.add(**fields)
        for _ in range(2):
            await world.login.sign_in(NAME, WRONG, visit=HERE)
        for _ in range(20):
            assert await world.login.sign_in(NAME, GOOD, visit=HERE) == Refused()
        assert (await world.status()).failures == 2

    async def test_E16_a_sign_in_forgets_the_failures_and_F101_says_how_many(self) -> None:
        world = World()
        await world.add()
        for _ in range(3):
            await world.login.sign_in(NAME, WRONG, visit=HERE)
        outcome = await world.login.sign_in(NAME, GOOD, visit=HERE)
        assert isinstance(outcome, SignedIn)
        assert outcome.failures == 3
        assert (await world.status()).failures == 0
        assert world.audit.entries[-1].details["failures"] == 3
        assert world.events.names.count("success_after_failures") == 1
        again = await world.login.sign_in(NAME, GOOD, visit=HERE)
        assert isinstance(again, SignedIn)
        assert again.failures == 0

    async def test_E21_F101_locked_out_before_the_verifier_and_said_once(self) -> None:
        world = World()
        await world.add()
        for _ in range(5):
            await world.login.sign_in(NAME, WRONG, visit=HERE)
        assert [entry.details["locked"] for entry in world.audit.entries] == [False] * 4 + [True]
        world.take_work()
        right = await world.login.sign_in(NAME, GOOD, visit=HERE)
        wrong = await world.login.sign_in(NAME, WRONG, visit=HERE)
        assert right == wrong == LockedOut(30)
        calls, verified, _, records = world.take_work()
        assert (calls, verified, records) == (["attempts.charge"] * 2, 0, 2)
        assert world.events.names.count("account_locked") == 1
        assert (await world.status()).failures == 5

    async def test_E27_unknown_names_lock_as_known_ones_do(self) -> None:
        world = World()
        await world.add()
        answers = {
            name: [await world.login.sign_in(name, WRONG, visit=HERE) for _ in range(7)]
            for name in (NAME, "eve@example.com")
        }
        assert answers[NAME] == answers["eve@example.com"]
        assert answers[NAME][5:] == [LockedOut(30)] * 2

    async def test_E15_busy_is_to_come_back_at_once(self) -> None:
        world = World(lockout={"threshold": 1})
        await world.add()
        await world.lockout.begin(account=NAME, client=None)
        assert await world.login.sign_in(NAME, GOOD, visit=HERE) == LockedOut(1)
        assert world.audit.entries[-1].details == {"reason": "busy"}
        assert not world.passwords.verified

    async def test_E22_a_full_sign_in_makes_a_device_known(self) -> None:
        world = World(lockout={"known_devices": True})
        await world.add()
        first = await world.login.sign_in(NAME, GOOD, visit=HERE)
        assert isinstance(first, SignedIn)
        assert first.device is not None
        assert first.device not in repr(first)
        for _ in range(5):
            await world.login.sign_in(NAME, WRONG, visit=HERE)
        assert isinstance(await world.login.sign_in(NAME, GOOD, visit=HERE), LockedOut)
        known = replace(HERE, devices=("junk", first.device))
        second = await world.login.sign_in(NAME, GOOD, visit=known)
        assert isinstance(second, SignedIn)
        assert second.device is None  # it has one that is good

    async def test_E22_devices_are_unknown_where_that_is_not_configured(self) -> None:
        world = World()
        await world.add()
        outcome = await world.login.sign_in(NAME, GOOD, visit=HERE)
        assert isinstance(outcome, SignedIn)
        assert outcome.device is None


class TestRehash:
    OLD = PasswordHasher(ScryptProfile(log2_n=15))

    async def test_P77_an_old_hash_is_replaced_by_compare_and_set(self) -> None:
        world = World(hasher=self.OLD)
        account = await world.add()
        outcome = await world.login.sign_in(NAME, GOOD, visit=HERE)
        stored = await world.load(account)
        assert stored is not None
        assert stored.password_hash != account.password_hash
        assert stored.epoch == account.epoch  # it is the same password: no session ends
        assert isinstance(outcome, SignedIn)
        assert outcome.account == stored
        assert isinstance(await world.login.sign_in(NAME, GOOD, visit=HERE), SignedIn)
        assert await world.load(account) == stored
        assert "password_rehashed" in world.events.names

    async def test_P77_its_failure_does_not_fail_the_login(self) -> None:
        world = World(hasher=self.OLD)
        account = await world.add()
        world.store.failing["accounts.save"] = 1
        assert isinstance(await world.login.sign_in(NAME, GOOD, visit=HERE), SignedIn)
        assert "rehash_not_saved" in world.events.names
        assert await world.load(account) == account

    async def test_P77_another_change_is_not_undone(self) -> None:
        world = World(hasher=self.OLD)
        account = await world.add()
        newer = replace(account, data=b'{"x":1}')
        verify = world.passwords.verify

        async def change_meanwhile(password: str, stored: Any, *, rehash: bool = True) -> Any:
            outcome = await verify(password, stored, rehash=rehash)
            await world.store.store.accounts.save(newer)
            return outcome

        world.passwords.verify = change_meanwhile  # type: ignore[method-assign]
        outcome = await world.login.sign_in(NAME, GOOD, visit=HERE)
        assert isinstance(outcome, SignedIn)
        stored = await world.load(account)
        assert stored == replace(newer, version=2) == outcome.account
        assert "password_rehashed" not in world.events.names

    async def test_P77_F94_nothing_is_rehashed_for_who_does_not_enter(self) -> None:
        world = World(hasher=self.OLD)
        account = await world.add(is_active=False)
        await world.login.sign_in(NAME, GOOD, visit=HERE)
        await world.login.sign_in("eve@example.com", GOOD, visit=HERE)
        assert await world.load(account) == account
        assert world.passwords.rehashes == [False, False]  # nor hashed anew, which takes time


async def hang_up(world: World, password: str) -> None:
    """Begin to sign in, and go away while the password is verified."""
    started = anyio.Event()
    verify = world.passwords.verify

    async def announce(password: str, stored: Any, *, rehash: bool = True) -> Any:
        started.set()
        await anyio.lowlevel.checkpoint()
        return await verify(password, stored, rehash=rehash)

    world.passwords.verify = announce  # type: ignore[method-assign]
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: world.login.sign_in(NAME, password, visit=HERE))
        await started.wait()
        group.cancel_scope.cancel()


class TestTrouble:
    async def test_a_password_changed_during_the_verification_does_not_open(self) -> None:
        world = World()
        account = await world.add()
        verify = world.passwords.verify
        newer = replace(account, password_hash=await make_hash(WRONG), epoch=1)

        async def change_meanwhile(password: str, stored: Any, *, rehash: bool = True) -> Any:
            outcome = await verify(password, stored, rehash=rehash)
            await world.store.store.accounts.save(newer)
            return outcome

        world.passwords.verify = change_meanwhile  # type: ignore[method-assign]
        assert await world.login.sign_in(NAME, GOOD, visit=HERE) == Refused()
        assert world.audit.entries[-1].details["reason"] == "changed_meanwhile"

    @pytest.mark.parametrize("change", [{"is_active": False}, None])
    async def test_an_account_disabled_or_deleted_meanwhile_does_not_open(
        self, change: Any
    ) -> None:
        world = World()
        account = await world.add()
        verify = world.passwords.verify

        async def change_meanwhile(password: str, stored: Any, *, rehash: bool = True) -> Any:
            outcome = await verify(password, stored, rehash=rehash)
            if change is None:
                await world.store.store.accounts.delete(account.id)
            else:
                await world.store.store.accounts.save(replace(account, **change))
            return outcome

        world.passwords.verify = change_meanwhile  # type: ignore[method-assign]
        assert await world.login.sign_in(NAME, GOOD, visit=HERE) == Refused()

    @pytest.mark.parametrize(
        ("call", "error"),
        [
            pytest.param("accounts.find", None, id="E19 the accounts are down"),
            pytest.param("accounts.load", None, id="E19 down after the verification"),
            pytest.param("accounts.find", KeyError("boom"), id="E19 an app's own accounts raise"),
        ],
    )
    async def test_E19_an_outage_locks_nobody_out(self, call: str, error: Any) -> None:
        world = World()
        await world.add()
        if error is not None:
            world.store.error = error
        for _ in range(10):
            world.store.failing[call] = 1
            assert await world.login.sign_in(NAME, GOOD, visit=HERE) == Unavailable()
        assert (await world.status()).failures == 0
        assert isinstance(await world.login.sign_in(NAME, GOOD, visit=HERE), SignedIn)
        named = "accounts_unavailable" if error is None else "verifier_failed"
        assert world.events.names.count(named) == 10
        assert "boom" not in str(world.events.events)

    async def test_D59_nothing_is_verified_while_the_lockout_does_not_answer(self) -> None:
        world = World()
        await world.add()
        world.store.failing["attempts.charge"] = 1
        assert await world.login.sign_in(NAME, GOOD, visit=HERE) == Unavailable()
        assert not world.passwords.verified

    async def test_D59_a_right_login_stands_that_cannot_be_settled(self) -> None:
        world = World()
        await world.add()
        world.store.failing["attempts.settle"] = 1
        assert isinstance(await world.login.sign_in(NAME, GOOD, visit=HERE), SignedIn)

    async def test_P80_a_full_queue_is_refunded(self) -> None:
        world = World(waiting=0)
        await world.add()
        outcomes = []

        async def try_once() -> None:
            outcomes.append(await world.login.sign_in(NAME, GOOD, visit=HERE))

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(try_once)
        kinds = [type(outcome).__name__ for outcome in outcomes]
        assert kinds.count("Unavailable") == 1
        assert kinds.count("SignedIn") == 4
        assert (await world.status()).failures == 0

    async def test_E18_hanging_up_buys_no_guess(self) -> None:
        world = World()
        await world.add()
        await hang_up(world, WRONG)
        assert len(world.passwords.verified) == 1
        assert (await world.status()).failures == 1
        assert world.audit.actions == ["sign_in_refused"]

    async def test_E18_the_truth_is_settled_also_when_it_was_right(self) -> None:
        world = World()
        await world.add()
        await world.login.sign_in(NAME, WRONG, visit=HERE)
        await hang_up(world, GOOD)
        assert (await world.status()).failures == 0


class TestMfa:
    async def test_F95_no_factor_due_signs_in(self) -> None:
        asked = Asked(NotDue())
        world = World(mfa=asked)
        account = await world.add()
        assert isinstance(await world.login.sign_in(NAME, GOOD, visit=HERE), SignedIn)
        assert asked.calls == [(account.id, ("pwd",))]

    async def test_F95_nobody_is_asked_before_the_password_is_right(self) -> None:
        asked = Asked(NotDue())
        world = World(mfa=asked)
        await world.add()
        await world.add("off@example.com", is_active=False)
        await world.login.sign_in(NAME, WRONG, visit=HERE)
        await world.login.sign_in("off@example.com", GOOD, visit=HERE)
        assert not asked.calls

    @pytest.mark.parametrize("due", [CHALLENGE, ENROL], ids=["F92 challenge", "F95 enrolment"])
    async def test_F92_F95_a_second_factor_is_due(self, due: Any) -> None:
        world = World(mfa=Asked(due), lockout={"known_devices": True})
        await world.add()
        await world.login.sign_in(NAME, WRONG, visit=HERE)
        outcome = await world.login.sign_in(NAME, GOOD, visit=HERE)
        assert outcome == NeedsMfa(due)
        assert "pre" not in repr(outcome).replace("pre_token", "")
        assert (await world.status()).failures == 1  # refunded: nothing reset, nothing charged

    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param(MfaPolicyFailed(), id="F95 the policy raised"),
            pytest.param(Unavailable(), id="F95 the store of factors is down"),
            pytest.param(KeyError("boom"), id="F95 the flow itself raised"),
            pytest.param(None, id="F95 no answer is no permission"),
        ],
    )
    async def test_F95_no_sign_in_where_nobody_can_tell(self, answer: Any) -> None:
        world = World(mfa=Asked(answer))
        await world.add()
        for _ in range(7):
            assert await world.login.sign_in(NAME, GOOD, visit=HERE) == Unavailable()
        assert (await world.status()).failures == 0
        assert world.audit.entries[-1].details == {"reason": "mfa_unavailable"}
        assert world.events.names.count("attempt_not_open") == 0

    async def test_E18_cancelled_while_the_policy_thinks_nobody_pays(self) -> None:
        asked = Asked("hangs")
        world = World(mfa=asked)
        await world.add()
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: world.login.sign_in(NAME, GOOD, visit=HERE))
            await asked.entered.wait()
            group.cancel_scope.cancel()
        status = await world.status()
        assert status.failures == 0
        world.clock.advance(31)
        assert (await world.status()).failures == 0  # the charge is closed, not only young

    async def test_E16_F101_the_second_factor_completes_the_sign_in(self) -> None:
        world = World(mfa=Asked(CHALLENGE), lockout={"known_devices": True})
        account = await world.add()
        for _ in range(2):
            await world.login.sign_in(NAME, WRONG, visit=HERE)
        await world.login.sign_in(NAME, GOOD, visit=HERE)
        amr = ("pwd", "otp", "mfa")
        passed = MfaPassed(account=account, amr=amr, auth_time=5.0, method="totp")
        outcome = await world.login.finish(passed, visit=HERE)
        assert isinstance(outcome, SignedIn)
        assert (outcome.account, outcome.amr, outcome.auth_time) == (account, amr, 5.0)
        assert outcome.failures == 2
        assert outcome.device is not None
        assert (await world.status()).failures == 0
        assert world.audit.entries[-1].details == {"amr": list(amr), "failures": 2}

    async def test_a_lock_that_strangers_cause_meanwhile_does_not_stop_the_owner(self) -> None:
        world = World(mfa=Asked(CHALLENGE), lockout={"known_devices": True})
        account = await world.add()
        for _ in range(5):
            await world.login.sign_in(NAME, WRONG, visit=HERE)
        passed = MfaPassed(account=account, amr=("pwd",), auth_time=5.0, method="totp")
        outcome = await world.login.finish(passed, visit=HERE)
        assert outcome == SignedIn(account, ("pwd",), 5.0)
        assert (await world.status()).locked
        assert world.audit.actions[-1] == "signed_in"

    async def test_an_account_disabled_meanwhile_is_refused(self) -> None:
        world = World(mfa=Asked(CHALLENGE))
        account = await world.add(is_active=False)
        passed = MfaPassed(account=account, amr=("pwd",), auth_time=5.0, method="totp")
        assert await world.login.finish(passed, visit=HERE) == Refused()
        assert world.audit.entries[-1].details == {"reason": "inactive"}


class TestConfirm:
    async def test_E29_a_right_password_confirms(self) -> None:
        world = World()
        account = await world.add()
        world.clock.advance(5)
        outcome = await world.login.confirm_password(account, GOOD, visit=HERE)
        assert outcome == PasswordConfirmed(account, world.clock.now)
        assert world.audit.actions == ["password_confirmed"]

    async def test_E29_wrong_ones_lock_the_confirmation_and_not_the_login(self) -> None:
        world = World()
        account = await world.add()
        for _ in range(5):
            assert await world.login.confirm_password(account, WRONG, visit=HERE) == Refused()
        assert isinstance(await world.login.confirm_password(account, GOOD, visit=HERE), LockedOut)
        assert (await world.status(factor=REAUTHENTICATION)).failures == 5
        assert (await world.status()).failures == 0
        assert isinstance(await world.login.sign_in(NAME, GOOD, visit=HERE), SignedIn)
        # E29: a right password at the login does not clear the count of confirmations.
        assert (await world.status(factor=REAUTHENTICATION)).locked
        assert {entry.action for entry in world.audit.entries[:5]} == {"confirmation_refused"}
        assert {entry.target for entry in world.audit.entries} == {account.id}

    async def test_E29_a_locked_login_does_not_keep_the_owner_from_confirming(self) -> None:
        world = World()
        account = await world.add()
        for _ in range(5):
            await world.login.sign_in(NAME, WRONG, visit=HERE)
        outcome = await world.login.confirm_password(account, GOOD, visit=HERE)
        assert isinstance(outcome, PasswordConfirmed)

    @pytest.mark.parametrize(
        "change", [{"is_active": False}, {"is_verified": False}, "deleted", "password-less"]
    )
    async def test_what_is_stored_counts_and_not_what_the_caller_has(self, change: Any) -> None:
        world = World()
        account = await world.add()
        if change == "deleted":
            await world.store.store.accounts.delete(account.id)
        elif change == "password-less":
            await world.store.store.accounts.save(replace(account, password_hash=None))
        else:
            await world.store.store.accounts.save(replace(account, **change))
        assert await world.login.confirm_password(account, GOOD, visit=HERE) == Refused()
        assert len(world.passwords.verified) == 1

    async def test_an_outage_is_unavailable(self) -> None:
        world = World()
        account = await world.add()
        world.store.failing["accounts.load"] = 1
        assert await world.login.confirm_password(account, GOOD, visit=HERE) == Unavailable()
        world.store.failing["attempts.charge"] = 1
        assert await world.login.confirm_password(account, GOOD, visit=HERE) == Unavailable()
