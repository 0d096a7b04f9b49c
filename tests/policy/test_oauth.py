"""The external logins of a site, judged at construction."""

from __future__ import annotations

from typing import Any

import pytest

from asgi_security.errors import ConfigError
from asgi_security.policy.oauth import OAuthConfig
from asgi_security.policy.oauth_providers import google, oidc

GIVEN: dict[str, Any] = {"client_id": "c", "client_secret": "s"}
GOOGLE = google(**GIVEN, redirect_uri="https://app.example/oauth/google")
ACME = oidc(
    "acme", issuer="https://a.example", **GIVEN, redirect_uri="https://app.example/oauth/acme"
)


def test_the_defaults() -> None:
    config = OAuthConfig(providers=[GOOGLE, ACME], allowed_origins=["https://web.example"])
    assert config.providers == (GOOGLE, ACME)
    assert config.allowed_origins == ("https://web.example",)
    assert config.attempt_lifetime_seconds == 600
    assert config.max_attempts == 5
    assert config.discovery_ttl_seconds == 3600
    assert config.discovery_max_stale_seconds == 86_400
    assert config.max_body_bytes == 262_144


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        pytest.param({"providers": []}, "providers", id="none"),
        pytest.param({"providers": GOOGLE}, "providers", id="one, not a list"),
        pytest.param({"providers": [{"client_secret": "s3cret"}]}, "providers", id="a dict"),
        pytest.param({"providers": [GOOGLE, GOOGLE]}, "providers", id="a name twice"),
        pytest.param({"default_path": "//evil"}, "default_path", id="P48 F100 other host"),
        pytest.param({"default_path": "/ä"}, "default_path", id="not escaped"),
        pytest.param({"allowed_origins": ["*"]}, "allowed_origins", id="P48 any origin"),
        pytest.param(
            {"allowed_origins": ["https://*.a.example"]}, "allowed_origins", id="P48 a family"
        ),
        pytest.param(
            {"allowed_origins": ["https://a.example/"]}, "allowed_origins", id="P48 a path"
        ),
        pytest.param(
            {"allowed_origins": ["http://a.example"]}, "allowed_origins", id="P48 https required"
        ),
        pytest.param({"allowed_origins": "https://a.example"}, "allowed_origins", id="no list"),
        pytest.param({"attempt_lifetime_seconds": 601}, "attempt_lifetime_seconds", id="O99"),
        pytest.param({"max_attempts": 0}, "max_attempts", id="O101 none"),
        pytest.param({"max_attempts": 21}, "max_attempts", id="O101 a cookie that grows"),
        pytest.param({"timeout_seconds": 0}, "timeout_seconds", id="no time"),
        pytest.param({"max_body_bytes": 1}, "max_body_bytes", id="no bytes"),
        pytest.param({"discovery_ttl_seconds": 0}, "discovery_ttl_seconds", id="no ttl"),
        pytest.param(
            {"discovery_max_stale_seconds": -1}, "discovery_max_stale_seconds", id="negative"
        ),
        pytest.param({"leeway_seconds": 601}, "leeway_seconds", id="leeway"),
        pytest.param({"store_timeout_seconds": 0}, "store_timeout_seconds", id="no store time"),
        pytest.param({"creates_accounts": 1}, "creates_accounts", id="no boolean"),
        pytest.param({"require_verified_email": "no"}, "require_verified_email", id="a string"),
    ],
)
def test_what_is_wrong(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError) as error:
        OAuthConfig(**{"providers": [GOOGLE], **changes})
    assert {problem.field for problem in error.value.problems} == {field}
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize("query", ["", "?provider=acme"])
def test_X110_one_path_for_each_provider(query: str) -> None:
    other = oidc(
        "o", issuer="https://o.example", **GIVEN, redirect_uri=f"{ACME.redirect_uri}{query}"
    )
    with pytest.raises(ConfigError, match="two share an address"):
        OAuthConfig(providers=[ACME, other])


def test_two_registrations_at_one_issuer() -> None:
    second = oidc("b", issuer=ACME.issuer, **GIVEN, redirect_uri="https://app.example/oauth/b")
    assert len(OAuthConfig(providers=[ACME, second]).providers) == 2


def test_loopback_origins_are_for_development() -> None:
    OAuthConfig(providers=[ACME], allowed_origins=["http://localhost:5173"])
