from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from asgi_security.errors import ConfigError
from asgi_security.policy.access import (
    AllOf,
    AnyOf,
    Authenticated,
    Holds,
    Not,
    Satisfies,
)
from asgi_security.policy.access_needs import (
    build_all,
    build_requirement,
    check_requirement,
    list_parts,
)
from asgi_security.policy.access_roles import Roles
from asgi_security.validation import Findings

if TYPE_CHECKING:
    from asgi_security.policy.access import (
        Requirement,
    )

ROLES = Roles({"clerk": ["invoice:read"]}, permissions=["invoice:read", "invoice:pay"])
READ = Holds("permission", "invoice:read")


@pytest.mark.parametrize(
    ("written", "requirement"),
    [
        ("invoice:read", READ),
        (READ, READ),
        (SimpleNamespace(requirement=READ), READ),
        (bool, Satisfies(bool)),
    ],
)
def test_what_may_be_written(written: object, requirement: Requirement) -> None:
    assert build_requirement(written) == requirement


@pytest.mark.parametrize("written", [None, 7, ["invoice:read"]])
def test_what_may_not(written: object) -> None:
    with pytest.raises(ConfigError, match="no requirement"):
        build_requirement(written)


def test_Z113_a_string_is_one_name_and_not_its_letters() -> None:
    assert build_all((), roles="clerk") == Holds("role", "clerk")
    assert list_parts((), scopes="a", via=("b",)) == (Holds("scope", "a"), Holds("via", "b"))


def test_nothing_named_is_to_be_authenticated() -> None:
    assert build_all(()) == Authenticated()
    assert build_all(["invoice:read"], needs=bool) == AllOf((READ, Satisfies(bool)))


@pytest.mark.parametrize(
    ("requirement", "field", "hint"),
    [
        pytest.param(AllOf(()), "all_of", "name what", id="Y102 all_of()"),
        pytest.param(Not(AnyOf(())), "any_of", "name what", id="Y102 any_of()"),
        pytest.param(Holds("permission", "invoice:*"), "permissions", "grants only", id="Y103"),
        pytest.param(
            Holds("permission", "invoice:raed"), "permissions", "'invoice:read'", id="Y102 typo"
        ),
        pytest.param(
            Holds("permission", "unheard:of"), "permissions", "let a role", id="Y102 permission"
        ),
        pytest.param(Holds("role", "clerc"), "roles", "'clerk'", id="Y102 typo of a role"),
        pytest.param(AllOf((READ, Holds("role", "x"))), "roles", "add it", id="Y102 role"),
        pytest.param(Holds("scope", "a b"), "scopes", "without blanks", id="scope"),
        pytest.param(Holds("role", ""), "roles", "without blanks", id="empty"),
    ],
)
def test_what_nobody_can_meet(requirement: Requirement, field: str, hint: str) -> None:
    findings = Findings("test")
    check_requirement(findings, requirement, ROLES)
    with pytest.raises(ConfigError) as caught:
        findings.raise_if_any()
    (problem,) = caught.value.problems
    assert problem.field == field
    assert hint in problem.hint


@pytest.mark.parametrize("roles", [ROLES, None])
def test_what_somebody_can(roles: Any) -> None:
    findings = Findings("test")
    parts = (READ, Holds("role", "clerk"), Holds("scope", "x"), Authenticated(), Satisfies(bool))
    check_requirement(findings, AnyOf((AllOf(parts), Not(READ))), roles)
    findings.raise_if_any()


def test_names_nobody_has_spoken_of_pass_without_roles() -> None:
    findings = Findings("test")
    check_requirement(findings, Holds("permission", "x:y"), None)
    check_requirement(findings, Holds("role", "x"), None)
    findings.raise_if_any()
