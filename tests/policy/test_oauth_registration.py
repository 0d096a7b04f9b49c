"""What is agreed with a provider: every fault at construction, all at once."""

from __future__ import annotations

from typing import Any

import pytest

from asgi_security.errors import ConfigError
from asgi_security.policy.oauth_registration import OAuthProvider, ProfileApi
from asgi_security.secret import Secret

GIVEN: dict[str, Any] = {
    "name": "acme",
    "client_id": "c",
    "client_secret": "s",
    "redirect_uri": "https://app.example/cb",
    "issuer": "https://a.example",
}
EXPLICIT = {
    "authorization_endpoint": "https://a.example/authorize",
    "token_endpoint": "https://a.example/token",
    "jwks_url": "https://a.example/jwks",
}
PROFILE = ProfileApi(url="https://a.example/me")


def test_what_it_becomes() -> None:
    provider = OAuthProvider(
        **GIVEN, scopes=["openid"], authorization_parameters={"prompt": "login"}
    )
    assert provider.client_secret == Secret("s")
    assert provider.scopes == ("openid",)
    assert provider.authorization_parameters == (("prompt", "login"),)
    assert "Secret('<1 bytes>')" in repr(provider)
    assert isinstance(hash(provider), int)
    assert not provider.auto_link
    assert not provider.trust_email
    assert not provider.amr_counts_as_mfa


@pytest.mark.parametrize(
    "changes",
    [
        EXPLICIT,
        {**EXPLICIT, "userinfo_endpoint": "https://a.example/userinfo"},
        {"discovery_url": "https://a.example/d"},
        {"client_secret": None, "client_auth": "none"},
        {"client_secret": Secret("x")},
        {"client_secret": b"x"},
        {"client_auth": "client_secret_post"},
        {"algorithms": ["ES256"]},
        {"authorization_parameters": [("prompt", "login")]},
        {"trust_email": True, "auto_link": True},
        {
            "profile": PROFILE,
            "scopes": [],
            "authorization_endpoint": "https://a.example/authorize",
            "token_endpoint": "https://a.example/token",
        },
        {"issuer": "https://a.example/{tenantid}", "discovery_url": "https://a.example/d"},
        {"redirect_uri": "http://localhost:8000/cb"},
    ],
)
def test_what_is_fine(changes: dict[str, Any]) -> None:
    OAuthProvider(**{**GIVEN, **changes})


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "Acme"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "a" * 33}, "name"),
        ({"name": "a/b"}, "name"),
        ({"name": None}, "name"),
        ({"client_id": ""}, "client_id"),
        ({"client_id": "ä"}, "client_id"),
        ({"client_id": "a\n"}, "client_id"),
        ({"client_id": 1}, "client_id"),
        ({"client_id": "a" * 513}, "client_id"),
        ({"client_secret": ""}, "client_secret"),
        ({"client_secret": 5}, "client_secret"),
        ({"client_secret": None}, "client_secret"),
        ({"client_auth": "none"}, "client_secret"),
        ({"client_auth": "private_key_jwt"}, "client_auth"),
        ({"redirect_uri": "http://app.example/cb"}, "redirect_uri"),
        ({"redirect_uri": "/cb"}, "redirect_uri"),
        ({"redirect_uri": None}, "redirect_uri"),
        ({"issuer": "http://a.example"}, "issuer"),
        ({"issuer": "https://a.example?x"}, "issuer"),
        ({"issuer": "https://a.example/{tenantid}"}, "issuer"),
        ({"discovery_url": "http://a.example"}, "discovery_url"),
        ({"token_endpoint": EXPLICIT["token_endpoint"]}, "authorization_endpoint"),
        ({**EXPLICIT, "discovery_url": "https://a.example"}, "authorization_endpoint"),
        ({**EXPLICIT, "jwks_url": "http://a.example"}, "jwks_url"),
        ({"profile": PROFILE}, "profile"),
        ({**EXPLICIT, "profile": PROFILE}, "profile"),
        ({"profile": "https://a.example/me"}, "profile"),
        ({"scopes": "openid"}, "scopes"),
        ({"scopes": ["openid", "a b"]}, "scopes"),
        ({"scopes": ["email"]}, "scopes"),
        ({"algorithms": ["none"]}, "algorithms"),
        ({"algorithms": ["HS256"]}, "algorithms"),
        ({"algorithms": []}, "algorithms"),
        ({"authorization_parameters": {"state": "x"}}, "authorization_parameters"),
        ({"authorization_parameters": {"redirect_uri": "x"}}, "authorization_parameters"),
        ({"authorization_parameters": {"a b": "x"}}, "authorization_parameters"),
        ({"authorization_parameters": {"a": 1}}, "authorization_parameters"),
        ({"authorization_parameters": {1: "a"}}, "authorization_parameters"),
        ({"authorization_parameters": "prompt=login"}, "authorization_parameters"),
        ({"authorization_parameters": None}, "authorization_parameters"),
        ({"auto_link": True}, "auto_link"),
        ({"trust_email": "false"}, "trust_email"),
        ({"dangerously_skip_nonce": 1}, "dangerously_skip_nonce"),
    ],
)
def test_what_is_not(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError) as error:
        OAuthProvider(**{**GIVEN, **changes})
    assert field in {problem.field for problem in error.value.problems}


def test_all_faults_at_once_and_no_secret() -> None:
    with pytest.raises(ConfigError) as error:
        OAuthProvider(
            **{**GIVEN, "name": "", "client_secret": 31337, "issuer": "", "redirect_uri": ""}
        )
    fields = [problem.field for problem in error.value.problems]
    assert fields == ["client_secret", "issuer", "name", "redirect_uri"]
    assert "31337" not in str(error.value)


def test_a_misspelt_field() -> None:
    with pytest.raises(TypeError, match="did you mean 'trust_email'"):
        OAuthProvider(**GIVEN, trust_mail=True)  # type: ignore[call-arg] # the test's point


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"url": "http://a.example"}, "url"),
        ({"url": None}, "url"),
        ({"emails_url": "http://a.example"}, "emails_url"),
        ({"subject_member": ""}, "subject_member"),
        ({"subject_member": 1}, "subject_member"),
    ],
)
def test_a_profile_that_is_none(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError) as error:
        ProfileApi(**{"url": "https://a.example", **changes})
    assert [problem.field for problem in error.value.problems] == [field]
