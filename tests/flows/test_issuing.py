from __future__ import annotations

import json
from typing import Any

import jwt as pyjwt
import pytest

from asgi_security.errors import ConfigError
from asgi_security.flows.jwt import Verified, issue_jwt, verify_jwt
from asgi_security.policy.jwt import JwtConfig
from asgi_security.testing import FakeClock, SeededEntropy
from tests.token_samples import NOW, SECRET, private_pem, public_pem, unb64

CLAIMS = {"sub": "user-1"}


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, payload, _ = token.split(".")
    return json.loads(unb64(header)), json.loads(unb64(payload))


def issue(claims: dict[str, Any] | None = None, **more: Any) -> str:
    fields = {"secret": SECRET, "clock": FakeClock(NOW + 0.7), "entropy": SeededEntropy(), **more}
    return issue_jwt(CLAIMS if claims is None else claims, **fields)


def test_P23_what_every_token_says() -> None:
    header, payload = parts(issue(lifetime_seconds=3600))
    assert header == {"alg": "HS256", "typ": "JWT"}
    assert payload == {
        **CLAIMS,
        "iat": int(NOW),
        "exp": int(NOW) + 3600,
        "jti": payload["jti"],
    }
    assert len(unb64(payload["jti"])) == 16
    assert parts(issue(entropy=SeededEntropy("other")))[1]["jti"] != payload["jti"]


def test_P23_what_a_token_may_say() -> None:
    token = issue(
        issuer="https://a.test",
        audience=["fastapi-users:auth"],
        session_id="s-1",
        token_type="at+jwt",
        key_id="k-1",
    )
    header, payload = parts(token)
    assert header == {"alg": "HS256", "typ": "at+jwt", "kid": "k-1"}
    assert payload["iss"] == "https://a.test"
    assert payload["aud"] == ["fastapi-users:auth"]
    assert payload["sid"] == "s-1"


def test_claims_of_the_caller_win_over_what_is_added() -> None:
    _, payload = parts(issue({"exp": int(NOW) + 5, "jti": "mine", "iat": int(NOW) - 5}))
    assert payload == {"exp": int(NOW) + 5, "jti": "mine", "iat": int(NOW) - 5}


def test_a_token_lives_a_second_at_least() -> None:
    assert parts(issue(lifetime_seconds=0.2))[1]["exp"] == int(NOW) + 1


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_pyjwt_reads_what_is_issued(algorithm: str) -> None:
    secret = SECRET * 2
    token = issue_jwt(CLAIMS, secret=secret, algorithm=algorithm)
    assert pyjwt.decode(token, secret, algorithms=[algorithm])["sub"] == "user-1"


def test_private_keys() -> None:
    token = issue(secret=None, key=private_pem("EC"))
    assert parts(token)[0]["alg"] == "ES256"
    verified = verify_jwt(token, JwtConfig(keys=public_pem("EC")), now=NOW + 1)
    assert isinstance(verified, Verified)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        pytest.param({"secret": None}, ValueError, id="nothing to sign with"),
        pytest.param({"key": private_pem("EC")}, ValueError, id="two keys"),
        pytest.param({"secret": b"short"}, ConfigError, id="a short secret"),
        pytest.param({"secret": public_pem()}, ConfigError, id="J47 a public key"),
        pytest.param({"algorithm": "RS256"}, ConfigError, id="RS256 with a secret"),
        pytest.param({"algorithm": "none"}, ConfigError, id="J47 none"),
        pytest.param({"claims": {"iss": "a"}, "issuer": "b"}, ValueError, id="iss twice"),
        pytest.param({"claims": {"x": float("nan")}}, ValueError, id="NaN"),
        pytest.param({"claims": {"x": object()}}, TypeError, id="no JSON"),
    ],
)
def test_errors(fields: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        issue(**fields)
