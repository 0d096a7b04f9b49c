"""Says what is agreed with one provider of logins, and how far it is believed.

Source: RFC 6749 sections 2.3, 3.1.2 and 3.3, RFC 9700 sections 2.1, 2.5 and 4.4, OpenID Connect
Core 1.0 sections 3.1.2 and 3.1.3, RFC 7591 section 2 (authentication methods).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from asgi_security.errors import ConfigError
from asgi_security.policy.key_sources import IssuerKeys, settle_strings
from asgi_security.policy.oauth_urls import TENANT, is_issuer, is_secure_url
from asgi_security.secret import Secret
from asgi_security.validation import Findings, configuration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ClientAuth: TypeAlias = Literal["client_secret_basic", "client_secret_post", "none"]

CLIENT_AUTHS: tuple[ClientAuth, ...] = ("client_secret_basic", "client_secret_post", "none")
ID_TOKEN_ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
OWN_PARAMETERS = frozenset(
    {
        *("client_id", "code_challenge", "code_challenge_method", "nonce", "redirect_uri"),
        *("request", "request_uri", "response_mode", "response_type", "scope", "state"),
    }
)
"""What an authorization request says, and no configuration may add."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}\Z")
_CLIENT = re.compile(r"[\x20-\x7e]{1,512}\Z")  # RFC 6749 appendix A.1
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+\Z")
_PARAMETER = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")


@configuration
class ProfileApi:
    """Where a provider without ID tokens says who somebody is.

    Args:
        url: answers the access token with a JSON object.
        subject_member: its member that never changes and is never given twice: text or an integer.
            A user name is neither.
        emails_url: a list of `{"email", "primary", "verified"}`, of which the primary one counts;
            None takes `email` and `email_verified` of the object itself.
    """

    url: str
    subject_member: str = "sub"
    emails_url: str | None = None

    def __post_init__(self) -> None:
        findings = Findings("ProfileApi")
        for name in ("url", "emails_url"):
            _check_url(findings, name, getattr(self, name), optional=name == "emails_url")
        member: object = self.subject_member
        if not isinstance(member, str) or not member:
            hint = "write the member's name, such as 'id'"
            findings.add("subject_member", member, "no member's name", hint)
        findings.raise_if_any()


@configuration
class OAuthProvider:
    """One provider. `oauth_providers` has the well-known ones.

    Args:
        name: ours for it, in lower case: it stands in addresses and in the audit log.
        client_id, client_secret: what it gave to this site.
        redirect_uri: where it sends the browser back, exactly as it is registered there. Each
            provider has its own, so that an answer of one is never taken for that of another.
        issuer: who its identities are from; with an account's subject it is the identity. OpenID
            Connect endpoints are found through it.
        scopes: what is asked for.
        discovery_url: where it describes itself, if not below its issuer.
        authorization_endpoint, token_endpoint, jwks_url, userinfo_endpoint: instead of discovery.
        profile: says who somebody is where there are no ID tokens.
        client_auth: how this site proves itself at the token endpoint.
        algorithms: of ID tokens.
        authorization_parameters: more for the authorization request, such as a prompt.
        sends_issuer: every answer carries `iss`; one without it is refused. Discovery says so too.
        trust_email: believe it about who owns a mail address, if it says so itself
            (`email_verified` is true). Then a new account is named by the address.
        auto_link: let it open an existing account of the same mail address: only if it is trusted
            with addresses, says that this one is verified, and it is verified here as well.
        amr_counts_as_mfa: believe it that more than one factor was used.
        dangerously_skip_nonce: take ID tokens without the nonce. One with a wrong nonce is refused.
        dangerously_skip_pkce: send no code challenge, for providers that refuse the verifier.
    """

    name: str
    client_id: str
    redirect_uri: str
    issuer: str
    client_secret: Secret | str | bytes | None = None
    scopes: Sequence[str] = ("openid", "email", "profile")
    discovery_url: str | None = None
    authorization_endpoint: str | None = None
    token_endpoint: str | None = None
    jwks_url: str | None = None
    userinfo_endpoint: str | None = None
    profile: ProfileApi | None = None
    client_auth: ClientAuth = "client_secret_basic"
    algorithms: Sequence[str] = ID_TOKEN_ALGORITHMS
    authorization_parameters: Mapping[str, str] | Sequence[tuple[str, str]] = ()
    sends_issuer: bool = False
    trust_email: bool = False
    auto_link: bool = False
    amr_counts_as_mfa: bool = False
    dangerously_skip_nonce: bool = False
    dangerously_skip_pkce: bool = False

    def __post_init__(self) -> None:
        findings = Findings("OAuthProvider")
        name: object = self.name
        if not isinstance(name, str) or not _NAME.match(name):
            findings.add("name", name, "no name", "use up to 32 of a-z, 0-9, _ and -")
        if not is_issuer(self.issuer):
            hint = "give an https URL without query, exactly as the provider writes it"
            findings.add("issuer", self.issuer, "not an issuer", hint)
        _check_client(findings, self)
        _check_endpoints(findings, self)
        _settle_scopes(findings, self)
        _settle_algorithms(findings, self)
        _settle_parameters(findings, self)
        for switch in _SWITCHES:
            findings.check_boolean(switch, getattr(self, switch))
        if self.auto_link is True and self.trust_email is not True:
            hint = "add trust_email=True if the provider verifies every address itself"
            findings.add("auto_link", True, "links by addresses that are not trusted", hint)
        findings.raise_if_any()


_SWITCHES = (
    *("sends_issuer", "trust_email", "auto_link", "amr_counts_as_mfa"),
    *("dangerously_skip_nonce", "dangerously_skip_pkce"),
)


def _check_url(findings: Findings, name: str, value: object, *, optional: bool = False) -> None:
    if not is_secure_url(value) and not (optional and value is None):
        hint = "give an https URL; http is for this machine only"
        findings.add(name, value, "not a secure URL", hint)


def _check_client(findings: Findings, provider: OAuthProvider) -> None:
    client: object = provider.client_id
    if not isinstance(client, str) or not _CLIENT.match(client):
        findings.add("client_id", client, "not a client id", "copy it from the provider")
    _check_url(findings, "redirect_uri", provider.redirect_uri)
    known = findings.check_choice("client_auth", provider.client_auth, CLIENT_AUTHS)
    given: object = provider.client_secret
    if given is not None:
        if not isinstance(given, (str, bytes, Secret)) or not len(given):
            findings.add_secret("client_secret", "no secret", "copy it from the provider")
            return
        object.__setattr__(provider, "client_secret", Secret(given))
    if known and (given is None) != (provider.client_auth == "none"):
        hint = "give client_secret, or client_auth='none' for a public client"
        findings.add_secret("client_secret", "does not go with client_auth", hint)


def _check_endpoints(findings: Findings, provider: OAuthProvider) -> None:
    names = ("discovery_url", "authorization_endpoint", "token_endpoint", "jwks_url")
    for name in (*names, "userinfo_endpoint"):
        _check_url(findings, name, getattr(provider, name), optional=True)
    given = {name for name in names if getattr(provider, name) is not None}
    profile: object = provider.profile
    if profile is not None:
        if not isinstance(profile, ProfileApi):
            findings.add("profile", profile, "no ProfileApi", "give ProfileApi(url=...)")
        if given != {"authorization_endpoint", "token_endpoint"}:
            hint = "a provider with a profile takes authorization_endpoint and token_endpoint"
            findings.add("profile", sorted(given), "needs exactly two endpoints", hint)
    elif given not in (set(), {"discovery_url"}, set(names) - {"discovery_url"}):
        hint = "give authorization_endpoint, token_endpoint and jwks_url, or none for discovery"
        findings.add("authorization_endpoint", sorted(given), "only some endpoints", hint)
    if TENANT in str(provider.issuer) and given != {"discovery_url"}:
        hint = "give the discovery_url of all tenants"
        findings.add("issuer", provider.issuer, "stands for many and cannot be asked", hint)


def _settle_scopes(findings: Findings, provider: OAuthProvider) -> None:
    scopes = settle_strings(findings, "scopes", provider.scopes)
    object.__setattr__(provider, "scopes", scopes)
    for scope in scopes:
        if not _SCOPE.match(scope):
            findings.add("scopes", scope, "not a scope (RFC 6749 section 3.3)", "remove it")
    if provider.profile is None and "openid" not in scopes:
        findings.add("scopes", scopes, "without 'openid' there is no ID token", "add 'openid'")


def _settle_algorithms(findings: Findings, provider: OAuthProvider) -> None:
    try:
        keys = IssuerKeys(jwks_url="https://issuer.invalid/", algorithms=provider.algorithms)
    except ConfigError as error:
        findings.extend(error)
        return
    object.__setattr__(provider, "algorithms", keys.algorithms)


def _settle_parameters(findings: Findings, provider: OAuthProvider) -> None:
    given: Any = provider.authorization_parameters
    hint = "write {'prompt': 'select_account'}"
    try:
        pairs = tuple((name, value) for name, value in dict(given).items())
    except (TypeError, ValueError):
        findings.add("authorization_parameters", given, "not names and values", hint)
        return
    object.__setattr__(provider, "authorization_parameters", pairs)
    for name, value in pairs:
        if not isinstance(name, str) or not _PARAMETER.match(name) or not isinstance(value, str):
            findings.add("authorization_parameters", name, "not a name with its text", hint)
        elif name in OWN_PARAMETERS:
            reason = "is said by every request already"
            findings.add("authorization_parameters", name, reason, "remove it")
