from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519

from asgi_security.crypto.verification import (
    Unusable,
    VerificationKey,
    build_public_key,
    build_secret_key,
)
from tests.token_samples import private_key

# Made of two primes of the form k * M + (65537 ** a mod M): the weak generator's.
ROCA_PRIMES_OF = (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)


@pytest.mark.parametrize(
    ("length", "served"),
    [
        pytest.param(31, set(), id="J52 too short for any"),
        pytest.param(32, {"HS256"}, id="J52 HS256"),
        pytest.param(48, {"HS256", "HS384"}, id="J52 HS384"),
        pytest.param(64, {"HS256", "HS384", "HS512"}, id="J52 HS512"),
    ],
)
def test_a_secret_serves_what_it_is_long_enough_for(length: int, served: set[str]) -> None:
    made = build_secret_key(b"k" * length)
    assert (set(made.checks) if isinstance(made, VerificationKey) else set()) == served


def test_a_secret_for_one_algorithm() -> None:
    made = build_secret_key(b"k" * 64, key_id="a", age="old", only="HS384")
    assert isinstance(made, VerificationKey)
    assert (set(made.checks), made.key_id, made.age) == ({"HS384"}, "a", "old")
    assert build_secret_key(b"k" * 47, only="HS384") == Unusable("a secret shorter than the hash")
    foreign = build_secret_key(b"k" * 64, only="A256GCM")
    assert isinstance(foreign, Unusable)
    assert foreign.foreign


@pytest.mark.parametrize(
    ("kind", "served"),
    [
        ("RSA", {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
        ("EC", {"ES256"}),
        ("P-384", {"ES384"}),
        ("P-521", {"ES512"}),
        ("secp256k1", {"ES256K"}),
        ("Ed25519", {"EdDSA", "Ed25519"}),
        ("Ed448", {"EdDSA", "Ed448"}),
    ],
)
def test_a_public_key_serves_its_own_algorithms(kind: str, served: set[str]) -> None:
    key = private_key(kind).public_key()
    made = build_public_key(key, key_id="a")
    assert isinstance(made, VerificationKey)
    assert (set(made.checks), made.key_id, made.age) == (served, "a", "current")
    for name in served:
        one = build_public_key(key, only=name)
        assert isinstance(one, VerificationKey)
        assert set(one.checks) == {name}
    assert isinstance(build_public_key(key, only="HS256"), Unusable)


def roca_modulus() -> int:
    """Return a 2048-bit modulus with the fingerprint of the broken generator."""
    product = 1
    for prime in ROCA_PRIMES_OF:
        product *= prime
    base = pow(65537, 12345, product)
    return base + product * (((1 << 2047) // product) + 1)


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        pytest.param(rsa.RSAPublicNumbers(65537, (1 << 2046) + 1), "2048", id="J52 RSA of 2047"),
        pytest.param(rsa.RSAPublicNumbers(65537, (1 << 8192) + 1), "8192", id="an endless RSA key"),
        pytest.param(rsa.RSAPublicNumbers(65537, roca_modulus()), "CVE-2017-15361", id="ROCA"),
    ],
)
def test_weak_rsa_keys_are_turned_away(key: Any, reason: str) -> None:
    made = build_public_key(key.public_key())
    assert isinstance(made, Unusable)
    assert reason in made.reason
    assert not made.foreign


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(ec.generate_private_key(ec.SECP224R1()), id="a curve without algorithm"),
        pytest.param(x25519.X25519PrivateKey.generate(), id="a key for agreement"),
    ],
)
def test_keys_that_sign_no_token(key: Any) -> None:
    made = build_public_key(key.public_key())
    assert isinstance(made, Unusable)
    assert made.foreign
