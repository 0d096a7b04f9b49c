"""How well and how long ago a user was authenticated, and what is asked for where it is not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_security.errors import ConfigError
from asgi_security.policy.assurance import (
    StepUp,
    build_assurance,
    build_challenge,
    check_step_up,
    compute_aal,
    decide_fresh,
    decide_step_up,
    describe_step_up,
    merge_step_ups,
    parse_acr,
)
from asgi_security.validation import Findings

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("amr", "level"),
    [
        pytest.param(["pwd"], 1, id="M98 password"),
        pytest.param(["pwd", "otp"], 2, id="M98 password and one-time code"),
        pytest.param(("pwd", "otp", "mfa"), 2, id="M98 as a tuple"),
        pytest.param(["mfa"], 2, id="M98 mfa alone"),
        pytest.param(["otp"], 1, id="M98 one-time code alone"),
        pytest.param(["pwd", "pin"], 1, id="M98 two of one kind"),
        pytest.param(["otp", "sms"], 1, id="M98 two things one has"),
        pytest.param(["hwk", "pin"], 2, id="M98 key and PIN"),
        pytest.param(["hwk", "face"], 2, id="M98 key and face"),
        pytest.param(["pwd", "face"], 1, id="M98 a face counts beside a thing only"),
        pytest.param(["pwd", "kba"], 1, id="M98 questions are no factor"),
        pytest.param(["pwd", "mca"], 1, id="M98 mailed code"),
        pytest.param(["geo", "user"], 0, id="M98 neither"),
        pytest.param([], 0, id="M98 empty"),
        pytest.param("mfa", 0, id="M98 a string is no list"),
        pytest.param(None, 0, id="M98 absent"),
        pytest.param({"mfa": True}, 0, id="M98 a mapping"),
        pytest.param([["mfa"], 1, None], 0, id="M98 no strings"),
        pytest.param(["MFA"], 0, id="M98 other case"),
        pytest.param(5, 0, id="M98 a number"),
    ],
)
def test_levels(amr: object, level: int) -> None:
    assert compute_aal(amr) == level


@pytest.mark.parametrize(
    ("acr", "level"),
    [("aal1", 1), ("aal2", 2), ("aal3", 3), ("aal4", 0), ("AAL2", 0), (2, 0), (None, 0), ([], 0)],
)
def test_M98_names_of_levels(acr: object, level: int) -> None:
    assert parse_acr(acr) == level


def test_M98_what_a_session_records() -> None:
    assert build_assurance(("pwd", "mca"), auth_time=NOW + 0.9) == {
        "amr": ["pwd", "mca"],
        "acr": "aal1",
        "auth_time": int(NOW),
    }


@pytest.mark.parametrize(
    ("auth_time", "is_fresh"),
    [
        pytest.param(NOW, True, id="M98 this instant"),
        pytest.param(NOW - 300, True, id="M98 at the bound"),
        pytest.param(NOW - 300.001, False, id="M98 past the bound"),
        pytest.param(NOW + 60, True, id="M98 another clock"),
        pytest.param(NOW + 60.001, False, id="M98 the future"),
        pytest.param(None, False, id="M98 absent"),
        pytest.param(True, False, id="M98 true"),
        pytest.param(str(NOW), False, id="M98 text"),
        pytest.param(float("inf"), False, id="M98 infinite"),
        pytest.param(float("nan"), False, id="M98 not a number"),
        pytest.param(10**400, False, id="M98 huge"),
        pytest.param(-1, False, id="M98 negative"),
    ],
)
def test_freshness(auth_time: object, is_fresh: bool) -> None:  # noqa: FBT001 -- a table
    assert decide_fresh(auth_time, max_age_seconds=300, now=NOW) is is_fresh


FRESH, STRONG = StepUp(max_age_seconds=300), StepUp(level=2)


@pytest.mark.parametrize(
    ("needed", "stated", "is_met"),
    [
        pytest.param(FRESH, {"auth_time": NOW}, True, id="M98 fresh"),
        pytest.param(FRESH, {"auth_time": NOW - 301}, False, id="M98 stale"),
        pytest.param(FRESH, {}, False, id="M98 no auth_time"),
        pytest.param(STRONG, {"amr": ["pwd", "otp"]}, True, id="M98 strong by amr"),
        pytest.param(STRONG, {"amr": ["pwd"]}, False, id="M98 weak"),
        pytest.param(STRONG, {"acr": "aal2"}, True, id="M98 strong by acr"),
        pytest.param(STRONG, {"acr": "aal3", "amr": ["pwd"]}, True, id="M98 stronger"),
        pytest.param(STRONG, {"acr": "aal1", "amr": ["mfa"]}, True, id="M98 the better counts"),
        pytest.param(STRONG, {"acr": "urn:mfa"}, False, id="M98 a stranger's acr"),
        pytest.param(STRONG, {"acr": ["aal2"]}, False, id="M98 acr in a list"),
        pytest.param(STRONG, {}, False, id="M98 nothing"),
        pytest.param(
            StepUp(level=2, acr_values=("urn:mfa",)), {"acr": "urn:mfa"}, True, id="M98 named acr"
        ),
        pytest.param(
            StepUp(level=3, acr_values=("x",)), {"acr": "y", "amr": ["mfa"]}, False, id="M98 other"
        ),
        pytest.param(StepUp(level=3), {"amr": ["hwk", "pin", "mfa"]}, False, id="M98 no amr is 3"),
        pytest.param(
            StepUp(300, 2), {"auth_time": NOW, "amr": ["pwd"]}, False, id="M98 fresh and weak"
        ),
        pytest.param(
            StepUp(300, 2), {"auth_time": NOW - 301, "amr": ["mfa"]}, False, id="M98 strong, stale"
        ),
        pytest.param(
            StepUp(300, 2), {"auth_time": NOW, "amr": ["mfa"]}, True, id="M98 fresh and strong"
        ),
        pytest.param(StepUp(), {}, True, id="M98 nothing needed"),
    ],
)
def test_step_up(needed: StepUp, stated: dict[str, Any], is_met: bool) -> None:  # noqa: FBT001
    assert decide_step_up(needed, stated, now=NOW) is is_met


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(amr=json_values, acr=json_values, auth_time=json_values)
def test_no_claims_raise(amr: Any, acr: Any, auth_time: Any) -> None:
    stated = {"amr": amr, "acr": acr, "auth_time": auth_time}
    met = decide_step_up(StepUp(300, 2, ("x",)), stated, now=NOW)
    assert met is False or (acr in {"x", "aal2", "aal3"})


@pytest.mark.parametrize(
    ("unmet", "merged"),
    [
        pytest.param([], StepUp(), id="none"),
        pytest.param([FRESH], FRESH, id="one"),
        pytest.param([FRESH, STRONG], StepUp(300, 2), id="both"),
        pytest.param([FRESH, StepUp(60)], StepUp(60), id="the shorter age"),
        pytest.param([STRONG, StepUp(level=3, acr_values=("x",))], StepUp(None, 3, ("x",)), id="3"),
    ],
)
def test_several_become_one(unmet: list[StepUp], merged: StepUp) -> None:
    assert merge_step_ups(unmet) == merged


@pytest.mark.parametrize(
    ("needed", "fields"),
    [
        pytest.param(FRESH, 'max_age="300"', id="M98 age"),
        pytest.param(STRONG, 'acr_values="aal2"', id="M98 level"),
        pytest.param(
            StepUp(60, 2, ("a", "b")), 'acr_values="a b", max_age="60"', id="M98 both, named"
        ),
    ],
)
def test_challenges_of_rfc_9470(needed: StepUp, fields: str) -> None:
    expected = f'Bearer realm="api", error="insufficient_user_authentication", {fields}'
    assert build_challenge(needed, realm="api") == expected


def test_M98_clients_without_a_header_learn_the_same() -> None:
    assert describe_step_up(StepUp(300.5, 2)) == {"acr_values": "aal2", "max_age": 300}
    assert describe_step_up(StepUp()) == {}


@pytest.mark.parametrize(
    ("needed", "field"),
    [
        pytest.param(StepUp(max_age_seconds=0), "max_age_seconds", id="no time"),
        pytest.param(StepUp(max_age_seconds=float("inf")), "max_age_seconds", id="for ever"),
        pytest.param(StepUp(level=0), "level", id="level 0"),
        pytest.param(StepUp(level=4), "level", id="level 4"),
        pytest.param(StepUp(level=True), "level", id="true"),
        pytest.param(StepUp(level=2, acr_values=("a b",)), "acr_values", id="blank"),
        pytest.param(StepUp(level=2, acr_values=('a"',)), "acr_values", id="quote"),
        pytest.param(StepUp(level=2, acr_values=("",)), "acr_values", id="empty"),
        pytest.param(StepUp(level=2, acr_values=(7,)), "acr_values", id="number"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_asked_for(needed: StepUp, field: str) -> None:
    findings = Findings("test")
    check_step_up(findings, needed)
    with pytest.raises(ConfigError) as caught:
        findings.raise_if_any()
    assert [problem.field for problem in caught.value.problems] == [field]


def test_what_can_be_asked_for() -> None:
    findings = Findings("test")
    check_step_up(findings, StepUp(1, 3, ("urn:acme:mfa",)))
    check_step_up(findings, StepUp())
    findings.raise_if_any()
