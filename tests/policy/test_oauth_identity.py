"""Who somebody is, from an ID token, UserInfo or a profile."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_security.policy.oauth import ProfileApi
from asgi_security.policy.oauth_identity import (
    IdentityFacts,
    check_id_token,
    compute_token_hash,
    is_multi_factor,
    merge_userinfo,
    parse_claims,
    parse_email,
    parse_profile,
)
from asgi_security.policy.oauth_providers import linkedin, microsoft, oidc

ISSUER = "https://a.example"
GIVEN: dict[str, Any] = {"client_id": "c", "redirect_uri": "https://app.example/cb"}
ACME = oidc("acme", issuer=ISSUER, **GIVEN)
CLAIMS = {"iss": ISSUER, "sub": "s", "aud": ["c"], "nonce": "n"}
HEADER = {"alg": "RS256", "typ": "JWT"}
TENANT = "0d3d8c9e-6c67-4c5b-b112-36a304b66dad"


def check(claims: Any = (), header: Any = (), provider: Any = ACME) -> str | None:
    return check_id_token(
        {**CLAIMS, **dict(claims)},
        {**HEADER, **dict(header)},
        provider,
        nonce="n",
        access_token="token",
    )


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"aud": "c"},
        {"azp": "c"},
        {"aud": ["c", "d"], "azp": "c"},
        {"at_hash": compute_token_hash("token", "RS256")},
        {"sub": "x" * 255},
    ],
)
def test_X112_fine(claims: dict[str, Any]) -> None:
    assert check(claims) is None


@pytest.mark.parametrize(
    ("claims", "header", "fault"),
    [
        pytest.param({"iss": f"{ISSUER}/"}, {}, "wrong_issuer", id="O100 issuer"),
        pytest.param({"iss": None}, {}, "wrong_issuer", id="O100 no issuer"),
        pytest.param({}, {"typ": "at+jwt"}, "wrong_type", id="J57 access token"),
        pytest.param({}, {"typ": "application/AT+JWT"}, "wrong_type", id="J57 spelt out"),
        pytest.param({"sub": ""}, {}, "bad_subject", id="empty sub"),
        pytest.param({"sub": None}, {}, "bad_subject", id="no sub"),
        pytest.param({"sub": 1}, {}, "bad_subject", id="sub of 1"),
        pytest.param({"sub": "a\0"}, {}, "bad_subject", id="sub with NUL"),
        pytest.param({"sub": "x" * 256}, {}, "bad_subject", id="sub too long"),
        pytest.param({"nonce": "m"}, {}, "wrong_nonce", id="O100 X112 nonce"),
        pytest.param({"nonce": None}, {}, "wrong_nonce", id="X112 null nonce"),
        pytest.param({"nonce": ["n"]}, {}, "wrong_nonce", id="X112 nonce in a list"),
        pytest.param({"nonce": "\udc80"}, {}, "wrong_nonce", id="X112 nonce of a surrogate"),
        pytest.param({"azp": "d"}, {}, "wrong_party", id="O100 X112 azp"),
        pytest.param({"azp": None}, {}, "wrong_party", id="X112 null azp"),
        pytest.param({"aud": ["c", "d"]}, {}, "wrong_party", id="O100 two, no azp"),
        pytest.param({"aud": ["c", "d"], "azp": "d"}, {}, "wrong_party", id="O100 two, other"),
        pytest.param({"at_hash": "x"}, {}, "wrong_hash", id="X112 at_hash"),
        pytest.param({"at_hash": None}, {}, "wrong_hash", id="X112 null at_hash"),
        pytest.param(
            {"at_hash": compute_token_hash("token", "RS256")},
            {"alg": "RS512"},
            "wrong_hash",
            id="X112 at_hash of another hash",
        ),
    ],
)
def test_X112_not_the_answer_to_this_attempt(claims: Any, header: Any, fault: str) -> None:
    assert check(claims, header) == fault


def test_X112_a_missing_nonce_only_where_it_is_not_to_be_had() -> None:
    lenient = oidc("acme", issuer=ISSUER, dangerously_skip_nonce=True, **GIVEN)
    without = {name: value for name, value in CLAIMS.items() if name != "nonce"}

    def decide(claims: Any, provider: Any) -> str | None:
        return check_id_token(claims, HEADER, provider, nonce="n", access_token="t")

    assert decide(without, ACME) == "wrong_nonce"
    assert decide(without, lenient) is None
    assert decide({**without, "nonce": "m"}, lenient) == "wrong_nonce"
    assert linkedin(client_secret="s", **GIVEN).dangerously_skip_nonce


def test_a_tenant_is_an_issuer() -> None:
    provider = microsoft(client_secret="s", **GIVEN)
    issuer = provider.issuer.replace("{tenantid}", TENANT)
    assert check({"iss": issuer, "tid": TENANT}, provider=provider) is None
    other = TENANT.replace("0d", "1d")
    assert check({"iss": issuer, "tid": other}, provider=provider) == "wrong_issuer"
    assert check({"iss": provider.issuer}, provider=provider) == "wrong_issuer"
    facts = parse_claims({**CLAIMS, "iss": issuer})
    assert facts.issuer == issuer


@pytest.mark.parametrize(
    ("algorithm", "name"),
    [
        ("RS256", "sha256"),
        ("PS384", "sha384"),
        ("ES512", "sha512"),
        ("EdDSA", "sha512"),
    ],
)
def test_X112_at_hash(algorithm: str, name: str) -> None:
    digest = hashlib.new(name, b"t").digest()
    half = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
    assert compute_token_hash("t", algorithm) == half


def test_what_an_id_token_says() -> None:
    facts = parse_claims(
        {
            **CLAIMS,
            "email": "Alice@Example.com",
            "email_verified": True,
            "name": " Alice\n",
            "amr": ["pwd", 1, "mfa"],
            "auth_time": 1_700_000_000,
        }
    )
    assert facts == IdentityFacts(
        issuer=ISSUER,
        subject="s",
        email="alice@example.com",
        email_verified=True,
        name="Alice",
        amr=("pwd", "mfa"),
        auth_time=1_700_000_000.0,
    )
    assert "lice" not in repr(facts)


@pytest.mark.parametrize("value", ["true", 1, None, "yes", [True]])
def test_P46_verified_is_true_and_nothing_else(value: object) -> None:
    claims = {**CLAIMS, "email": "a@b", "email_verified": value}
    assert not parse_claims(claims).email_verified


@pytest.mark.parametrize("value", [True, "1", None, -1, 1e300, []])
def test_an_instant_that_is_none(value: object) -> None:
    assert parse_claims({**CLAIMS, "auth_time": value}).auth_time is None


@pytest.mark.parametrize("value", ["mfa", None, {"mfa": 1}, 5])
def test_methods_that_are_none(value: object) -> None:
    assert parse_claims({**CLAIMS, "amr": value}).amr == ()


@pytest.mark.parametrize("value", [None, 5, "", " \n", "\u202e"])
def test_a_name_that_is_none(value: object) -> None:
    assert parse_claims({**CLAIMS, "name": value}).name is None


def test_X112_userinfo_of_the_same_subject() -> None:
    facts = IdentityFacts(issuer=ISSUER, subject="s")
    more = {"sub": "s", "email": "a@b", "email_verified": True, "name": "A"}
    merged = merge_userinfo(facts, more)
    assert merged == IdentityFacts(
        issuer=ISSUER, subject="s", email="a@b", email_verified=True, name="A"
    )
    known = IdentityFacts(issuer=ISSUER, subject="s", email="a@b", email_verified=True, name="A")
    assert merge_userinfo(known, {"sub": "s", "name": "B"}) == known
    unverified = merge_userinfo(known, {"sub": "s", "email": "c@d"})
    assert unverified is not None
    assert (unverified.email, unverified.email_verified) == ("c@d", False)


@pytest.mark.parametrize("document", [{}, {"sub": "t"}, {"sub": None}, {"sub": ["s"]}])
def test_X112_userinfo_of_somebody_else(document: dict[str, Any]) -> None:
    assert merge_userinfo(IdentityFacts(issuer=ISSUER, subject="s"), document) is None


EMAILS = [
    {"email": "old@a.example", "primary": False, "verified": True},
    {"email": "New@a.example", "primary": True, "verified": True},
]
GITHUB = ProfileApi(url="https://a.example/me", subject_member="id", emails_url="https://a.example")


def test_P45_a_profile_with_a_list_of_addresses() -> None:
    document = {"id": 7, "email": "public@a.example", "name": "A"}
    facts = parse_profile(GITHUB, ISSUER, document, EMAILS)
    assert facts == IdentityFacts(
        issuer=ISSUER, subject="7", email="new@a.example", email_verified=True, name="A"
    )


@pytest.mark.parametrize(
    "emails",
    [
        None,
        "junk",
        [],
        {},
        ["a@b"],
        [{"email": "a@b", "primary": "true", "verified": True}],
        [{"email": "a@b", "primary": True, "verified": True}] * 2,
        [{"email": 5, "primary": True, "verified": True}],
    ],
)
def test_P45_no_primary_address(emails: object) -> None:
    facts = parse_profile(GITHUB, ISSUER, {"id": 7, "email": "public@a.example"}, emails)
    assert facts is not None
    assert facts.email is None


def test_P45_a_primary_address_that_is_not_verified() -> None:
    emails = [{"email": "a@b", "primary": True, "verified": "true"}]
    facts = parse_profile(GITHUB, ISSUER, {"id": 7}, emails)
    assert facts is not None
    assert (facts.email, facts.email_verified) == ("a@b", False)


def test_a_profile_with_its_own_address() -> None:
    api = ProfileApi(url="https://a.example/me")
    document = {"sub": "s", "email": "a@b", "email_verified": True}
    assert parse_profile(api, ISSUER, document) == IdentityFacts(
        issuer=ISSUER, subject="s", email="a@b", email_verified=True
    )


@pytest.mark.parametrize("subject", [None, True, "", 1.0, [], "x\n", "x" * 256])
def test_a_profile_of_nobody(subject: object) -> None:
    assert parse_profile(GITHUB, ISSUER, {"id": subject}) is None


@pytest.mark.parametrize(
    "value",
    [
        *("", "a", "@", "a@", "@b", "a@b@c", "a b@c", " a@b", "a@b\n", "a\0@b", None, 5),
        "\u212aate@example.com",
        "\uff41@example.com",
        "\u017f@example.com",
        "Ä@example.com",
        "a" * 400 + "@b",
    ],
)
def test_X113_no_address(value: object) -> None:
    assert parse_email(value) is None


def test_addresses() -> None:
    assert parse_email("ALICE+x@Example.COM") == "alice+x@example.com"
    assert parse_email("ä@example.com") == "ä@example.com"


@given(st.text(max_size=20), st.text(max_size=20))
def test_X113_two_addresses_of_one_name_differ_in_case_only(left: str, right: str) -> None:
    for box in (left, right):
        address = f"{box}@example.com"
        name = parse_email(address)
        assert name is None or name == address or name == address.lower()


def test_X115_several_factors_count_only_if_they_are_believed() -> None:
    believed = oidc("acme", issuer=ISSUER, amr_counts_as_mfa=True, **GIVEN)
    several = IdentityFacts(issuer=ISSUER, subject="s", amr=("pwd", "mfa"))
    assert is_multi_factor(several, believed)
    assert not is_multi_factor(several, ACME)
    assert not is_multi_factor(IdentityFacts(issuer=ISSUER, subject="s", amr=("otp",)), believed)
