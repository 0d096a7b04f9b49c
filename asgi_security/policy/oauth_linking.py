"""Decides which account an identity at a provider opens, when it is seen for the first time.

An identity is an issuer and a subject, and never a mail address: an address can be given to
somebody else, and there are providers where everybody writes any address into his profile. Linking
by it hands out accounts in two ways: to whoever claims the address of a victim at a provider that
does not ask, and to whoever opened an account here in the victim's name before the victim came.

Source: OpenID Connect Core 1.0 section 5.7 (claim stability); OWASP ASVS 5.0 10.5.2.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from asgi_security.policy.oauth_response import OAuthRefused

if TYPE_CHECKING:
    from asgi_security.policy.oauth import OAuthConfig, OAuthProvider
    from asgi_security.policy.oauth_identity import IdentityFacts


@dataclass(frozen=True, slots=True)
class CreateAccount:
    """Nobody is known by this identity or address: make an account of this name."""

    name: str
    is_verified: bool


@dataclass(frozen=True, slots=True)
class LinkByEmail:
    """The identity opens the account of its address from now on."""


@dataclass(frozen=True, slots=True)
class LinkRequired:
    """There is an account of this address: its owner has to log in there and link the identity."""

    code: str = "link_required"
    status: int = 409


NewcomerDecision: TypeAlias = CreateAccount | LinkByEmail | LinkRequired | OAuthRefused

_NO_ACCOUNT = OAuthRefused(403, "no_account")
_UNVERIFIED_EMAIL = OAuthRefused(400, "unverified_email")


def decide_newcomer(
    facts: IdentityFacts,
    provider: OAuthProvider,
    config: OAuthConfig,
    *,
    namesake_is_verified: bool | None,
) -> NewcomerDecision:
    """Decide what comes of an identity that opens no account yet.

    Args:
        facts: who it is.
        provider: who says so.
        config: what is allowed.
        namesake_is_verified: whether the account of that address has proven it; None if there is
            no such account.
    """
    owns_address = provider.trust_email and facts.email_verified and facts.email is not None
    if namesake_is_verified is not None:
        may_link = provider.auto_link and owns_address and namesake_is_verified
        return LinkByEmail() if may_link else LinkRequired()
    if not config.creates_accounts:
        return _NO_ACCOUNT
    if owns_address:
        return CreateAccount(str(facts.email), is_verified=True)
    if config.require_verified_email:
        return _UNVERIFIED_EMAIL
    # Under an address that nobody has proven, the account would keep its owner out.
    return CreateAccount(compute_opaque_name(facts, provider), is_verified=False)


def compute_opaque_name(facts: IdentityFacts, provider: OAuthProvider) -> str:
    """Return a login name that is no address and that only this identity leads to."""
    message = f"{len(facts.issuer)}:{facts.issuer}{facts.subject}".encode()
    return f"{provider.name}:{hashlib.sha256(message).hexdigest()[:32]}"
