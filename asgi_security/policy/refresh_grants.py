"""Decides what a refresh may be given, out of what its login was granted.

Source: RFC 6749 sections 3.3 (scope) and 6 (it may narrow, never widen), RFC 9068 section 2.2
(claims of access tokens), RFC 9449 sections 5 and 6 (keys of the client), RFC 8176 (`amr`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import floor
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from asgi_security.policy.documents import encode_json, is_instant, parse_object

if TYPE_CHECKING:
    from collections.abc import Mapping

RESERVED_CLAIMS = frozenset(
    {
        *("iss", "aud", "sub", "exp", "nbf", "iat", "jti", "sid"),
        *("scope", "amr", "auth_time", "client_id", "cnf"),
    }
)
"""Claims that a login's own must not have: `exp` among them would outlive every rule."""

_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshGrant:
    """What a login was granted, and to whom: it stays the same through all rotations.

    `auth_time` is when its subject proved who they are. With a `client_id` or a `confirmation` (the
    RFC 7638 thumbprint of the client's key) only who presents the same is served.
    """

    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)
    scopes: tuple[str, ...] = ()
    amr: tuple[str, ...] = ()
    auth_time: float
    client_id: str | None = None
    confirmation: str | None = None


@dataclass(frozen=True, slots=True)
class Granted:
    """The refresh may go on, with these scopes."""

    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Denied:
    """The refresh is refused, and the login is untouched."""

    reason: Literal["client_mismatch", "key_mismatch", "scope_widened"]


GrantDecision: TypeAlias = Granted | Denied


def check_claims(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the claims that are not a login's own to make."""
    return tuple(sorted(RESERVED_CLAIMS & claims.keys()))


def check_scopes(scopes: tuple[str, ...]) -> tuple[str, ...]:
    """Return what are no scopes: one with a blank in it would be two."""
    return tuple(scope for scope in scopes if not _SCOPE.match(scope))


def encode_grant(grant: RefreshGrant) -> bytes:
    """Return a grant as a store keeps it.

    Raises:
        TypeError: for claims that JSON has no word for.
        ValueError: for NaN, infinity and the like.
    """
    return encode_json(
        {
            "claims": dict(grant.claims),
            "scopes": grant.scopes,
            "amr": grant.amr,
            "auth_time": grant.auth_time,
            "client_id": grant.client_id,
            "confirmation": grant.confirmation,
        }
    )


def parse_grant(data: bytes) -> RefreshGrant | None:
    """Return the grant of a login, or None for what another release, or nobody, wrote."""
    fields = parse_object(data)
    if fields is None:
        return None
    claims, auth_time = fields.get("claims"), fields.get("auth_time")
    scopes, amr = _read_texts(fields.get("scopes")), _read_texts(fields.get("amr"))
    client_id, confirmation = fields.get("client_id"), fields.get("confirmation")
    if not isinstance(claims, dict) or scopes is None or amr is None:
        return None
    if auth_time is None or not is_instant(auth_time):
        return None
    if not isinstance(client_id, str | None) or not isinstance(confirmation, str | None):
        return None
    return RefreshGrant(
        claims=claims,
        scopes=scopes,
        amr=amr,
        auth_time=auth_time,
        client_id=client_id,
        confirmation=confirmation,
    )


def decide_refresh(
    grant: RefreshGrant,
    *,
    client_id: str | None = None,
    confirmation: str | None = None,
    scope: str | None = None,
) -> GrantDecision:
    """Decide on a refresh by whoever presents these, and asks for this scope.

    A scope that is left out or empty (RFC 6749 section 3.2) is all that was granted.
    """
    if grant.client_id is not None and client_id != grant.client_id:
        return Denied("client_mismatch")
    if grant.confirmation is not None and confirmation != grant.confirmation:
        return Denied("key_mismatch")
    if not scope:
        return Granted(grant.scopes)
    asked = set(scope.split(" "))
    if not asked <= set(grant.scopes):
        return Denied("scope_widened")
    return Granted(tuple(each for each in grant.scopes if each in asked))


def build_access_claims(
    grant: RefreshGrant, *, subject: str, scopes: tuple[str, ...], claims: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what an access token says besides its times, its ids and its issuer."""
    stated: dict[str, Any] = {**claims, "sub": subject, "auth_time": floor(grant.auth_time)}
    if scopes:
        stated["scope"] = " ".join(scopes)
    if grant.amr:
        stated["amr"] = list(grant.amr)
    if grant.client_id is not None:
        stated["client_id"] = grant.client_id
    if grant.confirmation is not None:
        stated["cnf"] = {"jkt": grant.confirmation}
    return stated


def _read_texts(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        return None
    return tuple(value)
