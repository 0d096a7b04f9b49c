"""Reads the keys that tokens are signed with.

Source: RFC 7517 (JWK), RFC 7518 section 3.1 (which algorithm goes with which key).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from asgi_security.crypto.algorithms import load_algorithm, require_cryptography
from asgi_security.crypto.keys import KeyRing
from asgi_security.crypto.pem import parse_private_key_file
from asgi_security.crypto.strict_json import parse_json_object
from asgi_security.crypto.verification import Unusable, build_public_key
from asgi_security.errors import ConfigError, Problem
from asgi_security.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

SigningKeyLike: TypeAlias = "SigningKey | Mapping[str, Any] | str | bytes"
"""A prepared key, or a private key as PEM, DER or JWK."""

_READERS = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}
_ADVICE = "give a private key as PEM, DER or JWK, and an algorithm it is made for"


@dataclass(frozen=True, slots=True, eq=False)
class SigningKey:
    """A key to sign with: secret bytes for HS*, or a private key object of `cryptography`."""

    value: Any = field(repr=False)
    algorithm: str
    key_id: str | None = None

    @classmethod
    def from_secret(cls, secret: Secret | str | bytes, algorithm: str = "HS256") -> SigningKey:
        """Make a key of a shared secret.

        Raises:
            ConfigError: for a secret shorter than the hash, or one that is a key file.
        """
        if algorithm not in KeyRing.from_secrets(secret).algorithms:
            raise ConfigError(
                "SigningKey",
                (Problem("algorithm", repr(algorithm), "not one for this secret", "use HS256"),),
            )
        return cls(Secret(secret).reveal(), algorithm)

    @classmethod
    def from_key(
        cls, key: Mapping[str, Any] | str | bytes, algorithm: str | None = None
    ) -> SigningKey:
        """Make a key of a private key; without `algorithm`, the JWK's, or the first it serves.

        Raises:
            ConfigError: for what is no private key, or does not fit the algorithm.
        """
        if isinstance(key, (str, bytes)):
            return _read_text(key, algorithm)
        return _read_jwk(key, algorithm)


def prepare_signing_key(key: SigningKeyLike, algorithm: str | None) -> SigningKey:
    """Return a signing key of any form; text is read once and remembered."""
    return key if isinstance(key, SigningKey) else SigningKey.from_key(key, algorithm)


@lru_cache(maxsize=16)
def _read_text(text: str | bytes, algorithm: str | None) -> SigningKey:
    data = text.encode() if isinstance(text, str) else text
    jwk = parse_json_object(data)
    if jwk is not None:
        return _read_jwk(jwk, algorithm)
    return _make(parse_private_key_file(data), algorithm, None)


def _read_jwk(jwk: Mapping[str, Any], algorithm: str | None) -> SigningKey:
    reader = _READERS.get(str(jwk.get("kty")))
    private: Any = None
    if reader is not None and "d" in jwk:
        require_cryptography()
        from jwt.exceptions import InvalidKeyError  # noqa: PLC0415 -- with the algorithm objects

        try:
            private = load_algorithm(reader).from_jwk(dict(jwk))
        except (InvalidKeyError, ValueError, TypeError):
            private = None
    return _make(private, algorithm or jwk.get("alg"), jwk.get("kid"))


def _make(private: Any, algorithm: str | None, key_id: str | None) -> SigningKey:
    made = (
        Unusable("no private key")
        if private is None
        else build_public_key(private.public_key(), only=algorithm)
    )
    if isinstance(made, Unusable):
        problem = Problem("key", "<secret>", made.reason, _ADVICE)
        raise ConfigError("SigningKey", (problem,))
    return SigningKey(private, algorithm or next(iter(made.checks)), key_id)
