"""What attempts are counted by."""

from __future__ import annotations

import pytest

from asgi_security.flows.lockout_keys import FACTORS, AttemptKeys, build_schedule
from asgi_security.policy.lockout import LockoutConfig, LockoutRules
from asgi_security.secret import Secret
from asgi_security.storage.protocols import LockoutSchedule

SECRET = Secret("n" * 32)
KEYS = AttemptKeys(LockoutConfig(secret=SECRET, old_secrets=["o" * 32]), SECRET)


def test_a_schedule_is_the_rules_as_data() -> None:
    rules = LockoutRules(
        threshold=3,
        window_minutes=2,
        base_cooldown_seconds=10,
        max_cooldown_seconds=25,
        max_consecutive=9,
        attempt_timeout_seconds=7,
    )
    assert build_schedule(rules) == LockoutSchedule(3, 120, (10, 20, 25), 9, 7)


def test_E28_no_key_holds_what_it_stands_for() -> None:
    for key in (KEYS.build_account_key("bob"), KEYS.build_client_key("192.0.2.1")):
        assert len(key.digest) == 32
        assert len(key.old_digests) == 1
        assert key.digest not in key.old_digests
        assert "bob" not in repr(key)
        assert "192.0.2.1" not in repr(key)


def test_E16_only_accounts_forget_on_success() -> None:
    assert KEYS.build_account_key("bob").forgets_on_success
    assert not KEYS.build_client_key("192.0.2.1").forgets_on_success


def test_E29_factors_have_digests_and_rules_of_their_own() -> None:
    keys = [KEYS.build_account_key("bob", factor=factor) for factor in FACTORS]
    assert len({key.digest for key in keys}) == len({key.kind for key in keys}) == len(FACTORS)
    assert [key.schedule.max_consecutive for key in keys] == [None, 100, 100, 100]
    own = LockoutConfig(secret=SECRET, code_rules=LockoutRules(threshold=2))
    assert AttemptKeys(own, SECRET).build_account_key("bob", factor="x").schedule.threshold == 2


def test_E22_a_device_has_a_key_of_its_own_under_the_accounts_rules() -> None:
    account, device = KEYS.build_account_key("bob"), KEYS.build_device_key("bob", "phone")
    assert device.schedule == account.schedule
    assert device.forgets_on_success
    others = [
        account,
        KEYS.build_device_key("bob", "desk"),
        KEYS.build_device_key("carol", "phone"),
        KEYS.build_device_key("bobp", "hone"),
    ]
    assert device.digest not in {other.digest for other in others}


def test_E30_addresses_have_rules_of_their_own() -> None:
    assert KEYS.build_client_key("192.0.2.1").schedule.threshold == 50
    own = LockoutConfig(secret=SECRET, client_rules=LockoutRules(threshold=2))
    assert AttemptKeys(own, SECRET).build_client_key("x").schedule.threshold == 2


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param("192.0.2.1", "::ffff:192.0.2.1", True, id="N37 mapped"),
        pytest.param("2001:db8::1", "2001:db8::2", True, id="N37 one /64"),
        pytest.param("2001:db8::1", "2001:db8:0:1::1", False, id="N37 two /64"),
        pytest.param("192.0.2.1", "192.0.2.2", False, id="N37 two addresses"),
    ],
)
def test_addresses(one: str, other: str, *, same: bool) -> None:
    first, second = KEYS.build_client_key(one), KEYS.build_client_key(other)
    assert (first.digest == second.digest) is same
