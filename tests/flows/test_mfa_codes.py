"""Which code is taken for what, and how each is used up."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from asgi_security.crypto.one_time_codes import TotpKey
from asgi_security.flows.lockout import LockedOut
from asgi_security.flows.lockout_keys import FACTORS
from asgi_security.flows.mfa_codes import (
    AMR,
    Given,
    Proof,
    build_sealer,
    choose_proof,
    find_factor,
    open_key,
)
from asgi_security.flows.mfa_outcomes import MfaRefused
from asgi_security.policy.assurance import compute_aal
from asgi_security.policy.mfa import METHODS, MfaConfig
from asgi_security.storage.protocols import Busy, Factor
from tests.flows.mfa_world import HERE, SECRET, World

pytestmark = pytest.mark.anyio


def factor(kind: str, data: bytes = b"") -> Factor:
    return Factor("ann-id", kind, f"id-of-{kind}", 1.0, data)


@pytest.mark.parametrize(
    ("methods", "given", "chosen"),
    [
        pytest.param(("totp",), {"code": "1"}, Proof("totp", "1"), id="P40 authenticator"),
        pytest.param(
            ("totp", "mailed_code"), {"code": "1"}, Proof("totp", "1"), id="P40 never as both"
        ),
        pytest.param(
            ("mailed_code",), {"code": "1"}, Proof("mailed_code", "1"), id="P40 mailed, if alone"
        ),
        pytest.param(
            ("totp", "mailed_code"),
            {"mailed_code": "1"},
            Proof("mailed_code", "1"),
            id="P40 mailed beside an authenticator",
        ),
        pytest.param(
            ("totp", "recovery"), {"recovery_code": "1"}, Proof("recovery", "1"), id="P40 recovery"
        ),
        pytest.param(("totp",), {"recovery_code": "1"}, "not_enrolled", id="none left"),
        pytest.param(("totp",), {"mailed_code": "1"}, "not_enrolled", id="P43 not chosen"),
        pytest.param((), {"code": "1"}, "not_enrolled", id="nothing to show"),
        pytest.param(("totp",), {}, "no_code", id="no code"),
        pytest.param(("totp",), {"code": ""}, Proof("totp", ""), id="an empty one is one"),
        pytest.param(
            ("mailed_code",), {"code": "1", "mailed_code": "2"}, "no_code", id="the same twice"
        ),
        pytest.param(
            ("totp", "recovery"), {"code": "1", "recovery_code": "2"}, "no_code", id="two"
        ),
    ],
)
def test_choices(methods: Any, given: dict[str, str], chosen: Proof | str) -> None:
    expected = chosen if isinstance(chosen, Proof) else MfaRefused(chosen)  # type: ignore[arg-type]
    assert choose_proof(methods, Given(**given)) == expected


def test_two_codes_are_never_one_guess() -> None:
    for code, recovery, mailed in product((None, "1"), repeat=3):
        given = Given(code=code, recovery_code=recovery, mailed_code=mailed)
        chosen = choose_proof(METHODS, given)
        one = sum(each is not None for each in (code, recovery, mailed)) == 1
        assert isinstance(chosen, Proof) is one


def test_nothing_typed_is_shown() -> None:
    shown = repr((Proof("totp", "123456"), Given(code="123456", recovery_code="234567")))
    assert "123456" not in shown
    assert "234567" not in shown


def test_E29_every_method_has_a_count_of_its_own() -> None:
    assert set(METHODS) < set(FACTORS)


def test_M98_what_each_method_is_worth_after_a_password() -> None:
    levels = {method: compute_aal(("pwd", *AMR[method])) for method in METHODS}
    assert levels == {"totp": 2, "recovery": 2, "mailed_code": 1}


def test_factors_are_found_by_kind() -> None:
    found = [factor("recovery"), factor("totp")]
    assert find_factor(found, "totp") is found[1]
    assert find_factor(found, "mailed_code") is None


def test_P41_a_sealed_key_is_opened_for_its_own_row() -> None:
    sealer = build_sealer(MfaConfig(issuer="Acme", secret=SECRET))
    key = TotpKey(b"k" * 20)
    sealed = sealer.seal(key.pack(), "ann-id", "id-of-totp", nonce=bytes(12))
    assert open_key(sealer, factor("totp", sealed)) == (key, False)
    assert open_key(sealer, Factor("bob-id", "totp", "id-of-totp", 1.0, sealed)) is None
    assert open_key(sealer, factor("other", sealed)) is None
    no_key = sealer.seal(b"short", "ann-id", "id-of-totp", nonce=bytes(12))
    assert open_key(sealer, factor("totp", no_key)) is None


def checker(world: World) -> Any:
    return world.mfa._parts.checker


async def test_busy_is_a_short_lock() -> None:
    class BusyLockout:
        async def verify(self, *_args: Any, **_fields: Any) -> Busy:
            return Busy()

    world = World()
    account = await world.add()
    ours = checker(world)
    ours._lockout = BusyLockout()
    outcome = await ours.check(account, (), Proof("recovery", "x"), visit=HERE)
    assert outcome == LockedOut(1)


async def test_a_method_without_its_factor_is_wrong() -> None:
    world = World()
    account = await world.add()
    for method in ("totp", "mailed_code"):
        outcome = await checker(world).check(account, (), Proof(method, "1"), visit=HERE)
        assert outcome == MfaRefused("wrong_code")
        assert await world.failures(method) == 1


async def test_P43_mailed_codes_that_are_switched_off_are_no_guess() -> None:
    world = World(mails=False)
    account = await world.add()
    outcome = await checker(world).check(
        account, (factor("mailed_code"),), Proof("mailed_code", "1"), visit=HERE
    )
    assert outcome == MfaRefused("unusable_secret")
    assert await world.failures("mailed_code") == 0


async def test_P42_what_is_stored_of_a_recovery_code_is_its_digest() -> None:
    world = World()
    account = await world.add()
    _, codes = await world.enrol(account)
    stored = [
        one.id
        for one in await world.store.accounts.list_factors(account.id)
        if one.kind == "recovery"
    ]
    assert len(stored) == len(codes)
    assert all(len(digest) == 64 for digest in stored)


async def test_wrong_codes_are_audited_without_the_code() -> None:
    world = World()
    account = await world.add()
    app, _ = await world.enrol(account)
    wrong = app.wrong()
    await world.redeem(account, code=wrong)
    entry = world.audit.entries[-1]
    assert (entry.action, entry.outcome, entry.target) == ("mfa_failed", "failure", account.id)
    assert entry.details == {"method": "totp", "reason": "wrong_code"}
    assert wrong not in repr(world.events.events)


async def test_an_overheard_code_is_a_warning() -> None:
    world = World()
    account = await world.add()
    app, _ = await world.enrol(account)
    await world.redeem(account, code=app.code())
    await world.redeem(account, code=app.code())
    event = world.events.events[-1]
    assert (event.name, event.severity.name) == ("mfa_failed", "WARNING")
    assert event.facts["reason"] == "spent_code"
