from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_security.errors import ConfigError
from asgi_security.policy.hosts import (
    HostAllowed,
    HostPolicy,
    HostRefused,
    HostsConfig,
    PlainRefused,
    SentToHttps,
    parse_host,
)

HOSTS = ["app.example.com", "*.example.org", "[::1]", "127.0.0.1"]
POLICY = HostPolicy(HostsConfig(allow_hosts=HOSTS))
REDIRECTING = HostPolicy(HostsConfig(allow_hosts=HOSTS, redirect_to_https=True))


def decide(policy: HostPolicy, *lines: bytes, **facts: Any) -> object:
    return policy.decide(lines, **{"scheme": "https", "path": "/", "target": b"/", **facts})


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"app.example.com", id="CORS77 exact"),
        pytest.param(b"APP.example.COM", id="CORS77 upper case"),
        pytest.param(b"app.example.com:8443", id="CORS77 port"),
        pytest.param(b"a.example.org", id="CORS77 below"),
        pytest.param(b"a.b.example.org:1", id="CORS77 far below"),
        pytest.param(b"[::1]:8000", id="CORS77 IPv6"),
        pytest.param(b"127.0.0.1", id="CORS77 IPv4"),
    ],
)
def test_hosts_of_ours(line: bytes) -> None:
    for _ in range(2):
        assert decide(POLICY, line) == HostAllowed()


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param((), id="CORS77 missing"),
        pytest.param((b"app.example.com", b"app.example.com"), id="CORS77 duplicated"),
        pytest.param((b"",), id="CORS77 empty"),
        pytest.param((b"evil.test",), id="CORS77 foreign"),
        pytest.param((b"user@app.example.com",), id="CORS77 userinfo"),
        pytest.param((b"app.example.com:",), id="CORS77 empty port"),
        pytest.param((b"app.example.com:8x",), id="CORS77 port junk"),
        pytest.param((b"app.example.com:80:80",), id="CORS77 two ports"),
        pytest.param((b"app.example.com.",), id="CORS77 trailing dot"),
        pytest.param((b"example.org",), id="CORS77 wildcard is not its parent"),
        pytest.param((b".example.org",), id="CORS77 empty label"),
        pytest.param((b"evilexample.org",), id="CORS77 not below"),
        pytest.param((b"a.example.org.evil.test",), id="CORS77 suffix elsewhere"),
        pytest.param((b"app.example.com/x",), id="CORS77 path"),
        pytest.param((b"app.example.com\r\nx: y",), id="CORS77 line break"),
        pytest.param((b"::1",), id="CORS77 IPv6 without brackets"),
        pytest.param((b"[::1",), id="CORS77 half a bracket"),
        pytest.param((b"\xff",), id="CORS77 beyond ASCII"),
        pytest.param((b"a" * 10_000,), id="CORS77 long"),
    ],
)
def test_other_hosts(lines: tuple[bytes, ...]) -> None:
    assert isinstance(decide(POLICY, *lines), HostRefused)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param({"scheme": "https"}, HostAllowed(), id="CORS78 https stays"),
        pytest.param({"scheme": "wss"}, HostAllowed(), id="CORS78 wss stays"),
        pytest.param({"scheme": "ws"}, PlainRefused(), id="CORS78 ws is denied"),
        pytest.param(
            {"scheme": "http", "target": b"/a%2Fb?x=%41&y=1"},
            SentToHttps(b"https://app.example.com/a%2Fb?x=%41&y=1"),
            id="CORS78 path and query byte for byte",
        ),
        pytest.param(
            {"scheme": "http", "target": b"//evil.test/x"},
            SentToHttps(b"https://app.example.com//evil.test/x"),
            id="CORS78 no open redirect",
        ),
        pytest.param(
            {"scheme": "http", "target": b"/\r\nx: \xff"},
            SentToHttps(b"https://app.example.com/%0D%0Ax:%20%FF"),
            id="CORS78 nothing is injected",
        ),
        pytest.param(
            {"scheme": "http", "path": "/.well-known/acme-challenge/token"},
            HostAllowed(),
            id="CORS78 ACME stays plain",
        ),
    ],
)
def test_the_way_to_https(facts: dict[str, Any], expected: object) -> None:
    assert decide(REDIRECTING, b"App.example.com:8080", **facts) == expected


def test_CORS78_only_a_host_of_ours_is_redirected() -> None:
    assert isinstance(decide(REDIRECTING, b"evil.test", scheme="http"), HostRefused)


def test_another_https_port() -> None:
    config = HostsConfig(allow_hosts=["a.test"], redirect_to_https=True, https_port=8443)
    assert decide(HostPolicy(config), b"a.test", scheme="http") == SentToHttps(
        b"https://a.test:8443/"
    )


def test_every_problem_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        HostsConfig(
            allow_hosts=["*", "https://a.test", "A.test", "a.test:80", "a b", "*.*.test"],
            plain_paths=["x"],
            https_port=0,
            redirect_to_https=1,  # type: ignore[arg-type]
        )
    assert len(caught.value.problems) == 9
    assert "write 'a.test'" in str(caught.value)
    with pytest.raises(ConfigError, match=r"write \['a.test'\]"):
        HostsConfig(allow_hosts="a.test")
    with pytest.raises(ConfigError, match="list the app's own hosts"):
        HostsConfig(allow_hosts=[])


def test_known_lines_are_bounded() -> None:
    policy = HostPolicy(HostsConfig(allow_hosts=["*.test"]))
    for number in range(3000):
        assert decide(policy, b"a%d.test" % number) == HostAllowed()
    assert len(policy._known) <= 1024


@given(st.binary(max_size=40))
def test_the_parser_never_raises(line: bytes) -> None:
    host = parse_host(line)
    assert host is None or host in line.lower()
