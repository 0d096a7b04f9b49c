"""The stack that every story app stands behind, and the ways to put it there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import asgi_security
from asgi_security.clock import system_clock, system_entropy
from asgi_security.policy.login_routes import LoginRouteConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from asgi_security.asgi.types import ASGIApp
    from asgi_security.clock import Clock, Entropy

ORIGIN = "https://app.example.com"
SECURITY_HEADERS = (
    "content-security-policy",
    "x-content-type-options",
    "x-frame-options",
    "referrer-policy",
    "origin-agent-cluster",
    "x-permitted-cross-domain-policies",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
)
JWT_SECRET = "a secret of the stories, long enough to sign with"
JWT_OLD_SECRET = "an older secret of the stories, long enough as well"
UNKNOWN_SECRET = "a secret that no story has ever been told, long enough"
SESSION_COOKIE = "__Host-session"
THRESHOLD = 5

CORS: dict[str, Any] = {
    "allow_origins": [ORIGIN],
    "allow_methods": ["PUT"],
    "allow_headers": ["x-a"],
    "expose_headers": ["x-r"],
    "allow_credentials": True,
    "max_age_seconds": 600,
}
LOGIN: dict[str, Any] = {"outcome": "api", "login_paths": ["/login"]}
LOCKOUT: dict[str, Any] = {
    "threshold": THRESHOLD,
    "secret": "a secret of the stories, long enough for the lockout",
}
SESSIONS: dict[str, Any] = {"secret": "a secret of the stories, long enough for a session"}
JWT: dict[str, Any] = {
    "secret": JWT_SECRET,
    "old_secrets": [JWT_OLD_SECRET],
    "algorithms": ["HS256"],
    "optional": True,
}


def build_configs() -> dict[str, Any]:
    """Build what `harden` and `add_security` are called with."""
    return {
        "clients": asgi_security.ClientConfig(),
        "cors": asgi_security.CorsConfig(**CORS),
        "login": LoginRouteConfig(**LOGIN),
        "lockout": asgi_security.LockoutConfig(**LOCKOUT),
        "sessions": asgi_security.SessionConfig(**SESSIONS),
        "jwt": asgi_security.JwtConfig(**JWT),
    }


class Guard(NamedTuple):
    """One middleware and what it is called with: the shape that `add_middleware` wants."""

    middleware: Callable[..., ASGIApp]
    options: dict[str, Any]


def build_guards(
    *, clock: Clock = system_clock, entropy: Entropy = system_entropy
) -> Sequence[Guard]:
    """Build the same as single middlewares, the outermost first, with a store of their own."""
    store = asgi_security.MemoryStore()
    timed: dict[str, Any] = {"clock": clock, "entropy": entropy}
    return (
        Guard(asgi_security.SecurityHeadersMiddleware, {}),
        Guard(asgi_security.ClientMiddleware, {}),
        Guard(asgi_security.CorsMiddleware, CORS),
        Guard(asgi_security.LockoutMiddleware, {**LOGIN, **LOCKOUT, "attempts": store, **timed}),
        Guard(asgi_security.SessionMiddleware, {**SESSIONS, **timed}),
        Guard(asgi_security.JwtMiddleware, {**JWT, "clock": clock}),
    )


def nest(app: ASGIApp, guards: Sequence[Guard]) -> ASGIApp:
    """Put the guards around an app, one constructor in the other."""
    for guard in reversed(guards):
        app = guard.middleware(app, **guard.options)
    return app


def guard(app: ASGIApp, *, stored: bool = False) -> ASGIApp:
    """Put the whole stack around an app, in one call; `stored` takes the data out of the cookie."""
    store = asgi_security.MemoryStore() if stored else None
    hardened: ASGIApp = asgi_security.harden(app, **build_configs(), store=store)
    return hardened
