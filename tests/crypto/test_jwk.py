from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.crypto.jwk import JwkSet, parse_jwk, parse_jwk_set
from asgi_security.crypto.verification import Unusable, VerificationKey
from tests.token_samples import SECRET, b64, public_jwk

OCT = {"kty": "oct", "k": b64(SECRET)}


@pytest.mark.parametrize(
    ("jwk", "served"),
    [
        pytest.param(OCT, {"HS256"}, id="a secret"),
        pytest.param({**OCT, "alg": "HS256", "use": "sig"}, {"HS256"}, id="a secret with alg"),
        pytest.param(public_jwk("EC", key_ops=["verify"]), {"ES256"}, id="J52 key_ops verify"),
        pytest.param(public_jwk("P-521", alg="ES521"), {"ES512"}, id="the old name of ES512"),
        pytest.param(public_jwk("Ed25519"), {"EdDSA", "Ed25519"}, id="Ed25519"),
        pytest.param(public_jwk("RSA", alg="PS256"), {"PS256"}, id="RSA for one algorithm"),
    ],
)
def test_sound_keys(jwk: dict[str, Any], served: set[str]) -> None:
    made = parse_jwk({**jwk, "kid": "k1"})
    assert isinstance(made, VerificationKey)
    assert (set(made.checks), made.key_id) == (served, "k1")


def off_the_curve() -> dict[str, Any]:
    jwk = public_jwk("EC")
    return {**jwk, "y": jwk["x"]}


@pytest.mark.parametrize(
    ("jwk", "foreign"),
    [
        pytest.param({}, False, id="empty"),
        pytest.param({"kty": 1}, False, id="kty is no string"),
        pytest.param({**OCT, "kid": 1}, False, id="kid is no string"),
        pytest.param({**OCT, "alg": ["HS256"]}, False, id="alg is no string"),
        pytest.param({**OCT, "k": None}, False, id="k is no string"),
        pytest.param({**OCT, "k": "\u00e9"}, False, id="k is no ASCII"),
        pytest.param({**OCT, "k": b64(SECRET) + "="}, False, id="k is padded"),
        pytest.param({**OCT, "k": ""}, False, id="J52 an empty secret"),
        pytest.param({**OCT, "k": b64(b"short")}, False, id="J52 a short secret"),
        pytest.param({**OCT, "alg": "A256GCM"}, True, id="a secret for encryption"),
        pytest.param({**OCT, "use": "enc"}, True, id="J52 use enc"),
        pytest.param({**OCT, "use": None}, True, id="J52 use null"),
        pytest.param({**OCT, "key_ops": ["sign"]}, True, id="J52 key_ops sign"),
        pytest.param({**OCT, "key_ops": "verify"}, True, id="J52 key_ops is no list"),
        pytest.param({"kty": "AKP"}, True, id="unknown type"),
        pytest.param(public_jwk("RSA", e="AQ"), False, id="J52 e=1"),
        pytest.param(public_jwk("RSA", n="AQAB"), False, id="J52 a tiny modulus"),
        pytest.param(public_jwk("RSA", n=None), False, id="no modulus"),
        pytest.param(public_jwk("RSA", alg="ES256"), False, id="RSA for ES256"),
        pytest.param(public_jwk("EC", alg="ES384"), False, id="P-256 for ES384"),
        pytest.param(public_jwk("EC", crv="P-384"), False, id="the wrong curve"),
        pytest.param(public_jwk("EC", crv=["P-256"]), False, id="the curve is no string"),
        pytest.param(off_the_curve(), False, id="J52 point not on the curve"),
        pytest.param(public_jwk("Ed25519", x="AA"), False, id="a short Ed25519 key"),
        pytest.param(public_jwk("Ed25519", crv="X25519"), False, id="X25519"),
    ],
)
def test_others(jwk: dict[str, Any], foreign: bool) -> None:  # noqa: FBT001
    made = parse_jwk(jwk)
    assert isinstance(made, Unusable)
    assert made.foreign == foreign


JSON = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.text(max_size=3))
)


@given(
    kind=st.sampled_from(["RSA", "EC", "Ed25519", "oct"]),
    changes=st.dictionaries(
        st.sampled_from(
            ("kty", "n", "e", "x", "y", "k", "crv", "kid", "alg", "use", "key_ops", "d")
        ),
        JSON,
        max_size=3,
    ),
)
@settings(max_examples=150, deadline=None)
def test_it_never_raises(kind: str, changes: dict[str, Any]) -> None:
    jwk = {**(OCT if kind == "oct" else public_jwk(kind)), **changes}
    assert isinstance(parse_jwk(jwk), (VerificationKey, Unusable))
    assert isinstance(parse_jwk_set({"keys": [jwk, changes]}), JwkSet)


def test_a_set_keeps_the_sound_members() -> None:
    parsed = parse_jwk_set(
        {
            "keys": [
                public_jwk("EC", kid="a"),
                "junk",
                public_jwk("RSA", kid="b", use="enc"),
                public_jwk("RSA", kid="c", e="AQ"),
                public_jwk("Ed25519"),
            ]
        }
    )
    assert parsed is not None
    assert [key.key_id for key in parsed.keys] == ["a", None]
    assert [place for place, _ in parsed.unusable] == [1, 2, 3]


def test_J52_members_that_share_a_key_id_are_all_turned_away() -> None:
    parsed = parse_jwk_set({"keys": [public_jwk("EC", kid="a"), public_jwk("RSA", kid="a"), OCT]})
    assert parsed is not None
    assert [key.key_id for key in parsed.keys] == [None]
    assert [place for place, _ in parsed.unusable] == [0, 1]


@pytest.mark.parametrize("keys", [None, {}, "x", 1])
def test_no_set(keys: Any) -> None:
    assert parse_jwk_set({"keys": keys}) is None


def test_a_single_key_is_a_set_of_one() -> None:
    parsed = parse_jwk_set(OCT)
    assert parsed is not None
    assert len(parsed.keys) == 1
