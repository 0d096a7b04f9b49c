"""HSTS never promises what the preload list refuses, and no typing error passes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.errors import ConfigError
from asgi_security.policy.hsts import Hsts


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("max-age=63072000; includeSubDomains", None),
        ("max-age=31536000; includeSubDomains; preload", None),
        ("max-age=0", None),
        ("MAX-AGE = 5;INCLUDESUBDOMAINS", "max-age=5; includeSubDomains"),
        (";max-age=5;; includesubdomains;", "max-age=5; includeSubDomains"),
        ('includeSubDomains; max-age="7"', "max-age=7; includeSubDomains"),
    ],
)
def test_text_is_read_and_written(text: str, written: str | None) -> None:
    value = Hsts.from_text(text)
    assert value.text == (written or text)
    assert Hsts.from_value(text) == Hsts.from_value(value) == value
    assert eval(repr(value)) == value  # noqa: S307 -- CORS100: that it evaluates is the point


@pytest.mark.parametrize(
    ("fields", "field", "hint"),
    [
        pytest.param(
            {"preload": True, "include_subdomains": False},
            *("preload", "includeSubDomains"),
            id="CORS97 preload without subdomains",
        ),
        pytest.param(
            {"preload": True, "max_age_seconds": 31_535_999},
            *("preload", "31536000"),
            id="CORS97 preload for less than a year",
        ),
        pytest.param(
            {"max_age_seconds": -1}, "max_age_seconds", "at least 0", id="CORS97 negative"
        ),
        pytest.param({"max_age_seconds": True}, "max_age_seconds", "integer", id="CORS97 bool"),
        pytest.param({"max_age_seconds": 1.5}, "max_age_seconds", "integer", id="CORS97 float"),
        pytest.param({"max_age_seconds": 2**31}, "max_age_seconds", "at most", id="too long"),
        pytest.param({"preload": 1}, "preload", "True or False", id="no switch"),
        pytest.param({"include_subdomains": "no"}, "include_subdomains", "True", id="text"),
    ],
)
def test_a_fault_is_named(fields: dict[str, Any], field: str, hint: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Hsts(**fields)
    assert [problem.field for problem in raised.value.problems] == [field]
    assert hint in raised.value.problems[0].hint


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        pytest.param("max-age=1; includeSubdomain", "'includeSubDomains'", id="misspelt"),
        pytest.param("max-age=1; zzzzz", "known are", id="unheard of"),
        pytest.param("includeSubDomains", "max-age=63072000", id="no max-age"),
        pytest.param("max-age=-1", "max-age=63072000", id="CORS97 negative"),
        pytest.param("max-age=\u0661", "max-age=63072000", id="no ASCII digit"),
        pytest.param("max-age=99999999999", "max-age=63072000", id="too many digits"),
        pytest.param("max-age=1; max-age=2", "write it once", id="twice"),
        pytest.param("max-age=1; preload=yes", "write it once, bare", id="a value"),
        pytest.param("max-age=1\r\n; preload", "includeSubDomains", id="CORS97 in text"),
        pytest.param(";", "max-age=63072000", id="nothing but separators"),
    ],
)
def test_text_with_a_fault_is_refused(text: str, hint: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Hsts.from_text(text)
    assert hint in str(raised.value)


def test_other_values_are_refused() -> None:
    with pytest.raises(ConfigError, match="not HSTS"):
        Hsts.from_value(31536000)


def test_P30_preload_is_added_and_stripped() -> None:
    assert Hsts().with_preload(preload=True).text.endswith("; preload")
    assert Hsts(preload=True).with_preload(preload=False) == Hsts()
    with pytest.raises(ConfigError):
        Hsts(max_age_seconds=1).with_preload(preload=True)


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_text_never_raises_anything_else(text: str) -> None:
    for candidate in (text, f"max-age=1;{text}"):
        try:
            value = Hsts.from_text(candidate)
        except ConfigError:
            continue
        assert Hsts.from_text(value.text) == value
