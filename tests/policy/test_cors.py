"""The CORS decision: what a response says to which origin."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.policy.cors import (
    ActualAllowed,
    ActualDenied,
    CorsConfig,
    CorsPolicy,
    NotCors,
    PreflightAllowed,
    PreflightDenied,
    PreflightExplained,
)

O = b"https://app.example.com"  # noqa: E741 -- the specification's name
ORIGINS = ("https://app.example.com", "https://*.example.org", "http://localhost:*")
A = CorsConfig(
    allow_origins=ORIGINS,
    allow_methods=("PUT", "PATCH"),
    allow_headers=("X-A", "X-B", "Authorization"),
    expose_headers=("X-R",),
    allow_credentials=True,
    max_age_seconds=600,
)
B = CorsConfig(
    allow_origins=("*",), allow_methods=("*",), allow_headers=("*",), expose_headers=("*",)
)
VARY = (b"vary", b"Origin")
VARY_ALL = (
    b"vary",
    b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
)
TO_O = ((b"access-control-allow-origin", O), (b"access-control-allow-credentials", b"true"))
MAX_AGE = (b"access-control-max-age", b"600")


def asked(method: bytes = b"PUT", *names: bytes, origin: bytes = O) -> dict[bytes, list[bytes]]:
    headers = {b"origin": [origin], b"access-control-request-method": [method]}
    if names:
        headers[b"access-control-request-headers"] = list(names)
    return headers


def test_CORS1_CORS2_CORS3_actual_requests() -> None:
    policy = CorsPolicy(A)
    assert policy.decide({}, method="GET") == NotCors((VARY,))
    allowed = ActualAllowed((*TO_O, (b"access-control-expose-headers", b"x-r"), VARY))
    for _ in range(2):  # the second answer is remembered
        assert policy.decide({b"origin": [O]}, method="GET") == allowed
    assert policy.decide({b"origin": [b"https://evil.test"]}, method="GET") == ActualDenied((VARY,))


def test_CORS8_two_origins_are_none() -> None:
    policy = CorsPolicy(A)
    assert policy.decide({b"origin": [O, O]}, method="GET") == ActualDenied((VARY,))
    denied = policy.decide({**asked(), b"origin": [O, O]}, method="OPTIONS")
    assert denied == PreflightDenied((VARY_ALL,), "origin_duplicated")


def test_CORS9_public() -> None:
    policy = CorsPolicy(B)
    lines = (
        (b"access-control-allow-origin", b"*"),
        (b"access-control-expose-headers", b"*"),
    )
    assert policy.decide({}, method="GET") == NotCors(lines)
    assert policy.decide({b"origin": [O]}, method="GET") == ActualAllowed(lines)
    preflight = policy.decide(asked(b"PATCH", b"x-z"), method="OPTIONS")
    assert preflight == PreflightAllowed(
        (
            (b"access-control-allow-origin", b"*"),
            (b"access-control-allow-methods", b"*"),
            (b"access-control-allow-headers", b"*"),
            VARY_ALL,
        )
    )


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        pytest.param("OPTIONS", {b"origin": [O]}, id="CORS14 OPTIONS without ACRM"),
        pytest.param("GET", asked(), id="CORS16 ACRM without OPTIONS"),
    ],
)
def test_what_is_no_preflight(method: str, headers: dict[bytes, list[bytes]]) -> None:
    assert isinstance(CorsPolicy(A).decide(headers, method=method), ActualAllowed)


def test_CORS15_without_an_origin_there_is_no_preflight() -> None:
    headers = {b"access-control-request-method": [b"PUT"]}
    assert CorsPolicy(A).decide(headers, method="OPTIONS") == NotCors((VARY,))


def test_CORS17_CORS32_a_preflight() -> None:
    policy = CorsPolicy(A)
    allowed = PreflightAllowed(
        (*TO_O, (b"access-control-allow-methods", b"PUT"), MAX_AGE, VARY_ALL)
    )
    for _ in range(2):
        assert policy.decide(asked(), method="OPTIONS") == allowed


@pytest.mark.parametrize(
    ("headers", "rule"),
    [
        pytest.param(asked(b"PURGE"), "method_not_allowed", id="CORS20 method"),
        pytest.param(asked(origin=b"null"), "origin_not_allowed", id="CORS21 origin"),
        pytest.param(asked(b"PUT", b"x-c"), "headers_not_allowed", id="CORS24 header"),
        pytest.param(asked(b"PUT", b"x-a", b"x-c"), "headers_not_allowed", id="CORS26 second line"),
        pytest.param(
            {b"origin": [O], b"access-control-request-method": [b"PUT", b"PUT"]},
            "method_duplicated",
            id="CORS31 two methods",
        ),
    ],
)
def test_refused_preflights(headers: dict[bytes, list[bytes]], rule: str) -> None:
    decision = CorsPolicy(A).decide(headers, method="OPTIONS")
    assert decision == PreflightDenied((VARY_ALL,), rule)


@pytest.mark.parametrize(("seconds", "lines"), [(None, 0), (0, 1), (600, 1)])
def test_CORS30_max_age(seconds: int | None, lines: int) -> None:
    policy = CorsPolicy(CorsConfig(allow_origins=ORIGINS, max_age_seconds=seconds))
    decision = policy.decide(asked(b"GET"), method="OPTIONS")
    values = [v for n, v in decision.headers if n == b"access-control-max-age"]
    assert values == [b"%d" % (seconds or 0)] * lines


def test_CORS34_debug_explains_all_but_the_origin() -> None:
    policy = CorsPolicy(
        CorsConfig(
            allow_origins=ORIGINS,
            allow_methods=("PUT", "PATCH"),
            allow_headers=("X-A",),
            allow_credentials=True,
            max_age_seconds=600,
            debug=True,
        )
    )
    explained = policy.decide(asked(b"PURGE"), method="OPTIONS")
    assert explained == PreflightExplained(
        (
            *TO_O,
            (b"access-control-allow-methods", b"PATCH,PUT"),
            (b"access-control-allow-headers", b"x-a"),
            VARY_ALL,
        ),
        "method_not_allowed",
    )
    denied = policy.decide(asked(origin=b"https://evil.test"), method="OPTIONS")
    assert denied == PreflightDenied((VARY_ALL,), "origin_not_allowed")
    assert isinstance(policy.decide(asked(b"PUT"), method="OPTIONS"), PreflightAllowed)


def test_CORS37_no_methods_and_no_headers_still_answer_a_get_preflight() -> None:
    policy = CorsPolicy(CorsConfig(allow_origins=ORIGINS))
    decision = policy.decide(asked(b"GET"), method="OPTIONS")
    assert decision == PreflightAllowed(((b"access-control-allow-origin", O), VARY_ALL))


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("/api", "https://api.test"),
        ("/api/", "https://api.test"),
        ("/api/x", "https://api.test"),
        ("/api/v2", "https://v2.test"),
        ("/api/v2/x", "https://v2.test"),
        ("/api/v22", "https://api.test"),
        ("/apix", None),
        ("/", None),
        ("", None),
        ("/x/../api", None),
        ("/%61pi", None),
    ],
)
def test_CORS38_the_longest_prefix_that_ends_at_a_segment(path: str, own: str | None) -> None:
    policy = CorsPolicy(
        CorsConfig(
            allow_origins=["https://default.test"],
            paths={
                "/api": CorsConfig(allow_origins=("https://api.test",)),
                "/api/v2": CorsConfig(allow_origins=("https://v2.test",)),
            },
        )
    )
    assert policy.depends_on_path
    chosen = policy.select(path)
    origin = (own or "https://default.test").encode()
    assert isinstance(chosen.decide({b"origin": [origin]}, method="GET"), ActualAllowed)
    assert isinstance(chosen.decide({b"origin": [b"https://x.test"]}, method="GET"), ActualDenied)


async def ask(origin: str) -> bool:
    return True


def test_only_what_the_policy_cannot_judge_goes_to_the_resolver() -> None:
    policy = CorsPolicy(CorsConfig(allow_origins=ORIGINS, allow_origin_resolver=ask))
    assert policy.find_unresolved({b"origin": [b"https://tenant.test"]}) == "https://tenant.test"
    for origins in ([], [O], [b"null"], [b"https://x.test"] * 2):
        assert policy.find_unresolved({b"origin": origins}) is None
    assert policy.find_unresolved({}) is None
    assert CorsPolicy(A).find_unresolved({b"origin": [b"https://tenant.test"]}) is None


def test_a_resolvers_verdict_is_never_remembered() -> None:
    policy = CorsPolicy(
        CorsConfig(allow_origin_resolver=ask, allow_methods=("PUT",), allow_headers=("X-A",))
    )
    tenant = {b"origin": [b"https://tenant.test"]}
    preflight = asked(b"PUT", b"x-a", origin=b"https://tenant.test")
    for verdict, actual, answer in (
        (True, ActualAllowed, PreflightAllowed),
        (False, ActualDenied, PreflightDenied),
    ):
        decision = policy.decide(tenant, method="GET", resolver_allows=verdict)
        assert isinstance(decision, actual)
        decision = policy.decide(preflight, method="OPTIONS", resolver_allows=verdict)
        assert isinstance(decision, answer)


def test_remembered_results_are_bounded_and_stay_right() -> None:
    policy = CorsPolicy(
        CorsConfig(allow_origins=ORIGINS, allow_methods=("*",), allow_credentials=True)
    )
    for number in range(3000):
        origin = b"https://h%d.example.org" % number
        allowed = policy.decide({b"origin": [origin]}, method="GET")
        assert allowed.headers[0] == (b"access-control-allow-origin", origin)
        preflight = policy.decide(asked(b"M%d" % number, origin=origin), method="OPTIONS")
        assert preflight.headers[2] == (b"access-control-allow-methods", b"M%d" % number)
    long = asked(b"M" * 600)
    assert isinstance(policy.decide(long, method="OPTIONS"), PreflightAllowed)
    assert len(policy._actuals) <= 1024
    assert len(policy._preflights) <= 1024
    assert all(len(method) < 600 for _, method, _ in policy._preflights)


NAMES = st.lists(st.binary(max_size=12) | st.sampled_from([b"x-a", b"X-B,,"]), max_size=3)
ORIGIN = st.sampled_from([O, b"null", b"https://a.example.org", b"https://x"]) | st.binary()


@settings(max_examples=200, deadline=None)
@given(
    st.lists(ORIGIN, max_size=2),
    st.lists(st.sampled_from([b"PUT", b"put", b"GET", b"X"]) | st.binary(max_size=9), max_size=2),
    NAMES,
    st.sampled_from(["GET", "OPTIONS", "X"]),
)
def test_CORS3_no_header_names_an_origin_that_is_not_allowed(
    origins: list[bytes], methods: list[bytes], names: list[bytes], method: str
) -> None:
    headers = {b"origin": origins} if origins else {}
    if methods:
        headers[b"access-control-request-method"] = methods
    if names:
        headers[b"access-control-request-headers"] = names
    decision = CorsPolicy(A).decide(headers, method=method)
    shown = dict(decision.headers).get(b"access-control-allow-origin")
    trusted = len(origins) == 1 and origins[0] in {O, b"https://a.example.org"}
    if shown is not None:
        assert trusted
        assert shown == origins[0]
    elif trusted:
        assert isinstance(decision, PreflightDenied)
    assert any(name == b"vary" for name, _ in decision.headers)
