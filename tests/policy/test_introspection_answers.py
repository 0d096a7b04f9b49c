"""What an authorization server's answer about a token means."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.crypto.strict_json import parse_json_object
from asgi_security.policy.introspection import IntrospectionConfig
from asgi_security.policy.introspection_answers import (
    Introspected,
    IntrospectionPolicy,
    IntrospectionRefused,
    IntrospectionUnavailable,
)

if TYPE_CHECKING:
    from asgi_security.policy.introspection_answers import (
        IntrospectionOutcome,
    )

NOW = 1_700_000_000.0
ISSUER = "https://as.test"


def make(**fields: Any) -> IntrospectionPolicy:
    config = {"url": f"{ISSUER}/introspect", "client_id": "api", "client_secret": "s", **fields}
    return IntrospectionPolicy(IntrospectionConfig(**config))


def read(
    body: bytes, *, status: int = 200, policy: IntrospectionPolicy | None = None
) -> IntrospectionOutcome:
    return (policy or make()).decide(status, parse_json_object(body), now=NOW)


def decide(policy: IntrospectionPolicy | None = None, **members: Any) -> IntrospectionOutcome:
    return read(json.dumps({"active": True, "sub": "ada", **members}).encode(), policy=policy)


def test_V79_what_is_active_is_known() -> None:
    outcome = decide(scope="read write", roles="admin", exp=NOW + 60, username="ada")
    assert isinstance(outcome, Introspected)
    principal = outcome.principal
    assert principal is not None
    assert (principal.subject, principal.via) == ("ada", "introspection")
    assert principal.scopes == {"read", "write"}
    assert principal.roles == {"admin"}
    assert outcome.scopes == {"read", "write"}
    assert principal.claims is outcome.claims
    assert outcome.lifetime.ends_at == NOW + 60
    assert "ada" not in repr(outcome)


def test_what_requests_share_cannot_be_changed() -> None:
    outcome = decide()
    assert isinstance(outcome, Introspected)
    with pytest.raises(TypeError):
        outcome.claims["sub"] = "eve"  # type: ignore[index] # that is the point


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(b'{"active": false}', "inactive", id="V79 inactive"),
        pytest.param(b'{"sub": "ada"}', "bad_active", id="V79 missing"),
        pytest.param(b"{}", "bad_active", id="V79 empty"),
        pytest.param(b'{"active": "true"}', "bad_active", id="V79 a string"),
        pytest.param(b'{"active": 1}', "bad_active", id="V79 a number"),
        pytest.param(b'{"active": null}', "bad_active", id="V79 null"),
        pytest.param(b'{"active": [true]}', "bad_active", id="V79 a list"),
    ],
)
def test_only_true_is_active(body: bytes, reason: str) -> None:
    outcome = read(body)
    assert isinstance(outcome, IntrospectionRefused)
    assert outcome.reason == reason


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        pytest.param({"exp": NOW}, "expired", id="V79 exp in the past"),
        pytest.param({"exp": str(NOW + 9)}, "bad_claim", id="V79 exp a string"),
        pytest.param({"nbf": NOW + 1}, "not_yet_valid", id="V79 nbf"),
        pytest.param({"iat": NOW + 1}, "not_yet_valid", id="V79 iat in the future"),
        pytest.param({"iat": True}, "bad_claim", id="V79 iat a boolean"),
        pytest.param({"iss": "https://as.test/"}, "wrong_issuer", id="V79 iss"),
        pytest.param({"iss": None}, "wrong_issuer", id="V79 iss null"),
        pytest.param({"aud": "them"}, "wrong_audience", id="V79 aud"),
        pytest.param({"aud": ["us", 5]}, "wrong_audience", id="V79 aud with a number"),
        pytest.param({"sub": 5}, "bad_claim", id="V79 sub"),
        pytest.param({"username": 5}, "bad_claim", id="V79 username"),
        pytest.param({"client_id": None}, "bad_claim", id="V79 client_id"),
        pytest.param({"jti": 5}, "bad_claim", id="V79 jti"),
        pytest.param({"token_type": "DPoP"}, "wrong_type", id="B73 bound to a key"),
        pytest.param({"cnf": {"jkt": "x"}}, "wrong_type", id="B73 its key"),
        pytest.param({"token_type": 5}, "wrong_type", id="token_type a number"),
        pytest.param({"token_type": "refresh_token"}, "wrong_type", id="J57 refresh token"),
        pytest.param({"token_use": "refresh_token"}, "wrong_type", id="J57 its use"),
        pytest.param({"typ": "Refresh"}, "wrong_type", id="J57 its typ"),
        pytest.param({"typ": "ID"}, "wrong_type", id="J57 ID token"),
    ],
)
def test_active_is_not_enough(members: dict[str, Any], reason: str) -> None:
    policy = make(issuer=ISSUER, audience="us")
    good = {"iss": ISSUER, "aud": ["us", "them"], "token_type": "bearer", "typ": "Bearer"}
    assert isinstance(decide(policy, **good), Introspected)
    outcome = decide(policy, **{**good, **members})
    assert isinstance(outcome, IntrospectionRefused)
    assert outcome.reason == reason


def test_V79_an_audience_is_for_those_it_names() -> None:
    assert decide(aud="them") == IntrospectionRefused("wrong_audience")
    assert isinstance(decide(make(dangerously_accept_any_audience=True), aud="x"), Introspected)
    assert decide(make(audience="us")) == IntrospectionRefused("wrong_audience")


def test_required_claims() -> None:
    policy = make(required_claims=["exp"])
    assert decide(policy) == IntrospectionRefused("missing_claim")
    assert isinstance(decide(policy, exp=NOW + 1), Introspected)


@pytest.mark.parametrize("subject", [None, ""])
def test_without_a_subject_there_is_no_principal(subject: str | None) -> None:
    body = {"active": True} if subject is None else {"active": True, "sub": subject}
    outcome = read(json.dumps(body).encode())
    assert isinstance(outcome, Introspected)
    assert outcome.principal is None


def test_another_member_may_name_the_subject() -> None:
    policy = make(subject_claim="login")
    outcome = decide(policy, login="ada@a.test")
    assert isinstance(outcome, Introspected)
    assert outcome.principal is not None
    assert outcome.principal.subject == "ada@a.test"
    assert decide(policy, login=["ada"]) == IntrospectionRefused("bad_claim")


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        pytest.param(500, b'{"active": true}', "status_500", id="V79 500"),
        pytest.param(401, b'{"active": true}', "status_401", id="V79 our credential"),
        pytest.param(201, b'{"active": true}', "status_201", id="V79 another success"),
        pytest.param(200, b"", "bad_json", id="V79 empty"),
        pytest.param(200, b"<html>", "bad_json", id="V79 a page"),
        pytest.param(200, b"[true]", "bad_json", id="V79 a list"),
        pytest.param(200, b'{"active":true,"active":false}', "bad_json", id="V79 two answers"),
        pytest.param(200, b'{"active":true' + b"," * 9 + b"}", "bad_json", id="V79 garbage"),
    ],
)
def test_what_is_no_answer_says_nothing(status: int, body: bytes, reason: str) -> None:
    assert read(body, status=status) == IntrospectionUnavailable(reason)


def test_clocks_may_be_apart() -> None:
    policy = make(leeway_seconds=10)
    assert isinstance(decide(policy, exp=NOW - 9, nbf=NOW + 10), Introspected)
    assert decide(policy, exp=NOW - 10) == IntrospectionRefused("expired")
    assert decide(policy, nbf=NOW + 11) == IntrospectionRefused("not_yet_valid")


@pytest.mark.parametrize(
    ("members", "seconds"),
    [
        pytest.param({}, 30, id="V79 no exp"),
        pytest.param({"exp": NOW + 60}, 30, id="V79 the ttl is nearer"),
        pytest.param({"exp": NOW + 20}, 20, id="V79 exp is nearer"),
        pytest.param({"exp": NOW - 5}, -5, id="V79 within the leeway"),
    ],
)
def test_no_answer_counts_longer_than_its_token(members: dict[str, Any], seconds: float) -> None:
    policy = make(leeway_seconds=10)
    outcome = decide(policy, **members)
    assert isinstance(outcome, Introspected)
    assert policy.compute_cache_seconds(outcome, now=NOW) == seconds


def test_a_refusal_counts_as_long_as_is_said() -> None:
    refused = IntrospectionRefused("inactive")
    assert make(negative_cache_seconds=7).compute_cache_seconds(refused, now=NOW) == 7


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
NAMES = st.sampled_from(
    ["active", "exp", "nbf", "iat", "iss", "aud", "sub", "scope", "username", "jti", "roles"]
)
POLICIES = [make(), make(issuer=ISSUER, audience="us", required_claims=["exp"])]


@given(
    body=st.binary(max_size=60)
    | st.dictionaries(NAMES, JSON).map(lambda found: json.dumps(found).encode())
    | st.dictionaries(NAMES, JSON).map(
        lambda found: json.dumps({**found, "active": True}).encode()
    ),
    status=st.sampled_from([200, 400, 503]),
    policy=st.sampled_from(POLICIES),
)
@settings(max_examples=300, deadline=None)
def test_V79_no_bytes_make_it_raise_and_few_let_in(
    body: bytes, status: int, policy: IntrospectionPolicy
) -> None:
    outcome = read(body, status=status, policy=policy)
    if isinstance(outcome, Introspected):
        assert status == 200
        assert json.loads(body)["active"] is True
        assert outcome.lifetime.includes(NOW)
