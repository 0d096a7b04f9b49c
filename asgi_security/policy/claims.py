"""Decides whether the claims of a token whose signature is right are for us, and when.

What does not change with time is checked once per token; the rest is two instants.

Source: RFC 7519 section 4.1, RFC 9068 section 4, RFC 8725 sections 3.8-3.12.
"""

from __future__ import annotations

from functools import lru_cache
from math import inf
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from asgi_security.policy.jwt import ACCESS_TOKEN_CLAIMS, ACCESS_TOKEN_TYPE
from asgi_security.values import value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asgi_security.policy.jwt import JwtConfig

ClaimReason: TypeAlias = Literal[
    "bad_claim",
    "missing_claim",
    "wrong_type",
    "wrong_issuer",
    "wrong_audience",
    "expired",
    "not_yet_valid",
    "too_old",
]
CLAIM_REASONS: frozenset[str] = frozenset(get_args(ClaimReason))

# Beyond it a float no longer holds whole seconds; it also turns away 1e400 and 5 000 digits.
_LATEST_INSTANT = 2**53
_LATEST = float(_LATEST_INSTANT)
_LONGEST_KEPT_SCOPE = 256
_NO_ROLES: frozenset[str] = frozenset()
_TEXTS = ("sub", "jti", "sid", "client_id")
# What a token may call itself where no type is asked for: none of these is the name of a token
# with another purpose, such as "mfa+jwt", "refresh+jwt" or "logout+jwt".
_PLAIN_TYPES = frozenset({None, "JWT", "jwt", ACCESS_TOKEN_TYPE})


@value
class Lifetime:
    """When a token may be used: from `begins_at` on and before `ends_at`, leeway included."""

    begins_at: float
    ends_at: float
    issued_at: float | None

    def includes(self, now: float) -> bool:
        """Tell whether the token may be used at this instant."""
        return self.begins_at <= now < self.ends_at


class ClaimPolicy:
    """The rules of one configuration, compiled."""

    __slots__ = (
        *("_any_audience", "_audience", "_issuers"),
        *("_leeway", "_max_age", "_required", "_types"),
    )

    def __init__(self, config: JwtConfig) -> None:
        issuers = config.issuer if config.issuers is None else tuple(config.issuers)
        self._issuers = None if issuers is None else frozenset(issuers)
        self._audience = frozenset(config.audience or ())
        self._any_audience = config.dangerously_accept_any_audience
        self._leeway = config.leeway_seconds
        self._max_age = config.max_token_age_seconds
        required = [*config.required_claims]
        if not config.dangerously_allow_no_expiry:
            required.append("exp")
        if config.max_token_age_seconds is not None:
            required.append("iat")
        if config.require_jti:
            required.append("jti")
        if config.token_type == ACCESS_TOKEN_TYPE:
            required.extend(ACCESS_TOKEN_CLAIMS)
        self._required = tuple(dict.fromkeys(required))
        self._types = _PLAIN_TYPES if config.token_type is None else frozenset({config.token_type})

    def decide(self, claims: Mapping[str, Any], token_type: str | None) -> Lifetime | ClaimReason:
        """Return when the token may be used, or why it never may: whatever the claims hold."""
        types = self._types
        if token_type not in types and (
            token_type is None or token_type.lower().removeprefix("application/") not in types
        ):
            return "wrong_type"
        claims = dict(claims)  # a subclass of it takes four times as long to answer
        for name in self._required:
            if name not in claims:
                return "missing_claim"
        for name in _TEXTS:
            if name in claims and type(claims[name]) is not str:
                return "bad_claim"
        if self._issuers is not None:
            issuer = claims.get("iss")
            if not isinstance(issuer, str) or issuer not in self._issuers:
                return "wrong_issuer"
        if not self._any_audience and not self._is_for_us(claims):
            return "wrong_audience"
        return self._compute_lifetime(claims)

    def _is_for_us(self, claims: Mapping[str, Any]) -> bool:
        named = claims.get("aud")
        if type(named) is str:
            return named in self._audience
        if "aud" not in claims:
            return not self._audience
        if not isinstance(named, (list, tuple)) or not all(isinstance(one, str) for one in named):
            return False
        return not self._audience.isdisjoint(named)

    def _compute_lifetime(self, claims: Mapping[str, Any]) -> Lifetime | ClaimReason:
        begins_at, ends_at = -inf, inf
        if "exp" in claims:
            expiry = parse_instant(claims["exp"])
            if expiry is None:
                return "bad_claim"
            ends_at = expiry + self._leeway
        if "nbf" in claims:
            start = parse_instant(claims["nbf"])
            if start is None:
                return "bad_claim"
            begins_at = start - self._leeway
        issued_at = None
        if "iat" in claims:
            issued_at = parse_instant(claims["iat"])
            if issued_at is None:
                return "bad_claim"
            begins_at = max(begins_at, issued_at - self._leeway)
            if self._max_age is not None:
                ends_at = min(ends_at, issued_at + self._max_age + self._leeway)
        return Lifetime(begins_at, ends_at, issued_at)

    def decide_instant(
        self, lifetime: Lifetime, claims: Mapping[str, Any], *, now: float
    ) -> ClaimReason | None:
        """Tell why a token may not be used at this instant, or None."""
        if lifetime.includes(now):
            return None
        if now < lifetime.begins_at:
            return "not_yet_valid"
        # On or after `exp` (RFC 7519 section 4.1.4); a token past both ends is called expired.
        return "expired" if now >= claims.get("exp", inf) + self._leeway else "too_old"


def parse_instant(value: Any) -> float | None:
    """Return a NumericDate as a float; a bool is an int to Python, and no instant.

    >>> parse_instant(1700000000), parse_instant(True)
    (1700000000.0, None)
    """
    if type(value) is int:
        return float(value) if -_LATEST_INSTANT <= value <= _LATEST_INSTANT else None
    if type(value) is float and -_LATEST <= value <= _LATEST:
        return value
    return None


def parse_scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    r"""Return the `scope` claim, split on spaces only; a list is none (RFC 8693 section 4.2).

    >>> sorted(parse_scopes({"scope": "read  write\tall"}))
    ['read', 'write\tall']
    """
    scope = claims.get("scope")
    if not isinstance(scope, str):
        return frozenset()
    return _split_kept(scope) if len(scope) <= _LONGEST_KEPT_SCOPE else _split(scope)


def _split(scope: str) -> frozenset[str]:
    names = scope.split(" ")
    return frozenset([name for name in names if name] if "" in names else names)


# The tokens of an app share a handful of scopes. Bounded in number and in the size of each.
_split_kept = lru_cache(maxsize=128)(_split)


def parse_roles(claims: Mapping[str, Any]) -> frozenset[str]:
    """Return the `roles` claim: a string is one role, and not its letters.

    >>> parse_roles({"roles": "admin"})
    frozenset({'admin'})
    """
    roles = claims.get("roles")
    if roles is None:
        return _NO_ROLES
    if isinstance(roles, str):
        return frozenset((roles,)) if roles else _NO_ROLES
    if not isinstance(roles, (list, tuple)):
        return _NO_ROLES
    return frozenset(role for role in roles if isinstance(role, str) and role)
