"""One app behind no guards, ours, and what people put together today; each a server's factory.

The app reads neither session nor claims where it is timed (`/`), and shows both at `/who`.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from benchmarks.cases import cors, headers, jwt, logins, sessions
from benchmarks.cases.lockout import WINDOW_MINUTES
from benchmarks.driving import bare_app
from benchmarks.rows import BARE, OURS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from asgi_security.asgi.types import ASGIApp, Receive, Scope, Send

    Wrap = Callable[[ASGIApp], ASGIApp]

STARLETTE = "Starlette"
PEERS = "peers"
CLASSES = "BaseHTTPMiddleware"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer `/` at once, `/who` with what the guards found, `/login` with a refusal."""
    if scope["type"] != "http":
        raise RuntimeError("no lifespan here")  # the servers carry on without
    path = scope["path"]
    if path == "/":
        await bare_app(scope, receive, send)
    elif path == logins.LOGIN_PATH:
        await logins.refuse(scope, receive, send)
    else:
        await _show(scope, send)


async def _show(scope: Scope, send: Send) -> None:
    if "session_handler" in scope:  # starsessions loads when it is told to
        await scope["session_handler"].load()
    claims = jwt.get_claims(scope) or {}
    seen = {"user": scope["session"].get("user"), "subject": claims.get("sub")}
    body = json.dumps(seen).encode()
    lines = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": lines})
    await send({"type": "http.response.body", "body": body})


def wrap_ours(inner: ASGIApp) -> ASGIApp:
    """Put all five guards and the client's address around an app."""
    from asgi_security import (
        ClientConfig,
        CorsConfig,
        JwtConfig,
        LockoutConfig,
        SecurityHeadersConfig,
        SessionConfig,
        harden,
    )
    from asgi_security.policy.login_routes import LoginRouteConfig

    guarded: ASGIApp = harden(
        inner,
        headers=SecurityHeadersConfig(**headers.SEVEN),
        clients=ClientConfig(),
        cors=CorsConfig(
            allow_origins=list(cors.ORIGINS),
            allow_methods=list(cors.METHODS),
            allow_headers=list(cors.HEADERS),
            allow_credentials=True,
        ),
        lockout=LockoutConfig(
            threshold=logins.THRESHOLD, window_minutes=WINDOW_MINUTES, secret=logins.SECRET
        ),
        login=LoginRouteConfig(outcome="api", login_paths=[logins.LOGIN_PATH]),
        sessions=SessionConfig(secret=sessions.SECRET, cookie_name=sessions.COOKIE),
        jwt=JwtConfig(
            secret=jwt.SECRETS[0],
            old_secrets=list(jwt.SECRETS[1:]),
            algorithms=["HS256"],
            issuer=jwt.ISSUER,
            audience=jwt.AUDIENCE,
            optional=True,
        ),
    )
    return guarded


def wrap_starlette(inner: ASGIApp) -> ASGIApp:
    """Put Starlette's own around an app, and by hand what it has not: headers and a limit."""
    import jwt as pyjwt
    from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
    from starlette.middleware.authentication import AuthenticationMiddleware

    decode = jwt.build_pyjwt_decode(jwt.SECRETS)

    class Bearer(AuthenticationBackend):
        async def authenticate(self, conn: Any) -> Any:
            token = conn.headers.get("authorization", "").removeprefix("Bearer ")
            conn.scope["claims"] = None
            if not token:
                return None
            try:
                claims = decode(token)
            except pyjwt.InvalidTokenError:
                return None
            conn.scope["claims"] = claims
            return AuthCredentials(["authenticated"]), SimpleUser(claims["sub"])

    guarded = AuthenticationMiddleware(logins.build_limits(inner), backend=Bearer())
    return headers.build_by_hand(cors.build_starlette(sessions.build_starlette(guarded)))


def wrap_peers(inner: ASGIApp) -> ASGIApp:
    """Put the fastest peer of each row that gives the same answer around an app."""
    guarded = jwt.build_joserfc(logins.build_limits(inner), optional=True)
    return headers.build_secweb(cors.build_starlette(sessions.build_starsessions(guarded)))


def wrap_classes(inner: ASGIApp) -> ASGIApp:
    """Put five of the classes around an app that most tutorials show how to write."""
    from benchmarks.server.classes import wrap

    return wrap(inner)


WRAPS: Mapping[str, Wrap] = {
    BARE: lambda inner: inner,
    OURS: wrap_ours,
    STARLETTE: wrap_starlette,
    PEERS: wrap_peers,
    CLASSES: wrap_classes,
}
FACTORIES: Mapping[str, str] = {
    BARE: "serve_bare",
    OURS: "serve_ours",
    STARLETTE: "serve_starlette",
    PEERS: "serve_peers",
    CLASSES: "serve_classes",
}


def _serve(name: str) -> ASGIApp:
    served = WRAPS[name](app)
    logging.disable(logging.CRITICAL)

    async def serve_behind_proxy(scope: Scope, receive: Receive, send: Send) -> None:
        """Say what the proxy says that ends TLS: ours sends no HSTS over plain HTTP."""
        scope["scheme"] = "https"
        await served(scope, receive, send)

    return serve_behind_proxy


def serve_bare() -> ASGIApp:
    """Make the app as a server's factory."""
    return _serve(BARE)


def serve_ours() -> ASGIApp:
    """Make the app as a server's factory."""
    return _serve(OURS)


def serve_starlette() -> ASGIApp:
    """Make the app as a server's factory."""
    return _serve(STARLETTE)


def serve_peers() -> ASGIApp:
    """Make the app as a server's factory."""
    return _serve(PEERS)


def serve_classes() -> ASGIApp:
    """Make the app as a server's factory."""
    return _serve(CLASSES)
