from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from asgi_security.errors import ConfigError
from asgi_security.policy.cookies import (
    CookieConfig,
    CookieWriter,
    SigningSecrets,
    settle_signing_secrets,
)
from asgi_security.secret import Secret
from asgi_security.validation import Findings


def build(**fields: Any) -> str:
    return CookieWriter(CookieConfig(**fields)).build_line(b"v").decode()


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        pytest.param(
            {"name": "__Host-session"},
            "__Host-session=v; Path=/; Secure; HttpOnly; SameSite=Lax",
            id="C9 the defaults, exactly",
        ),
        pytest.param(
            {"name": "s", "secure": False}, "s=v; Path=/; HttpOnly; SameSite=Lax", id="C9 plain"
        ),
        pytest.param(
            {
                "name": "__Secure-s",
                "path": "/app",
                "domain": "example.com",
                "same_site": "None",
                "partitioned": True,
                "http_only": False,
                "max_age_seconds": 60,
            },
            "__Secure-s=v; Path=/app; Domain=example.com; Max-Age=60; Secure; SameSite=None; "
            "Partitioned",
            id="all attributes",
        ),
        pytest.param(
            {"name": "s", "same_site": "strict", "max_age_seconds": 400 * 86400},
            "s=v; Path=/; Max-Age=34560000; Secure; HttpOnly; SameSite=Strict",
            id="C12 exactly 400 days",
        ),
    ],
)
def test_the_line(fields: dict[str, Any], line: str) -> None:
    assert build(**fields) == line


@pytest.mark.parametrize(
    ("fields", "faulty"),
    [
        pytest.param({"name": "__Host-s", "domain": "a.com"}, "name", id="C8 __Host- with domain"),
        pytest.param({"name": "__Host-s", "path": "/x"}, "name", id="C8 __Host- with a path"),
        pytest.param({"name": "__Host-s", "secure": False}, "name", id="C8 __Host- not secure"),
        pytest.param({"name": "__hOST-s", "secure": False}, "name", id="C8 in any case"),
        pytest.param({"name": "__Secure-s", "secure": False}, "name", id="C8 __Secure- not secure"),
        pytest.param({"name": "__Http-s", "http_only": False}, "name", id="C8 __Http- readable"),
        pytest.param({"name": "__Http-s", "secure": False}, "name", id="C8 __Http- not secure"),
        pytest.param(
            {"name": "__Host-Http-s", "http_only": False}, "name", id="C8 __Host-Http- readable"
        ),
        pytest.param(
            {"name": "__Host-Http-s", "path": "/x"}, "name", id="C8 __Host-Http- with a path"
        ),
        pytest.param({"same_site": "none", "secure": False}, "same_site", id="C10 None"),
        pytest.param({"partitioned": True, "secure": False}, "partitioned", id="C10 Partitioned"),
        pytest.param({"same_site": "laxx"}, "same_site", id="P32 SameSite junk is not lax"),
        pytest.param({"same_site": None}, "same_site", id="P32 SameSite None is not lax"),
        pytest.param({"path": "/" + "x" * 1024}, "path", id="C11 a path of 1025 bytes"),
        pytest.param({"domain": "x" * 1025}, "domain", id="C11 a domain of 1025 bytes"),
        pytest.param({"max_age_seconds": 400 * 86400 + 1}, "max_age_seconds", id="C12 401 days"),
        pytest.param({"max_age_seconds": 0}, "max_age_seconds", id="no lifetime"),
        pytest.param({"max_age_seconds": True}, "max_age_seconds", id="a switch for a number"),
        pytest.param({"name": "a b"}, "name", id="a name with a space"),
        pytest.param({"name": "a=b"}, "name", id="a name with an equals sign"),
        pytest.param({"name": None}, "name", id="no name"),
        pytest.param({"path": "x"}, "path", id="a relative path"),
        pytest.param({"path": "/;Secure"}, "path", id="a path that adds an attribute"),
        pytest.param({"path": "/\r\nx"}, "path", id="a path with a line break"),
        pytest.param({"path": None}, "path", id="no path"),
        pytest.param({"domain": "a.com; Path=/"}, "domain", id="a domain that adds an attribute"),
        pytest.param({"domain": ".a.com"}, "domain", id="a domain with a leading dot"),
        pytest.param({"domain": 1}, "domain", id="a domain that is none"),
        pytest.param({"secure": "false"}, "secure", id="a switch in words"),
    ],
)
def test_what_browsers_would_refuse(fields: dict[str, Any], faulty: str) -> None:
    with pytest.raises(ValueError) as caught:
        CookieConfig(**{"name": "s", **fields})
    assert isinstance(caught.value, ConfigError)
    assert [problem.field for problem in caught.value.problems] == [faulty]
    assert caught.value.problems[0].hint


def test_all_problems_come_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        CookieConfig(name="__Host-s", path="x", domain="", secure=False, same_site="none")
    fields = [problem.field for problem in caught.value.problems]
    assert fields == ["domain", "name", "path", "same_site"]


def test_C14_the_deletion_names_the_same_cookie() -> None:
    config = CookieConfig(
        name="__Secure-s", path="/app", domain="example.com", partitioned=True, max_age_seconds=9
    )
    assert CookieWriter(config).deletion == (
        b"__Secure-s=; Path=/app; Domain=example.com; Max-Age=0; "
        b"Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly; SameSite=Lax; Partitioned"
    )


def test_C11_name_and_value_are_measured_together() -> None:
    assert CookieWriter(CookieConfig(name="abc")).measure(b"v" * 4093) == 4096


@pytest.mark.parametrize("value", [b"a;b", b"a b", b'a"b', b"a,b", b"a\\b", b"a\r\nb", b"\xff"])
def test_a_value_that_no_cookie_may_hold(value: bytes) -> None:
    with pytest.raises(ValueError, match="cookie octets"):
        CookieWriter(CookieConfig(name="s")).build_line(value)


@pytest.mark.parametrize(
    ("fields", "faulty"),
    [
        pytest.param({"secret": ""}, "secret", id="C17 empty"),
        pytest.param({"secret": "k1"}, "secret", id="C17 two bytes"),
        pytest.param({"secret": b"x" * 31}, "secret", id="C17 31 bytes"),
        pytest.param({"secret": None}, "secret", id="C17 none"),
        pytest.param(
            {"secret": "s" * 32, "old_secrets": ["k0"]}, "old_secrets", id="C17 short old"
        ),
        pytest.param(
            {"secret": "s" * 32, "old_secrets": "o" * 32}, "old_secrets", id="a string for a list"
        ),
    ],
)
def test_weak_secrets(fields: dict[str, Any], faulty: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SigningSecrets(**fields)
    (problem,) = caught.value.problems
    assert (problem.field, problem.value) == (faulty, "<secret>")


def test_C17_an_old_secret_that_repeats_is_dropped() -> None:
    secrets = SigningSecrets(
        secret="s" * 32,
        old_secrets=[b"s" * 32, "o" * 32, Secret("o" * 32)],
    )
    assert secrets.reveal_order() == (Secret("s" * 32), Secret("o" * 32))
    assert "sss" not in repr(secrets)


def settled(**secrets: Any) -> tuple[Findings, SimpleNamespace]:
    config = SimpleNamespace(**secrets)
    findings = Findings("SessionConfig")
    settle_signing_secrets(findings, config)
    return findings, config


def test_C17_a_configuration_holds_its_secrets_as_checked() -> None:
    findings, config = settled(secret="s" * 32, old_secrets=["o" * 32, "o" * 32])
    findings.raise_if_any()
    assert config.secret == Secret("s" * 32)
    assert config.old_secrets == (Secret("o" * 32),)


def test_C17_a_configuration_reports_every_weak_secret_of_its_own() -> None:
    findings, config = settled(secret="short", old_secrets=["k0"])
    with pytest.raises(ConfigError) as caught:
        findings.raise_if_any()
    assert {problem.field for problem in caught.value.problems} == {"secret", "old_secrets"}
    assert config.secret == "short"
