"""Security for any ASGI app: guards as raw ASGI middlewares, and accounts around them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from asgi_security.names import HOMES

if TYPE_CHECKING:
    from asgi_security.asgi.context import SecurityContext, current
    from asgi_security.auth import (
        Auth,
        add_openapi,
        auth_pages,
        auth_routes,
        describe_auth,
        mount_auth,
    )
    from asgi_security.crypto.jwt import verify_jws
    from asgi_security.crypto.keys import KeyRing
    from asgi_security.crypto.passwords import Argon2Profile, PasswordHasher, ScryptProfile
    from asgi_security.errors import ConfigError, Problem, SignatureError, StorageError
    from asgi_security.events import SecurityEvent
    from asgi_security.flows.accounts import AccountLife
    from asgi_security.flows.api_keys import ApiKeys
    from asgi_security.flows.audit import AuditLog, verify_export
    from asgi_security.flows.auditing import AuditEntry
    from asgi_security.flows.breaches import BreachChecker
    from asgi_security.flows.cookies import sign_cookie, verify_cookie
    from asgi_security.flows.ending import end_everything
    from asgi_security.flows.introspection import Introspector
    from asgi_security.flows.issuing import issue_jwt
    from asgi_security.flows.jwt import JwtVerifier, revoke_token, verify_jwt
    from asgi_security.flows.lockout import LockedOut, Lockout, Unavailable
    from asgi_security.flows.lockout_guide import (
        compute_ip_hash,
        compute_lockout,
        get_lockout_status,
        record_attempt,
    )
    from asgi_security.flows.login import Login
    from asgi_security.flows.login_outcomes import NeedsMfa, Refused, SignedIn
    from asgi_security.flows.mfa import Mfa
    from asgi_security.flows.oauth import OAuthLogin
    from asgi_security.flows.outbox import Outbox
    from asgi_security.flows.passwords import Passwords
    from asgi_security.flows.refresh import RefreshTokens
    from asgi_security.flows.refresh_outcomes import TokenPair
    from asgi_security.flows.sending import ConsoleSender, Message, Sender
    from asgi_security.flows.sessions import (
        SessionInfo,
        list_sessions,
        revoke_all_sessions,
        revoke_other_sessions,
        revoke_session,
    )
    from asgi_security.flows.smtp import SmtpSender
    from asgi_security.flows.throttle import SendThrottle, Throttle
    from asgi_security.flows.visits import Visit
    from asgi_security.guards.denials import AccessDenied, access_errors, answer_denied
    from asgi_security.guards.guard import authorize, check, load_once
    from asgi_security.guards.requirements import (
        all_of,
        any_of,
        not_,
        owns_resource,
        require_aal,
        require_fresh,
        requires,
        requires_any,
        satisfies,
    )
    from asgi_security.middleware.access import AccessMiddleware
    from asgi_security.middleware.api_keys import ApiKeyMiddleware
    from asgi_security.middleware.clients import ClientMiddleware
    from asgi_security.middleware.cors import CorsMiddleware
    from asgi_security.middleware.csrf import CsrfMiddleware
    from asgi_security.middleware.headers import SecurityHeadersMiddleware
    from asgi_security.middleware.hosts import HostsMiddleware
    from asgi_security.middleware.introspection import IntrospectionMiddleware
    from asgi_security.middleware.jwt import JwtMiddleware
    from asgi_security.middleware.lockout import LockoutMiddleware
    from asgi_security.middleware.sessions import SessionMiddleware
    from asgi_security.middleware.throttle import ThrottleMiddleware
    from asgi_security.policy.access import Allowed, Denied
    from asgi_security.policy.access_roles import Roles
    from asgi_security.policy.access_rules import AccessConfig, forbid, permit
    from asgi_security.policy.accounts import AccountConfig
    from asgi_security.policy.api_keys import ApiKeyConfig
    from asgi_security.policy.audit import AuditConfig
    from asgi_security.policy.clients import ClientConfig
    from asgi_security.policy.cookies import CookieConfig
    from asgi_security.policy.cors import CorsConfig
    from asgi_security.policy.csp import ContentSecurityPolicy
    from asgi_security.policy.csrf import CsrfConfig
    from asgi_security.policy.endpoints import EndpointConfig
    from asgi_security.policy.headers import SecurityHeadersConfig
    from asgi_security.policy.hosts import HostsConfig
    from asgi_security.policy.introspection import IntrospectionConfig
    from asgi_security.policy.introspection_answers import (
        Introspected,
        IntrospectionRefused,
        IntrospectionUnavailable,
    )
    from asgi_security.policy.jwt import JwtConfig
    from asgi_security.policy.lockout import LockoutConfig, LockoutRules, LockoutStatus
    from asgi_security.policy.login import LoginConfig
    from asgi_security.policy.login_routes import LoginRouteConfig
    from asgi_security.policy.mfa import MfaConfig
    from asgi_security.policy.oauth import OAuthConfig
    from asgi_security.policy.oauth_providers import (
        github,
        gitlab,
        google,
        linkedin,
        microsoft,
        oidc,
    )
    from asgi_security.policy.oauth_registration import OAuthProvider
    from asgi_security.policy.passwords import PasswordPolicy, PasswordViolation, check_password
    from asgi_security.policy.refresh import RefreshConfig
    from asgi_security.policy.session_state import Session
    from asgi_security.policy.sessions import SessionConfig
    from asgi_security.policy.throttle import ThrottleConfig
    from asgi_security.principal import Principal
    from asgi_security.settings import load_password_policy
    from asgi_security.settings_auth import load_auth
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
    "AccountConfig",
    "AccountLife",
    "Allowed",
    "ApiKeyConfig",
    "ApiKeyMiddleware",
    "ApiKeys",
    "Argon2Profile",
    "AuditConfig",
    "AuditEntry",
    "AuditLog",
    "Auth",
    "BreachChecker",
    "ClientConfig",
    "ClientMiddleware",
    "ConfigError",
    "ConsoleSender",
    "ContentSecurityPolicy",
    "CookieConfig",
    "CorsConfig",
    "CorsMiddleware",
    "CsrfConfig",
    "CsrfMiddleware",
    "Denied",
    "EndpointConfig",
    "HostsConfig",
    "HostsMiddleware",
    "Introspected",
    "IntrospectionConfig",
    "IntrospectionMiddleware",
    "IntrospectionRefused",
    "IntrospectionUnavailable",
    "Introspector",
    "JwtConfig",
    "JwtMiddleware",
    "JwtVerifier",
    "KeyRing",
    "LockedOut",
    "Lockout",
    "LockoutConfig",
    "LockoutMiddleware",
    "LockoutRules",
    "LockoutStatus",
    "Login",
    "LoginConfig",
    "LoginRouteConfig",
    "MemoryStore",
    "Message",
    "Mfa",
    "MfaConfig",
    "NeedsMfa",
    "OAuthConfig",
    "OAuthLogin",
    "OAuthProvider",
    "Outbox",
    "PasswordHasher",
    "PasswordPolicy",
    "PasswordViolation",
    "Passwords",
    "PostgresStore",
    "Principal",
    "Problem",
    "RedisStore",
    "RefreshConfig",
    "RefreshTokens",
    "Refused",
    "Roles",
    "ScryptProfile",
    "SecurityContext",
    "SecurityEvent",
    "SecurityHeadersConfig",
    "SecurityHeadersMiddleware",
    "SendThrottle",
    "Sender",
    "Session",
    "SessionConfig",
    "SessionInfo",
    "SessionMiddleware",
    "SignatureError",
    "SignedIn",
    "SmtpSender",
    "SqliteStore",
    "StorageError",
    "Throttle",
    "ThrottleConfig",
    "ThrottleMiddleware",
    "TokenPair",
    "Unavailable",
    "Visit",
    "access_errors",
    "add_openapi",
    "add_security",
    "all_of",
    "answer_denied",
    "any_of",
    "auth_pages",
    "auth_routes",
    "authorize",
    "check",
    "check_password",
    "compute_ip_hash",
    "compute_lockout",
    "current",
    "describe_auth",
    "end_everything",
    "forbid",
    "get_lockout_status",
    "github",
    "gitlab",
    "google",
    "harden",
    "issue_jwt",
    "linkedin",
    "list_sessions",
    "load_auth",
    "load_once",
    "load_password_policy",
    "microsoft",
    "mount_auth",
    "not_",
    "oidc",
    "open_store",
    "owns_resource",
    "permit",
    "record_attempt",
    "require_aal",
    "require_fresh",
    "requires",
    "requires_any",
    "revoke_all_sessions",
    "revoke_other_sessions",
    "revoke_session",
    "revoke_token",
    "satisfies",
    "sign_cookie",
    "verify_cookie",
    "verify_export",
    "verify_jws",
    "verify_jwt",
]


def __getattr__(name: str) -> object:
    home = HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *HOMES})
