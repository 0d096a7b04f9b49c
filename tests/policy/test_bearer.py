from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.policy.bearer import (
    DESCRIPTIONS,
    INVALID,
    BearerPolicy,
    Challenges,
    Fault,
    Found,
    RequestFacts,
    find_in_subprotocols,
    is_b64token,
    is_preflight,
)
from asgi_security.policy.jwt import JwtConfig

SECRET = "current-secret-of-32-bytes-or-so"
ORIGIN = "https://app.test"


def config(**fields: Any) -> JwtConfig:
    return JwtConfig(secret=SECRET, **fields)


EVERYWHERE = BearerPolicy(
    config(cookie_name="token", query_parameter="access_token", trusted_origins=[ORIGIN])
)
HEADER_ONLY = BearerPolicy(config())
GET = RequestFacts("GET")


@pytest.mark.parametrize("rules", [EVERYWHERE, HEADER_ONLY])
@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param([], Fault.ABSENT, id="B62 no Authorization"),
        pytest.param([b"Bearer x"], Found(b"x", "header"), id="B63 Bearer"),
        pytest.param([b"bearer x"], Found(b"x", "header"), id="B63 bearer"),
        pytest.param([b"BEARER x"], Found(b"x", "header"), id="B63 BEARER"),
        pytest.param([b"Bearer   x "], Found(b"x", "header"), id="B63 more space"),
        pytest.param([b"a.b.c"], Fault.ABSENT, id="B63 raw token"),
        pytest.param([b"Basic YTpi"], Fault.ABSENT, id="B63 Basic"),
        pytest.param([b"Bearerx"], Fault.ABSENT, id="B63 another scheme"),
        pytest.param([b""], Fault.ABSENT, id="B63 an empty line"),
        pytest.param([b"Bearer"], Fault.MALFORMED, id="B64 Bearer alone"),
        pytest.param([b"Bearer  "], Fault.MALFORMED, id="B64 Bearer and space"),
        pytest.param([b"Bearer x", b"Bearer x"], Fault.REPEATED, id="B65 two lines"),
        pytest.param([b"Bearer x", b"Basic y"], Fault.REPEATED, id="B65 two schemes"),
    ],
)
def test_the_header(rules: BearerPolicy, lines: list[bytes], expected: Found | Fault) -> None:
    assert rules.decide(lines, GET) == expected


@pytest.mark.parametrize(
    ("lines", "facts", "expected"),
    [
        pytest.param(
            [], RequestFacts("GET", b"access_token=q"), Found(b"q", "query"), id="B68 query on GET"
        ),
        pytest.param(
            [],
            RequestFacts("GET", b"a=1&%61ccess_token=q%2Ez"),
            Found(b"q.z", "query"),
            id="escaped",
        ),
        pytest.param([], RequestFacts("POST", b"access_token=q"), Fault.ABSENT, id="B68 POST"),
        pytest.param([], RequestFacts("GET", b"access_token="), Fault.ABSENT, id="empty"),
        pytest.param([], RequestFacts("GET", b"ACCESS_TOKEN=q"), Fault.ABSENT, id="other case"),
        pytest.param(
            [], RequestFacts(None, b"access_token=q"), Found(b"q", "query"), id="W104 query"
        ),
        pytest.param(
            [],
            RequestFacts("GET", b"access_token=q&access_token=q"),
            Fault.REPEATED,
            id="B65 twice in the query",
        ),
        pytest.param(
            [b"Bearer x"],
            RequestFacts("GET", b"access_token=q"),
            Fault.REPEATED,
            id="B65 header and query",
        ),
        pytest.param(
            [b"Bearer x"], RequestFacts("GET", cookies=(b"c",)), Fault.REPEATED, id="B65 and cookie"
        ),
        pytest.param(
            [b"Bearer x"],
            RequestFacts("GET", b"access_token=q", (b"c",)),
            Fault.REPEATED,
            id="B65 header, query and cookie",
        ),
        pytest.param(
            [], RequestFacts("GET", cookies=(b"a", b"b")), Fault.REPEATED, id="two cookies"
        ),
        pytest.param(
            [b"Basic x"],
            RequestFacts("GET", cookies=(b"c",)),
            Found(b"c", "cookie"),
            id="B65 Basic is no second token",
        ),
    ],
)
def test_places(lines: list[bytes], facts: RequestFacts, expected: Found | Fault) -> None:
    assert EVERYWHERE.decide(lines, facts) == expected


def test_B68_query_and_cookie_are_off_by_default() -> None:
    facts = RequestFacts("GET", b"access_token=q", (b"c",))
    assert HEADER_ONLY.decide([], facts) is Fault.ABSENT
    assert HEADER_ONLY.header_only
    assert not EVERYWHERE.header_only
    assert not BearerPolicy(config(cookie_name="token")).header_only
    assert b"cookie" not in HEADER_ONLY.wants
    assert b"cookie" in EVERYWHERE.wants


TRUSTED, EVIL = ORIGIN.encode(), b"https://evil.test"


@pytest.mark.parametrize(
    ("method", "origins", "sites", "passes"),
    [
        pytest.param("GET", (), (), True, id="B69 safe"),
        pytest.param("HEAD", (EVIL,), (b"cross-site",), True, id="B69 safe, from elsewhere"),
        pytest.param("POST", (), (), False, id="B69 no proof"),
        pytest.param("DELETE", (EVIL,), (), False, id="B69 another origin"),
        pytest.param("POST", (b"null",), (), False, id="B69 null"),
        pytest.param("POST", (TRUSTED, EVIL), (), False, id="B69 two origins"),
        pytest.param("POST", (TRUSTED,), (), True, id="B69 a trusted origin"),
        pytest.param("POST", (), (b"same-origin",), True, id="B69 the browser's word"),
        pytest.param("POST", (), (b"same-site",), False, id="B69 a sibling site"),
        pytest.param("POST", (), (b"none",), False, id="B69 none"),
        pytest.param("POST", (), (b"same-origin", b"cross-site"), False, id="B69 two words"),
        pytest.param("PROPFIND", (), (), False, id="B69 an unknown method"),
        pytest.param(None, (TRUSTED,), (), True, id="W105 a trusted origin"),
        pytest.param(None, (), (), False, id="W105 no origin"),
        pytest.param(None, (EVIL,), (b"same-origin",), False, id="W105 another origin"),
    ],
)
def test_cookies_need_proof(
    method: str | None,
    origins: tuple[bytes, ...],
    sites: tuple[bytes, ...],
    passes: bool,  # noqa: FBT001
) -> None:
    facts = RequestFacts(method, cookies=(b"c",), origins=origins, fetch_sites=sites)
    expected = Found(b"c", "cookie") if passes else Fault.FORGEABLE
    assert EVERYWHERE.decide([], facts) == expected


def test_another_guard_may_prove_it_but_not_for_websockets() -> None:
    rules = BearerPolicy(config(cookie_name="token", dangerously_skip_cookie_csrf=True))
    assert rules.decide([], RequestFacts("POST", cookies=(b"c",))) == Found(b"c", "cookie")
    assert rules.decide([], RequestFacts(None, cookies=(b"c",))) is Fault.FORGEABLE


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        (["bearer", "t"], b"t"),
        (["chat", "bearer", "t"], b"t"),
        (["bearer", "t", "chat"], b"t"),
        (["chat"], None),
        (["bearer"], None),
        ([], None),
    ],
)
def test_W104_subprotocols(offered: list[str], expected: bytes | None) -> None:
    assert find_in_subprotocols(offered, "bearer") == expected
    facts = RequestFacts(None, subprotocols=offered)
    found = Fault.ABSENT if expected is None else Found(expected, "subprotocol")
    assert HEADER_ONLY.decide([], facts) == found
    off = BearerPolicy(config(websocket_protocol=None))
    assert off.decide([], facts) is Fault.ABSENT
    assert HEADER_ONLY.decide([], facts._replace(method="GET")) is Fault.ABSENT


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (b"AZaz09-._~+/==", True),
        (b"", False),
        (b"=", False),
        (b"a=b", False),
        (b"a b", False),
        (b'a"b', False),
        (b"a\xff", False),
    ],
)
def test_B64_b64token(token: bytes, expected: bool) -> None:  # noqa: FBT001
    assert is_b64token(token) == expected


@pytest.mark.parametrize(
    ("method", "origins", "requested", "expected"),
    [
        ("OPTIONS", [b"https://a"], [b"PUT"], True),
        ("OPTIONS", [], [b"PUT"], False),
        ("OPTIONS", [b"https://a"], [], False),
        ("GET", [b"https://a"], [b"PUT"], False),
        (None, [b"https://a"], [b"PUT"], False),
    ],
)
def test_B70_preflights(
    method: str | None,
    origins: list[bytes],
    requested: list[bytes],
    expected: bool,  # noqa: FBT001
) -> None:
    assert is_preflight(method, origins, requested) == expected


@given(
    lines=st.lists(st.binary(max_size=20) | st.sampled_from([b"Bearer x", b"bearer "]), max_size=2),
    query=st.binary(max_size=30) | st.sampled_from([b"access_token=%zz", b"access_token=%ff"]),
    cookies=st.lists(st.binary(max_size=5), max_size=2),
    offered=st.lists(st.text(max_size=5) | st.just("bearer"), max_size=3),
    origins=st.lists(st.binary(max_size=20), max_size=2),
    method=st.sampled_from([None, "GET", "POST"]),
)
@settings(max_examples=200, deadline=None)
def test_it_never_raises(
    lines: list[bytes],
    query: bytes,
    cookies: list[bytes],
    offered: list[str],
    origins: list[bytes],
    method: str | None,
) -> None:
    facts = RequestFacts(method, query, cookies, offered, origins)
    assert isinstance(EVERYWHERE.decide(lines, facts), (Found, Fault))


def test_challenges() -> None:
    made = Challenges(
        config(
            realm="my api",
            required_scopes=["read", "write"],
            resource_metadata="https://a.test/metadata",
        )
    )
    common = b'Bearer realm="my api", resource_metadata="https://a.test/metadata"'
    assert made.absent == common
    assert made.invalid_request.startswith(common + b', error="invalid_request"')
    assert made.insufficient_scope.startswith(common + b', error="insufficient_scope"')
    assert made.insufficient_scope.endswith(b', scope="read write"')
    assert made.invalid_token["expired"] == (
        common + b', error="invalid_token", error_description="The token has expired"'
    )


def test_B66_descriptions_are_plain_words() -> None:
    for text in (*DESCRIPTIONS.values(), INVALID):
        assert text.isascii()
        assert text.replace(" ", "").isalpha()


def test_B71_the_challenge_without_metadata() -> None:
    assert Challenges(config()).absent == b'Bearer realm="api"'
