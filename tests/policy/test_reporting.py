"""Reports and clearing orders go where a browser takes them."""

from __future__ import annotations

import pytest

from asgi_security.errors import ConfigError
from asgi_security.policy.reporting import (
    build_clear_site_data,
    build_reporting_endpoints,
    check_endpoints,
    is_loopback_host,
)
from asgi_security.validation import Findings


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("csp", "https://r.test/csp?x=1"),
        ("a.b_c-d*", "https://r.test:8443"),
        ("local", "http://localhost:8000/r"),
        ("six", "http://[::1]/r"),
    ],
)
def test_CORS63_a_good_endpoint_is_quoted(name: str, url: str) -> None:
    findings = Findings("test")
    check_endpoints(findings, {name: url})
    findings.raise_if_any()
    assert build_reporting_endpoints([(name, url), ("z", url)]) == f'{name}="{url}", z="{url}"'


@pytest.mark.parametrize(
    ("name", "url", "reason"),
    [
        pytest.param("Csp", "https://r.test/", "key", id="CORS63 upper case"),
        pytest.param("", "https://r.test/", "key", id="CORS63 no name"),
        pytest.param("a b", "https://r.test/", "key", id="CORS63 a space"),
        pytest.param("csp", "http://r.test/", "not https", id="CORS63 plain http"),
        pytest.param("csp", "http://localhost.evil.test/", "not https", id="CORS63 not loopback"),
        pytest.param("csp", "/reports", "absolute", id="CORS63 relative"),
        pytest.param("csp", 'https://r.test/"', "absolute", id="CORS63 a quote"),
        pytest.param("csp", "https://r.test/\\", "absolute", id="CORS63 a backslash"),
        pytest.param("csp", "https://r.test/\r\n", "absolute", id="CORS95 CRLF"),
    ],
)
def test_CORS63_a_bad_endpoint_is_named(name: str, url: str, reason: str) -> None:
    findings = Findings("test")
    check_endpoints(findings, {name: url})
    with pytest.raises(ConfigError, match=reason):
        findings.raise_if_any()


@pytest.mark.parametrize(
    ("types", "text"),
    [
        pytest.param(["cookies"], '"cookies"', id="CORS65 quoted"),
        pytest.param(("cache", "storage", "cache"), '"cache", "storage"', id="CORS65 each once"),
        pytest.param(["*"], '"*"', id="CORS65 all"),
    ],
)
def test_CORS65_clear_site_data(types: list[str], text: str) -> None:
    assert build_clear_site_data(types) == text


@pytest.mark.parametrize(
    ("types", "hint"),
    [
        pytest.param(["cookie"], "'cookies'", id="CORS65 misspelt"),
        pytest.param([], "storage", id="CORS65 nothing"),
        pytest.param("cookies", r"\['cookies'\]", id="CORS65 a string"),
    ],
)
def test_CORS65_other_types_are_refused(types: list[str], hint: str) -> None:
    with pytest.raises(ConfigError, match=hint):
        build_clear_site_data(types)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("LOCALHOST:8000", True),
        ("app.localhost", True),
        ("127.0.0.1:80", True),
        ("127.9.9.9", True),
        ("[::1]:8000", True),
        ("localhost.evil.test", False),
        ("evillocalhost", False),
        ("127.0.0.1.evil.test", False),
        ("10.0.0.1", False),
        ("", False),
        ("localhost\n", False),
    ],
)
def test_only_this_machine_is_loopback(host: str, *, loopback: bool) -> None:
    assert is_loopback_host(host) is loopback
