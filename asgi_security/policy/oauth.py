"""Says at which providers users may log in, and what comes of it.

Source: RFC 6749 section 10.15 (open redirectors), RFC 9700 sections 2.1, 4.4 and 4.11, OpenID
Connect Discovery 1.0; OWASP ASVS 5.0 chapter 10.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgi_security.policy.key_sources import settle_strings
from asgi_security.policy.oauth_registration import ClientAuth, OAuthProvider, ProfileApi
from asgi_security.policy.oauth_urls import is_secure_url
from asgi_security.policy.origins import parse_origin
from asgi_security.policy.return_paths import parse_return_path
from asgi_security.validation import Findings, configuration

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ClientAuth", "OAuthConfig", "OAuthProvider", "ProfileApi"]


@configuration
class OAuthConfig:
    """The external logins of a site.

    Args:
        providers: at least one, each with a name and a redirect_uri of its own.
        default_path: where a login ends that names no page of this site to return to.
        allowed_origins: other sites to which it may return, as exact origins.
        creates_accounts: let somebody whom nobody knows have an account. Otherwise identities are
            only linked, by those who are logged in.
        require_verified_email: create none for whom a trusted provider names no verified address.
            Otherwise such an account has a name that is no address.
        attempt_lifetime_seconds: how long a login may take at the provider, 10 minutes at most.
        max_attempts: how many a browser may have under way; one more drops the oldest.
        timeout_seconds: for all that a provider is asked in one request.
        max_body_bytes: of an answer; a longer one is a failure.
        discovery_ttl_seconds: how long a description is good for.
        discovery_max_stale_seconds: how long past its time it serves while fetching fails.
        leeway_seconds: how far a provider's clock may be off.
        store_timeout_seconds: the time bound of the calls to the store.
    """

    providers: Sequence[OAuthProvider]
    default_path: str = "/"
    allowed_origins: Sequence[str] = ()
    creates_accounts: bool = True
    require_verified_email: bool = False
    attempt_lifetime_seconds: float = 600
    max_attempts: int = 5
    timeout_seconds: float = 10
    max_body_bytes: int = 256 * 1024
    discovery_ttl_seconds: float = 3600
    discovery_max_stale_seconds: float = 86_400
    leeway_seconds: float = 60
    store_timeout_seconds: float = 2.0

    def __post_init__(self) -> None:
        findings = Findings("OAuthConfig")
        _settle_providers(findings, self)
        if parse_return_path(self.default_path) != self.default_path:
            findings.add("default_path", self.default_path, "no path of this site", "write '/'")
        origins = settle_strings(findings, "allowed_origins", self.allowed_origins)
        object.__setattr__(self, "allowed_origins", origins)
        for origin in origins:
            if parse_origin(origin.encode("utf-8", "surrogatepass")) is None:
                hint = "write it as browsers send it: https://app.example.com"
                findings.add("allowed_origins", origin, "not an exact origin", hint)
            elif not is_secure_url(origin):
                hint = "use https: whoever reads along takes over what follows the login"
                findings.add("allowed_origins", origin, "not a secure origin", hint)
        findings.check_boolean("creates_accounts", self.creates_accounts)
        findings.check_boolean("require_verified_email", self.require_verified_email)
        number = findings.check_number
        lifetime = self.attempt_lifetime_seconds
        number("attempt_lifetime_seconds", lifetime, minimum=1, maximum=600)
        number("max_attempts", self.max_attempts, minimum=1, maximum=20, integer=True)
        number("timeout_seconds", self.timeout_seconds, minimum=0.1, maximum=60)
        number("max_body_bytes", self.max_body_bytes, minimum=1024, integer=True)
        number("discovery_ttl_seconds", self.discovery_ttl_seconds, minimum=1)
        number("discovery_max_stale_seconds", self.discovery_max_stale_seconds, minimum=0)
        number("leeway_seconds", self.leeway_seconds, minimum=0, maximum=600)
        number("store_timeout_seconds", self.store_timeout_seconds, minimum=0.01)
        findings.raise_if_any()


def _settle_providers(findings: Findings, config: OAuthConfig) -> None:
    given: object = config.providers
    if not isinstance(given, (list, tuple)) or not given:
        kind = type(given).__name__
        findings.add("providers", kind, "no list of providers", "write [google(...)]")
        return
    object.__setattr__(config, "providers", tuple(given))
    names: set[str] = set()
    addresses: set[str] = set()
    for provider in given:
        if not isinstance(provider, OAuthProvider):
            kind = type(provider).__name__  # a dict would show its secrets
            findings.add("providers", kind, "no OAuthProvider", "write [google(...)]")
            continue
        if provider.name in names:
            findings.add("providers", provider.name, "named twice", "give each its own name")
        address = provider.redirect_uri.partition("?")[0]
        if address in addresses:
            # An answer says by its address alone which provider it is from (RFC 9700, 4.4.2.2).
            hint = "give each provider a redirect_uri with a path of its own"
            findings.add("providers", provider.redirect_uri, "two share an address", hint)
        names.add(provider.name)
        addresses.add(address)
