from __future__ import annotations

import hashlib
import hmac
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.crypto.algorithms import (
    HMAC_ALGORITHMS,
    PUBLIC_KEY_ALGORITHMS,
    build_hmac_check,
    build_public_key_check,
    check_algorithms,
    load_algorithm,
    require_cryptography,
    sign_hmac,
)
from asgi_security.errors import ConfigError
from tests.token_samples import SECRET, b64, private_key


@pytest.mark.parametrize("algorithm", sorted(HMAC_ALGORITHMS))
@given(secret=st.binary(min_size=1, max_size=200), message=st.binary(max_size=100))
@settings(max_examples=30, deadline=None)
def test_the_prepared_states_are_those_of_hmac(
    algorithm: str, secret: bytes, message: bytes
) -> None:
    digest = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}[algorithm]
    mac = hmac.digest(secret, message, digest)
    check = build_hmac_check(algorithm, secret)
    assert check(message, b64(mac).encode())
    assert check(message, b64(mac).encode())  # a state is copied, and not used up
    assert not check(message + b"x", b64(mac).encode())
    assert not check(message, b64(mac[:-1]).encode())
    assert sign_hmac(algorithm, secret, message) == mac


def test_an_hmac_has_one_spelling() -> None:
    check = build_hmac_check("HS256", SECRET)
    mac = b64(hmac.digest(SECRET, b"m", hashlib.sha256)).encode()
    last = b"AEIMQUYcgkosw048".index(mac[-1:])
    assert check(b"m", mac)
    for other in (mac + b"=", mac + b" ", mac[:-1] + b"BFJNRVZdhlptx159"[last : last + 1]):
        assert not check(b"m", other)


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [
        *(("RSA", name) for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
        ("EC", "ES256"),
        ("P-384", "ES384"),
        ("P-521", "ES512"),
        ("secp256k1", "ES256K"),
        ("Ed25519", "EdDSA"),
        ("Ed25519", "Ed25519"),
        ("Ed448", "Ed448"),
    ],
)
def test_public_keys_check_what_private_ones_sign(kind: str, algorithm: str) -> None:
    key = private_key(kind)
    signature = load_algorithm(algorithm).sign(b"message", key)
    check = build_public_key_check(algorithm, key.public_key())
    assert check(b"message", b64(signature).encode())
    assert not check(b"massage", b64(signature).encode())
    assert not check(b"message", b64(signature).encode() + b"=")
    assert not check(b"message", b64(signature[:-1] + bytes([signature[-1] ^ 1])).encode())
    assert not check(b"message", b"")


@pytest.mark.parametrize(
    ("algorithms", "reason"),
    [
        pytest.param(["HS256", "RS256"], "mixes", id="J48 HS and RS"),
        pytest.param(["HS512", "EdDSA"], "mixes", id="J48 HS and EdDSA"),
        pytest.param(["HS256", "PS256", "ES256"], "mixes", id="J48 HS, PS and ES"),
        pytest.param(["none"], "not a signature", id="J47 none"),
        pytest.param(["HS256", "None"], "not a signature", id="J47 None"),
        pytest.param(["hs256"], "not a signature", id="J47 names are exact"),
        pytest.param([], "not a signature", id="nothing"),
        pytest.param("HS256", "not a list", id="a bare string"),
    ],
)
def test_a_bad_allow_list_is_one_problem(algorithms: list[str], reason: str) -> None:
    (problem,) = check_algorithms(algorithms)
    assert problem.field == "algorithms"
    assert reason in problem.reason


@pytest.mark.parametrize("algorithms", [HMAC_ALGORITHMS, PUBLIC_KEY_ALGORITHMS, ["ES256"]])
def test_one_family_is_fine(algorithms: list[str]) -> None:
    assert check_algorithms(algorithms) == ()


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    load_algorithm.cache_clear()
    monkeypatch.setitem(sys.modules, "cryptography", None)
    for call in (require_cryptography, lambda: load_algorithm("RS256")):
        with pytest.raises(ConfigError, match=r"pip install 'asgi-security\[crypto\]'"):
            call()
