"""A site with all there is, that asks no provider anything."""

from __future__ import annotations

from typing import Any

from asgi_security.policy.mfa import MfaConfig
from asgi_security.policy.oauth import OAuthConfig
from asgi_security.policy.oauth_providers import oidc
from tests.endpoints.site import ORIGIN, Site


def build_site(**fields: Any) -> Site:
    """Return it, with other fields of `Site`."""
    provider = oidc(
        "acme",
        issuer="https://login.example.net",
        client_id="us",
        client_secret="o" * 32,
        redirect_uri=f"{ORIGIN}/auth/oauth/acme/callback",
    )
    mfa = MfaConfig(issuer="Acme", secret="m" * 32, email_codes=True)
    return Site(oauth=OAuthConfig(providers=[provider]), mfa=mfa, **fields)
