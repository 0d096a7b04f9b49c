from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.policy.claims import (
    CLAIM_REASONS,
    ClaimPolicy,
    Lifetime,
    parse_roles,
    parse_scopes,
)
from asgi_security.policy.jwt import JwtConfig
from asgi_security.policy.key_sources import IssuerKeys

SECRET = "current-secret-of-32-bytes-or-so"
NOW = 1_700_000_000.0
LEEWAY = 30


def policy(**fields: Any) -> ClaimPolicy:
    if "issuers" not in fields:
        fields["secret"] = SECRET
    return ClaimPolicy(JwtConfig(**fields))


def decide(claims: dict[str, Any], typ: str | None = "JWT", /, **fields: Any) -> str:
    rules = policy(**fields)
    lifetime = rules.decide({"exp": NOW + 600, **claims}, typ)
    if not isinstance(lifetime, Lifetime):
        return lifetime
    return rules.decide_instant(lifetime, {"exp": NOW + 600, **claims}, now=NOW) or "good"


ODD = ["1700009999", True, None, [], [NOW], {}, nan, inf, -inf, 10**5000, -(10**5000), 2.0**54]


@pytest.mark.parametrize("value", ODD, ids=lambda value: f"{type(value).__name__}")
@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_J53_J54_what_is_no_instant_is_refused(name: str, value: Any) -> None:
    assert decide({name: value}) == "bad_claim"


@pytest.mark.parametrize(
    ("claims", "fields", "expected"),
    [
        pytest.param({"exp": NOW}, {}, "expired", id="J53 exp is now"),
        pytest.param({"exp": NOW + 1}, {}, "good", id="J53 exp is after now"),
        pytest.param(
            {"exp": NOW - LEEWAY}, {"leeway_seconds": LEEWAY}, "expired", id="J53 exp is now-leeway"
        ),
        pytest.param(
            {"exp": NOW - LEEWAY + 1}, {"leeway_seconds": LEEWAY}, "good", id="J53 now-leeway+1"
        ),
        pytest.param({"exp": 0}, {}, "expired", id="J53 exp is zero"),
        pytest.param({"exp": -1.5}, {}, "expired", id="J53 exp is negative"),
        pytest.param({"nbf": NOW}, {}, "good", id="J54 nbf is now"),
        pytest.param({"nbf": NOW + 1}, {}, "not_yet_valid", id="J54 nbf is in the future"),
        pytest.param({"nbf": NOW + 1}, {"leeway_seconds": 1}, "good", id="J54 nbf within leeway"),
        pytest.param({"iat": NOW + 1}, {}, "not_yet_valid", id="J54 iat is in the future"),
        pytest.param({"iat": NOW + 1}, {"leeway_seconds": 1}, "good", id="J54 iat within leeway"),
        pytest.param({"iat": NOW - 9}, {"max_token_age_seconds": 10}, "good", id="J54 young"),
        pytest.param({"iat": NOW - 10}, {"max_token_age_seconds": 10}, "too_old", id="J54 old"),
        pytest.param(
            {"iat": NOW - 10, "exp": NOW}, {"max_token_age_seconds": 10}, "expired", id="J54 both"
        ),
        pytest.param({}, {"max_token_age_seconds": 10}, "missing_claim", id="J54 age without iat"),
        pytest.param({"jti": "a"}, {"require_jti": True}, "good", id="V76 jti"),
        pytest.param({}, {"require_jti": True}, "missing_claim", id="V76 without jti"),
        pytest.param({}, {"required_claims": ["tenant"]}, "missing_claim", id="a required claim"),
        pytest.param({"sub": 7}, {}, "bad_claim", id="sub is a number"),
        pytest.param({"sub": None}, {}, "bad_claim", id="sub is null"),
        pytest.param({"jti": ["a"]}, {}, "bad_claim", id="jti is a list"),
        pytest.param({"sid": 1}, {}, "bad_claim", id="sid is a number"),
    ],
)
def test_times_and_texts(claims: dict[str, Any], fields: dict[str, Any], expected: str) -> None:
    assert decide(claims, **fields) == expected


def test_J53_exp_is_required_unless_dangerously_not() -> None:
    assert policy().decide({}, None) == "missing_claim"
    assert policy(required_claims=["sub"]).decide({"sub": "a"}, None) == "missing_claim"
    lifetime = policy(dangerously_allow_no_expiry=True).decide({}, None)
    assert isinstance(lifetime, Lifetime)
    assert (lifetime.begins_at, lifetime.ends_at, lifetime.issued_at) == (-inf, inf, None)


@pytest.mark.parametrize(
    ("issuer", "expected"),
    [
        pytest.param("https://a.test", "good", id="J55 the issuer"),
        pytest.param("https://a.test/", "wrong_issuer", id="J55 trailing slash"),
        pytest.param("https://a.test.evil", "wrong_issuer", id="J55 longer"),
        pytest.param("https", "wrong_issuer", id="J55 a part of it"),
        pytest.param("", "wrong_issuer", id="J55 empty"),
        pytest.param(None, "wrong_issuer", id="J55 null"),
        pytest.param(["https://a.test"], "wrong_issuer", id="J55 a list"),
        pytest.param({}, "wrong_issuer", id="J55 an object"),
    ],
)
def test_issuers(issuer: Any, expected: str) -> None:
    assert decide({"iss": issuer}, issuer="https://a.test") == expected
    assert decide({"iss": issuer}, issuer=["https://b.test", "https://a.test"]) == expected
    issuers = {"https://a.test": IssuerKeys(secret=SECRET)}
    assert decide({"iss": issuer}, issuers=issuers) == expected


def test_J55_a_missing_issuer() -> None:
    assert decide({}, issuer="https://a.test") == "wrong_issuer"
    assert decide({"iss": ["anything"]}) == "good"  # where no issuer is asked for


@pytest.mark.parametrize(
    ("audience", "expected"),
    [
        pytest.param("us", "good", id="J55 us"),
        pytest.param(["them", "us"], "good", id="J55 a list with us"),
        pytest.param(["them"], "wrong_audience", id="J55 a list without us"),
        pytest.param(["us", 1], "wrong_audience", id="J55 a list with a number"),
        pytest.param(["us", None], "wrong_audience", id="J55 a list with null"),
        pytest.param([], "wrong_audience", id="J55 an empty list"),
        pytest.param("them", "wrong_audience", id="J55 others"),
        pytest.param("us ", "wrong_audience", id="J55 not quite us"),
        pytest.param({"us": 1}, "wrong_audience", id="J55 an object"),
        pytest.param(None, "wrong_audience", id="J55 null"),
        pytest.param("fastapi-users:mfa", "wrong_audience", id="P25 an MFA pre-token"),
    ],
)
def test_audiences(audience: Any, expected: str) -> None:
    assert decide({"aud": audience}, audience="us") == expected
    assert decide({"aud": audience}, audience=["we", "us"]) == expected
    assert decide({"aud": audience}) == "wrong_audience"  # made for others, as far as we know
    assert decide({"aud": audience}, dangerously_accept_any_audience=True) == "good"


def test_J55_a_missing_audience() -> None:
    assert decide({}, audience="us") == "wrong_audience"
    assert decide({}) == "good"


FULL = {
    "iss": "i",
    "aud": "us",
    "sub": "s",
    "client_id": "c",
    "jti": "j",
    "iat": NOW - 5,
    "exp": NOW + 5,
}
RFC_9068 = {"token_type": "at+jwt", "issuer": "i", "audience": "us"}


@pytest.mark.parametrize(
    ("token_type", "expected"),
    [
        pytest.param("at+jwt", "good", id="J57 at+jwt"),
        pytest.param("AT+JWT", "good", id="J57 any case"),
        pytest.param("application/at+jwt", "good", id="J57 in full"),
        pytest.param("Application/At+JWT", "good", id="J57 in full, any case"),
        pytest.param("JWT", "wrong_type", id="J57 JWT"),
        pytest.param(None, "wrong_type", id="J57 none"),
        pytest.param("", "wrong_type", id="J57 empty"),
        pytest.param("mfa+jwt", "wrong_type", id="J57 MFA pre-token"),
        pytest.param("application/application/at+jwt", "wrong_type", id="J57 prefix twice"),
    ],
)
def test_access_tokens(token_type: str | None, expected: str) -> None:
    assert decide(FULL, token_type, **RFC_9068) == expected


@pytest.mark.parametrize("name", sorted(FULL))
def test_J57_every_claim_of_an_access_token_is_required(name: str) -> None:
    claims = {key: value for key, value in FULL.items() if key != name}
    assert policy(**RFC_9068).decide(claims, "at+jwt") == "missing_claim"


@pytest.mark.parametrize(
    ("token_type", "expected"),
    [
        *((name, "good") for name in (None, "JWT", "jwt", "Jwt", "application/jwt", "at+jwt")),
        *((name, "wrong_type") for name in ("refresh+jwt", "mfa+jwt", "logout+jwt", "dpop+jwt")),
    ],
)
def test_J57_tokens_of_another_purpose_are_refused_by_default(
    token_type: str | None, expected: str
) -> None:
    assert decide({}, token_type) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
NAMES = st.sampled_from(["exp", "nbf", "iat", "iss", "aud", "sub", "jti", "sid", "scope", "roles"])


@given(claims=st.dictionaries(NAMES, JSON), token_type=st.none() | st.text(max_size=8))
@settings(max_examples=200, deadline=None)
def test_it_never_raises(claims: dict[str, Any], token_type: str | None) -> None:
    rules = policy(issuer="i", audience="a", max_token_age_seconds=5)
    for lenient in (policy(dangerously_accept_any_audience=True), rules):
        lifetime = lenient.decide(claims, token_type)
        if isinstance(lifetime, Lifetime):
            reason = lenient.decide_instant(lifetime, claims, now=NOW)
            good = lifetime.begins_at <= NOW < lifetime.ends_at
            assert (reason is None) == good
        else:
            assert lifetime in CLAIM_REASONS
    assert all(isinstance(name, str) for name in parse_scopes(claims) | parse_roles(claims))


@pytest.mark.parametrize(
    ("scope", "expected"),
    [("", set()), (" a  b ", {"a", "b"}), ("a\tb", {"a\tb"}), (["a"], set()), (None, set())],
)
def test_Z113_scopes_split_on_spaces_only(scope: Any, expected: set[str]) -> None:
    assert parse_scopes({"scope": scope}) == expected


@pytest.mark.parametrize(
    ("roles", "expected"),
    [("admin", {"admin"}), ("", set()), (["a", "", 1, "b"], {"a", "b"}), (7, set()), (None, set())],
)
def test_Z113_a_role_is_not_its_letters(roles: Any, expected: set[str]) -> None:
    assert parse_roles({"roles": roles}) == expected
