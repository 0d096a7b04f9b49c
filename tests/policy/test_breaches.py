"""The range service: how it is asked, and what it says."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.errors import ConfigError
from asgi_security.policy.breaches import (
    BreachConfig,
    compute_pause_seconds,
    find_breach_count,
    has_range_line,
    split_digest,
)

SUFFIX = "1E4C9B93F3F0682250B6CF8331B7EE68FD8"
OTHER = "0" * 35


def test_P72_P6_five_upper_case_digits_leave() -> None:
    assert split_digest("password") == ("5BAA6", SUFFIX)
    prefix, suffix = split_digest("pässword \ud800")
    assert len(prefix) == 5
    assert len(suffix) == 35
    assert split_digest("é")[0] == hashlib.sha1("é".encode()).hexdigest()[:5].upper()  # noqa: S324


@pytest.mark.parametrize(
    ("body", "valid", "count"),
    [
        pytest.param(f"{SUFFIX}:42", True, 42, id="P73 one line"),
        pytest.param(f"{OTHER}:1\r\n{SUFFIX}:42\r\n", True, 42, id="P73 CRLF"),
        pytest.param(f"{OTHER}:1\n{SUFFIX}:42\n", True, 42, id="P73 LF"),
        pytest.param(f"{OTHER}:1\r\n{SUFFIX.lower()}:42\r\n", True, 42, id="P73 lower case"),
        pytest.param(f"{OTHER}:3\r\n{SUFFIX}:0\r\n", True, 0, id="P73 P6 padding is clean"),
        pytest.param(f"{SUFFIX}:0\r\n", True, 0, id="P73 only padding is an answer"),
        pytest.param(f"{OTHER}:9\r\n", True, 0, id="P73 absent"),
        pytest.param(f"junk\r\n{SUFFIX}:x\r\n{SUFFIX}:7\r\n", True, 7, id="P73 bad lines skipped"),
        pytest.param(f"{SUFFIX}:7 \r\n", True, 7, id="P73 trailing blank"),
        pytest.param(f"{SUFFIX}:0\n{SUFFIX}:7\n", True, 7, id="P73 the larger count stands"),
        pytest.param(f"A{SUFFIX}:7\n", False, 0, id="P73 too long a suffix"),
        pytest.param(f"{SUFFIX}:-7\n", False, 0, id="P73 no negative count"),
        pytest.param(f"{SUFFIX}:{'9' * 13}\n", False, 0, id="P73 no endless count"),
        pytest.param("", False, 0, id="P73 empty"),
        pytest.param("<html>Bad gateway</html>", False, 0, id="P73 an error page"),
    ],
)
def test_an_answer(body: str, count: int, *, valid: bool) -> None:
    assert has_range_line(body.encode()) is valid
    assert find_breach_count(body.encode(), SUFFIX) == count


@given(
    st.binary(max_size=200) | st.text("0123456789ABCDEFabcdef:\r\n ", max_size=200).map(str.encode)
)
@settings(max_examples=200, deadline=None)
def test_P73_no_answer_raises(body: bytes) -> None:
    has_range_line(body)
    assert find_breach_count(body, SUFFIX) >= 0


@given(
    st.lists(st.tuples(st.text("0123456789ABCDEF", min_size=35, max_size=35), st.integers(1, 99)))
)
@settings(max_examples=50, deadline=None)
def test_P73_what_is_written_is_found(lines: list[tuple[str, int]]) -> None:
    body = "\r\n".join(f"{suffix}:{count}" for suffix, count in lines).encode()
    assert has_range_line(body) is bool(lines)
    for suffix, _ in lines:
        expected = max(count for other, count in lines if other == suffix)
        assert find_breach_count(body, suffix) == expected


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        pytest.param(None, 2, id="P74 none said"),
        pytest.param("", 2, id="P74 blank"),
        pytest.param("0", 0, id="P74 at once"),
        pytest.param(" 7 ", 7, id="P74 seconds"),
        pytest.param("61", 60, id="P74 at most 60"),
        pytest.param("-5", 2, id="P74 no number"),
        pytest.param("soon", 2, id="P74 a word"),
        pytest.param("Thu, 01 Jan 1970 00:00:30 GMT", 20, id="P74 a date"),
        pytest.param("Thu, 01 Jan 1970 00:00:30 -0000", 20, id="P74 a date without a zone"),
        pytest.param("Thu, 01 Jan 1970 00:00:05 GMT", 0, id="P74 a date that is past"),
        pytest.param("Fri, 31 Dec 9999 23:59:59 -2359", 60, id="P74 a date past all dates"),
        pytest.param("99 99 99 99", 2, id="P74 no date"),
    ],
)
def test_a_pause(header: str | None, seconds: float) -> None:
    assert compute_pause_seconds(header, now=10.0, maximum=60.0) == seconds


@given(st.text(max_size=40))
@settings(max_examples=200, deadline=None)
def test_P74_no_pause_is_out_of_bounds(header: str) -> None:
    assert 0 <= compute_pause_seconds(header, now=1e9, maximum=60.0) <= 60


def test_P6_the_defaults() -> None:
    config = BreachConfig()
    assert config.base_url == "https://api.pwnedpasswords.com"
    assert (config.timeout_seconds, config.cache_prefixes, config.cache_seconds) == (2, 128, 86400)
    assert BreachConfig(base_url="https://mirror.test/hibp/").base_url == "https://mirror.test/hibp"


def test_P72_plain_http_must_be_asked_for_by_name() -> None:
    url = "http://127.0.0.1:8080"
    assert BreachConfig(base_url=url, dangerously_allow_http=True).base_url == url


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        pytest.param({"base_url": "http://api.test"}, ["base_url"], id="P72 not encrypted"),
        *(
            pytest.param({"base_url": url}, ["base_url"], id=f"no url: {url}")
            for url in ("api.test", "ftp://api.test", "https://", "https://a:b:c", None)
        ),
        *(
            pytest.param({"base_url": url}, ["base_url"], id=f"more than an address: {url}")
            for url in ("https://u:p@api.test", "https://api.test?x=1", "https://api.test#x")
        ),
        *(
            pytest.param({"user_agent": agent}, ["user_agent"], id=f"P72 user agent {agent!r}")
            for agent in ("", "a\r\nx: y", "é", None)
        ),
        pytest.param(
            {"timeout_seconds": 0, "cache_prefixes": -1, "max_bytes": 1, "cache_seconds": "x"},
            ["cache_prefixes", "cache_seconds", "max_bytes", "timeout_seconds"],
            id="all at once",
        ),
        pytest.param({"max_pause_seconds": -1}, ["max_pause_seconds"], id="P74 a negative pause"),
    ],
)
def test_a_configuration_that_cannot_be_meant(fields: dict[str, Any], wrong: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        BreachConfig(**fields)
    assert [problem.field for problem in caught.value.problems] == wrong
