"""The origins that CORS trusts become sources of `connect-src`, or the configuration is refused."""

from __future__ import annotations

import pytest

from asgi_security.errors import ConfigError
from asgi_security.policy.cors_config import CorsConfig
from asgi_security.policy.csp import ContentSecurityPolicy
from asgi_security.policy.csp_connect import (
    allow_connections,
    check_is_restricted,
    freeze_connect_origins,
)
from asgi_security.validation import Findings

ORIGIN = "https://app.example.com"
SOURCES = f"{ORIGIN} wss://app.example.com"


def freeze(given: object) -> tuple[str, ...]:
    findings = Findings("Test")
    origins = freeze_connect_origins(findings, given)
    findings.raise_if_any()
    return origins


async def ask(origin: str) -> bool:
    return origin == ORIGIN


@pytest.mark.parametrize(
    ("given", "origins"),
    [
        pytest.param([ORIGIN, "https://*.b.test", ORIGIN], (ORIGIN, "https://*.b.test"), id="list"),
        pytest.param(
            {"https://b.test", "https://a.test"}, *[("https://a.test", "https://b.test")], id="set"
        ),
        pytest.param(CorsConfig(allow_origins=[ORIGIN]), (ORIGIN,), id="CORS policy"),
        pytest.param(
            CorsConfig(
                allow_origins=[ORIGIN],
                paths={"/api": CorsConfig(allow_origins=["https://b.test", ORIGIN])},
            ),
            (ORIGIN, "https://b.test"),
            id="CORS38 CORS policy with paths",
        ),
        pytest.param((), (), id="none"),
        pytest.param(["capacitor://localhost"], ("capacitor://localhost",), id="no server"),
    ],
)
def test_patterns_are_copied(given: object, origins: tuple[str, ...]) -> None:
    assert freeze(given) == origins


@pytest.mark.parametrize(
    ("given", "field", "hint"),
    [
        pytest.param(
            CorsConfig(allow_origins=[ORIGIN], allow_origin_regex=r"https://[a-z]+\.b\.test"),
            *("connect_origins.allow_origin_regex", "a list of the origins"),
            id="an expression",
        ),
        pytest.param(
            CorsConfig(paths={"/api": CorsConfig(allow_origin_resolver=ask)}),
            *("connect_origins.allow_origin_resolver", "a list of the origins"),
            id="a resolver of a path",
        ),
        pytest.param(CorsConfig(allow_origins=["*"]), "connect_origins", "that your pages", id="*"),
        pytest.param(["https://a.test/"], "connect_origins", "'https://a.test'", id="CORS82 path"),
        pytest.param(["https://a.*.test"], "connect_origins", "*.example", id="CORS87 wildcard"),
        pytest.param(["https://[::1]"], "connect_origins", "IPv6", id="IPv6 matches no source"),
        pytest.param(
            ["https://a.test."], "connect_origins", "no dot", id="no source ends in a dot"
        ),
        pytest.param(ORIGIN, "connect_origins", f"['{ORIGIN}']", id="CORS80 a string"),
        pytest.param(7, "connect_origins", "give a list", id="no list"),
    ],
)
def test_what_no_source_can_say_is_refused(given: object, field: str, hint: str) -> None:
    with pytest.raises(ConfigError) as raised:
        freeze(given)
    [problem] = raised.value.problems
    assert problem.field == field
    assert hint in problem.hint


@pytest.mark.parametrize(
    ("policy", "origins", "text"),
    [
        pytest.param("connect-src 'self'", [ORIGIN], f"connect-src 'self' {SOURCES}", id="added"),
        pytest.param("connect-src 'none'", [ORIGIN], f"connect-src {SOURCES}", id="'none' goes"),
        pytest.param(f"connect-src {ORIGIN}", [ORIGIN], f"connect-src {SOURCES}", id="once"),
        pytest.param(
            "default-src 'self' 'unsafe-inline' https://b.test; img-src *",
            [ORIGIN],
            "default-src 'self' 'unsafe-inline' https://b.test; img-src *; "
            f"connect-src 'self' https://b.test {SOURCES}",
            id="made of default-src, without what is for scripts",
        ),
        pytest.param("img-src *", [ORIGIN], "img-src *", id="nothing restricted"),
        pytest.param("connect-src 'none'", ["app://a"], "connect-src 'none'", id="no server"),
        pytest.param("connect-src 'none'", ["*"], "connect-src 'none'", id="no pattern"),
    ],
)
def test_sources_are_added(policy: str, origins: list[str], text: str) -> None:
    given = ContentSecurityPolicy.from_text(policy)
    assert allow_connections(given, origins).text == text
    assert given.text == policy


@pytest.mark.parametrize(
    ("policy", "fine"),
    [
        pytest.param("connect-src 'self'", True, id="connect-src"),
        pytest.param("default-src 'self'", True, id="default-src"),
        pytest.param("img-src *", False, id="neither"),
        pytest.param(None, False, id="no policy"),
    ],
)
def test_origins_without_a_restriction_are_refused(policy: str | None, fine: bool) -> None:  # noqa: FBT001 -- a table
    findings = Findings("Test")
    check_is_restricted(findings, ContentSecurityPolicy.from_text(policy) if policy else None)
    if fine:
        findings.raise_if_any()
        return
    with pytest.raises(ConfigError, match="restricts no connections"):
        findings.raise_if_any()
