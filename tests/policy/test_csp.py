"""A policy that a browser would misread is never built; the nonce goes where it belongs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.errors import ConfigError
from asgi_security.policy.csp import (
    NONCE,
    ContentSecurityPolicy,
    build_csp,
    check_report_only,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


def build(directives: object, **fields: Any) -> ContentSecurityPolicy:
    return ContentSecurityPolicy(directives=directives, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("directives", "field", "reason", "hint"),
    [
        pytest.param(
            {"defualt-src": []}, "defualt-src", "unknown", "'default-src'", id="CORS96 misspelt"
        ),
        pytest.param({"zzz": []}, "zzz", "unknown", "extra_directives", id="CORS96 unheard of"),
        pytest.param({3: []}, "directives", "not a mapping", "names", id="CORS96 no string"),
        pytest.param(
            {"img-src": ["self"]}, "img-src", "not quoted", "\"'self'\"", id="CORS96 bare self"
        ),
        pytest.param(
            {"script-src": ["nonce-abc"]},
            *("script-src", "not quoted", NONCE),
            id="CORS96 bare nonce",
        ),
        pytest.param(
            {"script-src": ["sha256-AbC="]},
            *("script-src", "not quoted", "'sha256-AbC='"),
            id="CORS96 bare hash",
        ),
        pytest.param(
            {"script-src": ["'nonce-abc'"]},
            *("script-src", "fixed nonce", NONCE),
            id="a nonce that never changes",
        ),
        pytest.param(
            {"img-src": ["https://a.test;script-src *"]},
            *("img-src", "separator", "%3B"),
            id="CORS96 semicolon in a source",
        ),
        pytest.param(
            {"img-src": ["https://a.test,default-src *"]},
            *("img-src", "separator", "%2C"),
            id="CORS96 comma in a source",
        ),
        pytest.param(
            {"img-src": ["'self' https:"]}, "img-src", "separator", "one source", id="CORS96 space"
        ),
        pytest.param(
            {"img-src": ["https://a.test\r\nx: y"]},
            *("img-src", "separator", "one source"),
            id="CORS95 CRLF in a source",
        ),
        pytest.param({"img-src": [""]}, "img-src", "separator", "one source", id="empty source"),
        pytest.param({"img-src": [7]}, "img-src", "not a list of", "give a list", id="no string"),
        pytest.param(
            {"img-src": ["https://bücher.test"]},
            *("img-src", "visible ASCII", "one source"),
            id="CORS95 not ASCII",
        ),
        pytest.param(
            {"img-src": ["'none'", "https:"]}, "img-src", "'none'", "drop", id="CORS96 none and"
        ),
        pytest.param(
            {"style-src": [NONCE]}, "script-src", "no script-src", "add", id="CORS96 nonce alone"
        ),
        pytest.param(
            {"script-src": ["'self'", "'strict-dynamic'"]},
            *("script-src", "blocks every script", NONCE),
            id="CORS96 strict-dynamic alone",
        ),
        pytest.param(
            {"img-src": ["'unsafe-inline'"]},
            *("img-src", "means nothing", "script-src"),
            id="keyword of another directive",
        ),
        pytest.param(
            {"script-src": [NONCE], "img-src": [NONCE]},
            *("img-src", "means nothing", "script-src"),
            id="nonce for images",
        ),
        pytest.param(
            {"img-src": ["'sha256-AbC='"]},
            *("img-src", "means nothing", "script-src"),
            id="hash for images",
        ),
        pytest.param(
            {"script-src": ["'unsafe-inlin'"]},
            *("script-src", "not a keyword", "'unsafe-inline'"),
            id="misspelt keyword",
        ),
        pytest.param(
            {"img-src": ["'?'"]}, "img-src", "not a keyword", "known are", id="no keyword at all"
        ),
        pytest.param({"img-src": ["https:///"]}, "img-src", "not a source", "https:", id="no host"),
        pytest.param(
            {"sandbox": ["allow-script"]},
            *("sandbox", "not a known word", "allow-scripts"),
            id="misspelt sandbox word",
        ),
        pytest.param(
            {"upgrade-insecure-requests": ["1"]},
            *("upgrade-insecure-requests", "no values", "empty list"),
            id="flag with a value",
        ),
        pytest.param(
            {"img-src": "'self' https:"},
            *("img-src", "not a list", "[\"'self'\", 'https:']"),
            id="a string for a list",
        ),
        pytest.param(
            (("img-src", []), ("img-src", [])), "directives", "twice", "keep one", id="CORS96 dup"
        ),
        pytest.param({}, "directives", "empty", "at least one", id="empty"),
        pytest.param(None, "directives", "not a mapping", "names", id="nothing"),
        pytest.param(["img-src"], "directives", "not a mapping", "names", id="no pairs"),
    ],
)
def test_a_fault_is_named_with_what_to_write(
    directives: object, field: str, reason: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        build(directives)
    assert [problem.field for problem in raised.value.problems] == [field]
    assert reason in raised.value.problems[0].reason
    assert hint in raised.value.problems[0].hint


def test_CORS99_all_faults_come_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        build({"img-src": ["self"], "font-scr": [], "connect-src": ["'none'", "https:"]})
    assert [p.field for p in raised.value.problems] == ["connect-src", "font-scr", "img-src"]


@pytest.mark.parametrize("bad", ["x y", "x;y", "X\n"])
def test_an_extra_directive_is_a_name_all_the_same(bad: str) -> None:
    with pytest.raises(ConfigError, match="not a directive name"):
        build({bad: []}, extra_directives=[bad])


def test_extra_directives_are_a_list() -> None:
    with pytest.raises(ConfigError, match=r"wrap it in a list: \['new-src'\]"):
        build({"img-src": []}, extra_directives="new-src")


@pytest.mark.parametrize("text", ["img-src *\r\nx: y", "img-src *\x00", "img-src \u20ac"])
def test_CORS95_text_that_no_server_could_send(text: str) -> None:
    with pytest.raises(ConfigError, match="CR, LF, NUL"):
        ContentSecurityPolicy.from_text(text)


def test_an_extra_directive_passes() -> None:
    policy = build({"new-src": ["anything"]}, extra_directives=["new-src"])
    assert policy.text == "new-src anything"


@pytest.mark.parametrize(
    "source",
    [
        *("*", "https:", "data:", "blob:", "a.test", "*.a.test", "https://*.a.test:*", "wss://a"),
        *("http://localhost:8000/path/", "https://[::1]:8443", "'self'", "'report-sample'"),
    ],
)
def test_every_legal_source_passes(source: str) -> None:
    assert build({"connect-src": [source]}).text == f"connect-src {source}"


def test_text_is_read_as_browsers_do() -> None:
    text = " Default-Src 'self' ;;\timg-src\thttps: ; sandbox; media-src; report-to csp"
    policy = ContentSecurityPolicy.from_text(text)
    assert policy.text == (
        "default-src 'self'; img-src https:; sandbox; media-src 'none'; report-to csp"
    )
    assert policy.report_groups == ("csp",)
    assert ContentSecurityPolicy.from_text("img-src *").report_groups == ()
    assert ContentSecurityPolicy.from_value(policy) is policy
    assert ContentSecurityPolicy.from_value(policy.text) == policy
    assert ContentSecurityPolicy.from_value({"img-src": ["*"]}).text == "img-src *"


def test_CORS96_a_duplicate_in_text() -> None:
    with pytest.raises(ConfigError, match="stands twice"):
        ContentSecurityPolicy.from_text("img-src *; IMG-SRC 'none'")


def test_CORS100_a_policy_is_frozen_copied_and_round_trips() -> None:
    sources = ["'self'"]
    directives = {"default-src": sources}
    policy = build(directives)
    sources.append("https:")
    directives["img-src"] = []
    assert policy.text == "default-src 'self'"
    assert eval(repr(policy)) == policy  # noqa: S307 -- that it can be evaluated is the point
    assert hash(policy) == hash(build({"default-src": ["'self'"]}))
    with pytest.raises(AttributeError):
        policy.directives = ()  # type: ignore[misc]


@pytest.mark.parametrize(
    ("directives", "unread", "read"),
    [
        pytest.param(
            {"script-src": [NONCE]},
            "script-src 'none'",
            "script-src 'nonce-N'",
            id="CORS60 never dropped",
        ),
        pytest.param(
            {"script-src": ["'self'", NONCE], "style-src": [NONCE, "https:"]},
            "script-src 'self'; style-src https:",
            "script-src 'self' 'nonce-N'; style-src 'nonce-N' https:",
            id="CORS60 the others stay",
        ),
        pytest.param(
            {"script-src": ["'unsafe-inline'", NONCE, "'self'"]},
            "script-src 'self'",
            "script-src 'unsafe-inline' 'nonce-N' 'self'",
            id="CORS60 unsafe-inline does not come alive",
        ),
        pytest.param(
            {"script-src": ["https:", NONCE, "'strict-dynamic'"]},
            "script-src 'none'",
            "script-src https: 'nonce-N' 'strict-dynamic'",
            id="CORS60 strict-dynamic without a nonce runs nothing",
        ),
        pytest.param(
            {"script-src": [NONCE, "'strict-dynamic'", "'sha256-AbC='"]},
            "script-src 'strict-dynamic' 'sha256-AbC='",
            "script-src 'nonce-N' 'strict-dynamic' 'sha256-AbC='",
            id="CORS60 a hash is left",
        ),
        pytest.param({"img-src": ["*"]}, "img-src *", "img-src *", id="no nonce"),
    ],
)
def test_the_nonce_is_put_in_or_left_out(
    directives: Mapping[str, list[str]], unread: str, read: str
) -> None:
    value = build_csp(build(directives), secure=True)
    assert value.render(None).decode() == unread
    assert value.render("N").decode() == read
    assert value.has_nonce is (unread != read)


def test_insecure_requests_are_not_upgraded_over_plain_http() -> None:
    policy = ContentSecurityPolicy.from_text("upgrade-insecure-requests")
    assert build_csp(policy, secure=True).unread == b"upgrade-insecure-requests"
    assert build_csp(policy, secure=False).unread == b""


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        pytest.param("img-src *; report-uri /r", [], id="fine"),
        pytest.param("img-src *; report-to r", [], id="fine with report-to"),
        pytest.param("img-src *", ["report-to"], id="reports to nobody"),
        pytest.param("sandbox; report-uri /r", ["sandbox"], id="CORS96 sandbox"),
        pytest.param(
            "frame-ancestors 'none'; report-uri /r", ["frame-ancestors"], id="CORS96 framing"
        ),
        pytest.param(
            "upgrade-insecure-requests; report-uri /r", ["upgrade-insecure-requests"], id="upgrade"
        ),
    ],
)
def test_what_does_nothing_in_a_report_is_hinted_at(text: str, fields: list[str]) -> None:
    hints = check_report_only(ContentSecurityPolicy.from_text(text))
    assert [hint.field for hint in hints] == [f"csp_report_only.{field}" for field in fields]


WORDS = st.sampled_from(["script-src", "img-src", NONCE, "'self'", "self", ";", ",", "\n", "é"])


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(), st.lists(WORDS).map(" ".join)))
def test_text_is_refused_or_is_read_back_as_itself(text: str) -> None:
    try:
        policy = ContentSecurityPolicy.from_text(text)
    except ConfigError:
        return
    assert ContentSecurityPolicy.from_text(policy.text) == policy
    for nonce in (None, "N"):
        value = build_csp(policy, secure=True).render(nonce)
        assert b"," not in value
        assert value.decode("ascii").isprintable()
        assert value.count(b";") == len(policy.pairs) - 1
