"""Whom to ask about tokens, and in which words."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qs

import pytest

from asgi_security.errors import ConfigError
from asgi_security.policy.introspection import IntrospectionConfig, build_body, build_headers
from asgi_security.secret import Secret

URL = "https://as.test/introspect"
SECRET = "a:b c/ä"


def configure(**fields: Any) -> IntrospectionConfig:
    return IntrospectionConfig(
        **{"url": URL, "client_id": "api", "client_secret": SECRET, **fields}
    )


def test_V79_defaults_remember_little_and_let_nobody_in() -> None:
    config = configure()
    assert (config.cache_seconds, config.negative_cache_seconds) == (30, 5)
    assert not any((config.optional, config.fail_open, config.dangerously_accept_any_audience))
    assert config.rules.dangerously_allow_no_expiry


def test_lists_are_copied_and_secrets_hidden() -> None:
    scopes = ["read"]
    config = configure(required_scopes=scopes, issuer="https://as.test", audience=["us"])
    scopes.append("write")
    assert config.required_scopes == config.rules.required_scopes == ("read",)
    assert (config.issuer, config.audience) == (("https://as.test",), ("us",))
    assert config.client_secret == Secret(SECRET)
    assert SECRET not in repr(config) + repr(config.rules)
    token = configure(client_id=None, client_secret=None, bearer_token="tok-en")
    assert "tok-en" not in repr(token)


def test_loopback_may_be_asked_in_the_clear() -> None:
    assert configure(url="http://127.0.0.1:8080/introspect").url.startswith("http:")


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        pytest.param({"url": "http://as.test/"}, "url", id="V79 http"),
        pytest.param({"url": "nonsense"}, "url", id="no URL"),
        pytest.param({"url": "https://u:p@as.test/"}, "url", id="URL with a password"),
        pytest.param({"client_id": None}, "client_secret", id="a secret without a client"),
        pytest.param({"client_secret": None}, "client_secret", id="a client without a secret"),
        pytest.param({"client_id": ""}, "client_id", id="an empty client id"),
        pytest.param({"client_id": 5}, "client_id", id="a number for a client id"),
        pytest.param({"client_secret": ""}, "client_secret", id="an empty secret"),
        pytest.param({"client_secret": 5}, "client_secret", id="a number for a secret"),
        pytest.param(
            {"client_id": None, "client_secret": None}, "client_secret", id="V79 no credential"
        ),
        pytest.param({"bearer_token": "t"}, "client_secret", id="two credentials"),
        pytest.param(
            {"client_id": None, "client_secret": None, "bearer_token": "a\r\nb"},
            "bearer_token",
            id="a token that would end a header",
        ),
        pytest.param({"bearer_token": b""}, "bearer_token", id="an empty token"),
        pytest.param({"subject_claim": ""}, "subject_claim", id="no subject claim"),
        pytest.param({"subject_claim": 5}, "subject_claim", id="a number for a claim"),
        pytest.param({"cache_seconds": -1}, "cache_seconds", id="cache_seconds"),
        pytest.param({"negative_cache_seconds": 61}, "negative_cache_seconds", id="V79 negative"),
        pytest.param({"timeout_seconds": 0}, "timeout_seconds", id="timeout_seconds"),
        pytest.param({"max_response_bytes": 1}, "max_response_bytes", id="max_response_bytes"),
        pytest.param({"audience": 5}, "audience", id="audience"),
        pytest.param({"realm": 'a"b'}, "realm", id="B71 realm"),
        pytest.param({"required_scopes": "read"}, "required_scopes", id="one scope"),
        pytest.param({"cache_entries": -1}, "cache_entries", id="cache_entries"),
        pytest.param({"fail_open": "no"}, "fail_open", id="fail_open"),
    ],
)
def test_what_cannot_be_right_is_said_at_once(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configure(**fields)
    assert {problem.field for problem in caught.value.problems} == {named}
    assert "IntrospectionConfig" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_every_problem_is_said() -> None:
    with pytest.raises(ConfigError) as caught:
        configure(url="", realm="\n", timeout_seconds=0)
    assert {problem.field for problem in caught.value.problems} == {
        "url",
        "timeout_seconds",
        "realm",
    }


def test_V79_the_client_is_encoded_as_a_form_before_base64() -> None:
    headers = build_headers(configure(client_id="a:b"))
    scheme, _, pair = headers["authorization"].partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(pair) == b"a%3Ab:a%3Ab%20c%2F%C3%A4"
    assert headers["content-type"] == "application/x-www-form-urlencoded"


def test_V79_a_bearer_token_takes_its_place() -> None:
    config = configure(client_id=None, client_secret=None, bearer_token=b"tok-en")
    assert build_headers(config)["authorization"] == "Bearer tok-en"


def test_V79_the_token_is_in_the_form_and_nowhere_else() -> None:
    body = build_body(b"a+/b==&active=true")
    assert parse_qs(body.decode()) == {
        "token": ["a+/b==&active=true"],
        "token_type_hint": ["access_token"],
    }
