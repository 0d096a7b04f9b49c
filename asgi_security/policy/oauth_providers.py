"""Says how the well-known providers are asked, and what each of them is trusted with.

Every preset takes whatever else `OAuthProvider` takes: `google(..., auto_link=True)`.

Not among them is Apple: its client secret is a token that is signed anew every few months, and it
answers by a form posted across sites, to which no browser adds the cookie of the attempt.

Source: the discovery documents of Google, Microsoft, GitLab and LinkedIn; docs.github.com
"Authorizing OAuth apps" and "REST API endpoints for emails"; learn.microsoft.com "ID token claims
reference" (issuers of tenants, addresses that nobody verified).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from asgi_security.policy.oauth_registration import OAuthProvider, ProfileApi
from asgi_security.policy.oauth_urls import TENANT
from asgi_security.validation import Findings

if TYPE_CHECKING:
    from asgi_security.secret import Secret

_GITLAB = "https://gitlab.com"
_MICROSOFT = "https://login.microsoftonline.com"
_MANY_TENANTS = ("common", "organizations")
_CONSUMERS = "9188040d-6c67-4c5b-b112-36a304b66dad"
_TENANT_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.ASCII)


def oidc(
    name: str,
    *,
    issuer: str,
    client_id: str,
    redirect_uri: str,
    client_secret: Secret | str | bytes | None = None,
    **changes: Any,
) -> OAuthProvider:
    """Describe any OpenID Connect provider; trusted with nothing but its own identities.

    Without a secret it is a public client.
    """
    given = {
        "name": name,
        "issuer": issuer,
        "client_id": client_id,
        "client_secret": client_secret,
        "redirect_uri": redirect_uri,
        "client_auth": "none" if client_secret is None else "client_secret_basic",
    }
    return OAuthProvider(**{**given, **changes})


def google(
    *, client_id: str, client_secret: Secret | str | bytes, redirect_uri: str, **changes: Any
) -> OAuthProvider:
    """Describe Google, which verifies each address that it says is verified."""
    given: dict[str, Any] = {
        "name": "google",
        "issuer": "https://accounts.google.com",
        "client_id": client_id,
        "client_secret": client_secret,
        "redirect_uri": redirect_uri,
        "trust_email": True,
    }
    return OAuthProvider(**{**given, **changes})


def microsoft(
    *,
    client_id: str,
    client_secret: Secret | str | bytes,
    redirect_uri: str,
    tenant: str = "common",
    **changes: Any,
) -> OAuthProvider:
    """Describe Microsoft. Its addresses are never trusted: administrators write what they like.

    Args:
        client_id, client_secret, redirect_uri: as for every provider.
        tenant: the id of one (not its domain), "organizations" for all of them, "consumers" for
            personal accounts, "common" for everybody. Each tenant is an issuer of its own.
        changes: more of `OAuthProvider`.

    Raises:
        ConfigError: for a tenant that is none of these.
    """
    tenant = _CONSUMERS if tenant == "consumers" else tenant
    if tenant not in _MANY_TENANTS and not _TENANT_ID.match(tenant):
        findings = Findings("microsoft")
        hint = "give the tenant's id in lower case, 'organizations', 'consumers' or 'common'"
        findings.add("tenant", tenant, "not a tenant", hint)
        findings.raise_if_any()
    many = tenant in _MANY_TENANTS
    discovery_url = f"{_MICROSOFT}/{tenant}/v2.0/.well-known/openid-configuration"
    given: dict[str, Any] = {
        "name": "microsoft",
        "issuer": f"{_MICROSOFT}/{TENANT if many else tenant}/v2.0",
        "discovery_url": discovery_url if many else None,
        "client_id": client_id,
        "client_secret": client_secret,
        "redirect_uri": redirect_uri,
        "client_auth": "client_secret_post",
    }
    return OAuthProvider(**{**given, **changes})


def github(
    *, client_id: str, client_secret: Secret | str | bytes, redirect_uri: str, **changes: Any
) -> OAuthProvider:
    """Describe GitHub, which has no ID tokens: the id of the user, and the primary address.

    The user's login name can be changed and given to somebody else, so it is never looked at.
    """
    given: dict[str, Any] = {
        "name": "github",
        "issuer": "https://github.com/login/oauth",
        "authorization_endpoint": "https://github.com/login/oauth/authorize",
        "token_endpoint": "https://github.com/login/oauth/access_token",
        "profile": ProfileApi(
            url="https://api.github.com/user",
            subject_member="id",
            emails_url="https://api.github.com/user/emails",
        ),
        "scopes": ("read:user", "user:email"),
        "client_id": client_id,
        "client_secret": client_secret,
        "redirect_uri": redirect_uri,
        "client_auth": "client_secret_post",
        "trust_email": True,
    }
    return OAuthProvider(**{**given, **changes})


def gitlab(
    *,
    client_id: str,
    client_secret: Secret | str | bytes,
    redirect_uri: str,
    issuer: str = _GITLAB,
    **changes: Any,
) -> OAuthProvider:
    """Describe GitLab; one of your own by its `issuer`, and then not trusted with addresses.

    Whoever runs it may have switched their verification off.
    """
    given: dict[str, Any] = {
        "name": "gitlab",
        "issuer": issuer,
        "client_id": client_id,
        "client_secret": client_secret,
        "redirect_uri": redirect_uri,
        "trust_email": issuer == _GITLAB,
    }
    return OAuthProvider(**{**given, **changes})


def linkedin(
    *, client_id: str, client_secret: Secret | str | bytes, redirect_uri: str, **changes: Any
) -> OAuthProvider:
    """Describe LinkedIn, which knows no nonce and refuses a request with a code verifier.

    A code that was stolen from one browser can thus be played into another one: state, issuer and
    client secret are all that is left against it.
    """
    given: dict[str, Any] = {
        "name": "linkedin",
        "issuer": "https://www.linkedin.com/oauth",
        "client_id": client_id,
        "client_secret": client_secret,
        "redirect_uri": redirect_uri,
        "client_auth": "client_secret_post",
        "trust_email": True,
        "dangerously_skip_nonce": True,
        "dangerously_skip_pkce": True,
    }
    return OAuthProvider(**{**given, **changes})
