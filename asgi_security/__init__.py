"""Security for any ASGI app: headers, CORS, sessions, JWT and lockout as raw ASGI middlewares."""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "ClientConfig": "policy.clients",
    "ClientMiddleware": "middleware.clients",
    "ConfigError": "errors",
    "CorsConfig": "policy.cors",
    "CorsMiddleware": "middleware.cors",
    "JwtConfig": "policy.jwt",
    "JwtMiddleware": "middleware.jwt",
    "KeyRing": "crypto.keys",
    "LockoutConfig": "policy.lockout",
    "LockoutMiddleware": "middleware.lockout",
    "LockoutStatus": "policy.lockout",
    "MemoryStore": "storage.memory",
    "Principal": "principal",
    "Problem": "errors",
    "SecurityContext": "asgi.context",
    "SecurityEvent": "events",
    "SecurityHeadersConfig": "policy.headers",
    "SecurityHeadersMiddleware": "middleware.headers",
    "SessionConfig": "policy.sessions",
    "SessionMiddleware": "middleware.sessions",
    "SignatureError": "errors",
    "SqliteStore": "storage.sqlite",
    "StorageError": "errors",
    "add_security": "stack",
    "compute_lockout": "policy.lockout",
    "current": "asgi.context",
    "get_lockout_status": "flows.lockout",
    "harden": "stack",
    "issue_jwt": "flows.jwt",
    "open_store": "storage.opening",
    "record_attempt": "flows.lockout",
    "sign_cookie": "flows.cookies",
    "verify_cookie": "flows.cookies",
    "verify_jws": "crypto.jwt",
    "verify_jwt": "flows.jwt",
}
"""Where each public name lives; imported when it is first asked for (PEP 562)."""

__all__ = tuple(sorted(_HOMES))


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
