from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.errors import ConfigError
from asgi_security.policy.access import Authenticated, Holds
from asgi_security.policy.access_roles import Roles
from asgi_security.policy.access_rules import (
    WEBSOCKET,
    AccessConfig,
    AccessPolicy,
    AccessRule,
    PathClosed,
    PathNeeds,
    PathOpen,
    forbid,
    permit,
)
from asgi_security.policy.login_routes import normalise_path

ADMIN, OPEN = PathNeeds(Holds("role", "admin")), PathOpen()
SIGNED_IN = PathNeeds(Authenticated())
NONE, NEVER, AMBIGUOUS = PathClosed("no_rule"), PathClosed("forbidden"), PathClosed("ambiguous")
RULES = (
    permit("/", public=True),
    permit("/admin/", roles=["admin"]),
    permit("/admin/news", public=True, methods=["GET"]),
    permit("/Files", "/x"),
    forbid("/admin/keys"),
    permit("/admin/keys/public", public=True),
    forbid("/logs", methods=["GET"]),
    permit("/ws", methods=[WEBSOCKET]),
)


@pytest.mark.parametrize(
    ("method", "path", "decision"),
    [
        pytest.param("GET", "/", OPEN, id="root"),
        pytest.param("GET", "", OPEN, id="empty"),
        pytest.param("GET", "/other", OPEN, id="below the root"),
        pytest.param("GET", "/admin", ADMIN, id="Z114 /admin"),
        pytest.param("GET", "/admin/", ADMIN, id="Z114 /admin/"),
        pytest.param("GET", "/admin/x/y/z/w", ADMIN, id="Z114 below"),
        pytest.param("GET", "/adminx", OPEN, id="Z114 another segment"),
        pytest.param("GET", "//admin", AMBIGUOUS, id="Z114 //admin"),
        pytest.param("GET", "/admin//x", ADMIN, id="Z114 the same either way"),
        pytest.param("GET", "/admin%2fx", AMBIGUOUS, id="Z114 /admin%2fx"),
        pytest.param("GET", "/x/../admin", AMBIGUOUS, id="Z114 /x/../admin"),
        pytest.param("GET", "/admin/../x", AMBIGUOUS, id="Z114 out of it"),
        pytest.param("GET", "/ADMIN", AMBIGUOUS, id="Z114 mixed case"),
        pytest.param("GET", "/x\\..\\admin", AMBIGUOUS, id="Z114 backslashes"),
        pytest.param("GET", "/Files/Report", SIGNED_IN, id="Z114 a rule's own case"),
        pytest.param("GET", "/files", AMBIGUOUS, id="Z114 not a rule's case"),
        pytest.param("GET", "/Other", OPEN, id="Z114 case that changes nothing"),
        pytest.param("GET", "admin", AMBIGUOUS, id="no slash"),
        pytest.param("GET", "http://h/admin", AMBIGUOUS, id="absolute target"),
        pytest.param("GET", "/admin/news", OPEN, id="the longest rule"),
        pytest.param("HEAD", "/admin/news", OPEN, id="HEAD is GET"),
        pytest.param("POST", "/admin/news", ADMIN, id="another method: the rule above"),
        pytest.param("GET", "/admin/keys", NEVER, id="Z109 denied"),
        pytest.param("GET", "/admin/keys/public", NEVER, id="Z109 a denial above wins"),
        pytest.param("HEAD", "/logs", NEVER, id="Z109 HEAD is GET"),
        pytest.param("get", "/logs", NEVER, id="Z109 lower case"),
        pytest.param("POST", "/logs", OPEN, id="Z109 of one method"),
        pytest.param(WEBSOCKET, "/ws", SIGNED_IN, id="WebSocket"),
        pytest.param("GET", "/ws", OPEN, id="no WebSocket"),
    ],
)
def test_paths(method: str, path: str, decision: object) -> None:
    for rules in (RULES, RULES[::-1]):  # Z109: order does not matter
        assert AccessPolicy(rules).decide(method, path) == decision


def test_Z109_what_no_rule_speaks_of_is_closed() -> None:
    policy = AccessPolicy([permit("/a/b", public=True)])
    for path in ("/", "/a", "/a/c", "/b", "/a/bc"):
        assert policy.decide("GET", path) == NONE
    assert policy.decide("GET", "/a/b/c") == OPEN


@pytest.mark.parametrize(
    ("path", "root", "decision"),
    [
        ("/v1/admin", "/v1", ADMIN),
        ("/v1/admin", "/v1/", ADMIN),
        ("/admin", "/v1", ADMIN),
        ("/v1", "/v1", OPEN),
        ("/v1admin", "/v1", OPEN),
    ],
)
def test_the_mount_point_is_no_part_of_a_rule(path: str, root: str, decision: object) -> None:
    assert AccessPolicy(RULES).decide("GET", path, root_path=root) == decision


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="/admin.x%2fFiles\\", max_size=24), st.sampled_from(["", "/x", "/"]))
def test_no_spelling_opens_what_a_router_would_serve(path: str, root: str) -> None:
    policy = AccessPolicy([permit("/", public=True), permit("/admin", roles=["admin"])])
    decision = policy.decide("GET", path, root_path=root)
    rest = path[len(root.rstrip("/")) :] if path.startswith(root) else path
    if f"{normalise_path(rest)}/".startswith("/admin/") and (not root or rest.startswith("/")):
        assert decision != OPEN


def test_a_long_path_costs_no_more_than_the_rules_are_deep() -> None:
    assert AccessPolicy(RULES).decide("GET", "/a" * 200_000) == OPEN
    assert AccessPolicy(RULES).decide("GET", "/admin" + "/a" * 200_000) == ADMIN


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        pytest.param(lambda: AccessRule(paths="/x"), "one string", id="string"),
        pytest.param(lambda: AccessRule(paths=["/x"], methods="GET"), "one string", id="method"),
        pytest.param(permit, "empty", id="no path"),
        pytest.param(lambda: permit("x"), "no absolute path", id="relative"),
        pytest.param(lambda: permit("/x", methods=["get"]), "no method", id="lower case"),
        pytest.param(
            lambda: AccessRule(paths=["/x"], effect="alow"),  # type: ignore[arg-type]
            "not a known choice",
            id="effect",
        ),
        pytest.param(lambda: permit("/x", permissions=["x:*"]), "no permission", id="wildcard"),
        pytest.param(
            lambda: permit("/x", public=True, roles=["a"]), "something is required", id="public"
        ),
        pytest.param(lambda: AccessConfig(rules=[]), "nothing could be reached", id="no rules"),
        pytest.param(
            lambda: AccessConfig(rules=["/x"]),  # type: ignore[list-item]
            "no rule",
            id="no rule",
        ),
        pytest.param(lambda: AccessConfig(rules=[permit("/x", "/x/")]), "by two rules", id="twice"),
        pytest.param(
            lambda: AccessConfig(roles={"a": []}),  # type: ignore[arg-type]
            "no Roles",
            id="roles",
        ),
        pytest.param(
            lambda: AccessConfig(roles=Roles({}), rules=[permit("/x", roles=["a"])]),
            r"rules\[0\].roles",
            id="Y102 role in a rule",
        ),
        pytest.param(
            lambda: AccessConfig(load_principal=7),  # type: ignore[arg-type]
            "not callable",
            id="loader",
        ),
        pytest.param(lambda: AccessConfig(realm='a"b'), "needs quoting", id="realm"),
        pytest.param(
            lambda: AccessConfig(hide_existence=1),  # type: ignore[arg-type]
            "not a boolean",
            id="switch",
        ),
        pytest.param(lambda: AccessConfig(timeout_seconds=0), "out of range", id="timeout"),
    ],
)
def test_mistakes_are_found_at_construction(build: Any, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        build()


def test_one_rule_may_stand_alone_and_lists_are_copied() -> None:
    rule = permit("/x", needs=bool)
    assert AccessConfig(rules=rule).rules == (rule,)  # type: ignore[arg-type]
    listed = [rule]
    config = AccessConfig(rules=listed, realm="app", load_principal=lambda who: who)
    listed.append(forbid("/x"))
    assert config.rules == (rule,)
    assert AccessConfig(rules=[rule, forbid("/x"), permit("/x", methods=["GET"])]).rules
