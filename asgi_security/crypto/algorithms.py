"""Lists the signature algorithms: which key serves each, and who does the mathematics.

HMAC is the standard library's hashes, keyed once and copied for every message.
All others are PyJWT's algorithm objects on top of `cryptography`, imported on first use.

Source: RFC 2104 (HMAC), RFC 7518 section 3.1, RFC 8037 (EdDSA), RFC 8812 (ES256K), RFC 9864
(Ed25519, Ed448).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from functools import cache
from hmac import compare_digest
from typing import TYPE_CHECKING, Any, TypeAlias

from asgi_security.crypto.base64url import encode_base64url, parse_base64url
from asgi_security.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SignatureCheck: TypeAlias = Callable[[bytes, bytes], bool]
"""Takes what was signed and the signature as base64url; tells whether it is right."""

HMAC_MINIMUM_BYTES: Mapping[str, int] = {"HS256": 32, "HS384": 48, "HS512": 64}
"""The shortest secret of each: as long as the hash (RFC 7518 section 3.2)."""

RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
CURVE_ALGORITHMS: Mapping[str, tuple[str, ...]] = {
    "secp256r1": ("ES256",),
    "secp384r1": ("ES384",),
    "secp521r1": ("ES512",),
    "secp256k1": ("ES256K",),
    "Ed25519": ("EdDSA", "Ed25519"),
    "Ed448": ("EdDSA", "Ed448"),
}
"""By the name that `cryptography` gives the curve."""

HMAC_ALGORITHMS = frozenset(HMAC_MINIMUM_BYTES)
PUBLIC_KEY_ALGORITHMS = frozenset(RSA_ALGORITHMS).union(*CURVE_ALGORITHMS.values())

_DIGESTS = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


def check_algorithms(algorithms: Iterable[str]) -> tuple[Problem, ...]:
    """Return what is wrong with an allow-list: unknown names, or HMAC beside public keys.

    A list with both lets whoever has the public key sign with it as an HMAC secret (RFC 8725
    sections 2.1 and 3.1).
    """
    if isinstance(algorithms, str):
        hint = f"write [{algorithms!r}]"
        return (Problem("algorithms", repr(algorithms), "a string, not a list", hint),)
    names = tuple(algorithms)
    known = HMAC_ALGORITHMS | PUBLIC_KEY_ALGORITHMS
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        hint = f"choose from {', '.join(sorted(known))}"
        return (Problem("algorithms", repr(unknown or names), "not a signature algorithm", hint),)
    if not HMAC_ALGORITHMS.isdisjoint(names) and not HMAC_ALGORITHMS.issuperset(names):
        reason = "mixes HMAC with public-key algorithms"
        hint = "allow one family: HS* for a shared secret, or RS*, PS*, ES*, EdDSA for public keys"
        return (Problem("algorithms", repr(names), reason, hint),)
    return ()


def build_hmac_check(algorithm: str, secret: bytes) -> SignatureCheck:
    """Prepare an HMAC key: the two keyed states of RFC 2104, copied for every message.

    Copying them costs half of what copying an `hmac.HMAC` does, which counts when several retired
    secrets are tried. The MAC is encoded and compared as text: one comparison refuses a wrong MAC
    and a second spelling of the right one alike.
    """
    digest = _DIGESTS[algorithm]
    key = secret if len(secret) <= digest().block_size else digest(secret).digest()
    key = key.ljust(digest().block_size, b"\0")
    inner_key, outer_key = digest(key.translate(_INNER)), digest(key.translate(_OUTER))

    def check(signed: bytes, signature: bytes) -> bool:
        inner, outer = inner_key.copy(), outer_key.copy()
        inner.update(signed)
        outer.update(inner.digest())
        # Constant-time because a comparison that stops at the first difference lets the MAC be
        # guessed one character after the other.
        return compare_digest(encode_base64url(outer.digest()), signature)

    return check


def build_public_key_check(algorithm: str, public_key: Any) -> SignatureCheck:
    """Prepare a public key, given as the object of `cryptography`."""
    mathematics = load_algorithm(algorithm)

    def check(signed: bytes, signature: bytes) -> bool:
        raw = parse_base64url(signature)
        return raw is not None and bool(mathematics.verify(signed, public_key, raw))

    return check


def sign_hmac(algorithm: str, secret: bytes, message: bytes) -> bytes:
    """Return the MAC of a message."""
    return hmac.digest(secret, message, _DIGESTS[algorithm])


@cache
def load_algorithm(algorithm: str) -> Any:
    """Return PyJWT's object for a public-key algorithm.

    Raises:
        ConfigError: when the extra that brings `cryptography` is not installed.
    """
    require_cryptography()
    from jwt.algorithms import get_default_algorithms  # noqa: PLC0415 -- slow, and not for HS*

    return get_default_algorithms()["EdDSA" if algorithm.startswith("Ed") else algorithm]


def require_cryptography() -> None:
    """Make sure that public keys can be handled at all.

    Raises:
        ConfigError: naming the extra to install.
    """
    try:
        import cryptography  # noqa: F401, PLC0415 -- optional, and slow to import
    except ImportError as error:
        hint = "run: pip install 'asgi-security[crypto]'"
        problem = Problem("keys", "<public key>", "needs the package cryptography", hint)
        raise ConfigError("KeyRing", (problem,)) from error
