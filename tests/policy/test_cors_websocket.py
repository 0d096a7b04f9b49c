"""Who may open a WebSocket."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.policy.cors_websocket import (
    WebSocketAllowed,
    WebSocketDenied,
    WebSocketTerms,
)
from asgi_security.policy.origins import OriginPolicy, parse_origin

LISTED = WebSocketTerms(origins=OriginPolicy(["https://app.example.com"]))
STRICT = WebSocketTerms(origins=OriginPolicy([]), require_origin=True)
OPEN = WebSocketTerms(origins=OriginPolicy([]), allow_any=True)
HOST = [b"chat.test"]


@pytest.mark.parametrize(
    ("terms", "origins", "rule"),
    [
        pytest.param(LISTED, [b"https://chat.test"], None, id="CORS49 same origin"),
        pytest.param(LISTED, [b"http://chat.test"], "origin_not_allowed", id="CORS49 other scheme"),
        pytest.param(LISTED, [b"https://app.example.com"], None, id="CORS50 listed"),
        pytest.param(LISTED, [b"https://evil.test"], "origin_not_allowed", id="CORS51 not listed"),
        pytest.param(LISTED, [b"null"], "origin_malformed", id="CORS51 null"),
        pytest.param(LISTED, [b"https://x y"], "origin_malformed", id="CORS51 malformed"),
        pytest.param(
            LISTED, [b"https://chat.test"] * 2, "origin_duplicated", id="CORS51 duplicated"
        ),
        pytest.param(LISTED, [], None, id="CORS52 none, by default"),
        pytest.param(STRICT, [], "origin_missing", id="CORS52 none, required"),
        pytest.param(STRICT, [b"https://chat.test"], None, id="CORS52 same origin"),
        pytest.param(OPEN, [b"https://evil.test"], None, id="CORS53 any"),
        pytest.param(OPEN, [b"null"], "origin_malformed", id="CORS53 but well-formed"),
    ],
)
def test_decisions(terms: WebSocketTerms, origins: list[bytes], rule: str | None) -> None:
    expected = WebSocketAllowed() if rule is None else WebSocketDenied(rule)
    assert terms.decide(origins, HOST, scheme="wss") == expected


def test_CORS49_a_doubtful_host_is_nobodys_own() -> None:
    for hosts in ([], HOST * 2):
        decision = LISTED.decide([b"https://chat.test"], hosts, scheme="wss")
        assert decision == WebSocketDenied("origin_not_allowed")


def test_a_resolver_may_allow() -> None:
    decision = LISTED.decide([b"https://x.test"], HOST, scheme="wss", resolver_allows=True)
    assert decision == WebSocketAllowed()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=2), st.lists(st.binary(max_size=20)))
def test_CORS51_nothing_foreign_passes(origins: list[bytes], hosts: list[bytes]) -> None:
    for tried in (origins, [b"https://" + origin for origin in origins]):
        if LISTED.decide(tried, hosts, scheme="wss") == WebSocketAllowed():
            assert tried == [b"https://app.example.com"] or (
                parse_origin(tried[0]) is not None and len(tried) == len(hosts) == 1
            )
