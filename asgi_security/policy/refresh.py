"""Decides how long logins with refresh tokens live, and how their access tokens are made.

The rules, each of which a test holds:

* Two clocks end a family: the idle one moves with each rotation, the absolute one never.
* An access token is shortened by up to a twentieth, so that clients that signed in together do not
  come back together. It is never lengthened, and never outlives its family.
* A reuse is "recent" when it may well be a client that got lost between two replies, and "stale"
  otherwise. The family ends either way: the word is for whoever reads the alarm.

Source: RFC 6749 sections 5.1 and 6, RFC 9068 section 2 (access tokens), RFC 9700 section 4.14.2
(rotation); OWASP ASVS 5.0 sections 7.3 (timeouts) and 10.4 (refresh tokens).
"""

from __future__ import annotations

from dataclasses import field
from math import floor
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from asgi_security.policy.cookies import settle_signing_secrets
from asgi_security.policy.key_sources import settle_strings
from asgi_security.secret import Secret
from asgi_security.validation import Findings, configuration

if TYPE_CHECKING:
    from collections.abc import Sequence

ReuseClass: TypeAlias = Literal["recent", "stale"]

NOISE_BYTES = 4
"""What the shortening of one access token is made of."""

_DAY_SECONDS = 86_400
_LONGEST_GRACE_SECONDS = 300
_RECENT_SECONDS = 60
_MOST_JITTER = 0.05
_LONGEST_LEEWAY_SECONDS = 600  # what JwtConfig lets a verifier be late


@configuration
class RefreshConfig:
    """Logins that last by refresh tokens. Give one of `access_secret` and `access_key`.

    Args:
        secret: makes refresh tokens; 32 bytes or more.
        old_secrets: retired secrets, whose tokens are still taken.
        access_secret: signs access tokens with HS256, or the HS* of `access_algorithm`.
        access_key: a private key as PEM, DER or JWK to sign them with.
        access_algorithm: by default what the key is for.
        access_key_id: the `kid` of access tokens; by default that of the key.
        issuer: their `iss`.
        audience: their `aud`, one name or several.
        client_id: their `client_id` where a login names no other. With an issuer, an audience and
            this they are access tokens of RFC 9068, as `JwtConfig(token_type="at+jwt")` wants them.
        access_lifetime_seconds: how long they serve; up to 5 % less.
        idle_timeout_seconds: a login whose refresh token is not used for so long is over.
        absolute_timeout_seconds: a login is over so long after it began, however active.
        grace_seconds: how long a used token is answered with its same successor, for clients whose
            reply was lost. 0 ends the login of a client with a bad line.
        max_families_per_subject: beyond it the login longest unused is ended.
        store_timeout_seconds: a store that takes longer has failed.
    """

    secret: Secret | str | bytes
    old_secrets: Sequence[Secret | str | bytes] = ()
    access_secret: Secret | str | bytes | None = None
    access_key: Any = field(default=None, repr=False)
    access_algorithm: str | None = None
    access_key_id: str | None = None
    issuer: str | None = None
    audience: str | Sequence[str] | None = None
    client_id: str | None = None
    access_lifetime_seconds: float = 900
    idle_timeout_seconds: float = 7 * _DAY_SECONDS
    absolute_timeout_seconds: float = 30 * _DAY_SECONDS
    grace_seconds: float = 10
    max_families_per_subject: int | None = None
    store_timeout_seconds: float = 2.0

    def __post_init__(self) -> None:
        """Check everything at once."""
        findings = Findings("RefreshConfig")
        settle_signing_secrets(findings, self)
        _check_access(findings, self)
        _check_lifetimes(findings, self)
        findings.raise_if_any()

    def reveal_order(self) -> tuple[Secret, ...]:
        """Return the secrets of refresh tokens, the one that makes them first."""
        return tuple(Secret(each) for each in (self.secret, *self.old_secrets))


def _check_access(findings: Findings, config: RefreshConfig) -> None:
    secret: object = config.access_secret
    if (secret is None) == (config.access_key is None):
        reason = "nothing to sign access tokens with" if secret is None else "given with access_key"
        findings.add_secret("access_secret", reason, "give one of access_secret and access_key")
    if secret is not None:
        checked = findings.check_secret("access_secret", secret)
        object.__setattr__(config, "access_secret", checked)
    for name in ("access_algorithm", "access_key_id", "issuer", "client_id"):
        value = getattr(config, name)
        if value is not None and (not isinstance(value, str) or not value):
            findings.add(name, value, "not a name", "give a string, or leave it out")
    audience = config.audience
    if audience is not None and not isinstance(audience, str):
        audience = settle_strings(findings, "audience", audience)
        object.__setattr__(config, "audience", audience)
    if audience is not None and not audience:
        findings.add("audience", audience, "names nobody", "name the API, or leave it out")


def _check_lifetimes(findings: Findings, config: RefreshConfig) -> None:
    number = findings.check_number
    absolute = config.absolute_timeout_seconds
    right = number("absolute_timeout_seconds", absolute, minimum=1)
    for name in ("idle_timeout_seconds", "access_lifetime_seconds"):
        value = getattr(config, name)
        if number(name, value, minimum=1) and right and value > absolute:
            hint = f"give at most absolute_timeout_seconds, {absolute:g}"
            findings.add(name, value, "longer than the login can last", hint)
    number("grace_seconds", config.grace_seconds, minimum=0, maximum=_LONGEST_GRACE_SECONDS)
    if config.max_families_per_subject is not None:
        number("max_families_per_subject", config.max_families_per_subject, minimum=1, integer=True)
    number("store_timeout_seconds", config.store_timeout_seconds, minimum=0.001)


def compute_access_lifetime(
    config: RefreshConfig, *, noise: bytes, absolute_expires_at: float, now: float
) -> int:
    """Return how many whole seconds an access token made at `now` may serve, at least 1.

    `noise` is `NOISE_BYTES` unpredictable bytes.
    """
    share = int.from_bytes(noise) / float(256 ** len(noise))
    shortened = config.access_lifetime_seconds * (1 - _MOST_JITTER * share)
    return max(1, floor(min(shortened, absolute_expires_at - now)))


def compute_revocation_end(config: RefreshConfig, *, now: float) -> float:
    """Return when no access token made up to `now` is taken any more, by the latest verifier."""
    return now + config.access_lifetime_seconds + _LONGEST_LEEWAY_SECONDS


def is_over(config: RefreshConfig, *, created_at: float, advanced_at: float, now: float) -> bool:
    """Tell whether a login that the store still has is over by today's rules.

    A store goes by the lifetimes that the login began with; they may be shorter by now.
    """
    idle_end = advanced_at + config.idle_timeout_seconds
    return now >= min(idle_end, created_at + config.absolute_timeout_seconds)


def classify_reuse(
    config: RefreshConfig, *, age: int, advanced_at: float, now: float
) -> ReuseClass:
    """Return what a reuse looks like: of the token `age` generations before the present one."""
    late = now >= advanced_at + config.grace_seconds + _RECENT_SECONDS
    return "stale" if age > 1 or late else "recent"
