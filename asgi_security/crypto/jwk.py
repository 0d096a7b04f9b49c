"""Reads JSON Web Keys and sets of them, public members only, every number in its one spelling.

Source: RFC 7517 (JWK), RFC 7518 section 6 (members by key type), RFC 8037 section 2 (OKP).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asgi_security.crypto.algorithms import load_algorithm
from asgi_security.crypto.base64url import parse_base64url
from asgi_security.crypto.verification import (
    Unusable,
    VerificationKey,
    build_public_key,
    build_secret_key,
)

_PUBLIC_MEMBERS = {"RSA": ("n", "e"), "EC": ("x", "y"), "OKP": ("x",)}
_READERS = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}
# Sets of before RFC 7518 was final name the algorithm after the curve.
_OLD_NAMES = {"ES521": "ES512"}


@dataclass(frozen=True, slots=True)
class JwkSet:
    """The usable keys of a set, and for each other member (by place) why it is none."""

    keys: tuple[VerificationKey, ...]
    unusable: tuple[tuple[int, Unusable], ...]


def parse_jwk(jwk: Mapping[str, Any]) -> VerificationKey | Unusable:
    """Make a verification key of one JWK; never raises for what the JWK holds."""
    key_type, key_id = jwk.get("kty"), jwk.get("kid")
    algorithm = jwk.get("alg")
    if not isinstance(key_type, str):
        return Unusable("no key type")
    if not isinstance(key_id, str | None) or not isinstance(algorithm, str | None):
        return Unusable("a key id or algorithm that is no string")
    if jwk.get("use", "sig") != "sig":
        return Unusable("a key for another use", foreign=True)
    operations = jwk.get("key_ops", ("verify",))
    if not isinstance(operations, (list, tuple)) or "verify" not in operations:
        return Unusable("a key for other operations", foreign=True)
    only = _OLD_NAMES.get(algorithm, algorithm) if algorithm is not None else None
    if key_type == "oct":
        secret = _parse_member(jwk, "k")
        if secret is None:
            return Unusable("a secret that is no base64url")
        return build_secret_key(secret, key_id=key_id, only=only)
    if key_type not in _PUBLIC_MEMBERS:
        return Unusable("an unknown key type", foreign=True)
    public_key = _parse_public_key(jwk, key_type)
    if public_key is None:
        return Unusable("no valid public key")
    return build_public_key(public_key, key_id=key_id, only=only)


def _parse_member(jwk: Mapping[str, Any], name: str) -> bytes | None:
    text = jwk.get(name)
    if not isinstance(text, str) or not text.isascii():
        return None
    return parse_base64url(text.encode())


def _parse_public_key(jwk: Mapping[str, Any], key_type: str) -> Any:
    """Return the object of `cryptography`, or None for a point off its curve and the like."""
    members = {name: jwk.get(name) for name in _PUBLIC_MEMBERS[key_type]}
    if not all(_parse_member(jwk, name) for name in members):
        return None
    reader = load_algorithm(_READERS[key_type])
    from jwt.exceptions import InvalidKeyError  # noqa: PLC0415 -- with the algorithm objects

    try:
        return reader.from_jwk({"kty": key_type, "crv": jwk.get("crv"), **members})
    except (InvalidKeyError, ValueError):
        return None


def parse_jwk_set(document: Mapping[str, Any]) -> JwkSet | None:
    """Make keys of a set, or of a single JWK; None for what is neither.

    Members that share a key id are all turned away: which one a token means is anyone's guess.
    """
    members = document.get("keys") if "keys" in document else [document]
    if not isinstance(members, (list, tuple)):
        return None
    names = Counter(
        member["kid"]
        for member in members
        if isinstance(member, Mapping) and isinstance(member.get("kid"), str)
    )
    keys: list[VerificationKey] = []
    unusable: list[tuple[int, Unusable]] = []
    for place, member in enumerate(members):
        sound = isinstance(member, Mapping)
        made = parse_jwk(member) if sound else Unusable("not an object")
        if isinstance(made, VerificationKey) and names[made.key_id] > 1:
            made = Unusable("a key id that another member has too")
        if isinstance(made, VerificationKey):
            keys.append(made)
        else:
            unusable.append((place, made))
    return JwkSet(tuple(keys), tuple(unusable))
