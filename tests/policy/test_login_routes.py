"""Which requests are logins, and what their answers say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.errors import ConfigError
from asgi_security.policy.login_routes import (
    LoginRouteConfig,
    LoginRoutes,
    decide_verdict,
    normalise_path,
)

ROUTES = LoginRoutes(LoginRouteConfig(outcome="api", login_paths=["/login", "/Auth/Token/"]))


class TestRoutes:
    @pytest.mark.parametrize(
        "path",
        [
            *["/login", "/login/", "//login", "/x/../login", "/./login", "/LOGIN", "/lo%67in"],
            *["http://host/login", "https://host//LOGIN/", "http://host/login;a?b#c", "x:login"],
            *["/lo%2567in", "\\login", "login", "/../login", "/auth/token", "/auth%2ftoken"],
        ],
    )
    def test_G40_every_spelling_is_guarded(self, path: str) -> None:
        assert ROUTES.matches("POST", path)
        assert ROUTES.matches("post", path)

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            pytest.param("GET", "/login", id="G40 another method"),
            pytest.param("POST", "/", id="G40 the root"),
            pytest.param("POST", "", id="G40 nothing"),
            pytest.param("POST", "/login/x", id="G40 below it"),
            pytest.param("POST", "http://[login", id="G40 no target at all"),
            pytest.param("POST", "http://login", id="G40 a host"),
            pytest.param("POST", "/logins", id="G40 a longer word"),
            pytest.param("POST", "/x/login", id="G40 elsewhere"),
        ],
    )
    def test_everything_else_is_not(self, method: str, path: str) -> None:
        assert not ROUTES.matches(method, path)

    @pytest.mark.parametrize(
        ("path", "root_path", "matched"),
        [
            pytest.param("/api/login", "/api", True, id="path with the root in front"),
            pytest.param("/login", "/api", True, id="path already without"),
            pytest.param("/API//login", "/api/", True, id="root in another spelling"),
            pytest.param("/api", "/api", False, id="the root itself"),
            pytest.param("/other/login", "/api", False, id="another root"),
            pytest.param("/login", "/", True, id="a root that is none"),
        ],
    )
    def test_a_mounted_app_is_guarded(self, path: str, root_path: str, *, matched: bool) -> None:
        assert ROUTES.matches("POST", path, root_path=root_path) is matched

    @settings(max_examples=200, deadline=None)
    @given(st.text("/.%25fLog\\İ ", max_size=12) | st.text(max_size=12))
    def test_a_path_has_one_normal_form(self, path: str) -> None:
        assert normalise_path(path).startswith("/")
        once = normalise_path(f"/{path}")
        assert once.startswith("/")
        assert "//" not in once
        for spelling in (f"//{path}", f"/{path}/", f"/{path}/.", f"/x/../{path}"):
            assert normalise_path(spelling) == once


class TestVerdict:
    @pytest.mark.parametrize(
        ("outcome", "statuses", "verdict"),
        [
            pytest.param("api", [200, 201, 204, 299], "success", id="G41 api 2xx"),
            pytest.param("api", [400, 401, 403], "failure", id="G41 api refusals"),
            pytest.param("api", [422, 404, 302, 303, 418], "failure", id="G41 api others stay"),
            pytest.param("form", [302, 303], "success", id="G41 form redirects"),
            pytest.param(
                "form", [200, 400, 401, 403, 422], "failure", id="G41 form rendered again"
            ),
            pytest.param("form", [301, 307, 308, 204], "failure", id="G41 form others stay"),
            *[
                pytest.param(outcome, [500, 502, 503, 599, 429], "refund", id=f"G41 {name} outage")
                for name, outcome in (
                    ("api", "api"),
                    ("form", "form"),
                    ("rule", lambda status, headers: "failure"),
                )
            ],
        ],
    )
    def test_status(self, outcome: Any, statuses: list[int], verdict: str) -> None:
        assert {decide_verdict(outcome, status) for status in statuses} == {verdict}

    def test_G41_a_rule_of_the_apps_own_sees_the_header_lines(self) -> None:
        def rule(status: int, headers: Any) -> Any:
            return "failure" if (b"location", b"/login?error") in headers else "success"

        assert LoginRouteConfig(outcome=rule).outcome is rule
        assert decide_verdict(rule, 302, [(b"location", b"/login?error")]) == "failure"
        assert decide_verdict(rule, 302, [(b"location", b"/home")]) == "success"

    @pytest.mark.parametrize("junk", [None, True, "ok"])
    def test_a_rule_that_gives_no_verdict_is_an_error(self, junk: Any) -> None:
        with pytest.raises(ValueError, match="an outcome is"):
            decide_verdict(lambda status, headers: junk, 200)


class TestConfig:
    def test_G41_the_outcome_must_be_named(self) -> None:
        with pytest.raises(TypeError, match="outcome"):
            LoginRouteConfig()  # type: ignore[call-arg]

    @pytest.mark.parametrize(
        ("fields", "fault"),
        [
            pytest.param({"outcome": "apis"}, "did you mean 'api'", id="unknown preset"),
            pytest.param({"login_paths": "/login"}, r"\['/login'\]", id="one path as a string"),
            pytest.param({"login_paths": []}, "empty", id="no path"),
            pytest.param({"login_paths": ["login"]}, "begin it with", id="relative path"),
            pytest.param({"login_paths": [None]}, "begin it with", id="no path at all"),
            pytest.param({"methods": "POST"}, r"\['POST'\]", id="one method as a string"),
            pytest.param({"methods": ["post"]}, "write it as", id="lower case"),
            pytest.param({"methods": ["P T"]}, "write it as", id="no token"),
            pytest.param({"methods": [1]}, "write it as", id="a number"),
            pytest.param({"username_field": ""}, "give the field", id="no field"),
            pytest.param({"username_field": None}, "give the field", id="None for a field"),
        ],
    )
    def test_a_fault_is_explained(self, fields: dict[str, Any], fault: str) -> None:
        with pytest.raises(ConfigError, match=fault):
            LoginRouteConfig(**{"outcome": "api", **fields})
