"""Checked by mypy, never run: what a user's code may say of the public names."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_type

from litestar import Litestar
from quart import Quart
from starlette.applications import Starlette
from starlette.middleware import Middleware

from asgi_security import (
    ClientConfig,
    CorsConfig,
    CorsMiddleware,
    Introspected,
    IntrospectionConfig,
    IntrospectionMiddleware,
    IntrospectionRefused,
    IntrospectionUnavailable,
    Introspector,
    JwtConfig,
    KeyRing,
    LockoutConfig,
    LockoutStatus,
    LoginRouteConfig,
    SecurityContext,
    SecurityHeadersConfig,
    SessionConfig,
    SessionMiddleware,
    add_security,
    compute_lockout,
    current,
    harden,
    open_store,
    sign_cookie,
    verify_cookie,
    verify_jws,
    verify_jwt,
)
from asgi_security.crypto.jwt import RefusedJws, VerifiedJws
from asgi_security.flows.jwt import Refused, Verified

if TYPE_CHECKING:
    from asgi_security.asgi.types import Receive, Scope, Send


async def bare(scope: Scope, receive: Receive, send: Send) -> None: ...


def check_wrapping() -> None:
    for app in (bare, Starlette(), Quart(__name__), Litestar()):
        harden(app, cors=CorsConfig(allow_origins=["https://a.test"]))
        CorsMiddleware(app, allow_origins=["https://a.test"])
        SessionMiddleware(app, SessionConfig(secret=b"s" * 32, old_secrets=["o" * 32]))
    Starlette(middleware=[Middleware(CorsMiddleware, allow_origins=["https://a.test"])])
    Starlette().add_middleware(SessionMiddleware, secret="s" * 32)
    assert_type(add_security(Starlette()), Starlette)


def check_configurations() -> None:
    store = open_store("memory://")
    harden(
        bare,
        headers=SecurityHeadersConfig.strict(),
        clients=ClientConfig(trusted_proxies=["10.0.0.0/8"]),
        lockout=LockoutConfig(threshold=5, old_secrets=["o" * 32]),
        login=LoginRouteConfig(outcome="form", login_paths=["/login"]),
        jwt=JwtConfig(secret="s" * 32, old_secrets=["o" * 32], algorithms=["HS256"]),
        store=store,
    )
    CorsConfig(allow_origin=[])  # type: ignore[call-arg] # a misspelt field is seen here too


async def check_introspection(token: str) -> None:
    config = IntrospectionConfig(url="https://a.test", client_id="api", client_secret="s")
    IntrospectionMiddleware(bare, config)
    harden(bare, introspection=config)
    outcome = await Introspector(config).verify(token, now=0.0)
    assert_type(outcome, Introspected | IntrospectionRefused | IntrospectionUnavailable)


def check_results(token: str) -> None:
    assert_type(current(), SecurityContext)
    assert_type(compute_lockout(5, LockoutConfig()), LockoutStatus)
    assert_type(sign_cookie({}, secret="s" * 32), str)
    verify_cookie("", secret="s" * 32)["sub"]
    assert_type(verify_jwt(token, JwtConfig(secret="s" * 32), now=0.0), Verified | Refused)
    ring = KeyRing.from_secrets("s" * 32, ["o" * 32])
    assert_type(verify_jws(token, ring, algorithms=["HS256"]), VerifiedJws | RefusedJws)
