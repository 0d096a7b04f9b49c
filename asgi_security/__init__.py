"""Security for any ASGI app: headers, CORS, sessions, JWT and lockout as raw ASGI middlewares."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asgi_security.asgi.context import SecurityContext, current
    from asgi_security.crypto.jwt import verify_jws
    from asgi_security.crypto.keys import KeyRing
    from asgi_security.errors import ConfigError, Problem, SignatureError, StorageError
    from asgi_security.events import SecurityEvent
    from asgi_security.flows.cookies import sign_cookie, verify_cookie
    from asgi_security.flows.issuing import issue_jwt
    from asgi_security.flows.jwt import JwtVerifier, revoke_token, verify_jwt
    from asgi_security.flows.lockout import Lockout
    from asgi_security.flows.lockout_guide import (
        compute_ip_hash,
        compute_lockout,
        get_lockout_status,
        record_attempt,
    )
    from asgi_security.flows.sessions import (
        SessionInfo,
        list_sessions,
        revoke_all_sessions,
        revoke_other_sessions,
        revoke_session,
    )
    from asgi_security.flows.throttle import SendThrottle, Throttle
    from asgi_security.middleware.clients import ClientMiddleware
    from asgi_security.middleware.cors import CorsMiddleware
    from asgi_security.middleware.csrf import CsrfMiddleware
    from asgi_security.middleware.headers import SecurityHeadersMiddleware
    from asgi_security.middleware.hosts import HostsMiddleware
    from asgi_security.middleware.jwt import JwtMiddleware
    from asgi_security.middleware.lockout import LockoutMiddleware
    from asgi_security.middleware.sessions import SessionMiddleware
    from asgi_security.middleware.throttle import ThrottleMiddleware
    from asgi_security.policy.clients import ClientConfig
    from asgi_security.policy.cookies import CookieConfig
    from asgi_security.policy.cors import CorsConfig
    from asgi_security.policy.csp import ContentSecurityPolicy
    from asgi_security.policy.csrf import CsrfConfig
    from asgi_security.policy.headers import SecurityHeadersConfig
    from asgi_security.policy.hosts import HostsConfig
    from asgi_security.policy.jwt import JwtConfig
    from asgi_security.policy.lockout import LockoutConfig, LockoutRules, LockoutStatus
    from asgi_security.policy.login_routes import LoginRouteConfig
    from asgi_security.policy.session_state import Session
    from asgi_security.policy.sessions import SessionConfig
    from asgi_security.policy.throttle import ThrottleConfig
    from asgi_security.principal import Principal
    from asgi_security.stack import add_security, harden
    from asgi_security.storage.memory import MemoryStore
    from asgi_security.storage.opening import open_store
    from asgi_security.storage.postgres import PostgresStore
    from asgi_security.storage.redis import RedisStore
    from asgi_security.storage.sqlite import SqliteStore

__all__ = [
    "ClientConfig",
    "ClientMiddleware",
    "ConfigError",
    "ContentSecurityPolicy",
    "CookieConfig",
    "CorsConfig",
    "CorsMiddleware",
    "CsrfConfig",
    "CsrfMiddleware",
    "HostsConfig",
    "HostsMiddleware",
    "JwtConfig",
    "JwtMiddleware",
    "JwtVerifier",
    "KeyRing",
    "Lockout",
    "LockoutConfig",
    "LockoutMiddleware",
    "LockoutRules",
    "LockoutStatus",
    "LoginRouteConfig",
    "MemoryStore",
    "PostgresStore",
    "Principal",
    "Problem",
    "RedisStore",
    "SecurityContext",
    "SecurityEvent",
    "SecurityHeadersConfig",
    "SecurityHeadersMiddleware",
    "SendThrottle",
    "Session",
    "SessionConfig",
    "SessionInfo",
    "SessionMiddleware",
    "SignatureError",
    "SqliteStore",
    "StorageError",
    "Throttle",
    "ThrottleConfig",
    "ThrottleMiddleware",
    "add_security",
    "compute_ip_hash",
    "compute_lockout",
    "current",
    "get_lockout_status",
    "harden",
    "issue_jwt",
    "list_sessions",
    "open_store",
    "record_attempt",
    "revoke_all_sessions",
    "revoke_other_sessions",
    "revoke_session",
    "revoke_token",
    "sign_cookie",
    "verify_cookie",
    "verify_jws",
    "verify_jwt",
]

_HOMES = {
    "ClientConfig": "policy.clients",
    "ClientMiddleware": "middleware.clients",
    "ConfigError": "errors",
    "ContentSecurityPolicy": "policy.csp",
    "CookieConfig": "policy.cookies",
    "CorsConfig": "policy.cors",
    "CorsMiddleware": "middleware.cors",
    "CsrfConfig": "policy.csrf",
    "CsrfMiddleware": "middleware.csrf",
    "HostsConfig": "policy.hosts",
    "HostsMiddleware": "middleware.hosts",
    "JwtConfig": "policy.jwt",
    "JwtMiddleware": "middleware.jwt",
    "JwtVerifier": "flows.jwt",
    "KeyRing": "crypto.keys",
    "Lockout": "flows.lockout",
    "LockoutConfig": "policy.lockout",
    "LockoutMiddleware": "middleware.lockout",
    "LockoutRules": "policy.lockout",
    "LockoutStatus": "policy.lockout",
    "LoginRouteConfig": "policy.login_routes",
    "MemoryStore": "storage.memory",
    "PostgresStore": "storage.postgres",
    "Principal": "principal",
    "Problem": "errors",
    "RedisStore": "storage.redis",
    "SecurityContext": "asgi.context",
    "SecurityEvent": "events",
    "SecurityHeadersConfig": "policy.headers",
    "SecurityHeadersMiddleware": "middleware.headers",
    "SendThrottle": "flows.throttle",
    "Session": "policy.session_state",
    "SessionConfig": "policy.sessions",
    "SessionInfo": "flows.sessions",
    "SessionMiddleware": "middleware.sessions",
    "SignatureError": "errors",
    "SqliteStore": "storage.sqlite",
    "StorageError": "errors",
    "Throttle": "flows.throttle",
    "ThrottleConfig": "policy.throttle",
    "ThrottleMiddleware": "middleware.throttle",
    "add_security": "stack",
    "compute_ip_hash": "flows.lockout_guide",
    "compute_lockout": "flows.lockout_guide",
    "current": "asgi.context",
    "get_lockout_status": "flows.lockout_guide",
    "harden": "stack",
    "issue_jwt": "flows.issuing",
    "list_sessions": "flows.sessions",
    "open_store": "storage.opening",
    "record_attempt": "flows.lockout_guide",
    "revoke_all_sessions": "flows.sessions",
    "revoke_other_sessions": "flows.sessions",
    "revoke_session": "flows.sessions",
    "revoke_token": "flows.jwt",
    "sign_cookie": "flows.cookies",
    "verify_cookie": "flows.cookies",
    "verify_jws": "crypto.jwt",
    "verify_jwt": "flows.jwt",
}
"""Where each public name lives; imported when it is first asked for (PEP 562)."""


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
