"""Security for any ASGI app: headers, CORS, sessions, JWT and lockout as raw ASGI middlewares."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asgi_security.asgi.context import SecurityContext, current
    from asgi_security.crypto.jwt import verify_jws
    from asgi_security.crypto.keys import KeyRing
    from asgi_security.crypto.passwords import Argon2Profile, PasswordHasher, ScryptProfile
    from asgi_security.errors import ConfigError, Problem, SignatureError, StorageError
    from asgi_security.events import SecurityEvent
    from asgi_security.flows.breaches import BreachChecker
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
    from asgi_security.flows.passwords import Passwords
    from asgi_security.flows.sessions import (
        SessionInfo,
        list_sessions,
        revoke_all_sessions,
        revoke_other_sessions,
        revoke_session,
    )
    from asgi_security.flows.throttle import SendThrottle, Throttle
    from asgi_security.guards.denials import AccessDenied, access_errors, answer_denied
    from asgi_security.guards.guard import authorize, check, load_once
    from asgi_security.guards.requirements import (
        all_of,
        any_of,
        not_,
        owns_resource,
        requires,
        requires_any,
        satisfies,
    )
    from asgi_security.middleware.access import AccessMiddleware
    from asgi_security.middleware.clients import ClientMiddleware
    from asgi_security.middleware.cors import CorsMiddleware
    from asgi_security.middleware.csrf import CsrfMiddleware
    from asgi_security.middleware.headers import SecurityHeadersMiddleware
    from asgi_security.middleware.hosts import HostsMiddleware
    from asgi_security.middleware.jwt import JwtMiddleware
    from asgi_security.middleware.lockout import LockoutMiddleware
    from asgi_security.middleware.sessions import SessionMiddleware
    from asgi_security.middleware.throttle import ThrottleMiddleware
    from asgi_security.policy.access import Allowed, Denied
    from asgi_security.policy.access_roles import Roles
    from asgi_security.policy.access_rules import AccessConfig, forbid, permit
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
    from asgi_security.policy.passwords import PasswordPolicy, PasswordViolation, check_password
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
    "AccessConfig",
    "AccessDenied",
    "AccessMiddleware",
    "Allowed",
    "Argon2Profile",
    "BreachChecker",
    "ClientConfig",
    "ClientMiddleware",
    "ConfigError",
    "ContentSecurityPolicy",
    "CookieConfig",
    "CorsConfig",
    "CorsMiddleware",
    "CsrfConfig",
    "CsrfMiddleware",
    "Denied",
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
    "PasswordHasher",
    "PasswordPolicy",
    "PasswordViolation",
    "Passwords",
    "PostgresStore",
    "Principal",
    "Problem",
    "RedisStore",
    "Roles",
    "ScryptProfile",
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
    "access_errors",
    "add_security",
    "all_of",
    "answer_denied",
    "any_of",
    "authorize",
    "check",
    "check_password",
    "compute_ip_hash",
    "compute_lockout",
    "current",
    "forbid",
    "get_lockout_status",
    "harden",
    "issue_jwt",
    "list_sessions",
    "load_once",
    "not_",
    "open_store",
    "owns_resource",
    "permit",
    "record_attempt",
    "requires",
    "requires_any",
    "revoke_all_sessions",
    "revoke_other_sessions",
    "revoke_session",
    "revoke_token",
    "satisfies",
    "sign_cookie",
    "verify_cookie",
    "verify_jws",
    "verify_jwt",
]

_HOMES = {
    "AccessConfig": "policy.access_rules",
    "AccessDenied": "guards.denials",
    "AccessMiddleware": "middleware.access",
    "Allowed": "policy.access",
    "Argon2Profile": "crypto.passwords",
    "BreachChecker": "flows.breaches",
    "ClientConfig": "policy.clients",
    "ClientMiddleware": "middleware.clients",
    "ConfigError": "errors",
    "ContentSecurityPolicy": "policy.csp",
    "CookieConfig": "policy.cookies",
    "CorsConfig": "policy.cors",
    "CorsMiddleware": "middleware.cors",
    "CsrfConfig": "policy.csrf",
    "CsrfMiddleware": "middleware.csrf",
    "Denied": "policy.access",
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
    "PasswordHasher": "crypto.passwords",
    "PasswordPolicy": "policy.passwords",
    "PasswordViolation": "policy.passwords",
    "Passwords": "flows.passwords",
    "PostgresStore": "storage.postgres",
    "Principal": "principal",
    "Problem": "errors",
    "RedisStore": "storage.redis",
    "Roles": "policy.access_roles",
    "ScryptProfile": "crypto.passwords",
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
    "access_errors": "guards.denials",
    "add_security": "stack",
    "all_of": "guards.requirements",
    "answer_denied": "guards.denials",
    "any_of": "guards.requirements",
    "authorize": "guards.guard",
    "check": "guards.guard",
    "check_password": "policy.passwords",
    "compute_ip_hash": "flows.lockout_guide",
    "compute_lockout": "flows.lockout_guide",
    "current": "asgi.context",
    "forbid": "policy.access_rules",
    "get_lockout_status": "flows.lockout_guide",
    "harden": "stack",
    "issue_jwt": "flows.issuing",
    "list_sessions": "flows.sessions",
    "load_once": "guards.guard",
    "not_": "guards.requirements",
    "open_store": "storage.opening",
    "owns_resource": "guards.requirements",
    "permit": "policy.access_rules",
    "record_attempt": "flows.lockout_guide",
    "requires": "guards.requirements",
    "requires_any": "guards.requirements",
    "revoke_all_sessions": "flows.sessions",
    "revoke_other_sessions": "flows.sessions",
    "revoke_session": "flows.sessions",
    "revoke_token": "flows.jwt",
    "satisfies": "guards.requirements",
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
