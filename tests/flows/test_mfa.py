"""Second factors between the first one and the session: who is asked, what passes, and what not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from asgi_security.errors import ConfigError
from asgi_security.flows.lockout import LockedOut, Lockout, Unavailable
from asgi_security.flows.mfa import (
    Enrolled,
    EnrolmentStarted,
    Mfa,
    MfaChallenge,
    MfaDisabled,
    MfaEnrolmentRequired,
    MfaPassed,
    MfaPolicyFailed,
    MfaRefused,
    NotDue,
)
from asgi_security.flows.visits import Visit
from asgi_security.policy.lockout import LockoutConfig, LockoutRules
from asgi_security.policy.mfa import MfaConfig
from asgi_security.storage.memory import MemoryStore
from asgi_security.storage.protocols import AccountSaved, Factor, Outcome
from tests.flows.account_world import Watched
from tests.flows.mfa_world import HERE, NAME, SECRET, Authenticator, World, passed

if TYPE_CHECKING:
    from asgi_security.storage.protocols import Account

pytestmark = pytest.mark.anyio

RIGHT_AMR = ("pwd", "otp", "mfa")


class TestBegin:
    async def test_M94_an_enrolled_account_is_asked(self) -> None:
        world = World()
        account = await world.add()
        await world.enrol(account)
        begun = await world.mfa.begin(account, visit=HERE)
        assert isinstance(begun, MfaChallenge)
        assert begun.methods == ("totp", "recovery")
        assert begun.lifetime_seconds == 300
        entry = world.audit.entries[-1]
        assert (entry.action, entry.actor, entry.details) == (
            "mfa_due",
            account.id,
            {"due": "verify"},
        )

    async def test_P38_one_without_a_factor_is_not(self) -> None:
        world = World()
        assert await world.mfa.begin(await world.add(), visit=HERE) == NotDue()
        assert world.audit.entries == []

    async def test_an_unconfirmed_secret_is_no_factor(self) -> None:
        world = World()
        account = await world.add()
        await world.mfa.start_enrolment(account)
        assert await world.mfa.begin(account) == NotDue()

    @pytest.mark.parametrize(
        "fields",
        [
            pytest.param({"enforce_for_all": True}, id="F95 enforced for all"),
            pytest.param({"enforce_for_tenants": ["acme"]}, id="F95 enforced for the tenant"),
            pytest.param({"is_due": lambda _account, _visit: True}, id="F95 by the app's rule"),
            pytest.param({"enforce_for_accounts_since": 0}, id="P34 enforced for new accounts"),
        ],
    )
    async def test_required_and_not_enrolled(self, fields: dict[str, Any]) -> None:
        world = World(**fields)
        account = await world.add(tenant="acme")
        begun = await world.mfa.begin(account, visit=HERE)
        assert isinstance(begun, MfaEnrolmentRequired)
        # F95: it opens enrolment, and nothing else.
        visit = Visit(browser=begun.browser)
        refused = MfaRefused("bad_pre_token")
        assert await world.mfa.redeem(begun.pre_token, code="123456", visit=visit) == refused
        assert await world.mfa.send_code(begun.pre_token, visit=visit) == refused
        started = await world.mfa.start_enrolment(begun.pre_token, visit=visit)
        assert isinstance(started, EnrolmentStarted)

    async def test_P38_other_tenants_are_left_alone(self) -> None:
        world = World(enforce_for_tenants=["acme"])
        assert await world.mfa.begin(await world.add(tenant="other")) == NotDue()
        assert await world.mfa.begin(await world.add("b@example.com")) == NotDue()

    async def test_P34_older_accounts_are_left_alone(self) -> None:
        world = World()
        account = await world.add()
        since = world.clock.now + 1
        later = World(world.store, enforce_for_accounts_since=since)
        assert await later.mfa.begin(account) == NotDue()
        assert isinstance(
            await later.mfa.begin(replace(account, created_at=since)), MfaEnrolmentRequired
        )

    async def test_P38_the_rule_decides_with_account_and_visit(self) -> None:
        asked: list[tuple[Account, Visit]] = []
        answers: list[bool | None] = [False, True, None]

        async def rule(account: Account, visit: Visit) -> bool | None:
            asked.append((account, visit))
            await anyio.lowlevel.checkpoint()
            return answers.pop(0)

        world = World(is_due=rule)
        account = await world.add()
        await world.enrol(account)
        assert await world.mfa.begin(account, visit=HERE) == NotDue()
        assert isinstance(await world.mfa.begin(account, visit=HERE), MfaChallenge)
        assert isinstance(await world.mfa.begin(account, visit=HERE), MfaChallenge)
        assert asked == [(account, HERE)] * 3

    async def test_P38_the_rule_cannot_undo_what_is_enforced(self) -> None:
        world = World(is_due=lambda _account, _visit: False, enforce_for_all=True)
        assert isinstance(await world.mfa.begin(await world.add()), MfaEnrolmentRequired)

    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param(RuntimeError("secret text"), id="F95 raises"),
            pytest.param("yes", id="F95 answers in words"),
            pytest.param(1, id="F95 answers with a number"),
            pytest.param("hangs", id="F95 never answers"),
        ],
    )
    @pytest.mark.parametrize("enrolled", [True, False], ids=["enrolled", "not enrolled"])
    async def test_a_rule_that_fails(self, answer: Any, enrolled: bool) -> None:  # noqa: FBT001
        async def rule(_account: Account, _visit: Visit) -> Any:
            if answer == "hangs":
                await anyio.sleep_forever()
            if isinstance(answer, Exception):
                raise answer
            return answer

        world = World(is_due=rule, is_due_timeout_seconds=0.01)
        account = await world.add()
        if enrolled:
            await world.enrol(account)
        assert await world.mfa.begin(account, visit=HERE) == MfaPolicyFailed()
        assert world.events.names[-1] == "mfa_policy_failed"
        assert "secret text" not in repr(world.events.events)

    async def test_F95_a_plain_rule_that_raises(self) -> None:
        def rule(_account: Account, _visit: Visit) -> bool:
            raise KeyError

        world = World(is_due=rule)
        assert await world.mfa.begin(await world.add()) == MfaPolicyFailed()

    async def test_more_than_one_factor_before_is_enough(self) -> None:
        world = World(enforce_for_all=True)
        account = await world.add()
        assert await world.mfa.begin(account, amr=("fed", "mfa")) == NotDue()
        assert isinstance(await world.mfa.begin(account, amr=("otp",)), MfaEnrolmentRequired)

    async def test_a_store_that_fails_lets_nobody_in(self) -> None:
        world = World(Watched())
        account = await world.add()
        world.store.failing["accounts.list_factors"] = 1
        assert await world.mfa.begin(account) == Unavailable()
        assert world.events.names[-1] == "mfa_store_failed"


class TestRedeem:
    async def test_M96_the_right_code_passes(self) -> None:
        world = World()
        account = await world.add()
        app, _ = await world.enrol(account)
        world.clock.advance(100)
        outcome = await world.redeem(account, code=app.code())
        assert outcome == MfaPassed(
            account=account, amr=RIGHT_AMR, auth_time=world.clock.now, method="totp"
        )
        entry = world.audit.entries[-1]
        assert (entry.action, entry.target, entry.details) == (
            "mfa_passed",
            account.id,
            {"method": "totp"},
        )

    async def test_M98_the_first_factor_is_among_the_amr(self) -> None:
        world = World()
        account = await world.add()
        app, _ = await world.enrol(account)
        begun = await world.mfa.begin(account, amr=("hwk", "otp"))
        assert isinstance(begun, MfaChallenge)
        visit = Visit(browser=begun.browser)
        outcome = await world.mfa.redeem(begun.pre_token, code=app.code(), visit=visit)
        assert passed(outcome).amr == ("hwk", "otp", "mfa")

    async def test_M96_F97_neither_token_nor_code_works_again(self) -> None:
        world = World()
        account = await world.add()
        app, codes = await world.enrol(account)
        token, visit = await world.challenge(account)
        code = app.code()
        passed(await world.mfa.redeem(token, code=code, visit=visit))
        # The same code on a new token, the same token with another right code.
        assert await world.redeem(account, code=code) == MfaRefused("spent_code")
        assert await world.mfa.redeem(token, code=code, visit=visit) == MfaRefused("spent_code")
        again = await world.mfa.redeem(token, recovery_code=codes[0], visit=visit)
        assert again == MfaRefused("dead_pre_token")
        assert await world.failures("totp") == 0  # nobody guessed

    async def test_F97_an_older_step_is_spent_with_a_newer_one(self) -> None:
        world = World()
        account = await world.add()
        app, _ = await world.enrol(account)
        earlier, now, later = app.code(-1), app.code(), app.code(1)
        passed(await world.redeem(account, code=now))
        assert await world.redeem(account, code=earlier) == MfaRefused("spent_code")
        passed(await world.redeem(account, code=later))

    async def test_F97_enrolment_spends_its_step(self) -> None:
        world = World()
        account = await world.add()
        started = await world.mfa.start_enrolment(account)
        assert isinstance(started, EnrolmentStarted)
        app = Authenticator(started.uri, world.clock)
        code = app.code()
        assert isinstance(await world.mfa.confirm_enrolment(account, code), Enrolled)
        assert await world.redeem(account, code=code) == MfaRefused("spent_code")
        assert await world.redeem(account, code=app.code(-1)) == MfaRefused("spent_code")
        passed(await world.redeem(account, code=app.code(1)))

    @pytest.mark.parametrize("window", [0, 1])
    async def test_F97_the_window_is_the_configured_one(self, window: int) -> None:
        world = World(window=window)
        account = await world.add()
        app, _ = await world.enrol(account)
        world.clock.advance(120)
        outcome = await world.redeem(account, code=app.code(-1))
        assert isinstance(outcome, MfaPassed) is (window == 1)
        assert await world.redeem(account, code=app.code(2)) == MfaRefused("wrong_code")

    @pytest.mark.parametrize(
        "code",
        [
            pytest.param("\u0661\u0662\u0663\u0664\u0665\u0666", id="F97 Arabic digits"),
            pytest.param("", id="F97 nothing"),
            pytest.param("12345", id="F97 five digits"),
            pytest.param("9" * 10_000, id="F97 huge"),
            pytest.param("\ud800", id="F97 lone surrogate"),
            pytest.param("12345\0", id="F97 NUL"),
        ],
    )
    async def test_what_is_no_code_is_a_wrong_one(self, code: str) -> None:
        world = World()
        account = await world.add()
        await world.enrol(account)
        for proof in ("code", "recovery_code"):
            assert await world.redeem(account, **{proof: code}) == MfaRefused("wrong_code")
        assert await world.failures("totp") == 1
        assert await world.failures("recovery") == 1

    @pytest.mark.parametrize(
        ("proof", "reason"),
        [
            pytest.param({}, "no_code", id="none"),
            pytest.param({"code": "1", "recovery_code": "2"}, "no_code", id="two"),
            pytest.param({"mailed_code": "123456"}, "not_enrolled", id="P43 not chosen"),
        ],
    )
    async def test_one_code_is_wanted(self, proof: dict[str, str], reason: str) -> None:
        world = World()
        account = await world.add()
        await world.enrol(account)
        assert await world.redeem(account, **proof) == MfaRefused(reason)  # type: ignore[arg-type]
        assert [await world.failures(kind) for kind in ("totp", "recovery", "mailed_code")] == [
            0
        ] * 3

    async def test_M97_another_browser_is_refused_and_nothing_is_spent(self) -> None:
        world = World()
        account = await world.add()
        app, _ = await world.enrol(account)
        token, visit = await world.challenge(account)
        _, other = await world.challenge(account)
        for wrong in (HERE, other, Visit(browser="x")):
            outcome = await world.mfa.redeem(token, code=app.code(), visit=wrong)
            assert outcome == MfaRefused("bad_pre_token")
        passed(await world.mfa.redeem(token, code=app.code(), visit=visit))

    @pytest.mark.parametrize(
        "changes",
        [
            pytest.param({"epoch": 1}, id="F96 credentials have changed"),
            pytest.param({"is_active": False}, id="F96 disabled meanwhile"),
            pytest.param(None, id="F96 gone"),
        ],
    )
    async def test_the_account_must_be_as_it_was(self, changes: dict[str, Any] | None) -> None:
        world = World()
        account = await world.add()
        app, _ = await world.enrol(account)
        token, visit = await world.challenge(account)
        if changes is None:
            assert await world.store.accounts.delete(account.id)
        else:
            saved = await world.store.accounts.save(replace(account, **changes))
            assert isinstance(saved, AccountSaved)
        outcome = await world.mfa.redeem(token, code=app.code(), visit=visit)
        assert outcome == MfaRefused("bad_pre_token")

    async def test_M94_it_dies_in_time(self) -> None:
        world = World()
        account = await world.add()
        app, _ = await world.enrol(account)
        token, visit = await world.challenge(account)
        world.clock.advance(300)
        outcome = await world.mfa.redeem(token, code=app.code(), visit=visit)
        assert outcome == MfaRefused("bad_pre_token")

    async def test_M96_five_wrong_codes_and_the_token_is_dead(self) -> None:
        world = World(lockout={"code_rules": LockoutRules(threshold=100)})
        account = await world.add()
        app, _ = await world.enrol(account)
        token, visit = await world.challenge(account)
        for _ in range(5):
            wrong = await world.mfa.redeem(token, code=app.wrong(), visit=visit)
            assert wrong == MfaRefused("wrong_code")
        outcome = await world.mfa.redeem(token, code=app.code(), visit=visit)
        assert outcome == MfaRefused("dead_pre_token")
        assert await world.failures("totp") == 5  # the dead token was no guess
        passed(await world.redeem(account, code=app.code()))

    async def test_E29_wrong_codes_count_by_account_and_not_by_pre_token(self) -> None:
        world = World()
        account = await world.add()
        app, codes = await world.enrol(account)
        for _ in range(5):
            assert await world.redeem(account, code=app.wrong()) == MfaRefused("wrong_code")
        assert await world.redeem(account, code=app.code()) == LockedOut(30)
        # Each factor has a count of its own, and none is the password's.
        assert await world.failures("password") == 0
        assert await world.failures("recovery") == 0
        passed(await world.redeem(account, recovery_code=codes[0]))
        assert await world.redeem(account, code=app.code()) == LockedOut(30)
        world.clock.advance(30)
        passed(await world.redeem(account, code=app.code()))
        assert await world.failures("totp") == 0

    async def test_E29_a_right_password_clears_no_guesses_at_codes(self) -> None:
        world = World()
        account = await world.add()
        app, _ = await world.enrol(account)
        for _ in range(3):
            await world.redeem(account, code=app.wrong())

        async def right() -> Any:
            return Outcome.SUCCESS

        await world.lockout.verify(right, account=NAME)
        assert await world.failures("totp") == 3

    async def test_F98_recovery_codes_pass_once_each(self) -> None:
        world = World()
        account = await world.add()
        _, codes = await world.enrol(account)
        assert len(codes) == len(set(codes)) == 10
        for code in codes:
            outcome = passed(await world.redeem(account, recovery_code=code.lower()))
            assert (outcome.method, outcome.amr) == ("recovery", RIGHT_AMR)
        assert await world.redeem(account, recovery_code=codes[3]) == MfaRefused("not_enrolled")

    async def test_P42_a_used_code_is_a_wrong_one(self) -> None:
        world = World()
        account = await world.add()
        _, codes = await world.enrol(account)
        passed(await world.redeem(account, recovery_code=codes[0]))
        assert await world.redeem(account, recovery_code=codes[0]) == MfaRefused("wrong_code")
        assert await world.failures("recovery") == 1

    async def test_F98_one_account_s_code_is_not_another_s(self) -> None:
        world = World()
        ann, bob = await world.add(), await world.add("bob@example.com")
        app, codes = await world.enrol(ann)
        await world.enrol(bob)
        assert await world.redeem(bob, recovery_code=codes[0]) == MfaRefused("wrong_code")
        assert await world.redeem(bob, code=app.code()) == MfaRefused("wrong_code")
        passed(await world.redeem(ann, recovery_code=codes[0]))

    @pytest.mark.parametrize(
        "path",
        [
            *("accounts.load", "accounts.list_factors", "accounts.advance_factor"),
            *("throttles.take", "once.claim"),
        ],
    )
    async def test_E19_a_store_that_fails_lets_nobody_in_and_charges_nobody(
        self, path: str
    ) -> None:
        world = World(Watched(), attempts=MemoryStore())
        account = await world.add()
        app, _ = await world.enrol(account)
        token, visit = await world.challenge(account)
        world.store.failing[path] = 1
        assert await world.mfa.redeem(token, code=app.code(), visit=visit) == Unavailable()
        assert "mfa_store_failed" in world.events.names
        assert not any(entry.action == "mfa_passed" for entry in world.audit.entries)

    async def test_a_lockout_store_that_fails_lets_nobody_in(self) -> None:
        attempts = Watched()
        world = World(attempts=attempts)
        account = await world.add()
        app, _ = await world.enrol(account)
        attempts.failing["attempts.charge"] = 1
        assert await world.redeem(account, code=app.code()) == Unavailable()

    async def test_a_store_that_hangs_lets_nobody_in(self) -> None:
        class Hanging(Watched):
            def __getattr__(self, facet: str) -> Any:
                inner = super().__getattr__(facet)
                if facet != "accounts":
                    return inner

                class Facet:
                    def __getattr__(self, name: str) -> Any:
                        if name != "advance_factor":
                            return getattr(inner, name)

                        async def hang(*_args: Any) -> bool:
                            await anyio.sleep_forever()
                            return True

                        return hang

                return Facet()

        world = World(Hanging(), attempts=MemoryStore(), store_timeout_seconds=0.05)
        account = await world.add()
        app, _ = await world.enrol(account)
        assert await world.redeem(account, code=app.code()) == Unavailable()

    async def test_E18_hanging_up_buys_no_guess(self) -> None:
        entered = anyio.Event()
        released = anyio.Event()

        class Slow(Watched):
            slow = False

            def __getattr__(self, facet: str) -> Any:
                inner = super().__getattr__(facet)
                if facet != "throttles" or not self.slow:
                    return inner

                class Facet:
                    async def take(self, *args: Any, **fields: Any) -> Any:
                        entered.set()
                        await released.wait()
                        return await inner.take(*args, **fields)

                return Facet()

        world = World(Slow(), attempts=MemoryStore())
        account = await world.add()
        app, _ = await world.enrol(account)
        token, visit = await world.challenge(account)
        world.store.slow = True
        async with anyio.create_task_group() as group:

            async def attempt() -> None:
                await world.mfa.redeem(token, code=app.wrong(), visit=visit)

            group.start_soon(attempt)
            await entered.wait()
            group.cancel_scope.cancel()
            released.set()
        key = world._keys.build_account_key(NAME, factor="totp")
        (status,) = await world.lockout._attempts.status([key], now=world.clock())
        assert status.failures == 1

    async def test_an_account_is_no_pre_token(self) -> None:
        world = World()
        account = await world.add()
        outcome = await world.mfa.redeem(account, code="123456")  # type: ignore[arg-type]
        assert outcome == MfaRefused("bad_pre_token")

    async def test_a_damaged_secret_locks_nobody_out_and_lets_nobody_in(self) -> None:
        world = World()
        account = await world.add()
        app, _ = await world.enrol(account)
        (factor,) = [
            one for one in await world.store.accounts.list_factors(account.id) if one.kind == "totp"
        ]
        await world.store.accounts.replace_factors(
            account.id, "totp", (replace(factor, data=factor.data[:-1] + b"\0"),)
        )
        assert await world.redeem(account, code=app.code()) == MfaRefused("unusable_secret")
        assert "mfa_secret_unusable" in world.events.names
        assert await world.failures("totp") == 0


class TestStepUp:
    async def test_P44_a_code_from_who_is_signed_in(self) -> None:
        world = World()
        account = await world.add()
        app, codes = await world.enrol(account)
        outcome = passed(await world.mfa.verify(account, code=app.code(), amr=("pwd",), visit=HERE))
        assert (outcome.amr, outcome.method) == (RIGHT_AMR, "totp")
        # The step is spent, for the login too.
        assert await world.redeem(account, code=app.code()) == MfaRefused("spent_code")
        passed(await world.mfa.verify(account, recovery_code=codes[0]))
        assert await world.mfa.verify(account, code=app.wrong()) == MfaRefused("wrong_code")
        assert await world.failures("totp") == 1

    async def test_P44_guesses_are_counted(self) -> None:
        world = World()
        account = await world.add()
        app, _ = await world.enrol(account)
        for _ in range(5):
            await world.mfa.verify(account, code=app.wrong())
        assert await world.mfa.verify(account, code=app.code()) == LockedOut(30)

    async def test_a_store_that_fails(self) -> None:
        world = World(Watched())
        account = await world.add()
        world.store.failing["accounts.list_factors"] = 1
        assert await world.mfa.verify(account, code="123456") == Unavailable()


class TestReset:
    async def test_an_operator_takes_everything_away(self) -> None:
        world = World()
        account = await world.add()
        await world.enrol(account)
        assert await world.mfa.reset(account, actor="operator-1", visit=HERE) == MfaDisabled()
        assert await world.store.accounts.list_factors(account.id) == ()
        entry = world.audit.entries[-1]
        assert (entry.action, entry.actor, entry.target) == ("mfa_reset", "operator-1", account.id)
        assert await world.mfa.begin(account) == NotDue()
        assert await world.mfa.drain()
        assert world.mailbox.messages[-1].kind == "mfa_disabled"

    async def test_a_store_that_fails(self) -> None:
        world = World(Watched())
        account = await world.add()
        world.store.failing["accounts.replace_factors"] = 1
        assert await world.mfa.reset(account, actor="operator-1") == Unavailable()


class TestKeys:
    async def test_a_retired_secret_is_sealed_anew_and_no_code_works_twice(self) -> None:
        store = MemoryStore()
        old = World(store)
        account = await old.add()
        app, _ = await old.enrol(account)
        new = World(store, clock=old.clock, secret="n" * 32, old_secrets=[SECRET], seed="2")
        code, later = app.code(), app.code(1)
        passed(await new.redeem(account, code=code))
        # Whatever could have been right meanwhile is spent.
        for spent in (code, later):
            assert await new.redeem(account, code=spent) == MfaRefused("spent_code")
        old.clock.advance(90)
        alone = World(store, clock=old.clock, secret="n" * 32, seed="3")
        passed(await alone.redeem(account, code=app.code()))

    async def test_without_the_retired_secret_nobody_gets_in(self) -> None:
        store = MemoryStore()
        old = World(store)
        account = await old.add()
        app, _ = await old.enrol(account)
        new = World(store, clock=old.clock, secret="n" * 32)
        assert await new.redeem(account, code=app.code()) == MfaRefused("unusable_secret")

    async def test_a_secret_moved_to_another_account_opens_nothing(self) -> None:
        world = World()
        ann, mallory = await world.add(), await world.add("mallory@example.com")
        await world.enrol(ann)
        app, _ = await world.enrol(mallory)
        factors = await world.store.accounts.list_factors(mallory.id)
        (stolen,) = [factor for factor in factors if factor.kind == "totp"]
        moved = Factor(ann.id, "totp", stolen.id, stolen.created_at, stolen.data)
        await world.store.accounts.replace_factors(ann.id, "totp", (moved,))
        assert await world.redeem(ann, code=app.code()) == MfaRefused("unusable_secret")

    async def test_P41_what_an_app_was_given_outlives_new_settings(self) -> None:
        store = MemoryStore()
        old = World(store, digits=8, step_seconds=60)
        account = await old.add()
        app, _ = await old.enrol(account)
        assert (app.digits, app.period) == (8, 60)
        new = World(store, clock=old.clock)
        passed(await new.redeem(account, code=app.code()))


def test_mailed_codes_need_a_sender() -> None:
    store = MemoryStore()
    lockout = Lockout(LockoutConfig(), store)
    config = MfaConfig(issuer="Acme", secret=SECRET, email_codes=True)
    with pytest.raises(ConfigError) as caught:
        Mfa(config, store, lockout=lockout)
    assert [problem.field for problem in caught.value.problems] == ["email_codes"]


async def test_without_a_sender_all_the_rest_works() -> None:
    world = World(mails=False)
    account = await world.add()
    app, _ = await world.enrol(account)
    passed(await world.redeem(account, code=app.code()))
    assert await world.mfa.send_code(account) == MfaRefused("not_offered")
    assert await world.mfa.drain()


async def test_only_a_failing_store_is_a_value() -> None:
    world = World(Watched())
    account = await world.add()
    world.store.failing["accounts.list_factors"] = 1
    world.store.error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        await world.mfa.begin(account)
