"""What is asked of a provider."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest

from asgi_security.policy.oauth_providers import github, linkedin, oidc
from asgi_security.policy.oauth_request import build_authorization_url, build_token_request

GIVEN: dict[str, Any] = {
    "client_id": "a client: &",
    "client_secret": "s +/:%é",
    "redirect_uri": "https://app.example/cb?x=y",
}
ACME = oidc(
    "acme", issuer="https://a.example", authorization_parameters={"prompt": "login"}, **GIVEN
)
SECRETS = {"state": "st", "nonce": "no", "challenge": "ch"}


def test_O100_the_authorization_request() -> None:
    url = build_authorization_url("https://a.example/auth", ACME, **SECRETS)
    endpoint, _, query = url.partition("?")
    assert endpoint == "https://a.example/auth"
    assert parse_qsl(query) == [
        ("response_type", "code"),
        ("client_id", "a client: &"),
        ("redirect_uri", "https://app.example/cb?x=y"),
        ("scope", "openid email profile"),
        ("state", "st"),
        ("nonce", "no"),
        ("code_challenge", "ch"),
        ("code_challenge_method", "S256"),
        ("prompt", "login"),
    ]


def test_an_endpoint_with_a_query_keeps_it() -> None:
    url = build_authorization_url("https://a.example/auth?p=policy", ACME, **SECRETS)
    assert url.startswith("https://a.example/auth?p=policy&response_type=code&")


@pytest.mark.parametrize(
    ("provider", "missing"),
    [(github(**GIVEN), {"nonce"}), (linkedin(**GIVEN), {"nonce", "code_challenge"})],
)
def test_what_a_provider_does_not_take(provider: Any, missing: set[str]) -> None:
    url = build_authorization_url("https://a.example/auth", provider, **SECRETS)
    names = {name for name, _ in parse_qsl(url.partition("?")[2])}
    assert {"nonce", "code_challenge"} - names == missing


def test_O100_the_token_request() -> None:
    request = build_token_request(ACME, code="co&de", verifier="ve")
    assert parse_qsl(request.body.decode()) == [
        ("grant_type", "authorization_code"),
        ("code", "co&de"),
        ("redirect_uri", "https://app.example/cb?x=y"),
        ("code_verifier", "ve"),
    ]
    scheme, _, encoded = request.headers["authorization"].partition(" ")
    halves = base64.b64decode(encoded).decode().split(":")
    assert scheme == "Basic"
    assert [unquote(half) for half in halves] == ["a client: &", "s +/:%é"]
    assert "+" not in "".join(halves)
    assert repr(request) == "TokenRequest()"


@pytest.mark.parametrize(
    ("changes", "more"),
    [
        (
            {"client_auth": "client_secret_post"},
            [("client_id", "a client: &"), ("client_secret", "s +/:%é")],
        ),
        ({"client_auth": "none", "client_secret": None}, [("client_id", "a client: &")]),
    ],
)
def test_other_ways_to_show_who_we_are(
    changes: dict[str, Any], more: list[tuple[str, str]]
) -> None:
    provider = oidc("acme", issuer="https://a.example", **{**GIVEN, **changes})
    request = build_token_request(provider, code="c", verifier="v")
    assert parse_qsl(request.body.decode())[4:] == more
    assert "authorization" not in request.headers


def test_no_verifier_for_who_refuses_it() -> None:
    request = build_token_request(linkedin(**GIVEN), code="c", verifier="v")
    assert b"verifier" not in request.body
