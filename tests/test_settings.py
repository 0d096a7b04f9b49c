"""Every environment variable of the guide: read, checked, and beaten by an argument."""

from __future__ import annotations

from typing import Any

import pytest

from asgi_security.errors import ConfigError
from asgi_security.policy.passwords import PasswordPolicy, check_password
from asgi_security.settings import (
    EnvironmentReader,
    load_cors_config,
    load_jwt_config,
    load_password_policy,
    load_session_config,
)

SECRET, OLD, OLDER = "s" * 32, "o" * 32, "p" * 32
ORIGIN = "https://app.example.com"


def problems(error: ConfigError) -> set[str]:
    return {problem.field.rpartition(": ")[2] for problem in error.problems}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a,b", ("a", "b"), id="P31 commas"),
        pytest.param(" a , ,b ", ("a", "b"), id="P31 trimmed, empty ones dropped"),
        pytest.param('["a", "b,c"]', ("a", "b,c"), id="P34 JSON"),
        pytest.param("", None, id="P31 empty is absent"),
    ],
)
def test_lists(text: str, expected: object) -> None:
    reader = EnvironmentReader({"X": text})
    assert reader.read_list("X") == expected
    reader.findings.raise_if_any()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((word, True) for word in ("1", "true", "YES", "On")),
        *((word, False) for word in ("0", "false", "No", "OFF")),
        ("", None),
    ],
)
def test_P31_booleans(text: str, expected: object) -> None:
    reader = EnvironmentReader({"X": text})
    assert reader.read_boolean("X") is expected
    reader.findings.raise_if_any()


@pytest.mark.parametrize(
    ("name", "text", "read"),
    [
        pytest.param("X", "ture", "read_boolean", id="P31 junk boolean"),
        pytest.param("X", '["a", 1]', "read_list", id="P34 JSON of other things"),
        pytest.param("X", "[" * 10_000, "read_list", id="P34 deep JSON"),
        pytest.param("X", "-1", "read_integer", id="P32 negative"),
        pytest.param("X", "14400s", "read_integer", id="P32 unit"),
        pytest.param("X", "9" * 5000, "read_integer", id="P32 digits without end"),
        pytest.param("X", "\u0663", "read_integer", id="P32 digits of another script"),
    ],
)
def test_what_cannot_be_read_is_an_error(name: str, text: str, read: str) -> None:
    reader = EnvironmentReader({name: text})
    getattr(reader, read)(name)
    with pytest.raises(ConfigError, match="X="):
        reader.findings.raise_if_any()


def test_a_secret_list_that_cannot_be_read_is_not_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        load_jwt_config({"AUTH_JWT__SECRET": SECRET, "AUTH_JWT__OLD_SECRETS": f'["{OLD}", 1]'})
    assert OLD not in str(caught.value)


class TestCors:
    def test_P28_off_without_origins(self) -> None:
        assert load_cors_config({}) is None
        assert load_cors_config({"CORS_ALLOW_ORIGINS": ORIGIN}, allow_origins=[]) is None

    def test_P28_a_regex_alone_turns_nothing_on(self) -> None:
        assert load_cors_config({"CORS_ALLOW_ORIGIN_REGEX": "https://.*"}) is None

    def test_P28_defaults(self) -> None:
        config = load_cors_config({"CORS_ALLOW_ORIGINS": f"{ORIGIN}, https://b.example.com"})
        assert config is not None
        assert tuple(config.allow_origins) == (ORIGIN, "https://b.example.com")
        assert tuple(config.allow_methods) == ("*",)
        assert tuple(config.allow_headers) == ("*",)
        assert config.allow_credentials is True

    def test_P31_every_variable(self) -> None:
        config = load_cors_config(
            {
                "CORS_ALLOW_ORIGINS": f'["{ORIGIN}"]',
                "CORS_ALLOW_METHODS": "PUT,PATCH",
                "CORS_ALLOW_HEADERS": "X-A",
                "CORS_ALLOW_ORIGIN_REGEX": r"https://[a-z]+\.example\.org",
                "CORS_ALLOW_CREDENTIALS": "false",
            }
        )
        assert config is not None
        assert tuple(config.allow_methods) == ("PUT", "PATCH")
        assert [name.lower() for name in config.allow_headers] == ["x-a"]
        assert config.allow_origin_regex == r"https://[a-z]+\.example\.org"
        assert config.allow_credentials is False

    def test_P28_credentials_with_any_origin_are_refused(self) -> None:
        with pytest.raises(ConfigError):
            load_cors_config({"CORS_ALLOW_ORIGINS": "*"})
        public = load_cors_config({"CORS_ALLOW_ORIGINS": "*", "CORS_ALLOW_CREDENTIALS": "no"})
        assert public is not None

    def test_an_argument_beats_its_variable(self) -> None:
        env = {"CORS_ALLOW_ORIGINS": "https://env.example.com", "CORS_ALLOW_CREDENTIALS": "true"}
        config = load_cors_config(env, allow_origins=[ORIGIN], allow_credentials=False)
        assert config is not None
        assert tuple(config.allow_origins) == (ORIGIN,)
        assert config.allow_credentials is False


class TestSessions:
    def test_P29_P33_defaults_of_the_guide_and_no_constant_secret(self) -> None:
        config = load_session_config({"SESSION_SECRET": SECRET})
        assert config.cookie_name == "svc_session"
        assert config.idle_timeout_seconds == 14_400
        assert config.max_age_seconds == 14_400
        assert config.same_site == "lax"
        assert config.secure is True
        for env in ({}, {"SESSION_SECRET": " "}, {"APP_ENV": "dev"}):
            with pytest.raises(ConfigError, match="SESSION_SECRET"):
                load_session_config(env)

    def test_P32_every_variable_counts_only_when_its_argument_is_omitted(self) -> None:
        env = {
            "SESSION_SECRET": SECRET,
            "SESSION_OLD_SECRETS": f"{OLD},{OLDER}",
            "SESSION_COOKIE_NAME": "sid",
            "SESSION_COOKIE_MAX_AGE_SECONDS": "90000",
            "SESSION_COOKIE_SAMESITE": "Strict",
            "SESSION_COOKIE_SECURE": "off",
        }
        config = load_session_config(env)
        assert (config.cookie_name, config.idle_timeout_seconds) == ("sid", 90_000)
        assert (config.same_site, config.secure) == ("strict", False)
        assert len(config.old_secrets) == 2
        assert config.absolute_timeout_seconds >= config.idle_timeout_seconds
        beaten = load_session_config(
            env,
            secret=OLD,
            cookie_name="mine",
            max_age_seconds=60,
            same_site="lax",
            secure=True,
        )
        assert (beaten.cookie_name, beaten.idle_timeout_seconds) == ("mine", 60)
        assert (beaten.same_site, beaten.secure) == ("lax", True)

    def test_P32_junk_is_an_error_that_names_all_of_it(self) -> None:
        env = {
            "SESSION_COOKIE_SAMESITE": "laxx",
            "SESSION_COOKIE_MAX_AGE_SECONDS": "soon",
            "SESSION_COOKIE_SECURE": "ture",
        }
        with pytest.raises(ConfigError) as caught:
            load_session_config(env)
        assert problems(caught.value) == {*env, "SESSION_SECRET"}
        assert "did you mean 'lax'" in str(caught.value)


class TestJwt:
    @pytest.mark.parametrize("name", ["AUTH_JWT__SECRET", "AUTH_JWT_SECRET", "JWT_SECRET"])
    def test_P24_the_secret_has_three_names(self, name: str) -> None:
        assert load_jwt_config({name: SECRET}).secret is not None

    def test_P24_the_first_name_wins(self) -> None:
        config = load_jwt_config({"JWT_SECRET": OLD, "AUTH_JWT__SECRET": SECRET})
        assert config == load_jwt_config({"AUTH_JWT__SECRET": SECRET})

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param(f"{OLD},{OLDER}", id="P24 the guide's commas"),
            pytest.param(f'["{OLD}", "{OLDER}"]', id="P24 JSON"),
        ],
    )
    def test_old_secrets(self, text: str) -> None:
        config = load_jwt_config({"AUTH_JWT__SECRET": SECRET, "AUTH_JWT__OLD_SECRETS": text})
        assert len(config.old_secrets) == 2

    @pytest.mark.parametrize(
        "env",
        [
            pytest.param({}, id="P24 nothing"),
            pytest.param({"AUTH_JWT__SECRET": ""}, id="P24 empty"),
            pytest.param({"AUTH_JWT__OLD_SECRETS": OLD}, id="P24 old without current"),
            pytest.param({"AUTH_JWT__SECRET": "short"}, id="P24 short"),
        ],
    )
    def test_no_secret_is_an_error(self, env: dict[str, str]) -> None:
        with pytest.raises(ConfigError, match=r"SECRET|secret"):
            load_jwt_config(env)


class TestPasswords:
    def test_P4_defaults_of_the_guide(self) -> None:
        policy = load_password_policy({})
        assert policy == PasswordPolicy()
        assert (policy.min_length, policy.require_symbol, policy.breach_check) == (12, False, True)

    def test_P4_every_variable(self) -> None:
        policy = load_password_policy(
            {
                "AUTH_PASSWORD_MIN_LENGTH": "16",
                "AUTH_PASSWORD_REQUIRE_SYMBOL": "yes",
                "AUTH_PASSWORD_BREACH_CHECK": "off",
            }
        )
        assert (policy.min_length, policy.require_symbol, policy.breach_check) == (16, True, False)
        codes = [violation.code for violation in check_password("staple battery", policy)]
        assert codes == ["too_short", "missing_symbol"]

    def test_P4_junk_is_an_error_that_names_all_of_it(self) -> None:
        with pytest.raises(ConfigError) as raised:
            load_password_policy(
                {
                    "AUTH_PASSWORD_MIN_LENGTH": "7",
                    "AUTH_PASSWORD_REQUIRE_SYMBOL": "ture",
                    "AUTH_PASSWORD_BREACH_CHECK": "2",
                }
            )
        assert problems(raised.value) == {
            "AUTH_PASSWORD_MIN_LENGTH",
            "AUTH_PASSWORD_REQUIRE_SYMBOL",
            "AUTH_PASSWORD_BREACH_CHECK",
        }

    def test_P4_a_field_beats_its_variable(self) -> None:
        policy = load_password_policy(
            {"AUTH_PASSWORD_MIN_LENGTH": "16"}, min_length=20, site_words=["Acme"]
        )
        assert (policy.min_length, policy.site_words) == (20, ("Acme",))


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ALLOW_ORIGINS", ORIGIN)
    config: Any = load_cors_config()
    assert tuple(config.allow_origins) == (ORIGIN,)
