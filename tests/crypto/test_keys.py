from __future__ import annotations

import json
from typing import Any

import pytest

from asgi_security.crypto.keys import KeyRing, compute_key_id
from asgi_security.errors import ConfigError
from asgi_security.secret import Secret
from tests.token_samples import OLD, OLDER, SECRET, b64, public_der, public_jwk, public_pem

OCT = {"kty": "oct", "k": b64(SECRET)}


def ages(ring: KeyRing, key_id: str | None = None) -> list[str]:
    return [key.age for _, key in ring.select("HS256", key_id)]


def test_J43_the_current_secret_is_tried_first_and_the_old_ones_in_order() -> None:
    ring = KeyRing.from_secrets(SECRET, [OLD, OLDER.decode(), Secret(OLD), SECRET])
    assert ages(ring) == ["current", "old", "old"]  # twice given ones are dropped
    assert ages(ring, "any") == ["current", "old", "old"]
    assert ring.algorithms == {"HS256"}


def test_J46_a_key_id_is_a_hint_for_secrets_only_where_configured() -> None:
    ring = KeyRing.from_secrets(SECRET, [OLD, OLDER], prefer_key_ids=True)
    hinted = ring.select("HS256", compute_key_id(OLDER))
    assert [key.key_id for _, key in hinted] == [
        compute_key_id(secret) for secret in (OLDER, SECRET, OLD)
    ]
    assert ages(ring, "unknown") == ["current", "old", "old"]


@pytest.mark.parametrize(
    ("secret", "old", "fields"),
    [
        pytest.param(b"", (), ["secret"], id="J52 empty"),
        pytest.param(b"k" * 31, (), ["secret"], id="J52 short"),
        pytest.param(SECRET, [b"k" * 31], ["old_secrets[0]"], id="J52 a short old one"),
        pytest.param(public_pem(), (), ["secret"], id="J47 RS key as HMAC secret, PEM"),
        pytest.param(public_der(), (), ["secret"], id="J47 RS key as HMAC secret, DER"),
        pytest.param(json.dumps(public_jwk()), (), ["secret"], id="J47 RS key as HMAC secret, JWK"),
        pytest.param(
            "\ufeff" + json.dumps({"keys": [public_jwk()]}),
            (),
            ["secret"],
            id="J47 RS key as HMAC secret, JWKS with BOM",
        ),
        pytest.param(SECRET, "one", ["old_secrets"], id="a bare old secret"),
        pytest.param(b"", [OLD, public_pem()], ["old_secrets[1]", "secret"], id="all at once"),
    ],
)
def test_bad_secrets(secret: Any, old: Any, fields: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        KeyRing.from_secrets(secret, old)
    assert [problem.field for problem in caught.value.problems] == fields
    assert "BEGIN" not in str(caught.value)


def test_J46_a_key_id_selects_its_key_and_an_unknown_one_none() -> None:
    ring = KeyRing.from_jwks({"keys": [public_jwk("EC", kid="a"), public_jwk("RSA", kid="b")]})
    assert [key.key_id for _, key in ring.select("ES256", "a")] == ["a"]
    assert [key.key_id for _, key in ring.select("ES256", None)] == ["a"]
    assert ring.select("ES256", "b") == ()  # the key of that id is for another algorithm
    assert ring.select("ES256", "c") == ()
    assert ring.select("ES384", None) == ()


def test_where_no_key_has_an_id_it_is_ignored() -> None:
    ring = KeyRing.from_keys(public_pem("EC"))
    assert len(ring.select("ES256", "whatever")) == 1


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param(public_pem("EC"), id="PEM"),
        pytest.param(public_pem("EC").decode(), id="PEM as text"),
        pytest.param(public_der("EC"), id="DER"),
        pytest.param(public_jwk("EC"), id="JWK"),
        pytest.param(json.dumps(public_jwk("EC")), id="JWK as text"),
        pytest.param({"keys": [public_jwk("EC")]}, id="JWKS"),
        pytest.param(json.dumps({"keys": [public_jwk("EC")]}).encode(), id="JWKS as bytes"),
    ],
)
def test_keys_of_every_form(keys: Any) -> None:
    assert KeyRing.from_keys(keys).algorithms == {"ES256"}
    both = KeyRing.from_keys([keys, public_pem("Ed25519")])
    assert both.algorithms == {"ES256", "EdDSA", "Ed25519"}


def test_secrets_as_a_set() -> None:
    ring = KeyRing.from_jwks({"keys": [{**OCT, "kid": "a"}, {**OCT, "kid": "b", "alg": "HS256"}]})
    assert ring.algorithms == {"HS256"}


@pytest.mark.parametrize(
    ("keys", "field", "reason"),
    [
        pytest.param([public_pem(), OCT], "keys", "secrets beside", id="J48 both families"),
        pytest.param(
            {"keys": [public_jwk("EC"), OCT]}, "keys", "secrets beside", id="J48 MixedKeySet"
        ),
        pytest.param(
            [public_jwk("EC", kid="a"), public_jwk("RSA", kid="a")],
            "keys",
            "given twice",
            id="J52 key id in two JWKs",
        ),
        pytest.param(
            {"keys": [public_jwk("EC", kid="a"), public_jwk("RSA", kid="a")]},
            "keys.keys[0]",
            "another member",
            id="J52 key id in one set",
        ),
        pytest.param(public_jwk("RSA", e="AQ"), "keys.keys[0]", "no valid", id="J52 e=1"),
        pytest.param(["junk", public_pem()], "keys[0]", "no key", id="no key"),
        pytest.param("{}", "keys.keys[0]", "no key type", id="an empty object"),
        pytest.param({"keys": 1}, "keys", "no JWK set", id="no set"),
        pytest.param({"keys": []}, "keys", "nothing to verify", id="an empty set"),
        pytest.param(
            public_jwk("RSA", use="enc"), "keys", "nothing to verify", id="J52 only for encryption"
        ),
        pytest.param([], "keys", "nothing to verify", id="nothing"),
    ],
)
def test_bad_keys(keys: Any, field: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        KeyRing.from_keys(keys)
    assert caught.value.problems[0].field == field
    assert reason in caught.value.problems[0].reason


def test_a_key_of_another_purpose_in_a_file_is_named() -> None:
    from cryptography.hazmat.primitives.asymmetric import x25519  # noqa: PLC0415 -- only here
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 -- only here
        Encoding,
        PublicFormat,
    )

    key = x25519.X25519PrivateKey.generate().public_key()
    data = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(ConfigError, match="a key type that signs no token"):
        KeyRing.from_keys(data)


def test_J60_a_published_set_keeps_sound_public_keys_only() -> None:
    document = {"keys": [public_jwk("EC", kid="a"), OCT, {"kty": "RSA"}, 7]}
    ring = KeyRing.from_published(document)
    assert ring is not None
    assert [key.key_id for key in ring.keys] == ["a"]
    assert KeyRing.from_published({"keys": [OCT]}) is None
    assert KeyRing.from_published({"keys": "x"}) is None


def test_key_ids_of_secrets_differ() -> None:
    assert compute_key_id(SECRET) == compute_key_id(Secret(SECRET)) != compute_key_id(OLD)
