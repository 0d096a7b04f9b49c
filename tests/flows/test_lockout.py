"""Attempts from their charge to their settlement, without ASGI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from asgi_security.errors import ConfigError, StorageError
from asgi_security.flows.lockout import LockedOut, Lockout, Unavailable
from asgi_security.policy.lockout import LockoutConfig, LockoutRules
from asgi_security.storage.memory import MemoryStore
from asgi_security.storage.protocols import Admitted, Busy, Outcome, Receipt
from asgi_security.testing import EventRecorder, FakeClock, SeededEntropy

if TYPE_CHECKING:
    from asgi_security.storage.protocols import AttemptStatus

pytestmark = pytest.mark.anyio

SECRET = "n" * 32
HERE = "192.0.2.1"


class World:
    """A lockout and everything around it, at hand for a test."""

    def __init__(self, *, store: Any = None, **options: Any) -> None:
        taken = {"account_key", "account_epoch", "sleep"} & options.keys()
        hooks = {name: options.pop(name) for name in taken}
        self.config = LockoutConfig(**{"secret": SECRET, **options})
        self.store = MemoryStore() if store is None else store
        self.clock = FakeClock()
        self.events = EventRecorder()
        self.lockout = Lockout(
            self.config,
            self.store,
            clock=self.clock,
            entropy=SeededEntropy(),
            events=self.events,
            **hooks,
        )

    async def admit(self, account: str | None = "bob", **fields: Any) -> Admitted:
        begun = await self.lockout.begin(account=account, client=HERE, **fields)
        assert isinstance(begun, Admitted), begun
        return begun

    async def fail(self, account: str | None = "bob", times: int = 1, **fields: Any) -> None:
        for _ in range(times):
            begun = await self.admit(account, **fields)
            await self.lockout.settle(begun, Outcome.FAILURE)

    async def status(self, account: str = "bob", factor: str = "password") -> AttemptStatus:
        key = self.lockout._keys.build_account_key(account, factor=factor)
        (status,) = await self.store.attempts.status((key,), now=self.clock())
        return status

    async def client_failures(self) -> int:
        key = self.lockout._keys.build_client_key(HERE)
        (status,) = await self.store.attempts.status((key,), now=self.clock())
        return status.failures


class Failing:
    """A store that is down, or slower than anyone may wait."""

    def __init__(self, *, hangs: bool = False, on: str = "") -> None:
        self.hangs = hangs
        self.on = on
        self.store = MemoryStore().attempts

    def __getattr__(self, name: str) -> Any:
        if name in ("attempts", "is_process_local"):
            raise AttributeError(name)

        async def call(*args: Any, **fields: Any) -> Any:
            if self.on in ("", name):
                if self.hangs:
                    await anyio.sleep_forever()
                raise StorageError("down")
            return await getattr(self.store, name)(*args, **fields)

        return call


class TestLocks:
    async def test_E13_nothing_is_charged_while_any_key_is_locked(self) -> None:
        world = World()
        await world.fail(times=5)
        assert await world.lockout.begin(account="bob", client=HERE) == LockedOut(30)
        assert await world.client_failures() == 5
        world.clock.advance(29)
        assert await world.lockout.begin(account="bob", client="192.0.2.2") == LockedOut(1)
        world.clock.advance(1)
        await world.admit()

    async def test_E13_an_unsettled_charge_only_fills_the_budget(self) -> None:
        world = World()
        for _ in range(5):
            await world.admit()
        assert isinstance(await world.lockout.begin(account="bob", client=HERE), Busy)
        assert not (await world.status()).locked

    async def test_E14_L6_one_guess_per_reopening(self) -> None:
        world = World()
        await world.fail(times=5)
        world.clock.advance(30)
        await world.admit()
        assert isinstance(await world.lockout.begin(account="bob", client=HERE), Busy)

    async def test_E15_a_full_budget_is_reported_as_busy(self) -> None:
        world = World()
        for _ in range(5):
            await world.admit()
        await world.lockout.begin(account="bob", client=HERE)
        assert world.events.names == ["attempt_busy"]

    async def test_E16_a_success_clears_the_account_and_not_the_address(self) -> None:
        world = World()
        await world.fail(times=4)
        begun = await world.admit()
        await world.lockout.settle(begun, Outcome.SUCCESS)
        assert (await world.status()).failures == 0
        assert await world.client_failures() == 4

    async def test_E16_own_logins_between_do_not_free_an_attackers_address(self) -> None:
        world = World(client_rules=LockoutRules(threshold=5))
        for number in range(5):
            await world.fail(f"victim{number}")
            begun = await world.lockout.begin(account="mallory", client=HERE)
            if isinstance(begun, Admitted):
                await world.lockout.settle(begun, Outcome.SUCCESS)
        assert isinstance(await world.lockout.check(HERE), LockedOut)

    async def test_E16_later_charges_outlive_a_success(self) -> None:
        world = World()
        first = await world.admit()
        world.clock.advance(1)
        second = await world.admit()
        await world.lockout.settle(first, Outcome.SUCCESS)
        await world.lockout.settle(second, Outcome.FAILURE)
        assert (await world.status()).failures == 1

    async def test_E17_a_failure_is_anchored_at_its_begin(self) -> None:
        world = World(threshold=1)
        begun = await world.admit()
        world.clock.advance(10)
        await world.lockout.settle(begun, Outcome.FAILURE)
        assert await world.lockout.begin(account="bob") == LockedOut(20)

    async def test_E17_settling_twice_has_no_effect(self) -> None:
        world = World()
        begun = await world.admit()
        assert await world.lockout.settle(begun, Outcome.FAILURE) is not None
        assert await world.lockout.settle(begun, Outcome.SUCCESS) is None
        assert (await world.status()).failures == 1
        assert world.events.names == ["attempt_not_open"]

    async def test_E17_a_forged_ticket_has_no_effect(self) -> None:
        world = World()
        await world.fail(times=3)
        keys = (await world.admit()).receipt.keys
        forged = Admitted(Receipt(b"x" * 16, keys, world.clock()))
        assert await world.lockout.settle(forged, Outcome.SUCCESS) is None
        assert (await world.status()).failures == 3

    async def test_E20_an_attempt_that_nobody_settles_becomes_a_failure(self) -> None:
        world = World()
        for _ in range(5):
            await world.admit()
        world.clock.advance(30)
        assert isinstance(await world.lockout.begin(account="bob", client=HERE), Admitted)
        assert (await world.status()).failures == 5

    async def test_E21_asking_while_locked_extends_nothing(self) -> None:
        world = World()
        await world.fail(times=5)
        for _ in range(3):
            world.clock.advance(5)
            await world.lockout.begin(account="bob", client=HERE)
        assert await world.lockout.begin(account="bob", client=HERE) == LockedOut(15)

    async def test_L9_a_final_lock_shows_the_longest_wait(self) -> None:
        world = World(threshold=1, max_consecutive=1)
        await world.fail()
        assert await world.lockout.begin(account="bob") == LockedOut(3600)


class TestKeys:
    @pytest.mark.parametrize("name", ["", " \t", "x" * 321, None, "\ud800"])
    async def test_E25_names_that_nobody_can_have_share_no_key(self, name: str | None) -> None:
        world = World()
        await world.fail(name, times=6)
        assert await world.client_failures() == 6
        (record, *_) = await world.store.attempts.history()
        assert record.account is None

    async def test_E26_spellings_of_a_name_share_one_key(self) -> None:
        world = World()
        for spelling in ("admin", "ADMIN", " \uff41dmin", "Admin ", "aDmin"):
            await world.fail(spelling)
        assert await world.lockout.begin(account="admin", client=HERE) == LockedOut(30)

    async def test_E26_the_hook_joins_the_names_of_one_account(self) -> None:
        def account_key(name: str) -> str | None:
            return {"bob@example.com": "17", "bob": "17"}.get(name)

        async def waiting(name: str) -> str | None:
            return account_key(name)

        for hook in (account_key, waiting):
            world = World(account_key=hook)
            await world.fail("Bob", times=3)
            await world.fail("bob@EXAMPLE.com", times=2)
            assert isinstance(await world.lockout.begin(account="bob"), LockedOut)
            await world.fail("carol", times=5)
            assert isinstance(await world.lockout.begin(account="carol"), LockedOut)

    async def test_E26_a_hook_that_fails_leaves_the_name_counted(self) -> None:
        def account_key(name: str) -> str:
            raise LookupError(name)

        world = World(account_key=account_key)
        await world.fail(times=5)
        assert isinstance(await world.lockout.begin(account="bob"), LockedOut)
        failed = world.events.events[0]
        assert (failed.name, failed.facts) == ("account_key_failed", {"error": "LookupError"})

    async def test_E27_G48_all_callers_count_one_account_together(self) -> None:
        world = World()
        other = Lockout(world.config, world.store.attempts, clock=world.clock)
        await world.fail("nobody-has-this-name", times=5)
        assert await other.begin(account="Nobody-Has-This-Name") == LockedOut(30)

    async def test_E28_locks_under_a_retired_secret_still_hold(self) -> None:
        world = World()
        await world.fail(times=5)
        config = LockoutConfig(secret="m" * 32, old_secrets=[SECRET])
        rotated = Lockout(config, world.store, clock=world.clock, events=world.events)
        assert await rotated.begin(account="bob", client=HERE) == LockedOut(30)
        forgetful = Lockout(LockoutConfig(secret="m" * 32), world.store, clock=world.clock)
        assert isinstance(await forgetful.begin(account="bob", client=HERE), Admitted)

    async def test_E28_no_secret_for_a_store_that_may_be_shared_is_an_error(self) -> None:
        with pytest.raises(ConfigError, match=r"secret=None.*same in every process"):
            Lockout(LockoutConfig(), Failing())

    async def test_E28_a_store_of_this_process_gets_a_random_secret(self) -> None:
        made = [
            Lockout(LockoutConfig(), MemoryStore(), entropy=SeededEntropy(seed)) for seed in "ab"
        ]
        digests = [one._keys.build_account_key("bob").digest for one in made]
        assert digests[0] != digests[1]

    async def test_E29_each_factor_has_its_own_count(self) -> None:
        world = World()
        await world.fail(times=2, factor="totp")
        begun = await world.admit()
        await world.lockout.settle(begun, Outcome.SUCCESS)
        assert (await world.status(factor="totp")).failures == 2
        await world.fail(times=3, factor="totp")
        assert isinstance(await world.lockout.begin(account="bob", factor="totp"), LockedOut)
        assert isinstance(await world.lockout.begin(account="bob"), Admitted)

    async def test_E30_the_latest_end_of_several_locks_is_shown(self) -> None:
        world = World(client_rules=LockoutRules(threshold=5, base_cooldown_seconds=100))
        await world.fail(times=5)
        assert await world.lockout.begin(account="bob", client=HERE) == LockedOut(100)
        assert await world.lockout.begin(account="bob", client="192.0.2.2") == LockedOut(30)

    async def test_E30_an_address_takes_50_by_default(self) -> None:
        world = World()
        for number in range(49):
            await world.fail(f"user{number}")
        assert await world.lockout.check(HERE) is None
        await world.fail("user49")
        assert await world.lockout.check(HERE) == LockedOut(30)
        assert world.events.names == ["client_locked", "attempt_locked_out"]

    @pytest.mark.parametrize("client", [None, ""])
    async def test_N38_no_address_is_no_key_and_warned_of_once(self, client: str | None) -> None:
        world = World()
        for _ in range(5):
            begun = await world.lockout.begin(account="bob", client=client)
            assert isinstance(begun, Admitted)
            await world.lockout.settle(begun, Outcome.FAILURE)
        assert isinstance(await world.lockout.begin(account="bob", client=client), LockedOut)
        assert world.events.names.count("client_address_unknown") == 1
        assert await world.lockout.check(client) is None

    async def test_an_attempt_without_any_key_is_admitted_and_settled(self) -> None:
        world = World(store=Failing())
        begun = await world.lockout.begin()
        assert isinstance(begun, Admitted)
        assert await world.lockout.settle(begun, Outcome.FAILURE) is None


class TestRaces:
    async def test_E14_of_100_parallel_wrong_guesses_at_most_5_are_verified(self) -> None:
        world = World()
        verified: list[int] = []
        answers: list[Any] = []

        async def guess(number: int) -> None:
            async def verifier() -> Outcome:
                verified.append(number)
                await anyio.lowlevel.checkpoint()
                return Outcome.FAILURE

            answers.append(await world.lockout.verify(verifier, account="bob", client=HERE))

        async with anyio.create_task_group() as group:
            for number in range(100):
                group.start_soon(guess, number)
        assert len(verified) == 5
        assert (await world.status()).failures == 5
        assert answers.count(Outcome.FAILURE) == 5
        assert world.events.names.count("account_locked") == 1

    async def test_E14_of_200_at_a_reopening_one_is(self) -> None:
        world = World()
        await world.fail(times=5)
        world.clock.advance(30)
        verified: list[int] = []

        async def guess(number: int) -> None:
            async def verifier() -> Outcome:
                verified.append(number)
                await anyio.lowlevel.checkpoint()
                return Outcome.FAILURE

            await world.lockout.verify(verifier, account="bob", client=HERE)

        async with anyio.create_task_group() as group:
            for number in range(200):
                group.start_soon(guess, number)
        assert len(verified) == 1

    async def test_E15_100_parallel_right_logins_all_pass_within_their_wait(self) -> None:
        async def sleep(seconds: float) -> None:
            await anyio.lowlevel.checkpoint()

        world = World(wait_for_slot_seconds=60, sleep=sleep)
        answers: list[Any] = []

        async def login() -> None:
            async def verifier() -> Outcome:
                await anyio.lowlevel.checkpoint()
                return Outcome.SUCCESS

            answers.append(await world.lockout.verify(verifier, account="bob", client=HERE))

        async with anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(login)
        assert answers == [Outcome.SUCCESS] * 100
        assert (await world.status()).failures == 0
        assert await world.client_failures() == 0
        assert world.events.names == []

    async def test_E15_a_wait_has_an_end(self) -> None:
        pauses: list[float] = []

        async def sleep(seconds: float) -> None:
            pauses.append(seconds)

        world = World(wait_for_slot_seconds=1, sleep=sleep)
        for _ in range(5):
            await world.admit()
        assert isinstance(await world.lockout.begin(account="bob", client=HERE), Busy)
        assert 1 <= sum(pauses) < 1.25
        assert max(pauses) == 0.25


class TestVerifier:
    async def test_E18_a_cancelled_caller_does_not_undo_its_guess(self) -> None:
        world = World()
        ended: list[str] = []

        with anyio.CancelScope() as scope:

            async def verifier() -> Outcome:
                scope.cancel()
                await anyio.lowlevel.checkpoint()
                ended.append("verified")
                return Outcome.FAILURE

            await world.lockout.verify(verifier, account="bob", client=HERE)
        assert ended == ["verified"]
        assert (await world.status()).failures == 1

    async def test_E18_a_settlement_is_not_cancelled_either(self) -> None:
        world = World()
        begun = await world.admit()
        with anyio.CancelScope() as scope:
            scope.cancel()
            await world.lockout.settle(begun, Outcome.FAILURE)
        assert (await world.status()).failures == 1

    async def test_E19_a_verifier_that_fails_locks_nobody_out(self) -> None:
        world = World()

        async def verifier() -> Outcome:
            raise LookupError("the user store is down")

        for _ in range(10):
            with pytest.raises(LookupError):
                await world.lockout.verify(verifier, account="bob", client=HERE)
        assert (await world.status()).failures == 0
        assert await world.client_failures() == 0
        assert world.events.names == ["verifier_failed"] * 10

    async def test_E21_nothing_is_verified_while_locked(self) -> None:
        world = World()
        await world.fail(times=5)

        async def verifier() -> Outcome:
            raise AssertionError("asked")

        answer = await world.lockout.verify(verifier, account="bob", client=HERE)
        assert answer == LockedOut(30)


class TestDevices:
    @staticmethod
    async def sign_in(world: World, account: str = "bob") -> str:
        begun = await world.admit(account)
        await world.lockout.settle(begun, Outcome.SUCCESS)
        token = await world.lockout.issue_device(begun, account)
        assert token is not None
        return token

    async def test_E22_a_strangers_lock_does_not_stop_a_known_device(self) -> None:
        world = World()
        token = await self.sign_in(world)
        await world.fail(times=5)
        assert await world.lockout.begin(account="bob", client=HERE) == LockedOut(30)
        begun = await world.admit("BOB", devices=["junk", token])
        await world.lockout.settle(begun, Outcome.SUCCESS)
        assert await world.lockout.issue_device(begun, "bob") is None
        assert await world.lockout.begin(account="bob", client=HERE) == LockedOut(30)

    async def test_E22_its_failures_lock_only_itself(self) -> None:
        world = World()
        token, other = await self.sign_in(world), await self.sign_in(world)
        await world.fail(times=5, devices=[token])
        locked = await world.lockout.begin(account="bob", client=HERE, devices=[token])
        assert locked == LockedOut(30)
        await world.admit(devices=[other])
        await world.admit()
        assert "device_locked" in world.events.names
        assert "account_locked" not in world.events.names

    async def test_E22_it_lifts_no_lock_of_an_address(self) -> None:
        world = World(client_rules=LockoutRules(threshold=5))
        token = await self.sign_in(world)
        for number in range(5):
            await world.fail(f"user{number}")
        locked = await world.lockout.begin(account="bob", client=HERE, devices=[token])
        assert locked == LockedOut(30)

    async def test_E22_it_is_nothing_to_another_account_or_factor(self) -> None:
        world = World()
        token = await self.sign_in(world, "mallory")
        await world.fail(times=5)
        await world.fail(times=5, factor="totp")
        for factor in ("password", "totp"):
            begun = await world.lockout.begin(account="bob", factor=factor, devices=[token])
            assert begun == LockedOut(30)
        token = await self.sign_in(world, "carol")
        await world.fail("carol", times=5, factor="totp")
        begun = await world.lockout.begin(account="carol", factor="totp", devices=[token])
        assert begun == LockedOut(30)

    async def test_E22_E23_it_is_nothing_after_a_reset(self) -> None:
        epochs = {"bob": "1"}
        world = World(account_epoch=lambda account: epochs[account])
        token = await self.sign_in(world)
        await world.fail(times=5)
        await world.admit(devices=[token])
        epochs["bob"] = "2"
        assert await world.lockout.begin(account="bob", devices=[token]) == LockedOut(30)

    async def test_E22_without_an_epoch_no_device_is_known(self) -> None:
        def account_epoch(account: str) -> str:
            if failing:
                raise LookupError(account)
            return "1"

        failing = False
        world = World(account_epoch=account_epoch)
        token = await self.sign_in(world)
        await world.fail(times=5)
        failing = True
        assert await world.lockout.begin(account="bob", devices=[token]) == LockedOut(30)
        begun = await world.admit("carol")
        assert await world.lockout.issue_device(begun, "carol") is None
        assert await world.lockout.issue_device(begun, " ") is None
        assert world.events.names.count("account_epoch_failed") == 2


class TestUnlocking:
    async def test_E23_a_completed_reset_clears_the_account(self) -> None:
        world = World()
        await world.fail(times=5)
        await world.fail("carol", times=5)
        world.events.events.clear()
        for _ in range(2):
            await world.lockout.unlock("BOB")
            assert (await world.status()).failures == 0
        assert isinstance(await world.lockout.begin(account="carol"), LockedOut)
        assert world.events.names[:2] == ["account_unlocked", "account_unlocked"]
        await world.admit()

    async def test_E23_all_factors_or_those_that_are_named(self) -> None:
        world = World()
        await world.fail(times=2)
        await world.fail(times=3, factor="totp")
        await world.lockout.unlock("bob", factors=["password"])
        assert (await world.status(factor="totp")).failures == 3
        await world.lockout.unlock("bob")
        assert (await world.status(factor="totp")).failures == 0

    async def test_a_name_that_nobody_can_have_is_no_account(self) -> None:
        world = World()
        await world.lockout.unlock(" ")
        await world.lockout.unlock("bob", factors=[])
        assert world.events.names == []

    async def test_a_store_that_is_down_is_an_error_for_an_operator(self) -> None:
        with pytest.raises(StorageError):
            await World(store=Failing()).lockout.unlock("bob")


class TestEvents:
    async def test_F101_a_lock_is_reported_once(self) -> None:
        world = World()
        begun = [await world.admit() for _ in range(5)]
        for one in begun:
            await world.lockout.settle(one, Outcome.FAILURE)
        (event,) = world.events.events
        key = begun[0].receipt.keys[0]
        assert event.name == "account_locked"
        assert event.facts == {
            "kind": "account:password",
            "key": key.digest.hex(),
            "failures": 5,
            "until": world.clock() + 30,
        }

    async def test_F101_a_success_tells_of_the_failures_before_it(self) -> None:
        world = World()
        await world.fail(times=3)
        begun = await world.admit()
        settled = await world.lockout.settle(begun, Outcome.SUCCESS)
        assert settled is not None
        assert settled.before[0].failures == 3
        (event,) = world.events.events
        assert (event.name, event.facts["failures"]) == ("success_after_failures", 3)

    async def test_no_event_shows_a_name_an_address_or_a_secret(self) -> None:
        world = World()
        await world.fail("some-secret-name", times=5)
        await world.lockout.begin(account="some-secret-name", client=HERE)
        shown = repr(world.events.events)
        assert "some-secret-name" not in shown
        assert HERE not in shown
        assert SECRET not in shown


class TestOutages:
    @pytest.mark.parametrize("hangs", [False, True])
    async def test_D59_an_attempt_that_cannot_be_charged_is_not_verified(
        self, *, hangs: bool
    ) -> None:
        world = World(store=Failing(hangs=hangs), store_timeout_seconds=0.01)
        assert await world.lockout.begin(account="bob", client=HERE) == Unavailable()
        assert await world.lockout.check(HERE) == Unavailable()
        operations = [event.facts["operation"] for event in world.events.events]
        assert operations == ["charge", "status"]
        assert set(world.events.names) == {"attempt_store_failed"}

    @pytest.mark.parametrize("hangs", [False, True])
    async def test_D59_a_success_that_cannot_be_stored_stands(self, *, hangs: bool) -> None:
        store = Failing(hangs=hangs, on="settle")
        world = World(store=store, store_timeout_seconds=0.01)

        async def verifier() -> Outcome:
            return Outcome.SUCCESS

        answer = await world.lockout.verify(verifier, account="bob", client=HERE)
        assert answer is Outcome.SUCCESS
        assert world.events.names == ["attempt_not_settled"]


class TestRecords:
    async def test_D62_a_row_is_kept_of_each_attempt(self) -> None:
        world = World()
        begun = await world.admit()
        await world.lockout.settle(begun, Outcome.FAILURE, user_agent="x" * 300, address=HERE)
        (record,) = await world.store.attempts.history()
        account, client = begun.receipt.keys
        assert (record.account, record.client) == (account.digest, client.digest)
        assert (record.kind, record.outcome) == ("account:password", "failure")
        assert (record.at, record.user_agent) == (world.clock(), "x" * 200)
        assert record.address is None

    async def test_D62_the_raw_address_is_kept_only_if_asked_for(self) -> None:
        world = World(keep_raw_addresses=True)
        begun = await world.admit(None)
        await world.lockout.settle(begun, Outcome.SUCCESS, address=HERE)
        (record,) = await world.store.attempts.history()
        assert (record.address, record.account, record.kind) == (HERE, None, "client")
