from __future__ import annotations

from typing import Any

import pytest

from asgi_security.errors import ConfigError
from asgi_security.policy.key_sources import IssuerKeys
from asgi_security.secret import Secret

SECRET = "current-secret-of-32-bytes-or-so"
OLD = "retired-secret-of-32-bytes-or-so"
PEM = "-----BEGIN PUBLIC KEY-----"


def problems(**fields: Any) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        IssuerKeys(**fields)
    return {problem.field: problem.reason for problem in caught.value.problems}


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        pytest.param({}, "secret", "no key", id="nothing to verify with"),
        pytest.param({"secret": SECRET, "keys": PEM}, "secret", "at once", id="secret and keys"),
        pytest.param(
            {"keys": PEM, "jwks_url": "https://a.test"}, "keys", "at once", id="keys and a URL"
        ),
        pytest.param({"secret": ""}, "secret", "0 bytes", id="J52 P24 an empty secret"),
        pytest.param({"secret": "k" * 31}, "secret", "31 bytes", id="J52 a short secret"),
        pytest.param({"secret": 7}, "secret", "not a string", id="a secret that is none"),
        pytest.param(
            {"secret": SECRET, "algorithms": ["HS512"]}, "secret", "needs 64", id="J52 HS512"
        ),
        pytest.param(
            {"secret": SECRET, "algorithms": ["HS256", "HS384"]}, "secret", "48", id="J52 HS384"
        ),
        pytest.param(
            {"secret": SECRET, "old_secrets": ["k"]}, "old_secrets[0]", "1 bytes", id="J52 old"
        ),
        pytest.param(
            {"secret": SECRET, "old_secrets": OLD}, "old_secrets", "not a list", id="bare"
        ),
        pytest.param(
            {"keys": PEM, "old_secrets": [OLD]},
            "old_secrets",
            "without",
            id="P24 old without secret",
        ),
        pytest.param({"keys": 7}, "keys", "no key material", id="keys that are none"),
        pytest.param(
            {"keys": PEM, "algorithms": "RS256"}, "algorithms", "a string", id="bare name"
        ),
        pytest.param({"keys": PEM, "algorithms": 7}, "algorithms", "not a list", id="no list"),
        pytest.param({"keys": PEM, "algorithms": []}, "algorithms", "nothing", id="no algorithm"),
        pytest.param({"keys": PEM, "algorithms": [7]}, "algorithms", "not a string", id="number"),
        pytest.param({"keys": PEM, "algorithms": ["RS265"]}, "algorithms", "known", id="typo"),
        pytest.param({"keys": PEM, "algorithms": ["none"]}, "algorithms", "known", id="J47 none"),
        pytest.param(
            {"keys": PEM, "algorithms": ["HS256", "RS256"]}, "algorithms", "mixes", id="J48 mix"
        ),
        pytest.param(
            {"secret": SECRET, "algorithms": ["RS256"]},
            "algorithms",
            "no algorithm",
            id="RS, secret",
        ),
        pytest.param(
            {"jwks_url": "https://a.test", "algorithms": ["HS256"]},
            "algorithms",
            "no algorithm",
            id="J48 HS256 of a published set",
        ),
        pytest.param({"jwks_url": 7}, "jwks_url", "not a URL", id="a URL that is none"),
        pytest.param({"jwks_url": "https://a.test/ b"}, "jwks_url", "not a URL", id="space"),
        pytest.param({"jwks_url": "https://a.test:x"}, "jwks_url", "not a URL", id="port"),
        pytest.param({"jwks_url": "https://"}, "jwks_url", "without host", id="no host"),
        pytest.param({"jwks_url": "https://u:p@a.test"}, "jwks_url", "user name", id="password"),
        pytest.param({"jwks_url": "https://a.test/#k"}, "jwks_url", "fragment", id="fragment"),
        pytest.param({"jwks_url": "http://a.test"}, "jwks_url", "in the clear", id="J60 http"),
        pytest.param({"jwks_url": "file:///etc/keys"}, "jwks_url", "in the clear", id="J60 file"),
        pytest.param(
            {"jwks_url": "http://localhost.evil.test"}, "jwks_url", "in the clear", id="J60 prefix"
        ),
    ],
)
def test_problems(fields: dict[str, Any], field: str, reason: str) -> None:
    assert reason in problems(**fields)[field]


def test_all_problems_at_once_and_no_secret_among_them() -> None:
    found = problems(secret="tiny", old_secrets=["wee"], algorithms=["x"], jwks_url="http://a.test")
    assert set(found) == {"secret", "old_secrets[0]", "algorithms", "jwks_url"}
    with pytest.raises(ConfigError) as caught:
        IssuerKeys(secret="tiny", old_secrets=["wee"])
    assert "tiny" not in str(caught.value)
    assert "user:pass" not in str(problems(jwks_url="https://user:pass@a.test"))


def test_secrets_are_wrapped_and_twice_given_ones_dropped() -> None:
    keys = IssuerKeys(secret=SECRET, old_secrets=[OLD, SECRET, OLD.encode()])
    assert keys.secret == Secret(SECRET)
    assert keys.old_secrets == (Secret(OLD),)
    assert keys.algorithms == ("HS256",)
    assert SECRET not in repr(keys)


@pytest.mark.parametrize("keys", [PEM, [PEM], (PEM,)])
def test_keys_become_a_tuple_that_no_repr_shows(keys: Any) -> None:
    made = IssuerKeys(keys=keys, algorithms={"RS256", "ES256"})  # type: ignore[arg-type]
    assert made.keys == (PEM,)
    assert made.algorithms == ("ES256", "RS256")
    assert PEM not in repr(made)
    assert IssuerKeys(keys={"keys": []}).algorithms is None


@pytest.mark.parametrize(
    "url", ["https://a.test/jwks", "http://localhost:1/x", "http://127.0.0.1/", "http://[::1]:8/"]
)
def test_urls(url: str) -> None:
    assert IssuerKeys(jwks_url=url).jwks_url == url
