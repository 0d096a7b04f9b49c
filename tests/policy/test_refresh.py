from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_security.errors import ConfigError
from asgi_security.policy.refresh import (
    NOISE_BYTES,
    RefreshConfig,
    classify_reuse,
    compute_access_lifetime,
    compute_revocation_end,
    is_over,
)
from asgi_security.secret import Secret

SECRET, OLD, ACCESS = "s" * 32, "o" * 32, "a" * 32
NOW = 1_700_000_000.0
CONFIG = RefreshConfig(secret=SECRET, access_secret=ACCESS)


def find_problems(**fields: Any) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        RefreshConfig(**{"secret": SECRET, "access_secret": ACCESS, **fields})
    return {problem.field: problem.reason for problem in caught.value.problems}


def test_the_defaults_are_complete() -> None:
    assert CONFIG.access_lifetime_seconds == 900
    assert CONFIG.grace_seconds == 10
    assert CONFIG.idle_timeout_seconds == 604_800
    assert CONFIG.absolute_timeout_seconds == 30 * 86_400
    assert CONFIG.max_families_per_subject is None
    assert CONFIG.reveal_order() == (Secret(SECRET),)


def test_P24_secrets_in_order_and_without_repeats() -> None:
    config = RefreshConfig(secret=SECRET, old_secrets=[OLD, SECRET, OLD], access_secret=ACCESS)
    assert config.reveal_order() == (Secret(SECRET), Secret(OLD))
    assert config.access_secret == Secret(ACCESS)


def test_no_repr_shows_a_secret() -> None:
    for config in (CONFIG, RefreshConfig(secret=SECRET, access_key="-----BEGIN KEY")):
        shown = repr(config)
        assert not any(each in shown for each in (SECRET, ACCESS, "BEGIN"))


def test_audiences_are_one_name_or_several() -> None:
    for given_, kept in (("api", "api"), (["a", "b"], ("a", "b")), (None, None)):
        config = RefreshConfig(secret=SECRET, access_secret=ACCESS, audience=given_)
        assert config.audience == kept


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        pytest.param({"secret": "short"}, {"secret": "5 bytes can be guessed"}, id="P24 short"),
        pytest.param({"secret": ""}, {"secret": "0 bytes can be guessed"}, id="P24 empty"),
        pytest.param({"old_secrets": OLD}, {"old_secrets": "not a list"}, id="P24 one, no list"),
        pytest.param(
            {"access_secret": None},
            {"access_secret": "nothing to sign access tokens with"},
            id="P23 no key",
        ),
        pytest.param(
            {"access_key": "PEM"}, {"access_secret": "given with access_key"}, id="P23 two keys"
        ),
        pytest.param({"access_secret": b"x"}, {"access_secret": "only 1 bytes"}, id="P23 weak"),
        pytest.param(
            {"access_secret": 5}, {"access_secret": "neither text nor bytes"}, id="P23 a number"
        ),
        pytest.param({"issuer": ""}, {"issuer": "not a name"}, id="P23 empty issuer"),
        pytest.param({"client_id": 5}, {"client_id": "not a name"}, id="P23 odd client"),
        pytest.param(
            {"access_algorithm": b"HS256", "access_key_id": ""},
            {"access_algorithm": "not a name", "access_key_id": "not a name"},
            id="P23 odd key",
        ),
        pytest.param({"audience": ""}, {"audience": "names nobody"}, id="P23 empty audience"),
        pytest.param({"audience": []}, {"audience": "names nobody"}, id="P23 no audience"),
        pytest.param(
            {"audience": [""]}, {"audience": "not a string with something in it"}, id="P23 blank"
        ),
        pytest.param(
            {"idle_timeout_seconds": 101, "absolute_timeout_seconds": 100},
            {
                "idle_timeout_seconds": "longer than the login can last",
                "access_lifetime_seconds": "longer than the login can last",
            },
            id="R87 idle beyond absolute",
        ),
        pytest.param(
            {"absolute_timeout_seconds": 0, "access_lifetime_seconds": 0.5},
            {
                "absolute_timeout_seconds": "out of range",
                "access_lifetime_seconds": "out of range",
            },
            id="R87 nothing lasts",
        ),
        pytest.param({"grace_seconds": -1}, {"grace_seconds": "out of range"}, id="R81 negative"),
        pytest.param({"grace_seconds": 301}, {"grace_seconds": "out of range"}, id="R81 too long"),
        pytest.param(
            {"max_families_per_subject": 0},
            {"max_families_per_subject": "out of range"},
            id="P16 nobody",
        ),
        pytest.param(
            {"store_timeout_seconds": 0, "grace_seconds": True},
            {"store_timeout_seconds": "out of range", "grace_seconds": "not a finite number"},
            id="all at once",
        ),
    ],
)
def test_faults_are_found_at_once(fields: dict[str, Any], wanted: dict[str, str]) -> None:
    assert find_problems(**fields) == wanted


def test_bounds_that_are_good() -> None:
    RefreshConfig(
        secret=SECRET,
        access_key="PEM",
        idle_timeout_seconds=1,
        absolute_timeout_seconds=1,
        access_lifetime_seconds=1,
        grace_seconds=0,
        max_families_per_subject=1,
    )
    RefreshConfig(secret=SECRET, access_secret=ACCESS, grace_seconds=300)


@given(noise=st.binary(min_size=NOISE_BYTES, max_size=NOISE_BYTES))
def test_R93_jitter_shortens_by_a_twentieth_at_most(noise: bytes) -> None:
    end = NOW + 86_400
    lifetime = compute_access_lifetime(CONFIG, noise=noise, absolute_expires_at=end, now=NOW)
    assert 855 <= lifetime <= 900


@pytest.mark.parametrize(
    ("noise", "left", "lifetime"),
    [
        pytest.param(b"\0\0\0\0", 86_400, 900, id="R93 nothing"),
        pytest.param(b"\x80\0\0\0", 86_400, 877, id="R93 half of it"),
        pytest.param(b"\xff\xff\xff\xff", 86_400, 855, id="R93 all of it"),
        pytest.param(b"\0\0\0\0", 100.9, 100, id="R80 not beyond the login"),
        pytest.param(b"\xff\xff\xff\xff", 860, 855, id="R93 the shorter of the two"),
        pytest.param(b"\0\0\0\0", 0.5, 1, id="R93 at least a second"),
    ],
)
def test_lifetimes(noise: bytes, left: float, lifetime: int) -> None:
    end = NOW + left
    got = compute_access_lifetime(CONFIG, noise=noise, absolute_expires_at=end, now=NOW)
    assert got == lifetime


def test_V75_a_revocation_outlives_every_access_token() -> None:
    assert compute_revocation_end(CONFIG, now=NOW) == NOW + 900 + 600


@pytest.mark.parametrize(
    ("created", "advanced", "over"),
    [
        pytest.param(0, 0, False, id="R87 fresh"),
        pytest.param(604_799, 604_799, False, id="R87 just alive"),
        pytest.param(604_800, 604_800, True, id="R87 unused too long"),
        pytest.param(30 * 86_400 - 1, 5, False, id="R87 old and in use"),
        pytest.param(30 * 86_400, 5, True, id="R87 too old"),
    ],
)
def test_R87_todays_rules_hold_for_logins_of_yesterday(
    created: float, advanced: float, *, over: bool
) -> None:
    got = is_over(CONFIG, created_at=NOW - created, advanced_at=NOW - advanced, now=NOW)
    assert got is over


@pytest.mark.parametrize(
    ("age", "late", "wanted"),
    [
        pytest.param(1, 10, "recent", id="R83 just after the grace"),
        pytest.param(1, 69.9, "recent", id="R83 a minute after it"),
        pytest.param(1, 70, "stale", id="R83 later"),
        pytest.param(2, 0, "stale", id="R85 an ancestor"),
        pytest.param(0, 5, "recent", id="R84 of a family that had ended"),
    ],
)
def test_R83_classes_of_reuse(age: int, late: float, wanted: str) -> None:
    assert classify_reuse(CONFIG, age=age, advanced_at=NOW - late, now=NOW) == wanted
