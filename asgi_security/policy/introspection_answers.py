"""Decides what an authorization server's answer about a token means.

It is believed no further than a token of that server would be: what is active for it may still be
for others, over, or no access token at all.

Source: RFC 7662 section 2.2, RFC 7519 section 4.1, RFC 8725 section 3.12 (tokens of other kinds).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from asgi_security.policy.claims import (
    ClaimPolicy,
    ClaimReason,
    Lifetime,
    parse_roles,
    parse_scopes,
)
from asgi_security.principal import Principal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asgi_security.policy.introspection import IntrospectionConfig

IntrospectionReason: TypeAlias = (
    ClaimReason | Literal["inactive", "bad_active", "malformed", "too_long", "revoked"]
)

_TYPES = frozenset({"bearer", "access_token"})  # the second is what some servers write for it
# The hint in the request binds no server (RFC 7662 section 2.1): asked about a refresh token, it
# may well say that this is active. Which kind it is stands where the server likes.
_KINDS = ("token_use", "typ")
_OTHER_KINDS = frozenset({"refresh", "refresh_token", "offline", "id", "id_token"})


@dataclass(frozen=True, slots=True)
class Introspected:
    """A token that is active and for us. What it holds is read-only, as requests share it."""

    claims: Mapping[str, Any] = field(repr=False)
    """The whole answer."""
    lifetime: Lifetime
    scopes: frozenset[str]
    principal: Principal | None = field(repr=False)
    """Who it speaks for; None for a token without subject."""


@dataclass(frozen=True, slots=True)
class IntrospectionRefused:
    """A token that is not good, and the one word why."""

    reason: IntrospectionReason


@dataclass(frozen=True, slots=True)
class IntrospectionUnavailable:
    """Nothing can be said about the token: answer 503. The reason is one word, safe to log."""

    reason: str


IntrospectionOutcome: TypeAlias = Introspected | IntrospectionRefused | IntrospectionUnavailable


class IntrospectionPolicy:
    """The rules of one configuration, compiled."""

    __slots__ = ("_claims", "_config", "_texts")

    def __init__(self, config: IntrospectionConfig) -> None:
        self._config = config
        self._claims = ClaimPolicy(config.rules)
        self._texts = ("username", config.subject_claim)

    def decide(
        self, status: int, document: Mapping[str, Any] | None, *, now: float
    ) -> IntrospectionOutcome:
        """Return what an answer says of the token. Never raises for what it holds.

        Args:
            status: of the answer. Another one than 200 is about us, and not about the token.
            document: its JSON object; None if it is none.
            now: when it was asked for.
        """
        if status != 200:
            return IntrospectionUnavailable(f"status_{status}")
        if document is None:
            return IntrospectionUnavailable("bad_json")
        active = document.get("active")
        if active is not True:  # "true" and 1 are no more than truthy: no server may write them
            return IntrospectionRefused("inactive" if active is False else "bad_active")
        if not _is_access_token(document):
            return IntrospectionRefused("wrong_type")
        for name in self._texts:
            if name in document and type(document[name]) is not str:
                return IntrospectionRefused("bad_claim")
        lifetime = self._claims.decide(document, None)
        if not isinstance(lifetime, Lifetime):
            return IntrospectionRefused(lifetime)
        reason = self._claims.decide_instant(lifetime, document, now=now)
        if reason is not None:
            return IntrospectionRefused(reason)
        return self._build(document, lifetime)

    def compute_cache_seconds(
        self, outcome: Introspected | IntrospectionRefused, *, now: float
    ) -> float:
        """Return how long an answer counts, from when it was asked for; 0 or less is not at all.

        A token that could be used at the begin of that time can be used in all of it.
        """
        if isinstance(outcome, IntrospectionRefused):
            return self._config.negative_cache_seconds
        expires_at = outcome.lifetime.ends_at - self._config.leeway_seconds
        return min(self._config.cache_seconds, expires_at - now)

    def _build(self, document: Mapping[str, Any], lifetime: Lifetime) -> Introspected:
        scopes, subject = parse_scopes(document), document.get(self._config.subject_claim)
        principal = None
        if subject:
            principal = Principal(
                subject=subject,
                via="introspection",
                roles=parse_roles(document),
                scopes=scopes,
                claims=document,
            )
        return Introspected(document, lifetime, scopes, principal)


def _is_access_token(document: Mapping[str, Any]) -> bool:
    kind, bound = document.get("token_type"), document.get("cnf")
    # One bound to a key (RFC 9449) proves nothing without the proof, which nobody asks for here.
    if isinstance(bound, dict) and "jkt" in bound:
        return False
    if kind is not None and (not isinstance(kind, str) or kind.lower() not in _TYPES):
        return False
    kinds = (document.get(name) for name in _KINDS)
    return not any(isinstance(kind, str) and kind.lower() in _OTHER_KINDS for kind in kinds)
