"""Which account an identity opens that nobody has seen before."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from asgi_security.policy.login_names import normalise_login_name
from asgi_security.policy.oauth import OAuthConfig
from asgi_security.policy.oauth_identity import IdentityFacts
from asgi_security.policy.oauth_linking import (
    CreateAccount,
    LinkByEmail,
    LinkRequired,
    compute_opaque_name,
    decide_newcomer,
)
from asgi_security.policy.oauth_providers import oidc
from asgi_security.policy.oauth_response import OAuthRefused

FACTS = IdentityFacts(
    issuer="https://a.example", subject="s", email="alice@example.com", email_verified=True
)


def build(**changes: Any) -> Any:
    return oidc(
        "acme",
        issuer="https://a.example",
        client_id="c",
        redirect_uri="https://app.example/cb",
        **changes,
    )


TRUSTED = build(trust_email=True, auto_link=True)
CONFIG = OAuthConfig(providers=[TRUSTED])


def test_X113_all_four_conditions_and_no_three() -> None:
    for auto, trusts, there, here in product((False, True), repeat=4):
        if auto and not trusts:
            continue  # no such provider can be configured
        provider = build(trust_email=trusts, auto_link=auto)
        facts = replace(FACTS, email_verified=there)
        decision = decide_newcomer(facts, provider, CONFIG, namesake_is_verified=here)
        expected = LinkByEmail() if auto and there and here else LinkRequired()
        assert decision == expected, (auto, trusts, there, here)
    assert LinkRequired().status == 409


@pytest.mark.parametrize(
    ("provider", "facts", "owns"),
    [
        (TRUSTED, FACTS, True),
        (build(), FACTS, False),
        (TRUSTED, replace(FACTS, email_verified=False), False),
        (TRUSTED, replace(FACTS, email=None), False),
    ],
)
def test_P47_whose_address_names_the_account(
    provider: Any, facts: IdentityFacts, *, owns: bool
) -> None:
    decision = decide_newcomer(facts, provider, CONFIG, namesake_is_verified=None)
    opaque = CreateAccount(compute_opaque_name(facts, provider), is_verified=False)
    named = CreateAccount("alice@example.com", is_verified=True)
    assert decision == (named if owns else opaque)
    strict = OAuthConfig(providers=[TRUSTED], require_verified_email=True)
    decision = decide_newcomer(facts, provider, strict, namesake_is_verified=None)
    assert decision == (named if owns else OAuthRefused(400, "unverified_email"))


def test_accounts_may_be_made_elsewhere_only() -> None:
    closed = OAuthConfig(providers=[TRUSTED], creates_accounts=False)
    decision = decide_newcomer(FACTS, TRUSTED, closed, namesake_is_verified=None)
    assert decision == OAuthRefused(403, "no_account")
    decision = decide_newcomer(FACTS, TRUSTED, closed, namesake_is_verified=True)
    assert decision == LinkByEmail()


def test_an_opaque_name_is_a_login_name_of_this_identity_only() -> None:
    name = compute_opaque_name(FACTS, TRUSTED)
    assert normalise_login_name(name) == name
    assert "@" not in name
    for other in (
        replace(FACTS, subject="t"),
        replace(FACTS, issuer="https://a.example2", subject=""),
        replace(FACTS, issuer="https://a.exampl", subject="es"),
    ):
        assert compute_opaque_name(other, TRUSTED) != name
