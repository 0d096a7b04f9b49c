"""Decides whether a provider's description of itself may be believed, and what it says.

The address it came from and the issuer it names must be of the configured provider: otherwise one
provider could send the codes of another one to itself (mix-up).

Source: OpenID Connect Discovery 1.0 sections 3, 4 and 7.2, RFC 8414 section 3.3, RFC 9207
section 3, RFC 9700 section 4.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from asgi_security.policy.oauth_urls import is_loopback_url, is_secure_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asgi_security.policy.oauth_registration import OAuthProvider

WELL_KNOWN = "/.well-known/openid-configuration"

DiscoveryFault: TypeAlias = Literal["wrong_issuer", "no_endpoint", "insecure_endpoint"]


@dataclass(frozen=True, slots=True)
class ProviderEndpoints:
    """Where a provider is asked.

    `announces_issuer` says that each of its answers in the browser carries `iss`.
    """

    authorization: str
    token: str
    jwks: str | None = None
    userinfo: str | None = None
    announces_issuer: bool = False


def build_discovery_url(provider: OAuthProvider) -> str:
    """Return where a provider describes itself."""
    if provider.discovery_url is not None:
        return provider.discovery_url
    return (provider.issuer or "").rstrip("/") + WELL_KNOWN


def build_endpoints(provider: OAuthProvider) -> ProviderEndpoints | None:
    """Return the endpoints that the configuration names, or None if they are to be discovered."""
    if provider.authorization_endpoint is None or provider.token_endpoint is None:
        return None
    return ProviderEndpoints(
        authorization=provider.authorization_endpoint,
        token=provider.token_endpoint,
        jwks=provider.jwks_url,
        userinfo=provider.userinfo_endpoint,
        announces_issuer=provider.sends_issuer,
    )


def parse_discovery(
    document: Mapping[str, Any], provider: OAuthProvider
) -> ProviderEndpoints | DiscoveryFault:
    """Return what a discovery document says, or why it counts for nothing.

    Only a provider on this machine may name addresses on this machine: from any other they would
    make this server talk to itself.
    """
    issuer = provider.issuer
    if document.get("issuer") != issuer:
        return "wrong_issuer"
    found: dict[str, str | None] = {}
    for name, required in _ENDPOINTS.items():
        value = document.get(name)
        if value is None:
            if required:
                return "no_endpoint"
            found[name] = None
        elif not is_secure_url(value) or (is_loopback_url(value) and not is_loopback_url(issuer)):
            return "insecure_endpoint"
        else:
            found[name] = value
    return ProviderEndpoints(
        authorization=str(found["authorization_endpoint"]),
        token=str(found["token_endpoint"]),
        jwks=found["jwks_uri"],
        userinfo=found["userinfo_endpoint"],
        announces_issuer=document.get("authorization_response_iss_parameter_supported") is True
        or provider.sends_issuer,
    )


_ENDPOINTS = {
    "authorization_endpoint": True,
    "token_endpoint": True,
    "jwks_uri": True,
    "userinfo_endpoint": False,
}
