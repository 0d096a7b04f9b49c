"""Parses and verifies the compact form of a signed token, and writes it.

Everything that a token says about how it wants to be verified is a claim of its sender: the
algorithm is looked up in an allow-list, the key among those configured, and `jwk`, `jku`, `x5u`
and `x5c` are never looked at.

Source: RFC 7515 (JWS; sections 3.1, 4, 5.2, 7.1), RFC 7797 section 6 (b64), RFC 8725 (practice).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from asgi_security.crypto.algorithms import (
    HMAC_ALGORITHMS,
    check_algorithms,
    load_algorithm,
    sign_hmac,
)
from asgi_security.crypto.base64url import encode_base64url, parse_base64url
from asgi_security.crypto.strict_json import parse_json_object
from asgi_security.errors import ConfigError
from asgi_security.values import value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from asgi_security.crypto.keys import KeyRing
    from asgi_security.crypto.strict_json import FrozenDict
    from asgi_security.crypto.verification import VerificationKey

JwsReason: TypeAlias = Literal[
    "malformed",
    "algorithm_not_allowed",
    "unsupported_extension",
    "unknown_key",
    "bad_signature",
]
JWS_REASONS: frozenset[str] = frozenset(get_args(JwsReason))

_SEGMENTS = 3
_LONGEST_KEPT_HEADER = 512


@dataclass(frozen=True, slots=True)
class JoseHeader:
    """The protected header, once it has been found to be well-formed."""

    algorithm: str
    key_id: str | None
    token_type: str | None
    members: FrozenDict


@value
class VerifiedJws:
    """A token whose signature is right."""

    payload: bytes
    protected: JoseHeader
    verified_by: VerificationKey
    signed: bytes
    """What the signature covers, without padding: the same for every spelling of the token. (An
    ECDSA signature can be turned into a second right one without the key; this cannot.)"""

    @property
    def header(self) -> Mapping[str, Any]:
        """The protected header, read-only."""
        return self.protected.members

    @property
    def key_id(self) -> str | None:
        """The id of the key that verified it."""
        return self.verified_by.key_id

    @property
    def key(self) -> Literal["current", "old"]:
        """Whether it was made with a retired secret."""
        return self.verified_by.age


@dataclass(frozen=True, slots=True)
class RefusedJws:
    """A token that proves nothing, and the one word why."""

    reason: JwsReason


MALFORMED = RefusedJws("malformed")
_ALGORITHM_NOT_ALLOWED = RefusedJws("algorithm_not_allowed")
_UNSUPPORTED_EXTENSION = RefusedJws("unsupported_extension")
_UNKNOWN_KEY = RefusedJws("unknown_key")
_BAD_SIGNATURE = RefusedJws("bad_signature")


def verify_jws(
    token: str | bytes, keyring: KeyRing, *, algorithms: Sequence[str]
) -> VerifiedJws | RefusedJws:
    """Verify a compact JWS; never raises for what the token holds.

    >>> from asgi_security.crypto.keys import KeyRing
    >>> ring = KeyRing.from_secrets("0123456789abcdef0123456789abcdef")
    >>> token = sign_jws(b"hello", b"0123456789abcdef0123456789abcdef", algorithm="HS256")
    >>> verify_jws(token, ring, algorithms=["HS256"]).payload
    b'hello'
    >>> verify_jws(token + "A", ring, algorithms=["HS256"])
    RefusedJws(reason='bad_signature')

    Raises:
        ConfigError: for an allow-list with an unknown name, or with HS* beside public-key
            algorithms.
    """
    if isinstance(algorithms, str):
        raise ConfigError("verify_jws", check_algorithms(algorithms))
    allowed = build_allow_list(tuple(algorithms))
    raw = encode_token(token)
    return MALFORMED if raw is None else verify_compact(raw, keyring, allowed)


@lru_cache(maxsize=64)
def build_allow_list(algorithms: tuple[str, ...]) -> frozenset[str]:
    """Return the checked allow-list as a set.

    Raises:
        ConfigError: as `verify_jws` does.
    """
    problems = check_algorithms(algorithms)
    if problems:
        raise ConfigError("verify_jws", problems)
    return frozenset(algorithms)


def encode_token(token: str | bytes) -> bytes | None:
    """Return the token's bytes, or None for text that is no ASCII."""
    if isinstance(token, bytes):
        return token
    return token.encode() if token.isascii() else None


def verify_compact(
    token: bytes, keyring: KeyRing, allowed: frozenset[str], *, accept_padding: bool = False
) -> VerifiedJws | RefusedJws:
    """Verify against an allow-list made by `build_allow_list`: the road that requests take.

    Cheap checks come first, the payload is decoded only when its signature is right, and every
    candidate key is tried before a signature is called wrong. With `accept_padding` each segment
    may be padded to whole groups of four, as the AWS load balancer pads before it signs.
    """
    parts = token.split(b".", _SEGMENTS)
    if len(parts) != _SEGMENTS:
        return MALFORMED
    head, body, signature = parts
    signed = token[: -len(signature) - 1]
    if accept_padding and b"=" in token:
        head, body, signature = map(_strip_padding, parts)
    header = _read_header(head) if len(head) <= _LONGEST_KEPT_HEADER else _parse_header(head)
    if isinstance(header, RefusedJws):
        return header
    if header.algorithm not in allowed:
        return _ALGORITHM_NOT_ALLOWED
    candidates = keyring.select(header.algorithm, header.key_id)
    if not candidates:
        return _UNKNOWN_KEY
    for check, key in candidates:
        if check(signed, signature):
            payload = parse_base64url(body)
            if payload is None:
                return MALFORMED
            canonical = head + b"." + body if accept_padding else signed
            return VerifiedJws(payload, header, key, canonical)
    return _BAD_SIGNATURE


def _strip_padding(segment: bytes) -> bytes:
    """Remove padding that is right; any other stays, and makes the segment malformed."""
    return segment.rstrip(b"=") if len(segment) % 4 == 0 and segment[-3:] != b"===" else segment


def _parse_header(segment: bytes) -> JoseHeader | RefusedJws:
    raw = parse_base64url(segment)
    members = None if raw is None else parse_json_object(raw)
    if members is None:
        return MALFORMED
    if "crit" in members or "b64" in members:
        # No extension is understood, so any that must be is a reason to refuse (section 4.1.11);
        # an empty or odd list is malformed. `b64` changes what is signed.
        return _UNSUPPORTED_EXTENSION
    algorithm = members.get("alg")
    key_id = members.get("kid")
    token_type = members.get("typ")
    if not isinstance(algorithm, str):
        return MALFORMED
    if not isinstance(key_id, str | None) or not isinstance(token_type, str | None):
        return MALFORMED
    return JoseHeader(algorithm, key_id, token_type, members)


# An issuer's tokens share a handful of headers. Bounded in number and in the size of each, so that
# a flood of invented ones costs some 100 kB.
_read_header = lru_cache(maxsize=128)(_parse_header)


def peek_payload(token: bytes) -> FrozenDict | None:
    """Read the claims of a token that nobody has verified: only to learn which keys to ask."""
    parts = token.split(b".", _SEGMENTS)
    raw = parse_base64url(_strip_padding(parts[1])) if len(parts) == _SEGMENTS else None
    return None if raw is None else parse_json_object(raw)


def sign_jws(
    payload: bytes,
    key: Any,
    *,
    algorithm: str,
    header: Mapping[str, Any] | None = None,
) -> str:
    """Sign a payload: `key` is secret bytes for HS*, or a private key object of `cryptography`."""
    members = {"alg": algorithm, **(header or {})}
    head = encode_base64url(json.dumps(members, separators=(",", ":")).encode())
    signed = head + b"." + encode_base64url(payload)
    if algorithm in HMAC_ALGORITHMS:
        signature = sign_hmac(algorithm, key, signed)
    else:
        signature = load_algorithm(algorithm).sign(signed, key)
    return (signed + b"." + encode_base64url(signature)).decode()
