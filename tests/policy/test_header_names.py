"""The names of the headers, and the lines that servers would choke on."""

from __future__ import annotations

from typing import Any

import pytest

from asgi_security.errors import ConfigError
from asgi_security.policy.header_names import CHOICES, FIELDS, NAMES, NOT_OURS, check_lines
from asgi_security.validation import Findings


def test_CORS46_names_are_in_lower_case_and_each_has_one_field() -> None:
    assert [name.lower() for name in FIELDS] == list(NAMES.values())
    assert CHOICES.keys() < NAMES.keys()
    assert NOT_OURS.isdisjoint(FIELDS)


def find(**lines: Any) -> list[tuple[str, str]]:
    findings = Findings("Test")
    check_lines(findings, **{"remove": (), "overrides": {}, "extra": {}, **lines})
    try:
        findings.raise_if_any()
    except ConfigError as error:
        return [(problem.field, problem.hint) for problem in error.problems]
    return []


def test_CORS95_good_lines_pass() -> None:
    overrides = {"x-frame-options": "DENY", "x-mine": None, "reporting-endpoints": None}
    assert find(remove=["server"], overrides=overrides, extra={"x-mine": "1"}) == []


@pytest.mark.parametrize(
    ("lines", "field", "hint"),
    [
        pytest.param({"remove": ["a b"]}, "remove", "letters", id="CORS95 name to remove"),
        pytest.param({"overrides": {"a\r\n": "1"}}, "overrides", "letters", id="CORS95 name"),
        pytest.param({"overrides": {"a": "1\n"}}, "overrides", "CR, LF", id="CORS95 value"),
        pytest.param({"overrides": {"a": ""}}, "overrides", "None removes", id="empty"),
        pytest.param({"extra": {"a": None}}, "extra", "None removes", id="no text"),
        pytest.param({"extra": {"vary": "a"}}, "extra", "the app", id="not ours"),
        pytest.param(
            {"extra": {"referrer-policy": "origin"}}, "extra", "referrer_policy", id="a field"
        ),
        pytest.param(
            {"overrides": {"reporting-endpoints": "a"}},
            *("overrides", "reporting_endpoints"),
            id="CORS63 endpoints",
        ),
    ],
)
def test_a_fault_is_named_with_what_to_write(lines: dict[str, Any], field: str, hint: str) -> None:
    [(named, said)] = find(**lines)
    assert named == field
    assert hint in said
