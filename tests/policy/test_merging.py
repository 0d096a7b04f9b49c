"""Override over app over default, line by line, and nothing unrelated is ever lost."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest

from asgi_security.policy.csp import NONCE
from asgi_security.policy.headers import SecurityHeadersConfig
from asgi_security.policy.merging import build_headers, is_document

if TYPE_CHECKING:
    from asgi_security.policy.merging import HeaderEdit, HeaderPlan

CSP = b"content-security-policy"
HSTS = b"strict-transport-security"
APP_CSP = (CSP, b"img-src *")


def decide(plan: HeaderPlan, *headers: tuple[bytes, bytes], **facts: Any) -> HeaderEdit:
    usual: dict[str, Any] = {
        "status": 200,
        "nonce": None,
        "overrides": {},
        "private": False,
        "host": "a.test",
    }
    return plan.decide(headers, **{**usual, **facts})


def merge(
    config: SecurityHeadersConfig, *headers: tuple[bytes, bytes], secure: bool = True, **facts: Any
) -> list[tuple[bytes, bytes]]:
    plans = build_headers(config)
    edit = decide(plans.secure if secure else plans.plain, *headers, **facts)
    return [*(line for line in headers if line[0] not in edit.drop), *edit.add]


def values(lines: list[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    return [value for key, value in lines if key == name]


def make(**fields: Any) -> SecurityHeadersConfig:
    return SecurityHeadersConfig(**fields)


def test_CORS56_the_fast_lines_are_what_is_decided_without_inner_headers() -> None:
    for config in (make(), SecurityHeadersConfig.api(), SecurityHeadersConfig.strict()):
        plans = build_headers(config)
        for plan in (plans.secure, plans.plain):
            assert decide(plan).add == plan.lines
            assert decide(plan, private=True).add == plan.private_lines
            names = [name for name, _ in plan.lines]
            assert len(names) == len(set(names))
    assert build_headers(make()).secure.is_constant
    assert not build_headers(SecurityHeadersConfig.strict()).secure.is_constant
    assert not build_headers(make(csp_applies_to="documents")).secure.is_constant
    assert not build_headers(make(csp_applies_to="documents")).secure.is_unread(None, 200)
    strict = build_headers(SecurityHeadersConfig.strict()).secure
    assert strict.is_unread(None, 200)
    assert not strict.is_unread(None, 304)
    assert not strict.is_unread("N", 200)
    assert build_headers(make(csp=None, csp_applies_to="documents")).secure.is_constant


INNER = (
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"set-cookie", b"a=1"),
    (b"set-cookie", b"b=2"),
    (b"server", b"secret/1.0"),
)


@pytest.mark.parametrize(
    ("mode", "framing"),
    [
        pytest.param("keep", [b"SAMEORIGIN"], id="CORS57 kept"),
        pytest.param("append", [b"SAMEORIGIN"], id="CORS57 append keeps too"),
        pytest.param("enforce", [b"DENY"], id="CORS57 enforced"),
    ],
)
def test_CORS57_CORS67_no_unrelated_line_is_lost_in_any_order(
    mode: str, framing: list[bytes]
) -> None:
    config = make(merge=mode)
    for headers in permutations(INNER):
        lines = merge(config, *headers)
        assert values(lines, b"x-frame-options") == framing
        assert sorted(values(lines, b"set-cookie")) == [b"a=1", b"b=2"]
        assert values(lines, b"server") == []
        assert values(lines, b"x-content-type-options") == [b"nosniff"]


def test_CORS57_enforce_removes_every_inner_copy() -> None:
    twice = ((b"x-frame-options", b"SAMEORIGIN"), (b"x-frame-options", b"ALLOW"))
    assert values(merge(make(merge="enforce"), *twice), b"x-frame-options") == [b"DENY"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({}, [b"img-src *"], id="CORS58 default keeps the inner"),
        pytest.param({"merge": "append"}, [b"img-src *", b"img-src 'none'"], id="CORS58 both"),
        pytest.param({"merge": "enforce"}, [b"img-src 'none'"], id="CORS58 ours"),
        pytest.param(
            {"merge": "append", "overrides": {"content-security-policy": "font-src *"}},
            [b"font-src *"],
            id="P27 an override is never doubled",
        ),
    ],
)
def test_CORS58_inner_policies(fields: dict[str, Any], expected: list[bytes]) -> None:
    assert values(merge(make(csp="img-src 'none'", **fields), APP_CSP), CSP) == expected


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        pytest.param({"X-Frame-Options": "DENY"}, [b"DENY"], id="P27 override over app"),
        pytest.param({"X-Frame-Options": None}, [], id="P27 None removes the app's too"),
        pytest.param({}, [b"SAMEORIGIN"], id="P27 app over default"),
    ],
)
def test_P27_precedence(override: dict[str, str | None], expected: list[bytes]) -> None:
    lines = merge(make(overrides=override), (b"x-frame-options", b"SAMEORIGIN"))
    assert values(lines, b"x-frame-options") == expected


def test_CORS59_hsts_only_over_tls() -> None:
    assert values(merge(make()), HSTS) == [b"max-age=63072000; includeSubDomains"]
    assert values(merge(make(), secure=False), HSTS) == []
    asked = {HSTS: b"max-age=5"}
    assert values(merge(make(), secure=False, overrides=asked), HSTS) == []
    assert values(merge(make(), overrides=asked), HSTS) == [b"max-age=5"]
    enforced = make(merge="enforce")
    assert values(merge(enforced, (HSTS, b"max-age=1"), secure=False), HSTS) == []


def test_CORS69_an_override_of_this_response_wins_over_all() -> None:
    config = make(overrides={"x-frame-options": "DENY"}, merge="enforce")
    asked = {b"x-frame-options": b"SAMEORIGIN", b"referrer-policy": None, b"x-new": b"1"}
    lines = merge(config, (b"x-new", b"0"), (b"referrer-policy", b"origin"), overrides=asked)
    assert values(lines, b"x-frame-options") == [b"SAMEORIGIN"]
    assert values(lines, b"referrer-policy") == []
    assert values(lines, b"x-new") == [b"1"]


NONCED = {"csp": {"script-src": [NONCE]}, "csp_report_only": {"script-src": [NONCE, "https:"]}}


def test_CORS60_CORS62_the_nonce_is_in_both_policies() -> None:
    lines = merge(make(**NONCED), nonce="N")
    assert values(lines, CSP) == [b"script-src 'nonce-N'"]
    assert values(lines, CSP + b"-report-only") == [b"script-src 'nonce-N' https:"]
    assert values(merge(make(**NONCED)), CSP) == [b"script-src 'none'"]


def test_CORS61_a_304_carries_no_nonce_policy() -> None:
    for nonce in (None, "N"):
        lines = merge(make(**NONCED), status=304, nonce=nonce)
        assert values(lines, CSP) == values(lines, CSP + b"-report-only") == []
        assert values(lines, b"x-frame-options") == [b"DENY"]
    assert values(merge(make(csp="img-src *"), status=304), CSP) == [b"img-src *"]


@pytest.mark.parametrize(
    ("caching", "nonce", "leaks"),
    [
        pytest.param([b"public, max-age=60"], "N", True, id="CORS61 public"),
        pytest.param([b"no-transform", b"Public"], "N", True, id="CORS61 second line"),
        pytest.param([b"s-maxage=60"], "N", True, id="CORS61 shared"),
        pytest.param([b"private"], "N", False, id="CORS61 private"),
        pytest.param([], "N", False, id="CORS61 nothing said"),
        pytest.param([b"public"], None, False, id="CORS61 not read"),
    ],
)
def test_CORS61_a_nonce_in_a_shared_cache(
    caching: list[bytes], nonce: str | None, *, leaks: bool
) -> None:
    plan = build_headers(make()).secure
    headers = [(b"cache-control", value) for value in caching]
    assert decide(plan, *headers, nonce=nonce).leaks_nonce is leaks


@pytest.mark.parametrize(
    ("secure", "host", "sent"),
    [
        pytest.param(True, "a.test", True, id="CORS65 https"),
        pytest.param(False, "a.test", False, id="CORS65 http"),
        pytest.param(False, "localhost:8000", True, id="CORS65 loopback"),
        pytest.param(False, "", False, id="CORS65 no host"),
    ],
)
def test_CORS65_clear_site_data(host: str, *, secure: bool, sent: bool) -> None:
    name = b"clear-site-data"
    line = (name, b'"cookies"')
    assert bool(values(merge(make(), line, secure=secure, host=host), name)) is sent
    asked = {name: b'"cookies"'}
    lines = merge(make(), secure=secure, host=host, overrides=asked)
    assert bool(values(lines, name)) is sent
    assert name in build_headers(make()).plain.touched
    extra = make(extra={"Clear-Site-Data": '"cache"'})
    assert bool(values(merge(extra, secure=secure), name)) is secure


@pytest.mark.parametrize(
    ("private", "fields", "headers", "expected"),
    [
        pytest.param(True, {}, [], [b"no-store"], id="CORS66 added"),
        pytest.param(True, {}, [b"max-age=5"], [b"max-age=5"], id="CORS66 the app's is kept"),
        pytest.param(False, {}, [], [], id="CORS66 no credential"),
        pytest.param(True, {"no_store_private": False}, [], [], id="CORS66 switched off"),
    ],
)
def test_CORS66_private_responses(
    fields: dict[str, Any], headers: list[bytes], expected: list[bytes], *, private: bool
) -> None:
    lines = [(b"cache-control", value) for value in headers]
    merged = merge(make(**fields), *lines, private=private)
    assert values(merged, b"cache-control") == expected


def test_CORS66_an_override_of_this_response_is_kept() -> None:
    for value in (b"private", None):
        lines = merge(make(), private=True, overrides={b"cache-control": value})
        assert values(lines, b"cache-control") == ([value] if value else [])


@pytest.mark.parametrize(
    ("content_type", "document"),
    [
        (None, True),
        (b"text/html; charset=utf-8", True),
        (b"TEXT/HTML", True),
        (b"image/svg+xml", True),
        (b"application/xhtml+xml", True),
        (b"application/json", False),
        (b"image/png", False),
        (b"\xff", False),
    ],
)
def test_CORS71_the_policy_can_be_kept_to_documents(
    content_type: bytes | None, *, document: bool
) -> None:
    assert is_document(content_type) is document
    headers = [] if content_type is None else [(b"content-type", content_type)]
    lines = merge(make(csp_applies_to="documents"), *headers)
    assert bool(values(lines, CSP)) is document
    assert values(lines, b"x-content-type-options") == [b"nosniff"]
    assert values(lines, b"cross-origin-resource-policy") == [b"same-origin"]
    assert len(values(merge(make(), *headers), CSP)) == 1


def test_upgrade_insecure_requests_is_for_https() -> None:
    config = make(csp="upgrade-insecure-requests")
    assert values(merge(config), CSP) == [b"upgrade-insecure-requests"]
    assert values(merge(config, secure=False), CSP) == []


def test_CORS54_a_handshake_gets_hsts_and_nothing_else() -> None:
    plan = build_headers(make()).handshake
    assert decide(plan, status=101).add == ((HSTS, b"max-age=63072000; includeSubDomains"),)
    assert decide(plan, (HSTS, b"max-age=1"), status=101).add == ()
    assert build_headers(make(hsts=None)).handshake.lines == ()
    enforced = decide(build_headers(make(merge="enforce")).handshake, (HSTS, b"max-age=1"))
    assert enforced.drop == frozenset({HSTS})
    assert len(enforced.add) == 1
