from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_security.errors import ConfigError, Problem
from asgi_security.secret import Secret
from asgi_security.validation import (
    Findings,
    configuration,
    is_field_value,
    is_token,
    resolve_configuration,
    suggest_name,
)


@configuration
class Sample:
    threshold: int = 5
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        findings = Findings("Sample")
        findings.check_number("threshold", self.threshold, minimum=1, integer=True)
        findings.raise_if_any()


def test_CORS98_an_unknown_keyword_suggests_the_nearest() -> None:
    with pytest.raises(TypeError, match="did you mean 'threshold'"):
        Sample(treshold=5)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="known are threshold, names"):
        Sample(zzz=5)  # type: ignore[call-arg]


def test_CORS100_configurations_are_frozen_and_copy_what_they_are_given() -> None:
    names = ["a"]
    sample = Sample(names=names)  # type: ignore[arg-type]
    names.append("b")
    assert sample.names == ("a",)
    assert eval(repr(sample), {"Sample": Sample}) == sample  # noqa: S307 -- our own repr
    with pytest.raises(FrozenInstanceError):
        sample.threshold = 6  # type: ignore[misc]


def test_CORS99_all_problems_at_once_sorted_by_field() -> None:
    findings = Findings("Thing")
    findings.add("zeta", 1, "is wrong", "do right")
    findings.add_secret("alpha", "is short", "make it longer")
    findings.add("long", "x" * 500, "is long", "cut it")
    with pytest.raises(ConfigError) as caught:
        findings.raise_if_any()
    assert [problem.field for problem in caught.value.problems] == ["alpha", "long", "zeta"]
    assert caught.value.problems[0] == Problem("alpha", "<secret>", "is short", "make it longer")
    assert len(caught.value.problems[1].value) == 80
    assert "zeta=1: is wrong; do right" in str(caught.value)
    outer = Findings("Outer")
    outer.extend(caught.value, prefix="thing.")
    with pytest.raises(ConfigError, match=r"thing\.zeta"):
        outer.raise_if_any()


@pytest.mark.parametrize("value", [True, "5", None, float("nan"), float("inf"), 0, 11, [1]])
def test_numbers_out_of_bounds_are_noted(value: object) -> None:
    findings = Findings("Thing")
    assert not findings.check_number("n", value, minimum=1, maximum=10)
    with pytest.raises(ConfigError):
        findings.raise_if_any()


def test_right_values_are_not_noted() -> None:
    findings = Findings("Thing")
    assert findings.check_number("n", 1.5, minimum=1)
    assert not findings.check_number("n", 1.5, minimum=1, integer=True)
    assert findings.check_choice("c", "lax", ("lax", "strict"))
    assert not findings.check_choice("c", "laxx", ("lax", "strict"))
    findings.check_boolean("b", True)
    findings.check_boolean("b", "false")
    with pytest.raises(ConfigError) as caught:
        findings.raise_if_any()
    assert [problem.field for problem in caught.value.problems] == ["b", "c", "n"]


def test_a_configuration_or_its_fields_but_not_both() -> None:
    sample = Sample(threshold=7)
    assert resolve_configuration(Sample, sample, {}) is sample
    assert resolve_configuration(Sample, None, {"threshold": 7}) == sample
    with pytest.raises(TypeError, match="not both"):
        resolve_configuration(Sample, sample, {"threshold": 7})
    with pytest.raises(TypeError, match="expected a Sample"):
        resolve_configuration(Sample, "sample", {})


@given(st.text())
def test_what_passes_can_be_sent(text: str) -> None:
    if is_field_value(text):
        raw = text.encode("latin-1")
        assert not set(raw) & {*range(9), *range(10, 32), 127}
    if is_token(text):
        assert text.isascii()
        assert not set(text) & set('()<>@,;:\\"/[]?={} \t\r\n\0')


def test_suggestions_are_near_or_none() -> None:
    assert suggest_name("alow_origins", ["allow_origins", "max_age"]) == "allow_origins"
    assert suggest_name("zzz", ["allow_origins"]) is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param("x" * 31, "only 31 bytes", id="C17 too short"),
        pytest.param("", "only 0 bytes", id="C17 empty"),
        pytest.param(7, "neither text nor bytes", id="no text"),
        pytest.param(None, "neither text nor bytes", id="nothing"),
    ],
)
def test_a_secret_that_can_be_guessed(value: object, reason: str) -> None:
    findings = Findings("Config")
    findings.check_secret("secret", value)
    with pytest.raises(ConfigError) as caught:
        findings.raise_if_any()
    (problem,) = caught.value.problems
    assert (problem.field, problem.value, problem.reason) == ("secret", "<secret>", reason)


def test_secrets_are_wrapped_one_and_many() -> None:
    findings = Findings("Config")
    assert findings.check_secret("secret", "x" * 32) == Secret("x" * 32)
    assert findings.check_secrets("old_secrets", [b"y" * 32]) == (Secret("y" * 32),)
    findings.raise_if_any()
    findings.check_secrets("old_secrets", "x" * 32)
    with pytest.raises(ConfigError, match="not a list"):
        findings.raise_if_any()
