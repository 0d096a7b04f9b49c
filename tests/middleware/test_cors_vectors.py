"""All cases of jub0bs/cors, as facts: 110 requests, 81 refused and 31 accepted configurations.

Where our specification decides otherwise, `DEVIATIONS` says where and why.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from asgi_security.errors import ConfigError
from asgi_security.events import discard_event
from asgi_security.middleware.cors import CorsMiddleware
from asgi_security.policy.cors import CorsConfig
from asgi_security.policy.origin_patterns import check_origin_pattern
from asgi_security.testing import call
from tests.missing import miss

if TYPE_CHECKING:
    from asgi_security.asgi.types import ASGIApp, Receive, Scope, Send
    from asgi_security.testing import Answered

VECTORS = Path(__file__).resolve().parents[3] / "shared" / "vectors" / "jub0bs_cases.json"
CASES: dict[str, Any] = json.loads(VECTORS.read_text("utf-8")) if VECTORS.exists() else {}

absent = pytest.mark.skipif(not CASES, reason=f"no vectors at {VECTORS}")


def test_the_vectors_are_there() -> None:
    if not CASES:
        miss(f"no vectors at {VECTORS}")
    assert len(CASES["groups"]) == 16
    assert sum(len(group["requests"]) for group in CASES["groups"]) == 110


TOO_MANY_EMPTY = "24: more than 16 empty elements are refused under a wildcard too"
NO_ECHO = "23: the list is rebuilt from names, never echoed"
ANSWERS_GET = "37: a policy without methods and headers answers a GET preflight"
NOT_CACHED = "34: a 204 that only explains a refusal carries no max-age"

PURGE = "preflight with PURGE and Authorization with"
GET = "preflight with GET and headers with"
ALL_HEADERS = "credentialed all req headers"

DEVIATIONS = {
    ("credentialed", f"{PURGE} some empty elements from allowed"): NO_ECHO,
    ("credentialed", f"{PURGE} some empty ACRH header lines from allowed"): NO_ECHO,
    (ALL_HEADERS, f"{GET} some OWS from allowed"): NO_ECHO,
    (ALL_HEADERS, f"{GET} too much OWS from allowed"): NO_ECHO,
    (ALL_HEADERS, f"{GET} some empty elements from allowed"): NO_ECHO,
    (ALL_HEADERS, f"{GET} some empty ACHR header lines from allowed"): NO_ECHO,
    (ALL_HEADERS, f"{GET} too many empty elements from allowed"): TOO_MANY_EMPTY,
    (ALL_HEADERS, f"{GET} too many empty ACHR header lines from allowed"): TOO_MANY_EMPTY,
    (
        "outer Vary middleware",
        "fake preflight with CORS-safelisted method from allowed",
    ): ANSWERS_GET,
    (
        "debug credentialed some req headers",
        "preflight with GET and headers from allowed",
    ): NOT_CACHED,
}
"""What differs beside three things that differ everywhere: we answer 403 whatever was refused
(case 21), preflights vary on three headers (case 32), and so do plain OPTIONS on the origin."""


def build_config(fields: dict[str, Any], *, debug: bool = False) -> CorsConfig:
    return CorsConfig(
        allow_origins=fields["origins"],
        allow_credentials=fields["credentials"],
        allow_methods=fields["methods"],
        allow_headers=fields["request_headers"],
        expose_headers=fields["expose_headers"],
        max_age_seconds=fields["max_age"],
        dangerously_allow_insecure_origins=fields["tolerate_insecure_origins"],
        dangerously_allow_public_suffix_origins=fields["tolerate_public_suffixes"],
        debug=debug,
    )


def build_app(group: dict[str, Any]) -> ASGIApp:
    response = group["app"]
    headers = [(name.encode(), value.encode()) for name, value in response["headers"]]
    if group["outer_vary"]:  # an outer middleware there; the innermost line first here
        headers.append((b"vary", group["outer_vary"].encode()))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": response["status"], "headers": headers}
        )
        await send({"type": "http.response.body", "body": response["body"].encode()})

    config = build_config(group["config"], debug=group["debug"])
    return CorsMiddleware(app, config, events=discard_event)


def cors_headers(answered: Answered) -> dict[str, list[str]]:
    names = {name.decode() for name, _ in answered.headers if name.startswith(b"access-control-")}
    return {name: answered.values(name) for name in names}


def check_request(group: dict[str, Any], request: dict[str, Any], answered: Answered) -> None:
    expected = {k: v for k, v in request["expect"].items() if k.startswith("access-control-")}
    outcome = request["outcome"]
    deviation = DEVIATIONS.get((group["name"], request["name"]))
    if outcome == "actual":
        assert answered.body == group["app"]["body"].encode()
        vary = [value for line in answered.values("vary") for value in line.split(", ")]
        own = [] if "*" in group["config"]["origins"] else ["Origin"]
        outer = [group["outer_vary"]] if group["outer_vary"] else []
        assert vary == ["foo", *outer, *own]
        assert deviation is None
        assert cors_headers(answered) == expected
        return
    assert answered.body == b""
    assert answered.value("vary") == (
        "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
    )
    if deviation == NO_ECHO:
        raw = ",".join(expected["access-control-allow-headers"])
        names = [name.strip(" \t") for name in raw.split(",")]
        expected["access-control-allow-headers"] = [",".join(name for name in names if name)]
    elif deviation == TOO_MANY_EMPTY:
        assert (answered.status, cors_headers(answered)) == (403, {})
        return
    elif deviation == ANSWERS_GET:
        origin = group["config"]["origins"][0]
        assert (answered.status, cors_headers(answered)) == (
            204,
            {"access-control-allow-origin": [origin]},
        )
        return
    elif deviation == NOT_CACHED:
        assert expected.pop("access-control-max-age") == ["30"]
    assert cors_headers(answered) == expected
    explained = group["debug"] and outcome == "preflight_refused_request"
    assert answered.status == (204 if outcome == "preflight_allowed" or explained else 403)


@absent
@pytest.mark.anyio
@pytest.mark.parametrize(
    "group", [pytest.param(group, id=group["name"]) for group in CASES.get("groups", ())]
)
async def test_requests(group: dict[str, Any]) -> None:
    app = build_app(group)
    for request in group["requests"]:
        answered = await call(app, request["method"], headers=request["headers"])
        check_request(group, request, answered)


@absent
def test_every_deviation_is_a_case() -> None:
    known = {
        (group["name"], request["name"])
        for group in CASES["groups"]
        for request in group["requests"]
    }
    assert set(DEVIATIONS) <= known


FIELDS = {
    "UnacceptableOriginPattern": "allow_origins",
    "IncompatibleOriginPattern": "allow_origins",
    "UnacceptableMethod": "allow_methods",
    "MaxAgeOutOfBounds": "max_age_seconds",
    "IncompatibleWildcardResponseHeaderName": "expose_headers",
}


@absent
@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case["name"]) for case in CASES.get("invalid_configs", ())]
)
def test_CORS99_configurations_to_refuse(case: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        build_config(case["config"])
    expected = []
    for error in case["errors"]:
        kind = "allow_headers" if error.get("type") == "request" else "expose_headers"
        field = FIELDS.get(error["kind"], kind)
        value = error.get("value", "*")
        expected.append((field, repr(value) if error.get("reason") != "missing" else "()"))
    found = [(problem.field, problem.value) for problem in caught.value.problems]
    assert sorted(found) == sorted(expected)


@absent
@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case["name"]) for case in CASES.get("valid_configs", ())]
)
def test_configurations_to_accept(case: dict[str, Any]) -> None:
    assert build_config(case["config"]).allow_origins == tuple(case["config"]["origins"])


@absent
@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case["name"]) for case in CASES.get("invalid_patterns", ())]
)
def test_CORS87_patterns_to_refuse(case: dict[str, Any]) -> None:
    assert check_origin_pattern(case["pattern"])


@absent
@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case["name"]) for case in CASES.get("valid_patterns", ())]
)
def test_CORS87_patterns_to_accept(case: dict[str, Any]) -> None:
    assert check_origin_pattern(case["pattern"]) == ()
