"""Every variable `AUTH_*`: read, checked, and beaten by an argument."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from asgi_security import MemoryStore
from asgi_security.auth import auth_routes
from asgi_security.errors import ConfigError
from asgi_security.policy.mfa import MfaConfig
from asgi_security.secret import Secret
from asgi_security.settings_auth import load_auth
from asgi_security.storage.memory import MemoryStore as Memory
from tests.flows.account_world import Mailbox

if TYPE_CHECKING:
    from asgi_security.auth import Auth

SECRET, OLD, OTHER = "s" * 32, "o" * 32, "x" * 32
SITE = "https://app.example.com"
ENOUGH = {"AUTH_SECRET": SECRET, "AUTH_SITE_URL": SITE, "AUTH_PASSWORD_BREACH_CHECK": "false"}
MICROSOFT = {"AUTH_MS_CLIENT_ID": "m", "AUTH_MS_CLIENT_SECRET": "secret"}


def load(store: Any = None, *, fields: Any = None, **env: str) -> Auth:
    store = MemoryStore() if store is None else store
    return load_auth(store, sender=Mailbox(), env={**ENOUGH, **env}, **(fields or {}))


def find_problems(**env: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(**env)
    assert not any(secret in str(caught.value) for secret in (SECRET, OLD, OTHER))
    return [problem.field for problem in caught.value.problems]


def test_P34_what_is_needed_is_enough() -> None:
    auth = load()
    assert auth.endpoints.secure is True
    assert auth.endpoints.home_page == "/"
    assert auth.endpoints.password_clients is None
    assert (auth.mfa, auth.oauth, auth.api_keys) == (None, None, None)
    assert auth.site_name == "app.example.com"
    assert auth_routes(auth).routes


def test_P34_everything_wrong_is_said_at_once() -> None:
    env = {
        "AUTH_OLD_SECRETS": "short",
        "AUTH_SITE_URL": "app.example.com",
        "AUTH_JWT__OLD_SECRETS": OLD,
        "AUTH_JWT__LIFETIME_SECONDS": "a week",
        "AUTH_SESSION_COOKIE_SECURE": "ture",
        "AUTH_MFA_ENFORCE_FOR_ALL_USERS": "perhaps",
        "AUTH_MFA_ENFORCE_FOR_TENANTS": "[1]",
        "AUTH_MFA_PRE_TOKEN_LIFETIME_SECONDS": "-5",
        "AUTH_MFA_RECOVERY_CODES": "many",
        "AUTH_EMAIL_OTP_TTL_SECONDS": "x",
        "AUTH_EMAIL_OTP_COOLDOWN_SECONDS": "x",
        "AUTH_EMAIL_OTP_ATTEMPTS": "x",
        "AUTH_GOOGLE_CLIENT_ID": "without a secret",
        "AUTH_OIDC_PROVIDERS": "{}",
        "AUTH_POST_LOGIN_REDIRECT": "//evil.example",
        "AUTH_PASSWORD_CLIENTS": "app:secret",
        "AUTH_REQUIRE_CLIENT_SECRET_ON_PASSWORD_LOGIN": "2",
        "AUTH_PASSWORD_MIN_LENGTH": "7",
        "AUTH_PASSWORD_REQUIRE_SYMBOL": "x",
        "AUTH_STORE_URL": "mysql://host/database",
    }
    with pytest.raises(ConfigError) as caught:
        load_auth(sender=Mailbox(), env={**ENOUGH, **env})
    said = str([problem.field for problem in caught.value.problems])
    # Said of what they belong to.
    elsewhere = {"AUTH_OLD_SECRETS", "AUTH_JWT__OLD_SECRETS", "AUTH_GOOGLE_CLIENT_ID"}
    assert [name for name in env if name not in said and name not in elsewhere] == []
    assert "AUTH_JWT__SECRET" in said
    assert "AUTH_GOOGLE_CLIENT_SECRET" in said
    assert "AUTH_SECRET: " in said  # the old ones, which belong to it


def test_P34_nothing_at_all_names_what_is_needed() -> None:
    with pytest.raises(ConfigError) as caught:
        load_auth(sender=Mailbox(), env={})
    fields = [problem.field for problem in caught.value.problems]
    assert fields == ["AUTH_SECRET", "AUTH_SITE_URL", "AUTH_STORE_URL"]
    assert "keys new" in str(caught.value)


def test_P33_a_set_but_empty_secret_is_an_error() -> None:
    assert "AUTH_SECRET" in find_problems(AUTH_SECRET=" ")


@pytest.mark.parametrize(
    ("env", "site"),
    [
        pytest.param({"AUTH_SITE_URL": SITE}, SITE, id="P51 ours"),
        pytest.param({"FRONTEND_URL": "https://f.example"}, "https://f.example", id="P51 theirs"),
        pytest.param({"AUTH_SITE_URL": SITE, "FRONTEND_URL": "x"}, SITE, id="P51 ours first"),
    ],
)
def test_where_the_pages_are(env: dict[str, str], site: str) -> None:
    auth = load_auth(MemoryStore(), sender=Mailbox(), env={"AUTH_SECRET": SECRET, **env})
    assert auth.jwt.issuer == (site,)


def test_P24_access_tokens_have_the_keys_of_their_variables() -> None:
    auth = load(
        AUTH_JWT__SECRET=OTHER, AUTH_JWT__OLD_SECRETS=f"{OLD}", AUTH_JWT__LIFETIME_SECONDS="600"
    )
    assert auth.jwt.optional is True
    assert auth.jwt.old_secrets == (Secret(OLD),)
    assert auth.jwt.secret is not None
    config = auth.refresh._config
    assert config.access_lifetime_seconds == 600
    assert config.access_secret == auth.jwt.secret
    assert ((config.issuer,), (config.audience,)) == (auth.jwt.issuer, auth.jwt.audience)
    assert config.secret != config.access_secret


@pytest.mark.parametrize("name", ["AUTH_JWT__SECRET", "AUTH_JWT_SECRET", "JWT_SECRET"])
def test_P24_every_name_of_the_secret(name: str) -> None:
    auth = load(**{name: OTHER})
    assert auth.refresh._config.access_secret is not None
    assert auth.jwt.secret == auth.refresh._config.access_secret
    assert "AUTH_JWT__SECRET: access_secret" in str(find_problems(**{name: "short"}))


def test_P24_a_lifetime_alone_keeps_the_derived_keys() -> None:
    plain, other = load(), load(AUTH_JWT__LIFETIME_SECONDS="60")
    assert other.jwt.secret == plain.jwt.secret
    assert other.refresh._config.access_lifetime_seconds == 60
    assert other.refresh._config.secret == plain.refresh._config.secret
    assert find_problems(AUTH_JWT__LIFETIME_SECONDS="604801") == ["AUTH_JWT__LIFETIME_SECONDS"]
    assert (
        load(AUTH_JWT__LIFETIME_SECONDS="604800").refresh._config.access_lifetime_seconds == 604800
    )


def test_P24_old_secrets_belong_to_a_present_one() -> None:
    assert find_problems(AUTH_JWT__OLD_SECRETS=OLD) == ["AUTH_JWT__SECRET"]


@pytest.mark.parametrize(
    "text", [f"{OLD},{OTHER}", json.dumps([OLD, OTHER])], ids=["comma", "JSON"]
)
def test_P24_old_secrets_as_lists(text: str) -> None:
    assert len(load(AUTH_OLD_SECRETS=text).sessions.old_secrets) == 2


def test_P34_second_factors() -> None:
    auth = load(
        AUTH_MFA_ENFORCE_FOR_ALL_USERS="true",
        AUTH_MFA_ENFORCE_FOR_TENANTS="a,b",
        AUTH_MFA_ISSUER="Acme",
        AUTH_MFA_PRE_TOKEN_LIFETIME_SECONDS="120",
        AUTH_MFA_RECOVERY_CODES="8",
    )
    assert auth.mfa is not None
    config = auth.mfa.config
    assert config.enforce_for_all is True
    assert config.enforce_for_tenants == ("a", "b")
    assert (config.issuer, config.recovery_codes) == ("Acme", 8)
    assert config.pre_token_lifetime_seconds == 120
    assert config.email_codes is False


def test_P34_mailed_codes() -> None:
    auth = load(
        AUTH_EMAIL_OTP_TTL_SECONDS="200",
        AUTH_EMAIL_OTP_COOLDOWN_SECONDS="30",
        AUTH_EMAIL_OTP_ATTEMPTS="3",
    )
    assert auth.mfa is not None
    config = auth.mfa.config
    assert (config.email_codes, config.issuer) == (True, "app.example.com")
    assert config.email_code_lifetime_seconds == 200
    assert (config.email_code_cooldown_seconds, config.email_code_attempts) == (30, 3)
    assert find_problems(AUTH_EMAIL_OTP_ATTEMPTS="999") == ["AUTH_MFA: email_code_attempts"]


def test_P34_second_factors_keep_the_key_that_Auth_would_give_them() -> None:
    given, asked = load(AUTH_MFA_ISSUER="Acme"), load(fields={"mfa": True})
    assert given.mfa is not None
    assert asked.mfa is not None
    assert given.mfa.config.secret == asked.mfa.config.secret


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        *(("google", "AUTH_GOOGLE"), ("google", "GOOGLE"), ("github", "AUTH_GITHUB")),
        *(("github", "GITHUB"), ("microsoft", "AUTH_MS"), ("microsoft", "MICROSOFT")),
        *(("linkedin", "AUTH_LI"), ("linkedin", "LINKEDIN")),
    ],
)
def test_P45_providers(name: str, prefix: str) -> None:
    auth = load(**{f"{prefix}_CLIENT_ID": "id", f"{prefix}_CLIENT_SECRET": "secret"})
    assert auth.oauth is not None
    (provider,) = auth.oauth.config.providers
    assert (provider.name, provider.client_id) == (name, "id")
    assert provider.redirect_uri == f"{SITE}/auth/oauth/{name}/callback"
    ours = (
        prefix
        if prefix.startswith("AUTH_")
        else {"MICROSOFT": "AUTH_MS", "LINKEDIN": "AUTH_LI"}.get(prefix, f"AUTH_{prefix}")
    )
    lacking = find_problems(**{f"{prefix}_CLIENT_ID": "id"})
    assert lacking == [f"{ours}_CLIENT_SECRET"]
    lacking = find_problems(**{f"{prefix}_CLIENT_SECRET": "secret"})
    assert lacking == [f"{ours}_CLIENT_ID"]


def test_P45_the_tenant_of_microsoft() -> None:
    tenant = "0d8c8b8a-0000-4000-8000-000000000000"
    auth = load(**MICROSOFT, AUTH_MS_TENANT=tenant)
    assert auth.oauth is not None
    assert tenant in auth.oauth.config.providers[0].issuer
    assert find_problems(**MICROSOFT, AUTH_MS_TENANT="acme.com") == ["AUTH_MS: tenant"]


def test_P45_providers_of_ones_own() -> None:
    one = {
        "name": "acme",
        "issuer": "https://id.acme.example",
        "client_id": "c",
        "client_secret": "s",
    }
    auth = load(AUTH_OIDC_PROVIDERS=json.dumps([one]), fields={"path": "/account"})
    assert auth.oauth is not None
    (provider,) = auth.oauth.config.providers
    assert provider.redirect_uri == f"{SITE}/account/oauth/acme/callback"
    bad = json.dumps([{**one, "issuer": "http://id.acme.example"}])
    assert find_problems(AUTH_OIDC_PROVIDERS=bad) == ["AUTH_OIDC_PROVIDERS: issuer"]
    for text in (
        "[",
        "[1]",
        "{}",
        json.dumps([{**one, "extra": "x"}]),
        json.dumps([{**one, "name": 1}]),
    ):
        assert find_problems(AUTH_OIDC_PROVIDERS=text) == ["AUTH_OIDC_PROVIDERS"]


def test_P48_where_a_login_may_lead() -> None:
    auth = load(
        **MICROSOFT,
        AUTH_REDIRECT_ALLOW_HOSTS_RAW="https://spa.example.com",
        AUTH_POST_LOGIN_REDIRECT="/start",
    )
    assert auth.oauth is not None
    assert auth.oauth.config.allowed_origins == ("https://spa.example.com",)
    assert auth.oauth.config.default_path == auth.endpoints.home_page == "/start"
    for text in ("spa.example.com", "*", "http://spa.example.com"):
        found = find_problems(**MICROSOFT, AUTH_REDIRECT_ALLOW_HOSTS_RAW=text)
        assert found == ["AUTH_REDIRECT_ALLOW_HOSTS_RAW: allowed_origins"]


CLIENTS = json.dumps([{"client_id": "app", "client_secret": OTHER}])


def test_P13_clients() -> None:
    required = {"AUTH_REQUIRE_CLIENT_SECRET_ON_PASSWORD_LOGIN": "true"}
    auth = load(AUTH_PASSWORD_CLIENTS=CLIENTS, **required)
    assert auth.endpoints.password_clients == {"app": Secret(OTHER)}
    assert load(AUTH_PASSWORD_CLIENTS=CLIENTS).endpoints.password_clients is None
    assert "password_clients" in str(find_problems(**required))
    short = json.dumps([{"client_id": "app", "client_secret": "short"}])
    assert "password_clients" in str(find_problems(AUTH_PASSWORD_CLIENTS=short, **required))


def test_P22_cookies_for_development() -> None:
    auth = load(AUTH_SESSION_COOKIE_SECURE="false")
    assert (auth.endpoints.secure, auth.sessions.secure) == (False, False)
    chosen = load(AUTH_SESSION_COOKIE_SECURE="false", fields={"secure": True})
    assert (chosen.endpoints.secure, chosen.sessions.secure) == (True, True)


def test_P4_the_rules_for_passwords() -> None:
    auth = load(AUTH_PASSWORD_MIN_LENGTH="20", AUTH_PASSWORD_REQUIRE_SYMBOL="yes")
    assert (auth.passwords.policy.min_length, auth.passwords.policy.require_symbol) == (20, True)
    assert auth.passwords.policy.breach_check is False


def test_the_store_of_the_environment() -> None:
    auth = load_auth(sender=Mailbox(), env={**ENOUGH, "AUTH_STORE_URL": "memory://"})
    assert isinstance(auth.store, Memory)
    store = MemoryStore()
    assert load(store, AUTH_STORE_URL="mysql://").store is store


def test_P29_an_argument_beats_its_variable() -> None:
    config = MfaConfig(issuer="Mine", secret=OTHER)
    auth = load(AUTH_MFA_ISSUER="Acme", fields={"mfa": config, "site_name": "Acme"})
    assert auth.mfa is not None
    assert auth.mfa.config is config
    given = load_auth(
        MemoryStore(), sender=Mailbox(), env={}, secret=SECRET, site_url=SITE, path="/in"
    )
    assert given.sessions.secret == load().sessions.secret
    assert given.endpoints.login_page == "/in/login"


def test_the_process_is_asked_when_nothing_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENOUGH.items():
        monkeypatch.setenv(name, value)
    assert load_auth(MemoryStore(), sender=Mailbox()).jwt.issuer == (SITE,)
