"""Sessions in a signed cookie: present but unused, read, and modified, beside Starlette's."""

from __future__ import annotations

from http.cookies import SimpleCookie
from typing import TYPE_CHECKING

from benchmarks.driving import ask, bare_app, build_scope, build_step
from benchmarks.rows import OURS, Contender, Side, TimedCase

if TYPE_CHECKING:
    from collections.abc import Callable

    from asgi_security.asgi.types import ASGIApp, Header, Receive, Scope, Send

    Wrap = Callable[[ASGIApp], ASGIApp]

COOKIE = "session"
SECRET = "a secret of the benchmarks, 32+ bytes long"
_DATA = {"user": "alice@example.com", "visits": 3, "theme": "dark", "roles": ["editor", "author"]}
_OTHER_COOKIES = b"_ga=GA1.1.1234567890.1700000000; consent=yes; "


def build_ours(app: ASGIApp) -> ASGIApp:
    """Build our middleware around an app."""
    from asgi_security import SessionMiddleware

    guarded: ASGIApp = SessionMiddleware(app, secret=SECRET, cookie_name=COOKIE)
    return guarded


def build_starlette(app: ASGIApp) -> ASGIApp:
    """Build Starlette's middleware around an app."""
    from starlette.middleware.sessions import SessionMiddleware

    return SessionMiddleware(app, secret_key=SECRET, session_cookie=COOKIE, https_only=True)


def build_starsessions(app: ASGIApp, *, loads: bool = False) -> ASGIApp:
    """Build the middleware of starsessions around an app, with the data in the cookie as well."""
    from starsessions import CookieStore, SessionAutoloadMiddleware, SessionMiddleware

    return SessionMiddleware(
        SessionAutoloadMiddleware(app) if loads else app,
        store=CookieStore(SECRET),
        lifetime=14 * 24 * 3600,
        cookie_name=COOKIE,
    )


def build_loading_starsessions(app: ASGIApp) -> ASGIApp:
    """Build the same for an app that uses the session: it must be loaded first."""
    return build_starsessions(app, loads=True)


async def _fill(scope: Scope, receive: Receive, send: Send) -> None:
    scope["session"].update(_DATA)
    await bare_app(scope, receive, send)


async def read(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["session"]["visits"] < 0:
        raise ValueError
    await bare_app(scope, receive, send)


async def _modify(scope: Scope, receive: Receive, send: Send) -> None:
    session = scope["session"]
    session["visits"] = session["visits"] + 1
    await bare_app(scope, receive, send)


def _find_cookie(answered_lines: tuple[bytes, ...]) -> bytes | None:
    for line in answered_lines:
        parsed = SimpleCookie(line.decode())
        for name, morsel in parsed.items():
            if name.endswith(COOKIE):
                return f"{name}={morsel.coded_value}".encode()
    return None


def build_cookie_line(wrap: Wrap, *lines: Header) -> Header:
    """Let a side set its own session cookie, and build the request line that presents it.

    `lines` are further lines of the request that fills the session.
    """
    cookie = _find_cookie(ask(wrap(_fill), build_scope(*lines)).values(b"set-cookie"))
    if cookie is None:
        raise ValueError("no session cookie was set")
    return (b"cookie", _OTHER_COOKIES + cookie)


def show_session(wrap: Wrap, line: Header) -> object:
    """Show what an app behind `wrap` sees in the session of that cookie."""
    seen: dict[str, object] = {}

    async def look(scope: Scope, receive: Receive, send: Send) -> None:
        seen.update(scope["session"])
        await bare_app(scope, receive, send)

    ask(wrap(look), build_scope(line))
    return seen


def _build_case(
    name: str, inner: ASGIApp, budget: float, *, starsessions: Wrap | None = None
) -> TimedCase:
    def build_side(side: str, wrap: Wrap, using: Wrap | None = None) -> Side:
        using = using or wrap
        line = build_cookie_line(using)
        scope = build_scope(line)
        app = wrap(inner)

        def answer() -> object:
            answered = ask(app, scope)
            cookie = _find_cookie(answered.values(b"set-cookie"))
            after = None if cookie is None else show_session(using, (b"cookie", cookie))
            return answered.status, show_session(using, line), after

        return Side(side, build_step(app, scope=scope), answer)

    def build_third(wrap: Wrap) -> Contender:
        return Contender(
            "starsessions", lambda: build_side("starsessions", wrap, build_loading_starsessions)
        )

    scope = build_scope((b"cookie", _OTHER_COOKIES + b"session=" + b"x" * 160))
    return TimedCase(
        name=name,
        contenders=(
            Contender(OURS, lambda: build_side(OURS, build_ours)),
            Contender("Starlette", lambda: build_side("Starlette", build_starlette)),
            *(() if starsessions is None else (build_third(starsessions),)),
        ),
        inputs=lambda calls: [scope] * calls,
        bare=build_step(bare_app),
        budgets={"Starlette": budget},
    )


CASES = (
    _build_case("sessions present, unused", bare_app, 1 / 7, starsessions=build_starsessions),
    # starsessions sets the cookie anew on every request that has loaded it: another answer.
    _build_case("sessions read", read, 1 / 2.5),
    _build_case("sessions modified", _modify, 1 / 2, starsessions=build_loading_starsessions),
)
