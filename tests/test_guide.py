"""The guide's snippets, adapted in their imports alone.

One thing is changed besides: the guide writes secrets such as "k1". A secret below 32 bytes can be
guessed, so ours refuses it, and a test shows that.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI, HTTPException

from asgi_security import (
    ConfigError,
    LockoutConfig,
    LockoutStatus,
    MemoryStore,
    SignatureError,
    add_security,
    compute_lockout,
    get_lockout_status,
    issue_jwt,
    record_attempt,
    sign_cookie,
    verify_cookie,
)
from asgi_security.flows.jwt import verify_jwt
from asgi_security.flows.lockout_guide import compute_ip_hash
from asgi_security.settings import load_jwt_config
from asgi_security.testing import call

if TYPE_CHECKING:
    from asgi_security.testing import FakeClock

K1, K0 = "k1" * 16, "k0" * 16

GUIDE_CSP = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net; "
    "style-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net; img-src 'self' data: https:; "
    "connect-src 'self'; font-src 'self' https://cdn.jsdelivr.net; frame-ancestors 'none'; "
    "base-uri 'self'; form-action 'self'"
)


def test_signed_cookies() -> None:
    sig = sign_cookie({"sub": "user-123"}, secret=K1, exp_seconds=3600)
    payload = verify_cookie(sig, secret=K1, old_secrets=[K0])
    assert payload == {"sub": "user-123"}
    assert verify_cookie(sig, secret=K0, old_secrets=[K1]) == payload
    with pytest.raises(SignatureError):
        verify_cookie(sig, secret=K0)


def test_C17_the_guides_own_secrets_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least 32"):
        sign_cookie({"sub": "user-123"}, secret="k1", exp_seconds=3600)


def test_lockout_config_and_compute_lockout() -> None:
    cfg = LockoutConfig(
        threshold=5, window_minutes=15, base_cooldown_seconds=30, max_cooldown_seconds=3600
    )
    assert cfg == LockoutConfig()
    assert compute_lockout(4, cfg) == LockoutStatus(
        locked=False, next_allowed_at=None, failure_count=4
    )
    now = datetime(2026, 1, 1, tzinfo=UTC)
    waits = []
    for count in (5, 6, 11, 12, 10**9):
        status = compute_lockout(count, cfg=cfg, now=now)
        assert status.locked
        assert status.next_allowed_at is not None
        waits.append((status.next_allowed_at - now).total_seconds())
    assert waits == [30, 60, 1920, 3600, 3600]


@pytest.mark.anyio
async def test_login_integration(clock: FakeClock) -> None:
    session = MemoryStore()
    ip_hash = compute_ip_hash("203.0.113.9", secret=K1)

    async def log_in() -> None:
        status = await get_lockout_status(session, user_id=None, ip_hash=ip_hash, clock=clock)
        if status.locked:
            raise HTTPException(429, headers={"Retry-After": "..."})
        await record_attempt(session, user_id=None, ip_hash=ip_hash, success=False, clock=clock)
        raise HTTPException(400, "LOGIN_BAD_CREDENTIALS")

    statuses = []
    for _ in range(7):
        with pytest.raises(HTTPException) as caught:
            await log_in()
        statuses.append(caught.value.status_code)
    assert statuses == [400] * 5 + [429] * 2
    clock.advance(30)
    with pytest.raises(HTTPException) as caught:
        await log_in()
    assert caught.value.status_code == 400


def test_jwt_rotation_by_environment(clock: FakeClock) -> None:
    config = load_jwt_config({"AUTH_JWT__SECRET": K1, "AUTH_JWT__OLD_SECRETS": f"{K0},{'k9' * 16}"})
    for secret in (K1, K0):
        token = issue_jwt({"sub": "user-123"}, secret=secret, lifetime_seconds=60, clock=clock)
        verified: Any = verify_jwt(token, config, now=clock())
        assert verified.claims["sub"] == "user-123"


@pytest.mark.anyio
async def test_add_security(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESSION_SECRET", K1)
    app = FastAPI()
    add_security(
        app,
        cors_origins=["https://app.example.com"],
        headers_overrides={
            "Content-Security-Policy": "default-src 'self'; script-src 'self'"
        },  # Stricter CSP
        install_session_middleware=True,  # adds the session middleware
    )
    answered = await call(app, headers={"origin": "https://app.example.com"})
    assert answered.value("content-security-policy") == "default-src 'self'; script-src 'self'"
    assert answered.value("access-control-allow-origin") == "https://app.example.com"
    assert answered.value("access-control-allow-credentials") == "true"


@pytest.mark.anyio
async def test_the_second_add_security_of_the_guide() -> None:
    app = FastAPI()
    add_security(
        app,
        headers_overrides={"Strict-Transport-Security": "max-age=63072000; includeSubDomains"},
        enable_hsts_preload=False,
        env={},
    )
    answered = await call(app)
    assert answered.value("strict-transport-security") == "max-age=63072000; includeSubDomains"


@pytest.mark.anyio
async def test_P26_the_default_headers_are_the_guides() -> None:
    app = FastAPI()
    add_security(app, env={})
    answered = await call(app, target="/docs")
    assert answered.status == 200
    expected = {
        "content-security-policy": GUIDE_CSP,
        "strict-transport-security": "max-age=63072000; includeSubDomains",
        "x-frame-options": "DENY",
        "x-content-type-options": "nosniff",
        "referrer-policy": "strict-origin-when-cross-origin",
        "x-xss-protection": "0",
    }
    assert {name: answered.value(name) for name in expected} == expected
    assert answered.value("access-control-allow-origin") is None
