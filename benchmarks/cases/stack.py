"""All five guards at once, on the request of a user who is logged in.

The peers' stack is what people put together today: secure, Starlette's CORS and sessions, a guard
around PyJWT, and limits before the login. The request reads neither the session nor the claims.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.cases import cors, headers, jwt, logins, sessions
from benchmarks.driving import ask, bare_app, build_scope, build_step
from benchmarks.rows import OURS, Contender, Side, TimedCase

if TYPE_CHECKING:
    from collections.abc import Callable

    from asgi_security.asgi.types import ASGIApp, Receive, Scope, Send

    Wrap = Callable[[ASGIApp], ASGIApp]

# Vary is compared by its members; and no peer keeps an answer to a token out of caches.
_OURS_SAYS_MORE = frozenset({b"vary", b"cache-control"})
_TOKEN = jwt.build_token(jwt.SECRETS[0])


def stack_ours(app: ASGIApp) -> ASGIApp:
    inner = logins.build_ours(sessions.build_ours(jwt.build_ours(app)))
    return headers.build_ours(cors.build_ours(inner))


def stack_peers(app: ASGIApp) -> ASGIApp:
    inner = logins.build_limits(sessions.build_starlette(jwt.build_pyjwt(app)))
    return headers.build_secure(cors.build_starlette(inner))


def build_user_scope(wrap: Wrap) -> Scope:
    cookie = sessions.build_cookie_line(wrap, (b"authorization", b"Bearer " + _TOKEN))
    return build_scope(
        (b"origin", cors.ORIGINS[0].encode()),
        (b"authorization", b"Bearer " + _TOKEN),
        cookie,
        path="/articles",
    )


def show(wrap: Wrap, scope: Scope) -> object:
    """Show what the browser gets and what the app sees."""
    seen: dict[str, object] = {}

    async def look(scope: Scope, receive: Receive, send: Send) -> None:
        seen["session"] = dict(scope["session"])
        seen["claims"] = dict(jwt.get_claims(scope))
        await bare_app(scope, receive, send)

    answered = ask(wrap(look), scope)
    lines = sorted(line for line in answered.headers if line[0] not in _OURS_SAYS_MORE)
    return answered.status, lines, b"origin" in answered.members(b"vary"), seen


def _build_side(name: str, wrap: Wrap) -> Side:
    scope = build_user_scope(wrap)
    return Side(name, build_step(wrap(bare_app), scope=scope), lambda: show(wrap, scope))


_BARE_SCOPE = build_scope(
    (b"origin", cors.ORIGINS[0].encode()),
    (b"authorization", b"Bearer " + _TOKEN),
    (b"cookie", b"session=" + b"x" * 160),
    path="/articles",
)

CASES = (
    TimedCase(
        name="stack of five",
        contenders=(
            Contender(OURS, lambda: _build_side(OURS, stack_ours)),
            Contender("peers", lambda: _build_side("peers", stack_peers)),
        ),
        inputs=lambda calls: [_BARE_SCOPE] * calls,
        bare=build_step(bare_app),
    ),
)
