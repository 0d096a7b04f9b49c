from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.errors import ConfigError
from asgi_security.policy.access_roles import Roles, is_permission

SEGMENTS = st.sampled_from(["a", "b", "ab", "*"])
GRANTS = st.lists(SEGMENTS, min_size=1, max_size=3).map(":".join)


@pytest.mark.parametrize(
    ("permission", "granted"),
    [
        ("invoice:read", True),
        ("invoice:write", True),
        ("invoice2:read", False),
        ("invoice:read:own", False),
        ("invoice", False),
        ("invoice:*", False),
        ("a:x:c", True),
        ("a:x:d", False),
        ("Invoice:read", False),
        ("", False),
    ],
)
def test_Y103_a_wildcard_is_a_whole_segment(permission: str, granted: bool) -> None:  # noqa: FBT001 -- a parametrized value
    roles = Roles({"r": ["invoice:*", "a:*:c"]})
    assert roles.allows(["r"], permission) is granted
    assert not roles.allows([], permission)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        pytest.param({"grants": []}, "no mapping", id="no mapping"),
        pytest.param({"grants": {"a": "x:y"}}, "one string", id="P35 a string is no list"),
        pytest.param({"grants": {"a": 7}}, "no list", id="no list"),
        pytest.param({"grants": {"a": [7]}}, "no name", id="no name"),
        pytest.param({"grants": {" a": []}}, "no name of a role", id="role with blanks"),
        pytest.param({"grants": {"a": ["invoice:*2"]}}, "no permission", id="Y103 part of one"),
        pytest.param({"grants": {"a": ["invoice::x"]}}, "no permission", id="empty segment"),
        pytest.param(
            {"grants": {"a": ["x:raed"]}, "permissions": ["x:read"]},
            "did you mean 'x:read'",
            id="Y102 unknown permission",
        ),
        pytest.param(
            {"grants": {"a": ["y:*"]}, "permissions": ["x:read"]},
            "grants no known permission",
            id="Y102 a wildcard for nothing",
        ),
        pytest.param(
            {"grants": {}, "permissions": ["x:*"]}, "no permission", id="Y103 grants only"
        ),
        pytest.param(
            {"grants": {"a": []}, "inherits": {"a": ["b"]}}, "no such role", id="Y102 parent"
        ),
        pytest.param(
            {"grants": {"admin": []}, "inherits": {"admim": ["admin"]}},
            "did you mean 'admin'",
            id="Y102 child",
        ),
        pytest.param({"grants": {"a": []}, "implicit": ["b"]}, "no such role", id="Y102 implicit"),
        pytest.param(
            {"grants": {"a": [], "b": []}, "inherits": {"a": ["b"], "b": ["a"]}},
            "a cycle",
            id="Y102 cycle",
        ),
        pytest.param(
            {"grants": {"a": []}, "inherits": {"a": ["a"]}}, "a -> a", id="Y102 of itself"
        ),
    ],
)
def test_mistakes_are_found_at_construction(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        Roles(**fields)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        Roles({"a": ["*x"]}, inherits={"a": ["c"]}, implicit=["d"])
    assert [problem.field for problem in caught.value.problems] == [
        "grants['a']",
        "implicit",
        "inherits",
    ]


def test_P35_nothing_is_shared_with_the_caller() -> None:
    granted, grants = {"x:read"}, {}
    grants["a"] = granted
    roles = Roles(grants)
    granted.add("x:write")
    grants["b"] = granted
    assert not roles.allows(["a", "b"], "x:write")
    assert roles.find_unknown_roles(["a", "b"]) == {"b"}
    with pytest.raises(AttributeError):
        roles.grants = grants  # type: ignore[misc]
    with pytest.raises(TypeError):
        roles.grants["b"] = granted  # type: ignore[index]


def test_P35_extending_makes_another() -> None:
    roles = Roles({"a": ["x:read"]}, permissions=["x:read"])
    wider = roles.extend(
        {"a": ["x:write"], "b": []}, inherits={"b": ["a"]}, permissions=["x:write"]
    )
    assert wider.list_permissions(["b"]) == {"x:read", "x:write"}
    assert roles.list_permissions(["a", "b"]) == {"x:read"}
    assert Roles({}).extend({"a": ["x:y"]}).allows(["a"], "x:y")
    with pytest.raises(ConfigError):
        roles.extend({"a": "x:write"})


def test_P35_the_roles_of_the_guide() -> None:
    roles = Roles.guide()
    own = {"security.session.list", "security.session.revoke"}
    assert roles.list_permissions([]) == own
    assert roles.list_permissions(["support"]) == own | {"user.read", "billing.read"}
    assert roles.list_permissions(["auditor"]) == own | {"user.read", "billing.read", "audit.read"}
    assert roles.allows(["admin"], "admin.impersonate")
    assert not roles.allows(["support"], "admin.impersonate")


def test_inheritance_reaches_grandparents_and_wildcards() -> None:
    roles = Roles({"a": ["x:*"], "b": ["y:read"], "c": []}, inherits={"c": ["b"], "b": ["a"]})
    assert roles.allows(["c"], "x:anything")
    assert roles.list_permissions(["c", "unknown"]) == {"x:*", "y:read"}
    assert not roles.allows(["a"], "y:read")


def test_Y102_unknown_roles_grant_nothing() -> None:
    roles = Roles({"a": ["x:read"]})
    assert not roles.allows(["unknown", "*", "A"], "x:read")
    assert roles.allows(["unknown", "a"], "x:read")


def test_a_catalogue_bounds_wildcards() -> None:
    roles = Roles({"a": ["x:*"]}, permissions=["x:read", "y:read"])
    assert roles.list_permissions(["a"]) == {"x:read"}
    assert [roles.knows_permission(name) for name in ("x:read", "y:read", "x:no", "x:*")] == [
        *(True, True, False, False)
    ]
    assert not roles.allows(["a"], "x:no")


@settings(max_examples=100, deadline=None)
@given(granted=GRANTS, asked=GRANTS)
def test_a_grant_matches_segment_by_segment(granted: str, asked: str) -> None:
    pairs = list(zip(granted.split(":"), asked.split(":"), strict=False))
    expected = (
        "*" not in asked
        and granted.count(":") == asked.count(":")
        and all(left in ("*", right) for left, right in pairs)
    )
    assert Roles({"r": [granted]}).allows(["r"], asked) is expected


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.text(), st.integers(), st.none()))
def test_anything_may_be_asked_about(name: object) -> None:
    assert is_permission(name) in (True, False)
