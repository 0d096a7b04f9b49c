"""The method and header half of a preflight."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.policy.cors_preflight import (
    Granted,
    PreflightTerms,
    Refused,
    parse_requested_headers,
)

A = PreflightTerms(("PUT", "PATCH"), ("X-A", "X-B", "Authorization"), credentials=True)
B = PreflightTerms(("*",), ("*",), credentials=False)
B_AUTHORIZED = PreflightTerms(("*",), ("Authorization", "*", "X-A"), credentials=False)
ALL_CREDENTIALED = PreflightTerms(("*",), ("*", "X-A"), credentials=True)
NOTHING = PreflightTerms((), (), credentials=False)


def granted(methods: bytes | None = None, headers: bytes | None = None) -> Granted:
    lines = {b"methods": methods, b"headers": headers}
    return Granted(
        tuple((b"access-control-allow-" + name, value) for name, value in lines.items() if value)
    )


@pytest.mark.parametrize(
    ("terms", "methods", "headers", "verdict"),
    [
        pytest.param(A, [b"PUT"], [], granted(b"PUT"), id="CORS17 PUT"),
        pytest.param(A, [b"GET"], [], granted(), id="CORS18 GET"),
        pytest.param(A, [b"HEAD"], [], granted(), id="CORS18 HEAD"),
        pytest.param(NOTHING, [b"POST"], [], granted(), id="CORS18 CORS37 POST"),
        pytest.param(A, [b"put"], [], Refused("method_not_allowed"), id="CORS19 put"),
        pytest.param(A, [b"patch"], [], Refused("method_not_allowed"), id="CORS19 patch"),
        pytest.param(A, [b"get"], [], Refused("method_not_allowed"), id="CORS19 get"),
        pytest.param(A, [b"PURGE"], [], Refused("method_not_allowed"), id="CORS20 PURGE"),
        pytest.param(A, [b"PUT"], [b"x-a"], granted(b"PUT", b"x-a"), id="CORS22 one"),
        pytest.param(A, [b"GET"], [b"x-a,x-b"], granted(headers=b"x-a,x-b"), id="CORS22 two"),
        pytest.param(
            A, [b"GET"], [b"authorization,x-a"], granted(headers=b"authorization,x-a"),
            id="CORS22 authorization",
        ),
        pytest.param(
            A, [b"GET"], [b",, X-B\t,", b"x-a,X-B"], granted(headers=b"x-b,x-a"),
            id="CORS23 OWS, empty elements, two lines, case, duplicates",
        ),
        pytest.param(
            A, [b"GET"], [b"x-a" + b"," * 16], granted(headers=b"x-a"), id="CORS23 16 empty"
        ),
        pytest.param(
            A, [b"GET"], [b"x-a" + b"," * 17], Refused("headers_malformed"), id="CORS24 17 empty"
        ),
        pytest.param(A, [b"GET"], [b"x-c"], Refused("headers_not_allowed"), id="CORS24 unlisted"),
        pytest.param(A, [b"GET"], [b"x b"], Refused("headers_malformed"), id="CORS24 no token"),
        pytest.param(A, [b"GET"], [b";;<>"], Refused("headers_malformed"), id="CORS24 junk"),
        pytest.param(
            ALL_CREDENTIALED, [b"GET"], [b"a" * 4097], Refused("headers_malformed"),
            id="CORS24 4097 bytes",
        ),
        pytest.param(
            ALL_CREDENTIALED, [b"GET"], [b"a" * 4096], granted(headers=b"a" * 4096),
            id="CORS24 4096 bytes",
        ),
        pytest.param(A, [b"GET"], [b""], granted(), id="CORS25 empty is absent"),
        pytest.param(
            A, [b"GET"], [b"x-a", b"x-c"], Refused("headers_not_allowed"), id="CORS26 second line"
        ),
        pytest.param(B, [b"PATCH"], [b"x-z"], granted(b"*", b"*"), id="CORS27 public"),
        pytest.param(B, [b"GET"], [b"authorization"], granted(headers=b"*"), id="CORS28 unlisted"),
        pytest.param(
            B_AUTHORIZED, [b"GET"], [b"authorization"], granted(headers=b"*,authorization"),
            id="CORS28 listed",
        ),
        pytest.param(
            ALL_CREDENTIALED, [b"PURGE"], [b"X-Z, x-y"], granted(b"PURGE", b"x-z,x-y"),
            id="CORS29 wildcards with credentials",
        ),
        pytest.param(
            ALL_CREDENTIALED, [b"*"], [], Refused("method_not_allowed"), id="CORS29 star method"
        ),
        pytest.param(
            ALL_CREDENTIALED, [b"GET"], [b"*"], Refused("headers_not_allowed"),
            id="CORS29 star header",
        ),
        pytest.param(A, [b"PUT", b"PUT"], [], Refused("method_duplicated"), id="CORS31 two lines"),
        pytest.param(A, [b"P T"], [], Refused("method_malformed"), id="CORS31 no token"),
        pytest.param(B, [b""], [], Refused("method_malformed"), id="CORS31 empty"),
        pytest.param(NOTHING, [b"GET"], [b"x-a"], Refused("headers_not_allowed"), id="CORS37 none"),
    ],
)  # fmt: skip
def test_verdicts(
    terms: PreflightTerms, methods: list[bytes], headers: list[bytes], verdict: Granted | Refused
) -> None:
    assert terms.decide(methods, headers) == verdict


@pytest.mark.parametrize(
    ("terms", "lists"),
    [
        (A, granted(b"PATCH,PUT", b"authorization,x-a,x-b")),
        (B, granted(b"*", b"*")),
        (B_AUTHORIZED, granted(b"*", b"*,authorization")),
        (ALL_CREDENTIALED, granted()),
        (NOTHING, granted()),
        (PreflightTerms(("get",), (), credentials=True), granted()),
    ],
)
def test_CORS34_the_lists_for_debugging(terms: PreflightTerms, lists: Granted) -> None:
    assert terms.allowed == lists.headers


def test_CORS91_configured_methods_are_normalised() -> None:
    terms = PreflightTerms(("delete",), (), credentials=False)
    assert terms.decide([b"DELETE"], []) == granted(b"DELETE")
    assert terms.decide([b"delete"], []) == Refused("method_not_allowed")


LINES = st.lists(st.text(", \txXaAbB-;é\x00*", max_size=12).map(str.encode), max_size=4)


@settings(max_examples=300, deadline=None)
@given(LINES | st.lists(st.binary(max_size=30), max_size=4))
def test_CORS24_parsed_names_are_those_of_a_plain_reading(lines: list[bytes]) -> None:
    names = parse_requested_headers(lines)
    elements = [part.strip(b" \t") for line in lines or [b""] for part in line.split(b",")]
    filled = [part.lower().decode("latin-1") for part in elements if part]
    tokens = set("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")
    fine = len(elements) - len(filled) <= 16 and all(not set(part) - tokens for part in filled)
    if names is None:
        assert not fine
    else:
        assert fine
        assert [name.decode() for name in names] == list(dict.fromkeys(filled))


@settings(max_examples=200, deadline=None)
@given(LINES, LINES, st.sampled_from([A, B, B_AUTHORIZED, ALL_CREDENTIALED, NOTHING]))
def test_CORS29_no_answer_holds_more_than_was_asked_and_allowed(
    methods: list[bytes], headers: list[bytes], terms: PreflightTerms
) -> None:
    verdict = terms.decide(methods, headers)
    if isinstance(verdict, Granted):
        for _, value in verdict.headers:
            # As a member: a field name may hold an asterisk, and means no more by it.
            assert (b"*" in value.split(b",")) is (terms in (B, B_AUTHORIZED))
            assert not set(value) & set(b"\r\n\x00 \t")
