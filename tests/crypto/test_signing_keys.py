from __future__ import annotations

import json
from typing import Any

import pytest
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from asgi_security.crypto.signing_keys import SigningKey, prepare_signing_key
from asgi_security.errors import ConfigError
from tests.token_samples import OLD, SECRET, b64, private_key, private_pem, public_jwk, public_pem


def private_jwk(kind: str, **more: Any) -> dict[str, Any]:
    writer: Any = {"EC": ECAlgorithm, "Ed25519": OKPAlgorithm}.get(kind, RSAAlgorithm)
    return {**writer.to_jwk(private_key(kind), as_dict=True), **more}


@pytest.mark.parametrize(
    ("key", "algorithm", "expected"),
    [
        pytest.param(private_pem("RSA"), None, "RS256", id="PEM of RSA"),
        pytest.param(private_pem("RSA"), "PS384", "PS384", id="PEM of RSA, chosen"),
        pytest.param(private_pem("EC").decode(), None, "ES256", id="PEM as text"),
        pytest.param(private_jwk("EC"), None, "ES256", id="JWK"),
        pytest.param(json.dumps(private_jwk("Ed25519")), None, "EdDSA", id="JWK as text"),
        pytest.param(private_jwk("RSA", alg="PS256"), None, "PS256", id="the algorithm of the JWK"),
    ],
)
def test_private_keys(key: Any, algorithm: str | None, expected: str) -> None:
    made = SigningKey.from_key(key, algorithm)
    assert made.algorithm == expected
    assert made.key_id is None
    assert "object" not in repr(made)


def test_the_key_id_of_a_jwk_is_kept() -> None:
    assert SigningKey.from_key(private_jwk("EC", kid="a")).key_id == "a"


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        pytest.param(public_pem(), None, id="a public key"),
        pytest.param(public_jwk("EC"), None, id="a public JWK"),
        pytest.param(private_jwk("EC"), "RS256", id="the wrong algorithm"),
        pytest.param(private_jwk("EC", d="AA"), None, id="a broken JWK"),
        pytest.param({"kty": "oct", "k": b64(SECRET), "d": "AA"}, None, id="a secret as JWK"),
        pytest.param("junk", None, id="junk"),
    ],
)
def test_others_are_refused_without_being_shown(key: Any, algorithm: str | None) -> None:
    with pytest.raises(ConfigError) as caught:
        SigningKey.from_key(key, algorithm)
    assert "<secret>" in str(caught.value)


def test_secrets() -> None:
    assert SigningKey.from_secret(SECRET).algorithm == "HS256"
    assert SigningKey.from_secret(SECRET * 2, "HS512").value == SECRET * 2
    for secret, algorithm in ((SECRET, "HS512"), (SECRET, "RS256"), (b"short", "HS256")):
        with pytest.raises(ConfigError):
            SigningKey.from_secret(secret, algorithm)
    with pytest.raises(ConfigError):
        SigningKey.from_secret(public_pem())


def test_text_is_read_once_and_prepared_keys_pass() -> None:
    pem = private_pem("EC")
    first = prepare_signing_key(pem, None)
    assert prepare_signing_key(pem, None) is first
    assert prepare_signing_key(first, None) is first
    assert OLD not in repr(SigningKey.from_secret(OLD)).encode()
