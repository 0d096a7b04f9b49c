"""Keys and tokens for the tests of everything that verifies: made once per run."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from functools import cache
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm, get_default_algorithms

if TYPE_CHECKING:
    from collections.abc import Mapping

SECRET = b"current-secret-of-32-bytes-or-so"
OLD = b"retired-secret-of-32-bytes-or-so"
OLDER = b"older-still-secret-of-32-bytes.."
NOW = 1_700_000_000.0


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def claims_of(**more: Any) -> dict[str, Any]:
    """Return claims that are good at `NOW`; a value of None removes one."""
    claims = {"sub": "user-1", "iat": int(NOW) - 10, "exp": int(NOW) + 600, "jti": "id-1", **more}
    return {name: value for name, value in claims.items() if value is not None}


def mint(
    payload: Mapping[str, Any] | bytes | None = None,
    *,
    secret: bytes = SECRET,
    header: Mapping[str, Any] | bytes | None = None,
) -> str:
    """Make an HS256 token without using any of the code under test."""
    head = header if isinstance(header, bytes) else json.dumps({"alg": "HS256", **(header or {})})
    body = payload if isinstance(payload, bytes) else json.dumps(payload or claims_of())
    parts = [b64(part if isinstance(part, bytes) else part.encode()) for part in (head, body)]
    signed = ".".join(parts)
    return f"{signed}.{b64(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


@cache
def private_key(kind: str = "RSA") -> Any:
    """Return a private key: RSA, EC (P-256), P-384, P-521, secp256k1, Ed25519, Ed448."""
    curves: dict[str, ec.EllipticCurve] = {
        "EC": ec.SECP256R1(),
        "P-384": ec.SECP384R1(),
        "P-521": ec.SECP521R1(),
        "secp256k1": ec.SECP256K1(),
    }
    if kind.startswith("RSA"):
        return rsa.generate_private_key(65537, 2048)
    if kind in curves:
        return ec.generate_private_key(curves[kind])
    return (
        ed448.Ed448PrivateKey.generate()
        if kind == "Ed448"
        else ed25519.Ed25519PrivateKey.generate()
    )


def public_jwk(kind: str = "RSA", **more: Any) -> dict[str, Any]:
    key = private_key(kind).public_key()
    writer: Any = ECAlgorithm
    if kind.startswith("RSA"):
        writer = RSAAlgorithm
    elif kind.startswith("Ed"):
        writer = OKPAlgorithm
    jwk = writer.to_jwk(key, as_dict=True)
    jwk.pop("key_ops", None)
    return {**jwk, **more}


def public_pem(kind: str = "RSA") -> bytes:
    data: bytes = (
        private_key(kind)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return data


def public_der(kind: str = "RSA") -> bytes:
    data: bytes = (
        private_key(kind)
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return data


def private_pem(kind: str = "RSA", password: bytes | None = None) -> bytes:
    lock: Any = serialization.NoEncryption()
    if password is not None:
        lock = serialization.BestAvailableEncryption(password)
    data: bytes = private_key(kind).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock
    )
    return data


def mint_with(
    kind: str,
    algorithm: str,
    payload: Mapping[str, Any] | None = None,
    **header: Any,
) -> str:
    """Make a token under a private key with PyJWT's mathematics."""
    head = json.dumps({"alg": algorithm, **header}).encode()
    signed = f"{b64(head)}.{b64(json.dumps(payload or claims_of()).encode())}"
    name = "EdDSA" if algorithm.startswith("Ed") else algorithm
    signature = get_default_algorithms()[name].sign(signed.encode(), private_key(kind))
    return f"{signed}.{b64(signature)}"
