"""Says whom to ask about tokens, how, and which of those that are active a service takes.

Source: RFC 7662 sections 2.1 and 4 (the question, and remembering the answer), RFC 6749 section
2.3.1 (client credentials), RFC 6750 (bearer use).
"""

from __future__ import annotations

import base64
from dataclasses import field
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, urlencode

from asgi_security.errors import ConfigError
from asgi_security.policy.bearer import is_b64token
from asgi_security.policy.jwt import JwtConfig
from asgi_security.policy.key_sources import check_url
from asgi_security.secret import Secret
from asgi_security.validation import Findings, configuration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.policy.jwt import Names

_NO_KEYS = "https://keys.invalid/"
"""Stands where a `JwtConfig` wants keys. Never asked: no signature is verified here."""
_SHARED = (
    *("issuer", "audience", "dangerously_accept_any_audience", "leeway_seconds"),
    *("required_claims", "required_scopes", "max_token_bytes", "optional", "websocket_protocol"),
    *("realm", "resource_metadata", "revocations", "store_timeout_seconds", "fail_open"),
    *("recheck_every_seconds", "cache_entries"),
)
_LISTED = ("issuer", "audience", "required_claims", "required_scopes")


@configuration
class IntrospectionConfig:
    """Whom to ask about tokens, and which of those that are active are taken.

    Give `client_id` and `client_secret`, or `bearer_token`: no endpoint may be asked by everyone.
    Fields that `JwtConfig` has too mean what they mean there.

    Args:
        url: the introspection endpoint; https, or http on this machine.
        client_id, client_secret: who we are to it, sent as HTTP Basic authentication.
        bearer_token: an access token of ours for it, in their place.
        issuer: the accepted `iss`, or several. None takes any.
        audience: who we are, or several names; a token for others only is refused, and so is one
            with an `aud` when no audience is given.
        leeway_seconds: how far clocks may be apart, for `exp`, `nbf` and `iat`.
        required_claims: members that an answer must have.
        required_scopes: all of which a token must have; 403 otherwise.
        subject_claim: the member that names whom a token speaks for, such as "username".
        cache_seconds: how long an active token is not asked about again, its `exp` permitting, and
            so how long after its revocation at the server it still passes. 0 always asks.
        negative_cache_seconds: the same for a refused one, up to 60.
        cache_entries: active tokens remembered, at most, and as many refused ones.
        timeout_seconds: for one question in all.
        max_response_bytes: a longer answer is none.
        max_token_bytes: longer tokens are refused unasked.
        optional: pass requests without a token on, anonymous. A bad token is refused all the same.
        websocket_protocol: the marker of the pair `bearer, <token>` in Sec-WebSocket-Protocol.
        recheck_every_seconds: look again at a WebSocket's token this often, and at its expiry.
        realm: named in the challenge.
        resource_metadata: URL of RFC 9728 metadata, named in the challenge.
        revocations: a store, or its `revocations` facet; asked on every request.
        store_timeout_seconds: a store that takes longer has failed.
        fail_open: take tokens unchecked while that store fails, with an event for each. An endpoint
            that fails never lets anyone in.
        dangerously_accept_any_audience: take tokens made for others.
    """

    url: str
    client_id: str | None = None
    client_secret: Secret | str | bytes | None = None
    bearer_token: Secret | str | bytes | None = None
    issuer: Names | None = None
    audience: Names | None = None
    leeway_seconds: float = 0
    required_claims: Sequence[str] = ()
    required_scopes: Sequence[str] = ()
    subject_claim: str = "sub"
    cache_seconds: float = 30
    negative_cache_seconds: float = 5
    cache_entries: int = 10_000
    timeout_seconds: float = 5
    max_response_bytes: int = 64 * 1024
    max_token_bytes: int = 8192
    optional: bool = False
    websocket_protocol: str | None = "bearer"
    recheck_every_seconds: float | None = None
    realm: str = "api"
    resource_metadata: str | None = None
    revocations: object | None = None
    store_timeout_seconds: float = 2.0
    fail_open: bool = False
    dangerously_accept_any_audience: bool = False
    rules: JwtConfig = field(init=False, repr=False, compare=False)
    """The rules that tokens of every kind share, for whatever applies them."""

    def __post_init__(self) -> None:
        """Check everything at once."""
        findings = Findings(type(self).__name__)
        check_url(findings, "url", self.url)
        _settle_credentials(findings, self)
        subject: object = self.subject_claim
        if not isinstance(subject, str) or not subject:
            hint = "name a member of the answer, such as 'sub'"
            findings.add("subject_claim", subject, "not the name of a member", hint)
        number = findings.check_number
        number("cache_seconds", self.cache_seconds, minimum=0)
        number("negative_cache_seconds", self.negative_cache_seconds, minimum=0, maximum=60)
        number("timeout_seconds", self.timeout_seconds, minimum=0.001)
        number("max_response_bytes", self.max_response_bytes, minimum=64, integer=True)
        _settle_rules(findings, self)
        findings.raise_if_any()


def _settle_credentials(findings: Findings, config: IntrospectionConfig) -> None:
    hint = "give client_id and client_secret, or bearer_token"
    for name in ("client_secret", "bearer_token"):
        value = getattr(config, name)
        if value is not None:
            if not isinstance(value, (str, bytes, Secret)) or not len(value):
                findings.add_secret(name, "no secret", "copy it from the authorization server")
                return
            object.__setattr__(config, name, Secret(value))
    client: object = config.client_id
    if client is not None and (not isinstance(client, str) or not client):
        findings.add("client_id", client, "not a client id", hint)
    is_client = client is not None and config.client_secret is not None
    if (client is None) != (config.client_secret is None):
        findings.add_secret("client_secret", "half of the client's credentials", hint)
    elif is_client == (config.bearer_token is not None):
        reason = "two ways to authenticate" if is_client else "nothing to authenticate with"
        findings.add_secret("client_secret", reason, hint)
    token = config.bearer_token
    if isinstance(token, Secret) and not is_b64token(token.reveal()):
        reason = "not a bearer token (RFC 6750 section 2.1)"
        findings.add_secret("bearer_token", reason, "copy it from the authorization server")


def _settle_rules(findings: Findings, config: IntrospectionConfig) -> None:
    shared: dict[str, Any] = {name: getattr(config, name) for name in _SHARED}
    try:
        # `exp` is the server's to mind (RFC 7662 section 2.2): it need not tell.
        rules = JwtConfig(jwks_url=_NO_KEYS, dangerously_allow_no_expiry=True, **shared)
    except ConfigError as error:
        findings.extend(error)
        return
    for name in _LISTED:
        object.__setattr__(config, name, getattr(rules, name))
    object.__setattr__(config, "rules", rules)


def build_headers(config: IntrospectionConfig) -> dict[str, str]:
    """Return the headers of every question. They hold our credential: never to be shown."""
    if config.bearer_token is not None:
        credential = f"Bearer {_reveal(config.bearer_token).decode()}"
    else:
        # Each half is form-encoded first (RFC 6749 section 2.3.1): a secret may hold a colon.
        client = quote(config.client_id or "", safe="")
        pair = f"{client}:{quote(_reveal(config.client_secret), safe='')}"
        credential = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return {
        "authorization": credential,
        "content-type": "application/x-www-form-urlencoded",
    }


def _reveal(secret: object) -> bytes:
    return cast("Secret", secret).reveal()  # wrapped by the configuration


def build_body(token: bytes) -> bytes:
    """Return the form that asks about a token (RFC 7662 section 2.1).

    >>> build_body(b"a+b")
    b'token=a%2Bb&token_type_hint=access_token'
    """
    return urlencode([("token", token), ("token_type_hint", "access_token")]).encode()
