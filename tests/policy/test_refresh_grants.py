from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_security.policy.refresh_grants import (
    RESERVED_CLAIMS,
    Denied,
    Granted,
    RefreshGrant,
    build_access_claims,
    check_claims,
    check_scopes,
    decide_refresh,
    encode_grant,
    parse_grant,
)

GRANT = RefreshGrant(
    claims={"roles": ["admin"]},
    scopes=("read", "write", "admin"),
    amr=("pwd", "otp"),
    auth_time=1000.5,
    client_id="app",
    confirmation="thumbprint",
)
BARE = RefreshGrant(auth_time=0.0)


@pytest.mark.parametrize("grant", [GRANT, BARE])
def test_R89_a_grant_comes_back(grant: RefreshGrant) -> None:
    assert parse_grant(encode_grant(grant)) == grant


@pytest.mark.parametrize(
    ("claims", "error"),
    [({"x": object()}, TypeError), ({"x": math.nan}, ValueError), ({"x": b""}, TypeError)],
    ids=["an object", "NaN", "bytes"],
)
def test_claims_are_what_json_can_hold(claims: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        encode_grant(RefreshGrant(claims=claims, auth_time=0.0))


def break_it(before: bytes, after: bytes) -> bytes:
    encoded = encode_grant(GRANT)
    assert before in encoded
    return encoded.replace(before, after)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"{}", id="an empty object"),
        pytest.param(break_it(b'{"roles":["admin"]}', b"[]"), id="claims of another kind"),
        pytest.param(break_it(b'["read","write","admin"]', b'"read"'), id="scopes in a string"),
        pytest.param(break_it(b'"write"', b"5"), id="a scope that is a number"),
        pytest.param(break_it(b'["pwd","otp"]', b"null"), id="no amr"),
        pytest.param(break_it(b"1000.5", b"null"), id="no auth_time"),
        pytest.param(break_it(b"1000.5", b"true"), id="auth_time of another kind"),
        pytest.param(break_it(b"1000.5", b"1e400"), id="an endless auth_time"),
        pytest.param(break_it(b'"app"', b"5"), id="a client of another kind"),
        pytest.param(break_it(b'"thumbprint"', b"[]"), id="a key of another kind"),
    ],
)
def test_what_is_no_grant_is_none(data: bytes) -> None:
    assert parse_grant(data) is None


@given(st.binary(max_size=60))
def test_parsing_never_raises(data: bytes) -> None:
    assert parse_grant(data) is None


@pytest.mark.parametrize(
    ("scope", "wanted"),
    [
        pytest.param(None, Granted(("read", "write", "admin")), id="R92 left out: all"),
        pytest.param("", Granted(("read", "write", "admin")), id="R92 empty: all"),
        pytest.param("read", Granted(("read",)), id="R92 narrower"),
        pytest.param("admin read read", Granted(("read", "admin")), id="R92 in the first order"),
        pytest.param("read delete", Denied("scope_widened"), id="R92 wider"),
        pytest.param("READ", Denied("scope_widened"), id="R92 another case"),
        pytest.param("read  write", Denied("scope_widened"), id="R92 two blanks"),
        pytest.param(" read", Denied("scope_widened"), id="R92 a blank before"),
        pytest.param("read\twrite", Denied("scope_widened"), id="R92 a tab"),
    ],
)
def test_R92_a_scope_may_narrow_and_never_widen(scope: str | None, wanted: object) -> None:
    got = decide_refresh(GRANT, client_id="app", confirmation="thumbprint", scope=scope)
    assert got == wanted


def test_R92_nothing_can_be_had_of_nothing() -> None:
    assert decide_refresh(BARE, scope="read") == Denied("scope_widened")
    assert decide_refresh(BARE) == Granted(())


@pytest.mark.parametrize(
    ("client_id", "confirmation", "wanted"),
    [
        pytest.param(None, "thumbprint", "client_mismatch", id="R92 no client"),
        pytest.param("APP", "thumbprint", "client_mismatch", id="R92 another client"),
        pytest.param("app", None, "key_mismatch", id="R92 no key"),
        pytest.param("app", "thumbprint2", "key_mismatch", id="R92 another key"),
        pytest.param("other", "other", "client_mismatch", id="R92 neither"),
    ],
)
def test_R92_only_whom_it_was_granted(
    client_id: str | None, confirmation: str | None, wanted: str
) -> None:
    got = decide_refresh(GRANT, client_id=client_id, confirmation=confirmation, scope="x")
    assert isinstance(got, Denied)
    assert got.reason == wanted


def test_R92_a_grant_that_names_nobody_is_anybodys() -> None:
    assert decide_refresh(BARE, client_id="app", confirmation="key") == Granted(())


def test_P23_access_claims() -> None:
    claims = {"roles": ["user"]}
    got = build_access_claims(GRANT, subject="ada", scopes=("read", "admin"), claims=claims)
    assert got == {
        "roles": ["user"],
        "sub": "ada",
        "auth_time": 1000,
        "scope": "read admin",
        "amr": ["pwd", "otp"],
        "client_id": "app",
        "cnf": {"jkt": "thumbprint"},
    }
    assert claims == {"roles": ["user"]}
    bare = build_access_claims(BARE, subject="ada", scopes=(), claims={})
    assert bare == {"sub": "ada", "auth_time": 0}


def test_R93_a_login_makes_no_claims_of_ours() -> None:
    stated = build_access_claims(GRANT, subject="ada", scopes=("read",), claims={})
    assert set(stated) <= RESERVED_CLAIMS
    assert check_claims({"exp": 1, "sub": "bob", "roles": []}) == ("exp", "sub")
    assert check_claims({"roles": [], "acr": "2"}) == ()


def test_R92_scopes_have_no_blanks() -> None:
    scopes = ("read", "a b", "", 'quo"te', "back\\slash", "ünïcode", "ok:1")
    assert check_scopes(scopes) == scopes[1:-1]


def test_no_repr_shows_claims() -> None:
    assert "admin" not in repr(RefreshGrant(claims={"roles": ["admin"]}, auth_time=0.0))
