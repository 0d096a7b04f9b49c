"""Addresses of providers: encrypted, or of this machine."""

from __future__ import annotations

import pytest

from asgi_security.policy.oauth_urls import (
    is_issuer,
    is_loopback_url,
    is_same_issuer,
    is_secure_url,
)

TENANT = "0d3d8c9e-6c67-4c5b-b112-36a304b66dad"
TEMPLATE = "https://login.example/{tenantid}/v2.0"


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example",
        "https://a.example:8443/token?p=policy",
        "http://localhost:8000/",
        "http://127.0.0.1/",
        "http://[::1]:9/x",
    ],
)
def test_X109_secure(url: str) -> None:
    assert is_secure_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example",
        "http://localhost.evil.example/",
        "http://127.0.0.1.evil.example/",
        "http://127.0.0.1@evil.example/",
        "https://user@a.example/",
        "https://a.example/#f",
        "https://a.example/#",
        "https:///x",
        "https://a.example:99999/",
        "https://a.example/ x",
        "https://a.example/\n",
        "https://a.example\\x",
        "https://ä.example",
        "ftp://a.example",
        "file:///etc/passwd",
        "https://[::1",
        "https://a.example/" + "x" * 2048,
        "",
        None,
        b"https://a.example",
    ],
)
def test_X109_not_secure(url: object) -> None:
    assert not is_secure_url(url)


def test_this_machine() -> None:
    assert is_loopback_url("https://localhost/x")
    assert not is_loopback_url("https://a.example")
    assert not is_loopback_url(None)


def test_an_issuer_has_no_query() -> None:
    assert is_issuer("https://a.example/x/")
    assert is_issuer(TEMPLATE)
    for text in ("https://a.example?x", "https://{tenantid}/{tenantid}", None):
        assert not is_issuer(text)


def test_O100_issuers_are_compared_as_bytes() -> None:
    assert is_same_issuer("https://a.example", "https://a.example")
    for value in ("https://a.example/", "https://A.example", None, 1):
        assert not is_same_issuer("https://a.example", value)


def test_one_issuer_for_each_tenant() -> None:
    issuer = TEMPLATE.replace("{tenantid}", TENANT)
    assert is_same_issuer(TEMPLATE, issuer)
    assert is_same_issuer(TEMPLATE, issuer, tenant=TENANT)
    assert not is_same_issuer(TEMPLATE, issuer, tenant=TENANT.replace("0d", "1d"))
    for value in (
        TEMPLATE,
        TEMPLATE.replace("{tenantid}", "common"),
        TEMPLATE.replace("{tenantid}", f"{TENANT}/x"),
        issuer + "/",
        issuer.replace("login", "evil"),
        "https://login.example/v2.0",
        "",
        None,
    ):
        assert not is_same_issuer(TEMPLATE, value)
