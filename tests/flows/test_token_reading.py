from __future__ import annotations

from typing import Any

import pytest

from asgi_security.crypto.keys import KeyRing
from asgi_security.errors import ConfigError
from asgi_security.flows.token_reading import Refused, TokenReader, Verified
from asgi_security.policy.jwt import JwtConfig
from asgi_security.policy.key_sources import IssuerKeys
from asgi_security.principal import Principal
from tests.token_samples import (
    NOW,
    OLD,
    SECRET,
    claims_of,
    mint,
    mint_with,
    public_jwk,
    public_pem,
)


def read(token: str, reader: TokenReader) -> Any:
    source = reader.find_source(token.encode())
    if isinstance(source, Refused):
        return source
    ring = source.get_ring(NOW)
    assert isinstance(ring, KeyRing)
    return reader.read(token.encode(), ring, source)


ISSUERS = TokenReader(
    JwtConfig(
        issuers={
            "https://a.test": IssuerKeys(keys=public_jwk("EC", kid="same")),
            "https://b.test": IssuerKeys(keys=public_jwk("Ed25519", kid="same")),
            "https://c.test": IssuerKeys(secret=SECRET, old_secrets=[OLD]),
        }
    )
)


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        pytest.param(
            mint_with("EC", "ES256", claims_of(iss="https://a.test"), kid="same"),
            None,
            id="J56 the issuer's own key",
        ),
        pytest.param(
            mint_with("Ed25519", "EdDSA", claims_of(iss="https://b.test"), kid="same"),
            None,
            id="J56 the other issuer's own key",
        ),
        pytest.param(
            mint_with("Ed25519", "EdDSA", claims_of(iss="https://a.test"), kid="same"),
            "algorithm_not_allowed",
            id="J56 the other's key under the same id",
        ),
        pytest.param(mint(claims_of(iss="https://c.test")), None, id="J56 a secret"),
        pytest.param(
            mint(claims_of(iss="https://a.test")), "algorithm_not_allowed", id="J48 another family"
        ),
        pytest.param(mint(claims_of(iss="https://d.test")), "wrong_issuer", id="J55 unknown"),
        pytest.param(mint(claims_of()), "wrong_issuer", id="J55 missing"),
        pytest.param(mint(claims_of(iss=["https://a.test"])), "wrong_issuer", id="J55 a list"),
        pytest.param("a.b.c", "malformed", id="no payload"),
        pytest.param("a.b", "malformed", id="no token"),
        pytest.param("x" * 8193, "too_long", id="J59 too long"),
    ],
)
def test_issuers(token: str, reason: str | None) -> None:
    outcome = read(token, ISSUERS)
    if reason is None:
        assert isinstance(outcome, Verified)
    else:
        assert outcome == Refused(reason)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"[]", id="J58 an array"),
        pytest.param(b'"x"', id="J58 a string"),
        pytest.param(b"\xff", id="J58 invalid UTF-8"),
        pytest.param(b'{"exp":1,"exp":99999999999}', id="J58 duplicate member"),
        pytest.param(b'{"a":' + b"[" * 3000 + b"]" * 3000 + b"}", id="J58 deep nesting"),
        pytest.param(b'{"exp":' + b"9" * 5000 + b"}", id="J53 5000 digits"),
        pytest.param(b'{"exp":NaN}', id="J53 NaN"),
    ],
)
def test_a_payload_that_is_no_claims_set(payload: bytes) -> None:
    reader = TokenReader(JwtConfig(secret=SECRET))
    assert read(mint(payload), reader) == Refused("malformed")


def test_J53_an_infinite_number() -> None:
    reader = TokenReader(JwtConfig(secret=SECRET))
    assert read(mint(b'{"exp":1e400}'), reader) == Refused("bad_claim")


def test_what_a_verified_token_tells() -> None:
    reader = TokenReader(JwtConfig(secret=b"n" * 32, old_secrets=[SECRET]))
    claims = claims_of(scope="read write", roles=["admin"])
    verified = read(mint(claims, header={"typ": "JWT"}), reader)
    assert isinstance(verified, Verified)
    assert verified.claims == claims
    assert verified.header == {"alg": "HS256", "typ": "JWT"}
    assert (verified.key, verified.key_id) == ("old", None)
    assert verified.principal == Principal(
        subject="user-1",
        via="jwt",
        roles=frozenset({"admin"}),
        scopes=frozenset({"read", "write"}),
        claims=claims,
    )
    assert verified.names is verified.names
    with pytest.raises(TypeError):
        verified.claims["roles"].append("root")
    assert reader.decide_instant(verified, now=NOW) is verified
    assert reader.decide_instant(verified, now=NOW + 600) == Refused("expired")


@pytest.mark.parametrize("subject", [None, ""])
def test_a_token_without_subject_speaks_for_nobody(subject: str | None) -> None:
    verified = read(mint(claims_of(sub=subject)), TokenReader(JwtConfig(secret=SECRET)))
    assert isinstance(verified, Verified)
    assert verified.principal is None


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        pytest.param({"secret": public_pem()}, "secret", id="J47 a public key as secret"),
        pytest.param({"keys": "junk"}, "keys", id="J52 no key"),
        pytest.param(
            {"keys": public_jwk("RSA", e="AQ")}, "keys.keys[0]", id="J52 e=1, at construction"
        ),
        pytest.param({"keys": public_pem(), "algorithms": ["ES256"]}, "algorithms", id="no fit"),
        pytest.param(
            {"keys": public_pem(), "algorithms": ["HS256"]}, "algorithms", id="J48 HS256 for a key"
        ),
        pytest.param({"jwks_url": "https://a.test"}, "jwks_url", id="nothing to fetch with"),
        pytest.param(
            {"issuers": {"a": IssuerKeys(keys="junk")}}, "issuers['a'].keys", id="J56 one issuer"
        ),
    ],
)
def test_keys_that_are_none(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TokenReader(JwtConfig(**fields))
    assert [problem.field for problem in caught.value.problems] == [field]


def test_all_bad_keys_at_once() -> None:
    issuers = {"a": IssuerKeys(keys="junk"), "b": IssuerKeys(secret=public_pem())}
    with pytest.raises(ConfigError) as caught:
        TokenReader(JwtConfig(issuers=issuers))
    fields = [problem.field for problem in caught.value.problems]
    assert fields == ["issuers['a'].keys", "issuers['b'].secret"]


def test_the_two_lists_of_algorithms_agree() -> None:
    """The floors below may not know each other, so each has its own list."""
    from asgi_security.crypto import algorithms  # noqa: PLC0415 -- only here
    from asgi_security.policy import key_sources  # noqa: PLC0415 -- only here

    assert key_sources._SECRET_BYTES == algorithms.HMAC_MINIMUM_BYTES
    assert key_sources._PUBLIC == algorithms.PUBLIC_KEY_ALGORITHMS
