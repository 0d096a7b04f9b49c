"""A Permissions-Policy is a structured field of known features, or it is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.errors import ConfigError
from asgi_security.policy.permissions import PermissionsPolicy


def build(features: object, **fields: Any) -> PermissionsPolicy:
    return PermissionsPolicy(features=features, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("features", "text"),
    [
        pytest.param({"geolocation": []}, "geolocation=()", id="CORS64 nobody"),
        pytest.param(
            {"fullscreen": ["self", "https://a.test"]},
            'fullscreen=(self "https://a.test")',
            id="CORS64 self and an origin",
        ),
        pytest.param({"autoplay": ["*"]}, "autoplay=*", id="CORS64 everybody"),
        pytest.param(
            {"camera": [], "usb": ["https://*.a.test:8443"]},
            'camera=(), usb=("https://*.a.test:8443")',
            id="CORS64 two features",
        ),
        pytest.param((("midi", ["src"]),), "midi=(src)", id="pairs"),
    ],
)
def test_a_policy_is_written_and_read_back(features: object, text: str) -> None:
    policy = build(features)
    assert policy.text == text
    assert PermissionsPolicy.from_text(text) == policy
    assert PermissionsPolicy.from_value(policy) is policy
    assert PermissionsPolicy.from_value(features) == PermissionsPolicy.from_value(text) == policy
    assert eval(repr(policy)) == policy  # noqa: S307 -- CORS100: that it evaluates is the point


@pytest.mark.parametrize(
    ("features", "reason", "hint"),
    [
        pytest.param({"geolocaton": []}, "unknown", "'geolocation'", id="CORS64 misspelt"),
        pytest.param({"zzzz": []}, "unknown", "extra_features", id="CORS64 unheard of"),
        pytest.param({"camera": ["'self'"]}, "CSP syntax", "'self'", id="CORS64 CSP keyword"),
        pytest.param({"camera": ["'none'"]}, "CSP syntax", "empty list", id="CORS64 CSP none"),
        pytest.param({"camera": ["none"]}, "CSP syntax", "empty list", id="CORS64 none"),
        pytest.param({"camera": "self"}, "not a list", "['self']", id="CORS64 a string"),
        pytest.param({"camera": ["https://A.test/"]}, "browsers", "'https://a.test'", id="case"),
        pytest.param({"camera": ["a.test"]}, "not an origin", "https://", id="no scheme"),
        pytest.param({"camera": ['https://a.test"']}, "not an origin", "a.test", id="a quote"),
        pytest.param(
            {"camera": ["https://a.test\r\n"]}, "not an origin", "https", id="CORS95 CRLF"
        ),
        pytest.param({"camera": ["*", "self"]}, "every origin", "drop", id="more than all"),
        pytest.param({}, "empty", "at least one", id="empty"),
        pytest.param(5, "not a mapping", "names", id="no mapping"),
    ],
)
def test_a_fault_is_named_with_what_to_write(features: object, reason: str, hint: str) -> None:
    with pytest.raises(ConfigError) as raised:
        build(features)
    assert len(raised.value.problems) == 1
    assert reason in raised.value.problems[0].reason
    assert hint in raised.value.problems[0].hint


def test_CORS64_an_unknown_feature_can_be_allowed() -> None:
    assert build({"new-thing": []}, extra_features=["new-thing"]).text == "new-thing=()"
    with pytest.raises(ConfigError, match="not a feature name"):
        build({"New=": []}, extra_features=["New="])
    with pytest.raises(ConfigError, match="wrap it in a list"):
        build({"camera": []}, extra_features="new")
    text = PermissionsPolicy.from_text("new-thing=*", extra_features=["new-thing"]).text
    assert text == "new-thing=*"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("geolocation 'none'; camera 'self'", id="CORS64 CSP syntax"),
        pytest.param("camera=() midi=()", id="no comma"),
        pytest.param("camera=(self", id="not closed"),
        pytest.param("camera=(https://a.test)", id="CORS64 origin without quotes"),
        pytest.param("camera=none", id="none"),
        pytest.param("camera=()\r\nx: y", id="CORS95 CRLF"),
        pytest.param("camera=(),camera=*", id="twice"),
        pytest.param("", id="empty"),
    ],
)
def test_text_that_browsers_would_ignore_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        PermissionsPolicy.from_text(text)


PIECES = st.sampled_from(
    ["camera", "midi", "=", "(", ")", "*", "self", ",", '"https://a.test"', " "]
)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(), st.lists(PIECES).map("".join)))
def test_text_is_refused_or_is_read_back_as_itself(text: str) -> None:
    try:
        policy = PermissionsPolicy.from_text(text)
    except ConfigError:
        return
    assert PermissionsPolicy.from_text(policy.text) == policy
    assert policy.text.isascii()
    assert policy.text.isprintable()
