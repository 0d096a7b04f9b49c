"""What an answer of a provider means."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_security.policy.oauth_response import (
    INVALID_GRANT,
    PROVIDER_ERROR,
    PROVIDER_UNAVAILABLE,
    CodeResponse,
    ErrorResponse,
    OAuthRefused,
    TokenError,
    TokenResponse,
    cut_description,
    decide_authorization_error,
    parse_authorization_response,
    parse_token_response,
)

FINE = {"access_token": "a", "token_type": "bearer", "id_token": "i"}


def test_a_code() -> None:
    pairs = [("code", "c"), ("state", "s"), ("iss", "https://a"), ("session_state", "x")]
    assert parse_authorization_response(pairs) == CodeResponse("s", "c", "https://a")
    assert parse_authorization_response(iter(pairs[:2])) == CodeResponse("s", "c", None)


def test_an_error() -> None:
    pairs = [("error", "access_denied"), ("state", "s"), ("error_description", "no")]
    found = parse_authorization_response(pairs)
    assert found == ErrorResponse("s", "access_denied", None, "no")
    assert "no" not in repr(found).replace("None", "")


@pytest.mark.parametrize("word", ["", "a b", "a\n", 'a"', "ä", "a" * 65])
def test_X114_an_error_that_is_no_word(word: str) -> None:
    found = parse_authorization_response([("state", "s"), ("error", word)])
    assert found == ErrorResponse("s", "malformed")


@pytest.mark.parametrize(
    "pairs",
    [
        pytest.param([], id="O99 nothing"),
        pytest.param([("code", "c")], id="O99 no state"),
        pytest.param([("state", ""), ("code", "c")], id="O99 empty state"),
        pytest.param([("state", "s")], id="X111 neither"),
        pytest.param([("state", "s"), ("code", "")], id="X111 empty code"),
        pytest.param([("state", "s"), ("code", "c"), ("error", "e")], id="X111 both"),
        pytest.param([("state", "s"), ("code", "c"), ("code", "c")], id="X111 code twice"),
        pytest.param([("state", "s"), ("state", "s"), ("code", "c")], id="X111 state twice"),
        pytest.param(
            [("state", "s"), ("code", "c"), ("iss", "a"), ("iss", "b")], id="X111 iss twice"
        ),
        pytest.param([("state", "s"), ("code", "c"), ("x", ""), ("x", "")], id="X111 any twice"),
        pytest.param([("state", "s"), ("code", "c" * 8193)], id="a code too long"),
        pytest.param(
            [("state", "s"), ("code", "c"), *((f"x{n}", "") for n in range(31))],
            id="too many",
        ),
    ],
)
def test_X111_what_can_be_read_in_two_ways(pairs: list[tuple[str, str]]) -> None:
    assert parse_authorization_response(pairs) is None


@given(st.lists(st.tuples(st.sampled_from(["state", "code", "error", "iss"]), st.text())))
def test_whatever_comes_is_read_or_refused(pairs: list[tuple[str, str]]) -> None:
    found = parse_authorization_response(pairs)
    if found is not None:
        names = [name for name, _ in pairs]
        assert len(set(names)) == len(names)
        assert ("code" in names) is isinstance(found, CodeResponse)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("access_denied", OAuthRefused(400, "access_denied")),
        ("login_required", OAuthRefused(400, "login_required")),
        ("consent_required", OAuthRefused(400, "login_required")),
        ("temporarily_unavailable", PROVIDER_UNAVAILABLE),
        ("server_error", PROVIDER_ERROR),
        ("invalid_request", PROVIDER_ERROR),
        ("whatever", PROVIDER_ERROR),
    ],
)
def test_X114_errors_in_the_browser(error: str, expected: OAuthRefused) -> None:
    assert decide_authorization_error(error) == expected


def test_tokens() -> None:
    assert parse_token_response(200, FINE) == TokenResponse("a", "i")
    assert parse_token_response(200, {"access_token": "a"}) == TokenResponse("a")
    assert parse_token_response(200, {**FINE, "token_type": "Bearer", "id_token": 1}) == (
        TokenResponse("a")
    )
    assert repr(TokenResponse("a", "i")) == "TokenResponse()"


@pytest.mark.parametrize(
    ("status", "document", "refused", "reason"),
    [
        pytest.param(200, None, PROVIDER_ERROR, "bad_json", id="X114 bad JSON"),
        pytest.param(200, {"error": "e"}, PROVIDER_ERROR, "e", id="X114 200 with error"),
        pytest.param(
            200, {**FINE, "error": None}, PROVIDER_ERROR, "malformed", id="X114 200, odd error"
        ),
        pytest.param(200, {}, PROVIDER_ERROR, "no_access_token", id="X114 nothing"),
        pytest.param(
            200, {**FINE, "access_token": 1}, PROVIDER_ERROR, "no_access_token", id="a number"
        ),
        pytest.param(
            200, {**FINE, "access_token": "a\r\nb"}, PROVIDER_ERROR, "no_access_token", id="CR LF"
        ),
        pytest.param(
            200, {**FINE, "token_type": "DPoP"}, PROVIDER_ERROR, "wrong_token_type", id="DPoP"
        ),
        pytest.param(
            200, {**FINE, "token_type": 1}, PROVIDER_ERROR, "wrong_token_type", id="type of 1"
        ),
        pytest.param(
            400, {"error": "invalid_grant"}, INVALID_GRANT, "invalid_grant", id="X114 grant"
        ),
        pytest.param(
            500, {"error": "invalid_grant"}, PROVIDER_ERROR, "invalid_grant", id="X114 500 grant"
        ),
        pytest.param(
            401, {"error": "invalid_client"}, PROVIDER_ERROR, "invalid_client", id="our fault"
        ),
        pytest.param(400, {"error": ["x"]}, PROVIDER_ERROR, "status_400", id="an odd error"),
        pytest.param(400, None, PROVIDER_ERROR, "status_400", id="X114 400 without JSON"),
        pytest.param(201, FINE, PROVIDER_ERROR, "status_201", id="another success"),
        pytest.param(429, None, PROVIDER_UNAVAILABLE, "status_429", id="X114 too many"),
        pytest.param(503, None, PROVIDER_UNAVAILABLE, "status_503", id="X114 503"),
        pytest.param(
            400,
            {"error": "temporarily_unavailable"},
            PROVIDER_UNAVAILABLE,
            "temporarily_unavailable",
            id="X114 busy",
        ),
    ],
)
def test_X114_no_tokens(
    status: int, document: dict[str, Any] | None, refused: OAuthRefused, reason: str
) -> None:
    assert parse_token_response(status, document) == TokenError(refused, reason)


def test_X114_what_a_provider_says() -> None:
    said = {"error": "e", "error_description": "secret"}
    for status in (200, 400):
        found = parse_token_response(status, said)
        assert isinstance(found, TokenError)
        assert found.description == "secret"
        assert "secret" not in repr(found)
    found = parse_token_response(400, {"error": "e", "error_description": 1})
    assert isinstance(found, TokenError)
    assert found.description == ""


@given(st.text())
def test_X114_a_log_line_is_one_short_line(text: str) -> None:
    line = cut_description(text * 50)
    assert len(line) <= 200
    assert line.isascii()
    assert line.isprintable()
