"""What the guards of bearer tokens say alike."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from starlette.authentication import AuthCredentials, UnauthenticatedUser

from asgi_security.asgi.bearing import (
    BearerRefusals,
    hide_subprotocol_token,
    name_nobody,
    name_user,
)
from asgi_security.asgi.context import SecurityContext
from asgi_security.asgi.layers import Exchange
from asgi_security.principal import Principal


@pytest.fixture
def exchange() -> Exchange:
    made = Exchange()
    made.scope = {"type": "http", "subprotocols": ["chat", "bearer", "t\xe9", "bearer2"]}
    made.context = SecurityContext()
    return made


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        pytest.param("absent", 401, "TOKEN_REQUIRED", id="B62"),
        pytest.param("invalid_request", 400, "INVALID_REQUEST", id="B64"),
        pytest.param("insufficient_scope", 403, "INSUFFICIENT_SCOPE", id="B67"),
        pytest.param("unavailable", 503, "VERIFICATION_UNAVAILABLE", id="V78"),
        pytest.param("expired", 401, "INVALID_TOKEN", id="B66 a word that may be told"),
        pytest.param("bad_signature", 401, "INVALID_TOKEN", id="B66 any other"),
    ],
)
def test_each_refusal_carries_its_challenge(name: str, status: int, code: str) -> None:
    refusals = BearerRefusals(
        SimpleNamespace(
            absent=b"absent",
            invalid_request=b"invalid_request",
            insufficient_scope=b"insufficient_scope",
            invalid_token={"": b"any other", "expired": b"expired"},
        )
    )
    refusal = getattr(refusals, name, None) or refusals.get_invalid(name)
    assert (refusal.status, refusal.code) == (status, code)
    challenge = {"unavailable": None, "bad_signature": b"any other"}.get(name, name.encode())
    assert dict(refusal.headers).get(b"www-authenticate") == challenge


def test_a_user_is_named_in_the_context_and_as_starlette_does(exchange: Exchange) -> None:
    ada = Principal(subject="ada", via="jwt")
    claims: dict[str, Any] = {"sub": "ada"}
    name_user(exchange, ada, claims, ("read", "write"))
    assert (exchange.context.principal, exchange.context.claims) == (ada, claims)
    assert exchange.context.private
    assert exchange.scope["user"] is ada
    assert isinstance(exchange.scope["auth"], AuthCredentials)
    assert exchange.scope["auth"].scopes == ["read", "write"]


@pytest.mark.parametrize("is_known", [True, False], ids=["a token of nobody's", "no token"])
def test_nobody_is_named_too(exchange: Exchange, *, is_known: bool) -> None:
    if is_known:
        name_user(exchange, None, {}, ())
    else:
        name_nobody(exchange)
    assert isinstance(exchange.scope["user"], UnauthenticatedUser)
    assert exchange.scope["auth"].scopes == []
    assert exchange.context.principal is None
    assert exchange.context.private is is_known


def test_W104_the_app_sees_neither_marker_nor_token(exchange: Exchange) -> None:
    offered = exchange.scope["subprotocols"]
    hide_subprotocol_token(exchange, "bearer", b"t\xe9")
    assert exchange.scope["subprotocols"] == ["chat", "bearer2"]
    assert len(offered) == 4  # the caller's own list is as it was
