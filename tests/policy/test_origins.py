"""The origin parser and the one origin policy: byte-exact, label-anchored, never by luck."""

from __future__ import annotations

import ipaddress
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from asgi_security.errors import ConfigError
from asgi_security.policy.csp import ContentSecurityPolicy
from asgi_security.policy.origins import (
    Origin,
    OriginPolicy,
    is_same_origin,
    parse_origin,
    parse_origin_pattern,
)

POLICY = OriginPolicy(
    ["https://app.example.com", "https://*.example.org", "http://localhost:*", "https://[::1]"]
)
LONG_HOST = b".".join([b"a" * 63] * 3 + [b"b" * 61])


@pytest.mark.parametrize(
    ("raw", "allowed"),
    [
        pytest.param(b"https://app.example.com", True, id="CORS2 exact"),
        pytest.param(b"https://a.b.example.org", True, id="CORS4 any depth"),
        pytest.param(b"https://a.example.org", True, id="CORS4 one deep"),
        pytest.param(b"https://example.org", False, id="CORS4 not the parent itself"),
        pytest.param(b"https://evilexample.org", False, id="CORS4 label boundary"),
        pytest.param(b"https://a.example.org.evil.test", False, id="CORS4 prefix"),
        pytest.param(b"https://.example.org", False, id="CORS4 empty label"),
        pytest.param(b"http://a.example.org", False, id="CORS4 other scheme"),
        pytest.param(b"https://a.example.org:8443", False, id="CORS4 other port"),
        pytest.param(b"http://localhost", True, id="CORS5 default port"),
        pytest.param(b"http://localhost:3000", True, id="CORS5 any port"),
        pytest.param(b"http://localhost:65535", True, id="CORS5 last port"),
        pytest.param(b"https://localhost:3000", False, id="CORS5 scheme"),
        pytest.param(b"http://localhost:0", False, id="CORS5 port 0"),
        pytest.param(b"http://localhost:65536", False, id="CORS5 port 65536"),
        pytest.param(b"http://localhost:03000", False, id="CORS5 leading zero"),
        pytest.param(b"http://localhost.evil.test:1", False, id="CORS5 suffix"),
        pytest.param(b"null", False, id="CORS6 null"),
        pytest.param(b"NULL", False, id="CORS6 NULL"),
        pytest.param(b"", False, id="CORS6 empty"),
        pytest.param(b"*", False, id="CORS6 star"),
        pytest.param(b"https://", False, id="CORS6 no host"),
        pytest.param(b"https://app.example.com/", False, id="CORS6 slash"),
        pytest.param(b"https://APP.example.com", False, id="CORS6 upper case"),
        pytest.param(b"https://app.example.com:443", False, id="CORS6 default port"),
        pytest.param(b"https://a.example.org:443", False, id="CORS6 default port, wildcard"),
        pytest.param(b"https://app.example.com.", False, id="CORS6 trailing dot"),
        pytest.param(b"https://a.example.org.", False, id="CORS6 trailing dot, wildcard"),
        pytest.param(b" https://app.example.com", False, id="CORS6 space"),
        pytest.param(b"https://x.evil.com/.example.org", False, id="CORS7 path"),
        pytest.param(b"https://a%60.example.org", False, id="CORS7 percent"),
        pytest.param(b"https://a`.example.org", False, id="CORS7 backtick"),
        pytest.param(b"https://a\x00.example.org", False, id="CORS7 NUL"),
        pytest.param(b"https://a.example.org\n", False, id="CORS7 line end"),
        pytest.param(b"https://a.example.org#", False, id="CORS7 fragment"),
        pytest.param(b"https://u:p@a.example.org", False, id="CORS7 userinfo"),
        pytest.param("https://é.example.org".encode(), False, id="CORS7 UTF-8"),
        pytest.param(b"https://\xe9.example.org", False, id="CORS7 latin-1"),
        pytest.param(b"https://" + b"a." * 5000 + b"example.org", False, id="CORS7 10 kB"),
        pytest.param(b"https://a_b.example.org", True, id="CORS7 underscore"),
        pytest.param(b"https://[::1]", True, id="CORS7 IPv6"),
        pytest.param(b"https://[0::1]", False, id="CORS7 IPv6, another spelling"),
    ],
)
def test_who_is_allowed(raw: bytes, allowed: bool) -> None:  # noqa: FBT001 -- a table's column
    assert POLICY.allows(raw) is allowed


@pytest.mark.parametrize(
    ("raw", "origin"),
    [
        (b"https://" + LONG_HOST, Origin("https", LONG_HOST.decode(), None)),
        (b"https://" + LONG_HOST + b"b", None),
        (b"https://" + b"a" * 64, None),
        (b"connector://foo", Origin("connector", "foo", None)),
        (b"https://127.0.0.1:90", Origin("https", "127.0.0.1", 90)),
        (b"http://[2001:db8::1]:81", Origin("http", "[2001:db8::1]", 81)),
        (b"http://127.1", None),
        (b"http://a.0x7f", None),
        (b"http://256.0.0.1", None),
        (b"http://127.0.0.1.", None),
        (b"http://[::ffff:102:304]", None),
        (b"http://[1::2::3]", None),
        (b"http://example.com.:3999", Origin("http", "example.com.", 3999)),
        (b"ws://a:80", None),
        (b"https://a:80", Origin("https", "a", 80)),
    ],
)
def test_CORS7_the_parser(raw: bytes, origin: Origin | None) -> None:
    assert parse_origin(raw) == origin


def is_plausible(text: str) -> bool:
    """An independent reading of the grammar, by splitting instead of by one expression."""
    scheme, separator, rest = text.partition("://")
    if not separator or not scheme.isascii() or not scheme[:1].islower() or len(scheme) > 64:
        return False
    if set(scheme) - set("abcdefghijklmnopqrstuvwxyz0123456789+.-"):
        return False
    host, colon, port = rest.partition(":") if not rest.startswith("[") else (rest, "", "")
    if rest.startswith("["):
        literal, bracket, after = rest[1:].partition("]")
        try:
            address = ipaddress.IPv6Address(literal)
        except ValueError:
            return False
        if not bracket or str(address) != literal or address.ipv4_mapped or "%" in literal:
            return False
        host, (_, colon, port) = "a", after.partition(":")
        if after and not after.startswith(":"):
            return False
    if colon:
        if not port.isascii() or not port.isdigit() or str(int(port)) != port:
            return False
        default = {"http": 80, "https": 443, "ws": 80, "wss": 443}.get(scheme)
        if not 1 <= int(port) <= 65535 or int(port) == default:
            return False
    labels = host.removesuffix(".").split(".")
    letters = set("abcdefghijklmnopqrstuvwxyz0123456789_-")
    if len(host) > 253 or not all(0 < len(x) <= 63 and not set(x) - letters for x in labels):
        return False
    last = labels[-1]
    if last.isdigit() or re.fullmatch("0x[0-9a-f]*", last):
        try:
            return str(ipaddress.IPv4Address(host)) == host
        except ValueError:
            return False
    return True


def is_expected(text: str) -> bool:
    """What `POLICY` should say, by plain string reasoning."""
    if not is_plausible(text):
        return False
    if text in {"https://app.example.com", "https://[::1]", "http://localhost"}:
        return True
    if text.startswith("http://localhost:"):
        return True
    return text.startswith("https://") and text.endswith(".example.org")


PIECES = st.sampled_from(
    [
        *("http", "https", "://", ":", "/", ".", "..", "*", "@", "#", "\x00", "é", "A", "_", "-"),
        *("example", "org", "com", "app", "evil", "localhost", "127.0.0.1", "[::1]", "443", "80"),
        *("1", "0", "65536", ".example.org", "https://app.example.com", "0x1", "\n", " "),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=8).map("".join))
@example("https://a.example.org:")
def test_CORS7_allowed_means_what_an_independent_reading_allows(text: str) -> None:
    raw = text.encode()
    assert POLICY.allows(raw) is is_expected(text)
    assert (parse_origin(raw) is not None) is is_plausible(text)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_CORS7_the_parser_never_raises(raw: bytes) -> None:
    for tried in (raw, b"https://" + raw, b"https://a.example.org" + raw):
        if POLICY.allows(tried):
            assert is_expected(tried.decode("ascii"))


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40))
def test_a_pattern_never_raises_and_an_exact_one_is_its_own_origin(text: str) -> None:
    for tried in (text, f"https://{text}", f"https://*.{text}", f"http://{text}:*"):
        pattern = parse_origin_pattern(tried)
        if pattern is not None and pattern.is_exact:
            assert OriginPolicy([tried]).allows(tried.encode())


SUFFIX = ".".join(["a" * 63] * 3 + ["b" * 59])


@pytest.mark.parametrize(
    ("text", "good"),
    [
        pytest.param("https://a.test", True, id="CORS82 exact"),
        pytest.param("https://*.a.test:8443", True, id="CORS87 subdomains of a port"),
        pytest.param("http://*.a.test:*", True, id="CORS87 both"),
        pytest.param("https://xn--bcher-kva.test", True, id="CORS88 Punycode"),
        pytest.param(f"https://*.{SUFFIX}", True, id="CORS87 as long as can be"),
        pytest.param(f"https://*.b{SUFFIX[1:]}b", False, id="CORS87 too long to have subdomains"),
        pytest.param("https://xn--f.test", False, id="CORS88 no Punycode"),
        pytest.param("https://xn--a-.test", False, id="CORS88 Punycode of plain ASCII"),
        pytest.param("https://a.test:1:*", False, id="CORS87 two ports"),
        pytest.param("http://*.127.0.0.1", False, id="CORS87 below an address"),
        pytest.param("http://*.[::1]", False, id="CORS87 below an IPv6 address"),
        pytest.param("https://*.*.a.test", False, id="CORS87 twice"),
        pytest.param("file://a.test", False, id="CORS86 file"),
        pytest.param("*", False, id="CORS81 star is no pattern"),
        pytest.param("https://\ud800", False, id="CORS88 a lone surrogate"),
    ],
)
def test_what_is_a_pattern(text: str, good: bool) -> None:  # noqa: FBT001 -- a table's column
    assert (parse_origin_pattern(text) is not None) is good


@pytest.mark.parametrize(
    ("text", "loopback"),
    [
        ("http://localhost:3000", True),
        ("http://*.localhost", True),
        ("http://127.8.9.1", True),
        ("http://[::1]:*", True),
        ("http://127.example.com", False),
        ("http://localhost.example.com", False),
        ("http://10.0.0.1", False),
    ],
)
def test_CORS89_what_never_leaves_the_machine(text: str, loopback: bool) -> None:  # noqa: FBT001
    pattern = parse_origin_pattern(text)
    assert pattern is not None
    assert pattern.is_loopback is loopback


def test_patterns_of_one_host_add_up() -> None:
    policy = OriginPolicy(["https://*.a.test:1", "https://*.a.test:2", "http://b.test:*"])
    assert [policy.allows(b"https://x.a.test:%d" % port) for port in (1, 2, 3)] == [
        *(True, True, False),
    ]
    assert not policy.allows(b"https://b.test:1")
    wide = OriginPolicy(["https://*.a.test:*", "https://*.a.test:2"])
    assert wide.allows(b"https://x.a.test:7")
    assert not wide.allows(b"https://test")


def test_a_regex_sees_well_formed_origins_only_and_must_match_in_full() -> None:
    policy = OriginPolicy([], r"https://.*\.example\.com")
    assert policy.allows(b"https://a.example.com")
    assert not policy.allows(b"https://a.example.com:8443")
    assert not policy.allows(b"https://evil.test/.example.com")
    assert not policy.allows(b"https://evil.test#.example.com")
    assert OriginPolicy(["https://x.test"], "https://y[.]test").allows(b"https://y.test")


def test_star_allows_what_is_an_origin() -> None:
    policy = OriginPolicy(["*"])
    assert policy.allows_any
    assert policy.allows(b"https://anyone.test")
    assert not policy.allows(b"null")
    assert not OriginPolicy([]).allows(b"https://anyone.test")


def test_CORS74_exact_origins_are_listed_for_others() -> None:
    assert POLICY.exact == {b"https://app.example.com", b"https://[::1]"}


def test_a_bad_pattern_is_no_policy() -> None:
    with pytest.raises(ConfigError) as caught:
        OriginPolicy(["https://a.test", "https://a.test/", "null"])
    assert [problem.value for problem in caught.value.problems] == ["'https://a.test/'", "'null'"]


@pytest.mark.parametrize(
    ("origin", "scheme", "host", "same"),
    [
        pytest.param(b"http://a.test", "ws", b"a.test", True, id="CORS49 ws is http"),
        pytest.param(b"https://a.test", "wss", b"a.test", True, id="CORS49 wss is https"),
        pytest.param(b"https://a.test", "wss", b"a.test:443", True, id="CORS49 default port"),
        pytest.param(b"http://a.test", "ws", b"A.test:80", True, id="CORS49 Host in upper case"),
        pytest.param(b"http://a.test:81", "ws", b"a.test:81", True, id="CORS49 port"),
        pytest.param(b"http://[::1]:81", "ws", b"[::1]:81", True, id="CORS49 IPv6"),
        pytest.param(b"http://a.test", "http", b"a.test:", True, id="CORS49 empty port"),
        pytest.param(b"http://a.test", "wss", b"a.test", False, id="CORS49 scheme"),
        pytest.param(b"http://a.test:443", "ws", b"a.test", False, id="CORS49 other default"),
        pytest.param(b"http://a.test", "ws", b"b.test", False, id="CORS49 host"),
        pytest.param(b"http://a.test", "ws", b"", False, id="CORS49 no Host"),
        pytest.param(b"http://a.test", "ws", b"u@a.test", False, id="CORS49 malformed Host"),
    ],
)
def test_same_origin(origin: bytes, scheme: str, host: bytes, same: bool) -> None:  # noqa: FBT001
    parsed = parse_origin(origin)
    assert parsed is not None
    assert is_same_origin(parsed, scheme=scheme, host=host) is same


def test_ten_thousand_origins_cost_no_scan() -> None:
    policy = OriginPolicy(
        [f"https://h{n}.test" for n in range(10_000)]
        + [f"https://*.w{n}.test" for n in range(10_000)]
    )
    assert policy.allows(b"https://h9999.test")
    assert policy.allows(b"https://a.b.w9999.test")
    assert not policy.allows(b"https://w9999.test")


@pytest.mark.parametrize(
    ("text", "sources"),
    [
        pytest.param("https://a.test", ("https://a.test", "wss://a.test"), id="exact"),
        pytest.param("http://a.test:81", ("http://a.test:81", "ws://a.test:81"), id="port"),
        pytest.param("wss://a.test", ("wss://a.test",), id="WebSocket over TLS"),
        pytest.param("ws://a.test", ("ws://a.test",), id="WebSocket"),
        pytest.param(
            "https://*.x.app", ("https://*.x.app", "wss://*.x.app"), id="any depth, as in CSP"
        ),
        pytest.param(
            "http://localhost:*", ("http://localhost:*", "ws://localhost:*"), id="any port"
        ),
        pytest.param(
            "https://*.x.app:*", ("https://*.x.app:*", "wss://*.x.app:*"), id="both at once"
        ),
        pytest.param("capacitor://localhost", (), id="no server"),
    ],
)
def test_a_pattern_is_rendered_as_sources_of_a_csp(text: str, sources: tuple[str, ...]) -> None:
    pattern = parse_origin_pattern(text)
    assert pattern is not None
    assert pattern.sources == sources
    assert ContentSecurityPolicy(directives={"connect-src": sources}).text.startswith("connect-src")


@pytest.mark.parametrize(
    ("text", "nameable"),
    [
        pytest.param("https://a.test", True, id="name"),
        pytest.param("https://127.0.0.1", True, id="IPv4"),
        pytest.param("https://[::1]", False, id="IPv6"),
        pytest.param("https://a.test.", False, id="a dot at the end"),
    ],
)
def test_a_csp_cannot_name_every_host(text: str, nameable: bool) -> None:  # noqa: FBT001 -- a table
    pattern = parse_origin_pattern(text)
    assert pattern is not None
    assert pattern.has_nameable_host is nameable
