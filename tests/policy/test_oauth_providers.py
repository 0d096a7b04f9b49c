"""The well-known providers, as they describe themselves."""

from __future__ import annotations

from typing import Any

import pytest

from asgi_security.errors import ConfigError
from asgi_security.policy.oauth import OAuthConfig
from asgi_security.policy.oauth_providers import (
    github,
    gitlab,
    google,
    linkedin,
    microsoft,
    oidc,
)

GIVEN: dict[str, Any] = {
    "client_id": "c",
    "client_secret": "s",
    "redirect_uri": "https://app.example/cb",
}
TENANT = "0d3d8c9e-6c67-4c5b-b112-36a304b66dad"


def test_P45_each_has_its_name_and_issuer() -> None:
    made = {one.name: one.issuer for one in (make(**GIVEN) for make in MAKERS)}
    assert made == {
        "google": "https://accounts.google.com",
        "microsoft": "https://login.microsoftonline.com/{tenantid}/v2.0",
        "github": "https://github.com/login/oauth",
        "gitlab": "https://gitlab.com",
        "linkedin": "https://www.linkedin.com/oauth",
    }
    providers = [
        make(**{**GIVEN, "redirect_uri": f"https://app.example/{place}"})
        for place, make in enumerate(MAKERS)
    ]
    OAuthConfig(providers=providers)


MAKERS = (google, microsoft, github, gitlab, linkedin)


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_P45_none_links_by_itself_and_each_can_be_changed(make: Any) -> None:
    provider = make(**GIVEN)
    assert not provider.auto_link
    assert not provider.amr_counts_as_mfa
    changed = make(**GIVEN, name="ours", trust_email=True, auto_link=True)
    assert (changed.name, changed.auto_link) == ("ours", True)
    with pytest.raises(TypeError, match="auto_link"):
        make(**GIVEN, autolink=True)


def test_who_is_trusted_with_addresses() -> None:
    trusted = {make.__name__ for make in MAKERS if make(**GIVEN).trust_email}
    assert trusted == {"google", "github", "gitlab", "linkedin"}
    assert not gitlab(**GIVEN, issuer="https://git.example").trust_email
    assert not oidc("acme", issuer="https://a.example", **GIVEN).trust_email


def test_O100_only_linkedin_goes_without_nonce_and_pkce() -> None:
    careless = {make.__name__ for make in MAKERS if make(**GIVEN).dangerously_skip_pkce}
    assert careless == {"linkedin"}
    careless = {make.__name__ for make in MAKERS if make(**GIVEN).dangerously_skip_nonce}
    assert careless == {"linkedin"}


@pytest.mark.parametrize(
    ("tenant", "issuer", "discovery"),
    [
        (TENANT, f"https://login.microsoftonline.com/{TENANT}/v2.0", None),
        (
            "consumers",
            "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
            None,
        ),
        (
            "organizations",
            "https://login.microsoftonline.com/{tenantid}/v2.0",
            "https://login.microsoftonline.com/organizations/v2.0/.well-known/openid-configuration",
        ),
    ],
)
def test_P45_tenants(tenant: str, issuer: str, discovery: str | None) -> None:
    provider = microsoft(**GIVEN, tenant=tenant)
    assert (provider.issuer, provider.discovery_url) == (issuer, discovery)


@pytest.mark.parametrize("tenant", ["contoso.onmicrosoft.com", "", TENANT.upper(), "../x"])
def test_P45_a_domain_is_no_tenant(tenant: str) -> None:
    with pytest.raises(ConfigError, match="not a tenant"):
        microsoft(**GIVEN, tenant=tenant)


def test_a_public_client_has_no_secret() -> None:
    provider = oidc(
        "acme", issuer="https://a.example", client_id="c", redirect_uri="https://app.example/cb"
    )
    assert (provider.client_secret, provider.client_auth) == (None, "none")


def test_P45_github_is_known_by_what_stays() -> None:
    profile = github(**GIVEN).profile
    assert profile is not None
    assert profile.subject_member == "id"
    assert profile.emails_url == "https://api.github.com/user/emails"
