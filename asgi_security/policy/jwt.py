"""Says which tokens a service takes, from where, and under whose keys.

Source: RFC 7519 (claims), RFC 8725 (practice), RFC 9068 (access tokens), RFC 6750 (bearer use),
RFC 9728 (resource metadata).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, TypeAlias

from asgi_security.policy.key_sources import (
    IssuerKeys,
    check_url,
    settle_key_source,
    settle_strings,
)
from asgi_security.policy.origin_patterns import check_origin_pattern
from asgi_security.validation import Findings, configuration, is_token

if TYPE_CHECKING:
    from asgi_security.policy.key_sources import KeyMaterial
    from asgi_security.secret import Secret

Names: TypeAlias = str | Sequence[str]

ACCESS_TOKEN_TYPE = "at+jwt"  # noqa: S105 -- RFC 9068 section 2.1
ACCESS_TOKEN_CLAIMS = ("iss", "exp", "aud", "sub", "client_id", "iat", "jti")

# RFC 6750 section 3 for scope values; a realm must need no quoting within its quotes.
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+\Z")
_PARAMETER = re.compile(r"[A-Za-z0-9_.-]+\Z")
_QUOTABLE = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]*\Z")


@configuration
class JwtConfig:
    """Which tokens are taken. Give exactly one of `secret`, `keys`, `jwks_url` and `issuers`.

    Args:
        secret: shared secret for HS256, 32 bytes or more (48, 64 for HS384, HS512).
        old_secrets: retired secrets that still verify.
        keys: PEM, DER, JWK or JWK sets of public keys, or a set of named secrets.
        jwks_url: where the issuer publishes its keys.
        issuers: several issuers, each with its own keys: `{"https://a": IssuerKeys(...)}`.
        algorithms: the allow-list; by default HS256 for a secret, and what the keys are for.
        issuer: the accepted `iss`, or several; compared as exact strings. None takes any.
        audience: who we are, or several names; a token for others only is refused, and so is one
            with an `aud` when no audience is given.
        leeway_seconds: how far clocks may be apart, for `exp`, `nbf` and `iat`.
        required_claims: besides `exp`.
        token_type: the `typ` that is required, such as "at+jwt", which also makes all claims of
            RFC 9068 required. None takes "JWT", "at+jwt" or none: no token of another purpose.
        max_token_age_seconds: counted from `iat`, which it makes required.
        max_token_bytes: longer tokens are refused unread.
        accept_padding: take tokens whose segments end in `=`, as the AWS load balancer makes them.
        require_jti: refuse tokens without an id.
        prefer_key_ids: try the secret first whose `compute_key_id` is the token's `kid`.
        optional: pass requests without a token on, anonymous. A bad token is refused all the same.
        cookie_name: a cookie that may carry the token.
        query_parameter: a parameter that may carry it, on GET and WebSocket only.
        websocket_protocol: the marker of the pair `bearer, <token>` in Sec-WebSocket-Protocol.
        trusted_origins: whose pages may send the cookie: on WebSocket, and on unsafe methods.
        dangerously_skip_cookie_csrf: take the cookie on unsafe methods without proof, as another
            guard (`CsrfMiddleware`) demands it.
        realm: named in the challenge.
        resource_metadata: URL of RFC 9728 metadata, named in the challenge.
        required_scopes: all of which a token must have; 403 otherwise.
        revocations: a store, or its `revocations` facet; asked on every request.
        store_timeout_seconds: a store that takes longer has failed.
        fail_open: take tokens unchecked while the store fails, with an event for each.
        recheck_every_seconds: look again at a WebSocket's token this often, and at its expiry.
        cache_entries: verified tokens kept, at most; 0 keeps none.
        cache_bytes: and at most this much of them.
        jwks_ttl_seconds: how long a fetched set is good for, and so how long a withdrawn key.
        jwks_cooldown_seconds: least time between two fetches for unknown key ids.
        jwks_max_stale_seconds: how long past its time a set serves while fetching fails.
        jwks_timeout_seconds: for one fetch in all.
        jwks_max_bytes: a longer set is refused.
        dangerously_allow_no_expiry: take tokens without `exp`.
        dangerously_accept_any_audience: take tokens made for others.
    """

    secret: Secret | str | bytes | None = None
    old_secrets: Sequence[Secret | str | bytes] = ()
    keys: KeyMaterial | Sequence[KeyMaterial] = field(default=(), repr=False)
    jwks_url: str | None = None
    algorithms: Sequence[str] | None = None
    issuers: Mapping[str, IssuerKeys] | None = None
    issuer: Names | None = None
    audience: Names | None = None
    leeway_seconds: float = 0
    required_claims: Sequence[str] = ()
    token_type: str | None = None
    max_token_age_seconds: float | None = None
    max_token_bytes: int = 8192
    accept_padding: bool = False
    require_jti: bool = False
    prefer_key_ids: bool = False
    optional: bool = False
    cookie_name: str | None = None
    query_parameter: str | None = None
    websocket_protocol: str | None = "bearer"
    trusted_origins: Sequence[str] = ()
    dangerously_skip_cookie_csrf: bool = False
    realm: str = "api"
    resource_metadata: str | None = None
    required_scopes: Sequence[str] = ()
    revocations: object | None = None
    store_timeout_seconds: float = 2.0
    fail_open: bool = False
    recheck_every_seconds: float | None = None
    cache_entries: int = 10_000
    cache_bytes: int = 16 * 1024 * 1024
    jwks_ttl_seconds: float = 600
    jwks_cooldown_seconds: float = 30
    jwks_max_stale_seconds: float = 86_400
    jwks_timeout_seconds: float = 5
    jwks_max_bytes: int = 256 * 1024
    dangerously_allow_no_expiry: bool = False
    dangerously_accept_any_audience: bool = False

    def __post_init__(self) -> None:
        """Check everything at once."""
        findings = Findings(type(self).__name__)
        _settle_issuers(findings, self)
        _settle_claims(findings, self)
        _check_numbers(findings, self)
        _check_places(findings, self)
        _check_challenge(findings, self)
        for switch in _SWITCHES:
            findings.check_boolean(switch, getattr(self, switch))
        findings.raise_if_any()

    @property
    def sources(self) -> Mapping[str | None, IssuerKeys]:
        """The keys by issuer; one entry under None when there is but one source."""
        if self.issuers is not None:
            return dict(self.issuers.items())
        keys = IssuerKeys(
            secret=self.secret,
            old_secrets=self.old_secrets,
            keys=self.keys,
            jwks_url=self.jwks_url,
            algorithms=self.algorithms,
        )
        return {None: keys}


_SWITCHES = (
    "accept_padding",
    "dangerously_accept_any_audience",
    "dangerously_allow_no_expiry",
    "dangerously_skip_cookie_csrf",
    "fail_open",
    "optional",
    "prefer_key_ids",
    "require_jti",
)


def _settle_issuers(findings: Findings, config: JwtConfig) -> None:
    issuers: object = config.issuers
    if issuers is None:
        settle_key_source(findings, config)
        return
    hint = 'give {"https://issuer": IssuerKeys(...)} and leave the other key fields out'
    flat = (config.secret, config.jwks_url, config.algorithms, config.issuer)
    if any(value is not None for value in flat) or config.old_secrets or config.keys:
        findings.add_secret("issuers", "keys are given outside issuers too", hint)
    if not isinstance(issuers, Mapping) or not issuers:
        findings.add("issuers", issuers, "not a mapping of issuers to their keys", hint)
        return
    for name, keys in issuers.items():
        if not isinstance(name, str) or not isinstance(keys, IssuerKeys):
            findings.add("issuers", name, "not a name with its IssuerKeys", hint)


def _settle_claims(findings: Findings, config: JwtConfig) -> None:
    for name in ("issuer", "audience"):
        value = getattr(config, name)
        if value is not None:
            names = (value,) if isinstance(value, str) else value
            object.__setattr__(config, name, settle_strings(findings, name, names))
    for name in ("required_claims", "required_scopes", "trusted_origins"):
        value = settle_strings(findings, name, getattr(config, name))
        object.__setattr__(config, name, value)
    if config.audience == ():
        findings.add("audience", (), "names nobody", "give our name, or leave it out")
    if config.dangerously_accept_any_audience and config.audience is not None:
        findings.add("audience", config.audience, "given, and switched off", "remove one of them")
    if config.token_type is not None:
        _settle_type(findings, config)


def _settle_type(findings: Findings, config: JwtConfig) -> None:
    given: object = config.token_type
    if not isinstance(given, str) or not _SCOPE.match(given):
        findings.add("token_type", given, "not a media type", "write 'at+jwt'")
        return
    plain = given.lower().removeprefix("application/")
    object.__setattr__(config, "token_type", plain)
    if plain != ACCESS_TOKEN_TYPE:
        return
    hint = "name what tokens must carry (RFC 9068 section 4)"
    if config.issuer is None and config.issuers is None:
        findings.add("issuer", None, "at+jwt needs an issuer", hint)
    if config.audience is None:
        findings.add("audience", None, "at+jwt needs an audience", hint)


def _check_numbers(findings: Findings, config: JwtConfig) -> None:
    number = findings.check_number
    number("leeway_seconds", config.leeway_seconds, minimum=0, maximum=600)
    number("max_token_bytes", config.max_token_bytes, minimum=64, maximum=65_536, integer=True)
    number("store_timeout_seconds", config.store_timeout_seconds, minimum=0.001)
    number("cache_entries", config.cache_entries, minimum=0, integer=True)
    number("cache_bytes", config.cache_bytes, minimum=0, integer=True)
    number("jwks_ttl_seconds", config.jwks_ttl_seconds, minimum=1)
    number("jwks_cooldown_seconds", config.jwks_cooldown_seconds, minimum=1)
    number("jwks_max_stale_seconds", config.jwks_max_stale_seconds, minimum=0)
    number("jwks_timeout_seconds", config.jwks_timeout_seconds, minimum=0.001)
    number("jwks_max_bytes", config.jwks_max_bytes, minimum=64, integer=True)
    if config.max_token_age_seconds is not None:
        number("max_token_age_seconds", config.max_token_age_seconds, minimum=1)
    if config.recheck_every_seconds is not None:
        number("recheck_every_seconds", config.recheck_every_seconds, minimum=0.001)


def _check_places(findings: Findings, config: JwtConfig) -> None:
    parameter = config.query_parameter
    if parameter is not None and not _PARAMETER.match(str(parameter)):
        findings.add("query_parameter", parameter, "needs escaping", "write 'access_token'")
    for name in ("cookie_name", "websocket_protocol"):
        value = getattr(config, name)
        if value is not None and (not isinstance(value, str) or not is_token(value)):
            findings.add(name, value, "not a token (RFC 9110 section 5.6.2)", "use letters and _")
    for origin in config.trusted_origins:
        if origin == "*":
            hint = "name the origins of your own pages"
            findings.add("trusted_origins", origin, "trusts every site with the cookie", hint)
        for fault in check_origin_pattern(origin):
            findings.add("trusted_origins", origin, fault.reason, fault.hint)


def _check_challenge(findings: Findings, config: JwtConfig) -> None:
    hint = 'use printable ASCII without " and \\'
    for name in ("realm", "resource_metadata"):
        value = getattr(config, name)
        if value is not None and (not isinstance(value, str) or not _QUOTABLE.match(value)):
            findings.add(name, value, "cannot be quoted in a header", hint)
    if config.resource_metadata is not None:
        check_url(findings, "resource_metadata", config.resource_metadata)
    for scope in config.required_scopes:
        if not _SCOPE.match(scope):
            findings.add("required_scopes", scope, "not a scope (RFC 6749 section 3.3)", hint)
