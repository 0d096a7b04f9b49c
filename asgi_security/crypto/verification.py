"""Makes verification keys of secrets and public keys, and turns the weak ones away.

Source: RFC 7518 sections 3.2-3.5 (key sizes), CVE-2017-15361 (keys of a broken generator).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from asgi_security.crypto.algorithms import (
    CURVE_ALGORITHMS,
    HMAC_MINIMUM_BYTES,
    RSA_ALGORITHMS,
    build_hmac_check,
    build_public_key_check,
    require_cryptography,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asgi_security.crypto.algorithms import SignatureCheck

_RSA_BITS = range(2048, 8192 + 1)
_SMALL_PRIMES = (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)
_GENERATOR = 65537


@dataclass(frozen=True, slots=True, eq=False)
class VerificationKey:
    """One prepared key: a check for every algorithm it may serve."""

    checks: Mapping[str, SignatureCheck]
    key_id: str | None = None
    age: Literal["current", "old"] = "current"


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why a key verifies nothing. `foreign` is True for a sound key of another purpose."""

    reason: str
    foreign: bool = False


def build_secret_key(
    secret: bytes,
    *,
    key_id: str | None = None,
    age: Literal["current", "old"] = "current",
    only: str | None = None,
) -> VerificationKey | Unusable:
    """Make a key of a shared secret, for every HMAC it is long enough for (or `only` one)."""
    names = tuple(HMAC_MINIMUM_BYTES) if only is None else (only,)
    checks = {
        name: build_hmac_check(name, secret)
        for name in names
        if name in HMAC_MINIMUM_BYTES and len(secret) >= HMAC_MINIMUM_BYTES[name]
    }
    if checks:
        return VerificationKey(checks, key_id, age)
    if only is not None and only not in HMAC_MINIMUM_BYTES:
        return Unusable(f"a secret does not serve the algorithm {only}", foreign=True)
    return Unusable("a secret shorter than the hash")


def build_public_key(
    public_key: Any, *, key_id: str | None = None, only: str | None = None
) -> VerificationKey | Unusable:
    """Make a key of a public-key object of `cryptography`, for all it serves (or `only` one)."""
    require_cryptography()
    from cryptography.hazmat.primitives.asymmetric import (  # noqa: PLC0415 -- the extra
        ec,
        ed448,
        ed25519,
        rsa,
    )

    names: tuple[str, ...] = ()
    if isinstance(public_key, rsa.RSAPublicKey):
        weakness = _find_rsa_weakness(public_key.public_numbers().n, public_key.key_size)
        if weakness is not None:
            return Unusable(weakness)
        names = RSA_ALGORITHMS
    elif isinstance(public_key, ec.EllipticCurvePublicKey):
        names = CURVE_ALGORITHMS.get(public_key.curve.name, ())
    elif isinstance(public_key, ed25519.Ed25519PublicKey):
        names = CURVE_ALGORITHMS["Ed25519"]
    elif isinstance(public_key, ed448.Ed448PublicKey):
        names = CURVE_ALGORITHMS["Ed448"]
    if not names:
        return Unusable("a key type that signs no token", foreign=True)
    if only is not None:
        if only not in names:
            return Unusable("a key that does not fit its algorithm")
        names = (only,)
    return VerificationKey(
        {name: build_public_key_check(name, public_key) for name in names}, key_id
    )


def _find_rsa_weakness(modulus: int, bits: int) -> str | None:
    if bits not in _RSA_BITS:
        return "an RSA key outside 2048 to 8192 bits"
    if all(modulus % prime in _POWERS[prime] for prime in _SMALL_PRIMES):
        return "an RSA key of a generator whose keys can be factored (CVE-2017-15361)"
    return None


# Keys of the broken generator are powers of 65537 modulo every small prime. The primes are those
# for which that is a real restriction: a sound key passes for one with a chance of 2^-27.
_POWERS: Mapping[int, frozenset[int]] = {
    prime: frozenset(pow(_GENERATOR, exponent, prime) for exponent in range(prime - 1))
    for prime in _SMALL_PRIMES
}
