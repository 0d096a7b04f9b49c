"""What is said about a wrong origin pattern, and that what is suggested would be right."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.policy.origin_patterns import check_credentialed_pattern, check_origin_pattern
from asgi_security.policy.origins import parse_origin_pattern

TWO_FORMS = "'https://*.example.com'"


@pytest.mark.parametrize(
    ("text", "reason", "hint"),
    [
        pytest.param("https://a.test/", "path '/'", "write 'https://a.test'", id="CORS82 path"),
        pytest.param("https://a.test/x", "path '/x'", "'https://a.test'", id="CORS82 longer"),
        pytest.param("https://a.test?x", "query", "'https://a.test'", id="CORS82 query"),
        pytest.param("https://a.test#x", "fragment", "'https://a.test'", id="CORS82 fragment"),
        pytest.param("https://u:p@a.test", "user", "'https://a.test'", id="CORS82 userinfo"),
        pytest.param(
            "a.test", "no scheme", "did you mean 'https://a.test'?", id="CORS83 no scheme"
        ),
        pytest.param("//a.test", "no scheme", "'https://a.test'", id="CORS83 slashes"),
        pytest.param("A.test", "no scheme", "'https://a.test'", id="CORS83 and upper case"),
        pytest.param("HTTPS://A.test", "lower case", "'https://a.test'", id="CORS84 upper case"),
        pytest.param("https://a.test:443", "default", "'https://a.test'", id="CORS85 443"),
        pytest.param("http://a.test:80", "default", "'http://a.test'", id="CORS85 80"),
        pytest.param("https://a.test:08443", "zeros", "'https://a.test:8443'", id="CORS85 zeros"),
        pytest.param("https://a.test:0", "1 to 65535", "'https://a.test'", id="CORS85 zero"),
        pytest.param("https://a.test:x", "1 to 65535", "'https://a.test'", id="CORS85 junk"),
        pytest.param("null", "prohibited", "name the real origin", id="CORS86 null"),
        pytest.param("file:///x", "prohibited", "localhost", id="CORS86 file"),
        pytest.param("https://*", "invalid wildcard", TWO_FORMS, id="CORS87 bare"),
        pytest.param("https://a.*.test", "invalid wildcard", TWO_FORMS, id="CORS87 inside"),
        pytest.param("https://*a.test", "invalid wildcard", TWO_FORMS, id="CORS87 part of a label"),
        pytest.param("https://**.a.test", "invalid wildcard", TWO_FORMS, id="CORS87 double"),
        pytest.param("https://a.test:8*", "invalid wildcard", "localhost:*", id="CORS87 port"),
        pytest.param("https://a.test:80:*", "invalid wildcard", TWO_FORMS, id="CORS87 two ports"),
        pytest.param("https://*.127.0.0.1", "invalid wildcard", TWO_FORMS, id="CORS87 address"),
        pytest.param(
            "https://bücher.test", "Punycode", "'https://xn--bcher-kva.test'", id="CORS88 IDN"
        ),
        pytest.param("https://ü..test", "Punycode", "scheme://host", id="CORS88 IDN beyond repair"),
        pytest.param("https://xn--f", "Punycode", "browser", id="CORS88 no Punycode"),
        pytest.param("https://xn--a-", "Punycode", "browser", id="CORS88 needless Punycode"),
        pytest.param("http://127.1", "shortest", "'http://127.0.0.1'", id="CORS88 IPv4"),
        pytest.param("http://0x7f.0.0.010", "shortest", "'http://127.0.0.8'", id="CORS88 octal"),
        pytest.param("http://[0:0::1]", "shortest", "'http://[::1]'", id="CORS88 IPv6"),
        pytest.param("http://[::ffff:1.2.3.4]", "shortest", "'http://1.2.3.4'", id="CORS88 mapped"),
        pytest.param("http://1.2.3.4.5", "not an origin", "scheme://host", id="CORS88 five parts"),
        pytest.param("http://1.256.1", "not an origin", "scheme://host", id="CORS88 octet"),
        pytest.param("http://08", "not an origin", "scheme://host", id="CORS88 no octal digit"),
        pytest.param("http://[::g]", "not an origin", "scheme://host", id="CORS88 no IPv6"),
        pytest.param("http://[::1]x", "not an origin", "scheme://host", id="CORS88 junk behind"),
        pytest.param("", "empty", "https://app.example.com", id="CORS82 empty"),
        pytest.param(" https://a.test", "whitespace", "'https://a.test'", id="CORS82 spaces"),
        pytest.param(
            "https://a.test,https://b.test", "several", "['https://a.test', 'https://b.test']",
            id="CORS80 several in one",
        ),
        pytest.param("https://a,b", "not an origin", "scheme://host", id="CORS80 a comma"),
        pytest.param("https://", "no host", "scheme://host", id="CORS82 no host"),
        pytest.param("https://a..test", "empty label", "'https://a.test'", id="CORS82 dots"),
        pytest.param("https://" + "a" * 400, "not an origin", "scheme://host", id="CORS82 long"),
    ],
)  # fmt: skip
def test_what_is_said(text: str, reason: str, hint: str) -> None:
    (fault,) = check_origin_pattern(text)
    assert reason in fault.reason
    assert hint in fault.hint


@pytest.mark.parametrize(
    "text", ["*", "https://a.test", "https://*.a.test", "http://localhost:*", "http://*.a.test:*"]
)
def test_CORS87_good_patterns(text: str) -> None:
    assert check_origin_pattern(text) == ()


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(max_size=30),
        st.text(max_size=20).map("https://".__add__),
        st.text("aA.*:0180x[]@/-é ,", max_size=14).map("http://".__add__),
    )
)
def test_CORS82_a_suggestion_would_be_accepted(text: str) -> None:
    faults = check_origin_pattern(text)
    assert bool(faults) is (text != "*" and parse_origin_pattern(text) is None)
    for fault in faults:
        assert fault.reason
        for suggested in re.findall(r"(?:write|mean) '([^']*)'", fault.hint):
            assert check_origin_pattern(suggested) == ()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        pytest.param("http://a.test", "dangerously_allow_insecure_origins", id="CORS89 http"),
        pytest.param("connector://a", "dangerously_allow_insecure_origins", id="CORS89 other"),
        pytest.param("http://localhost:*", None, id="CORS89 loopback"),
        pytest.param("https://a.test", None, id="CORS89 https"),
        pytest.param(
            "https://*.github.io", "dangerously_allow_public_suffix_origins", id="CORS90 hosting"
        ),
        pytest.param(
            "https://*.co.uk", "dangerously_allow_public_suffix_origins", id="CORS90 registry"
        ),
        pytest.param("https://github.io", None, id="CORS90 no wildcard"),
        pytest.param("nonsense", None, id="CORS89 no pattern"),
    ],
)
def test_what_credentials_forbid(text: str, named: str | None) -> None:
    faults = check_credentialed_pattern(
        text, insecure_allowed=False, public_suffix_allowed=False
    )  # fmt: skip
    assert [named in fault.hint for fault in faults if named] == ([True] if named else [])
    assert bool(faults) is (named is not None)
    assert check_credentialed_pattern(
        text, insecure_allowed=True, public_suffix_allowed=True
    ) == ()  # fmt: skip
