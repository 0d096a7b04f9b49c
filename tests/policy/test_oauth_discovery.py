"""A discovery document: whose it is, and where it may send us."""

from __future__ import annotations

from typing import Any

import pytest

from asgi_security.policy.oauth_discovery import (
    ProviderEndpoints,
    build_discovery_url,
    build_endpoints,
    parse_discovery,
)
from asgi_security.policy.oauth_providers import github, microsoft, oidc

ISSUER = "https://a.example/realm"
GIVEN: dict[str, Any] = {
    "client_id": "c",
    "client_secret": "s",
    "redirect_uri": "https://app.example/cb",
}
PROVIDER = oidc("acme", issuer=ISSUER, **GIVEN)
DOCUMENT = {
    "issuer": ISSUER,
    "authorization_endpoint": "https://login.example/authorize",
    "token_endpoint": "https://a.example/token",
    "jwks_uri": "https://keys.example/jwks",
    "userinfo_endpoint": "https://a.example/userinfo",
    "authorization_response_iss_parameter_supported": True,
}


def test_X109_what_it_says() -> None:
    assert parse_discovery(DOCUMENT, PROVIDER) == ProviderEndpoints(
        authorization="https://login.example/authorize",
        token="https://a.example/token",
        jwks="https://keys.example/jwks",
        userinfo="https://a.example/userinfo",
        announces_issuer=True,
    )


@pytest.mark.parametrize(
    ("announced", "configured", "expected"),
    [(None, False, False), ("true", False, False), (False, True, True), (True, False, True)],
)
def test_X110_whether_iss_is_announced(
    announced: object, *, configured: bool, expected: bool
) -> None:
    provider = oidc("acme", issuer=ISSUER, sends_issuer=configured, **GIVEN)
    document = {**DOCUMENT, "authorization_response_iss_parameter_supported": announced}
    found = parse_discovery(document, provider)
    assert isinstance(found, ProviderEndpoints)
    assert found.announces_issuer is expected


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"issuer": f"{ISSUER}/"}, "wrong_issuer"),
        ({"issuer": "https://A.example/realm"}, "wrong_issuer"),
        ({"issuer": None}, "wrong_issuer"),
        ({"issuer": [ISSUER]}, "wrong_issuer"),
        ({"authorization_endpoint": None}, "no_endpoint"),
        ({"token_endpoint": None}, "no_endpoint"),
        ({"jwks_uri": None}, "no_endpoint"),
        ({"token_endpoint": "http://a.example/token"}, "insecure_endpoint"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "insecure_endpoint"),
        ({"jwks_uri": "file:///etc/passwd"}, "insecure_endpoint"),
        ({"userinfo_endpoint": 1}, "insecure_endpoint"),
        ({"token_endpoint": "http://127.0.0.1:6379/"}, "insecure_endpoint"),
        ({"jwks_uri": "https://localhost/jwks"}, "insecure_endpoint"),
    ],
)
def test_X109_what_counts_for_nothing(changes: dict[str, Any], fault: str) -> None:
    assert parse_discovery({**DOCUMENT, **changes}, PROVIDER) == fault


def test_userinfo_may_be_missing() -> None:
    found = parse_discovery({**DOCUMENT, "userinfo_endpoint": None}, PROVIDER)
    assert isinstance(found, ProviderEndpoints)
    assert found.userinfo is None


def test_a_provider_on_this_machine_may_name_this_machine() -> None:
    issuer = "http://localhost:1"
    provider = oidc("acme", issuer=issuer, **GIVEN)
    document = {**DOCUMENT, "issuer": issuer, "token_endpoint": f"{issuer}/token"}
    assert isinstance(parse_discovery(document, provider), ProviderEndpoints)


def test_where_it_is() -> None:
    assert build_discovery_url(PROVIDER) == f"{ISSUER}/.well-known/openid-configuration"
    slash = oidc("acme", issuer=f"{ISSUER}/", **GIVEN)
    assert build_discovery_url(slash) == f"{ISSUER}/.well-known/openid-configuration"
    assert build_discovery_url(microsoft(**GIVEN)) == (
        "https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration"
    )


def test_X109_a_document_of_all_tenants_names_them_all() -> None:
    template = "https://login.microsoftonline.com/{tenantid}/v2.0"
    found = parse_discovery({**DOCUMENT, "issuer": template}, microsoft(**GIVEN))
    assert isinstance(found, ProviderEndpoints)


def test_what_is_configured_is_not_looked_for() -> None:
    assert build_endpoints(PROVIDER) is None
    assert build_endpoints(github(**GIVEN)) == ProviderEndpoints(
        authorization="https://github.com/login/oauth/authorize",
        token="https://github.com/login/oauth/access_token",
    )
