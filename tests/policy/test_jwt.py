from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from asgi_security.errors import ConfigError
from asgi_security.policy.jwt import JwtConfig
from asgi_security.policy.key_sources import IssuerKeys

SECRET = "current-secret-of-32-bytes-or-so"
ISSUERS = {"https://a.test": IssuerKeys(secret=SECRET)}


def make(**fields: Any) -> JwtConfig:
    return JwtConfig(**{"secret": SECRET, **fields})


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        pytest.param({"secret": ""}, "secret", "0 bytes", id="J52 P24 empty secret"),
        pytest.param({"algorithms": ["HS256", "RS256"]}, "algorithms", "mixes", id="J48 mix"),
        pytest.param({"issuers": ISSUERS}, "issuers", "outside issuers", id="two sources"),
        pytest.param({"secret": None, "issuers": {}}, "issuers", "not a mapping", id="no issuer"),
        pytest.param({"secret": None, "issuers": [1]}, "issuers", "not a mapping", id="a list"),
        pytest.param(
            {"secret": None, "issuers": {"a": SECRET}}, "issuers", "IssuerKeys", id="bare secrets"
        ),
        pytest.param({"issuer": [""]}, "issuer", "not a string", id="an empty issuer"),
        pytest.param({"audience": []}, "audience", "nobody", id="no audience at all"),
        pytest.param(
            {"audience": "a", "dangerously_accept_any_audience": True},
            "audience",
            "switched off",
            id="an audience that is not asked",
        ),
        pytest.param({"required_claims": "sub"}, "required_claims", "a string", id="bare claim"),
        pytest.param({"token_type": "a b"}, "token_type", "media type", id="odd type"),
        pytest.param({"token_type": 7}, "token_type", "media type", id="type is a number"),
        pytest.param(
            {"token_type": "at+jwt", "issuer": "i"}, "audience", "at+jwt needs", id="J57 audience"
        ),
        pytest.param(
            {"token_type": "at+jwt", "audience": "a"}, "issuer", "at+jwt needs", id="J57 issuer"
        ),
        pytest.param({"leeway_seconds": -1}, "leeway_seconds", "range", id="leeway"),
        pytest.param({"leeway_seconds": "1"}, "leeway_seconds", "number", id="leeway as text"),
        pytest.param({"max_token_bytes": 1e9}, "max_token_bytes", "integer", id="J59 bound"),
        pytest.param({"max_token_age_seconds": 0}, "max_token_age_seconds", "range", id="J54 age"),
        pytest.param({"recheck_every_seconds": 0}, "recheck_every_seconds", "range", id="W107"),
        pytest.param({"cookie_name": "a b"}, "cookie_name", "not a token", id="cookie name"),
        pytest.param({"query_parameter": "a&b"}, "query_parameter", "escaping", id="parameter"),
        pytest.param({"websocket_protocol": ""}, "websocket_protocol", "not a token", id="marker"),
        pytest.param({"trusted_origins": ["*"]}, "trusted_origins", "every site", id="W105 any"),
        pytest.param({"trusted_origins": ["a.test"]}, "trusted_origins", "", id="W105 no origin"),
        pytest.param({"realm": 'a"b'}, "realm", "quoted", id="B71 quote in the realm"),
        pytest.param({"realm": "a\\b"}, "realm", "quoted", id="B71 backslash in the realm"),
        pytest.param({"realm": "a\r\nb"}, "realm", "quoted", id="B71 newline in the realm"),
        pytest.param({"realm": "\u00e9"}, "realm", "quoted", id="B71 realm outside ASCII"),
        pytest.param({"required_scopes": ['a"']}, "required_scopes", "scope", id="B71 scope quote"),
        pytest.param(
            {"required_scopes": ["a b"]}, "required_scopes", "scope", id="B71 scope space"
        ),
        pytest.param(
            {"resource_metadata": 'https://a.test/"'}, "resource_metadata", "quoted", id="B71 URL"
        ),
        pytest.param(
            {"resource_metadata": "http://a.test"}, "resource_metadata", "clear", id="B71 http"
        ),
        pytest.param({"optional": "no"}, "optional", "boolean", id="a switch as text"),
        pytest.param({"fail_open": 1}, "fail_open", "boolean", id="a switch as number"),
    ],
)
def test_problems(fields: dict[str, Any], field: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make(**fields)
    found = {problem.field: problem.reason for problem in caught.value.problems}
    assert reason in found[field]
    assert SECRET not in str(caught.value)


def test_all_problems_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        JwtConfig(secret="x", realm='"', leeway_seconds=-1, optional=0)  # type: ignore[arg-type]
    fields = [problem.field for problem in caught.value.problems]
    assert fields == ["leeway_seconds", "optional", "realm", "secret"]


def test_a_misspelt_field_is_named() -> None:
    with pytest.raises(TypeError, match="did you mean 'old_secrets'"):
        JwtConfig(secret=SECRET, old_secret=[])  # type: ignore[call-arg]


def test_lists_become_tuples_and_types_their_short_form() -> None:
    config = make(
        issuer="i",
        audience=["a", "b"],
        required_claims=["sub"],
        required_scopes=["read"],
        trusted_origins=["https://a.test"],
        token_type="Application/AT+JWT",
        max_token_age_seconds=5,
        recheck_every_seconds=5,
        resource_metadata="https://a.test/.well-known/oauth-protected-resource",
    )
    assert config.issuer == ("i",)
    assert config.audience == ("a", "b")
    assert config.required_claims == ("sub",)
    assert config.token_type == "at+jwt"
    assert make(token_type="mfa+jwt").token_type == "mfa+jwt"


def test_P23_the_defaults_are_HS256_and_refuse_what_is_unclear() -> None:
    config = make()
    assert config.algorithms == ("HS256",)
    assert config.leeway_seconds == 0
    assert not config.optional
    assert not config.fail_open
    assert config.max_token_bytes == 8192
    assert SECRET not in repr(config)


def test_sources() -> None:
    (source,) = make(old_secrets=["k" * 32]).sources.values()
    assert source == IssuerKeys(secret=SECRET, old_secrets=["k" * 32])
    config = JwtConfig(issuers=ISSUERS, token_type="at+jwt", audience="a")
    assert config.sources == ISSUERS


def test_importing_the_policy_imports_neither_jwt_nor_cryptography() -> None:
    code = (
        "import sys; import asgi_security.policy.jwt, asgi_security.policy.claims;"
        "import asgi_security.policy.bearer;"
        "print(sorted({'jwt', 'cryptography', 'httpx', 'anyio', 'starlette'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
