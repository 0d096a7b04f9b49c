"""Mappings and lists are copied, or named as what they are not."""

from __future__ import annotations

import pytest

from asgi_security.errors import ConfigError
from asgi_security.policy.directives import freeze_lists, freeze_names, freeze_pairs
from asgi_security.validation import Findings


@pytest.mark.parametrize(
    "given", [{"A": 1, "b": None}, (("A", 1), ("b", None)), [["A", 1], ["b", None]]]
)
def test_pairs_are_copied(given: object) -> None:
    findings = Findings("test")
    assert freeze_pairs(findings, "x", given) == (("A", 1), ("b", None))
    assert freeze_pairs(findings, "x", given, lower=True) == (("a", 1), ("b", None))
    findings.raise_if_any()


@pytest.mark.parametrize("given", [None, 5, "ab", {1: 2}, [("a",)], [1], {"a"}])
def test_what_is_no_mapping_is_noted(given: object) -> None:
    findings = Findings("test")
    assert list(freeze_lists(findings, "x", given)) == []
    with pytest.raises(ConfigError, match="not a mapping"):
        findings.raise_if_any()


def test_a_name_stands_once() -> None:
    findings = Findings("test")
    freeze_pairs(findings, "x", {"a": 1, "A": 2})
    findings.raise_if_any()
    assert freeze_pairs(findings, "x", {"a": 1, "A": 2}, lower=True) == (("a", 2),)
    with pytest.raises(ConfigError, match="stands twice"):
        findings.raise_if_any()


@pytest.mark.parametrize(
    ("given", "hint"),
    [("a b", r"\['a', 'b'\]"), (None, "give a list"), ([1], "give a list"), (b"a", "give a list")],
)
def test_a_string_is_no_list(given: object, hint: str) -> None:
    findings = Findings("test")
    assert freeze_names(findings, "x", given) == ()
    with pytest.raises(ConfigError, match=hint):
        findings.raise_if_any()


@pytest.mark.parametrize("given", [{}, (), []])
def test_lists_are_of_at_least_one_name(given: object) -> None:
    findings = Findings("test")
    assert list(freeze_lists(findings, "x", given)) == []
    with pytest.raises(ConfigError, match="empty"):
        findings.raise_if_any()
    assert list(freeze_lists(Findings("test"), "x", {"a": ["b"]})) == [("a", ("b",))]
