"""A browser with one session cookie, and an app that does to its session what a test tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

from asgi_security.errors import StorageError
from asgi_security.middleware.sessions import SessionMiddleware
from asgi_security.testing import call

if TYPE_CHECKING:
    from collections.abc import Callable

    from asgi_security.asgi.types import Receive, Scope, Send
    from asgi_security.policy.session_state import Session
    from asgi_security.testing import Answered, EventRecorder, FakeClock

NAME = "__Host-session"
S1, S0 = "1" * 32, "0" * 32
ATTRIBUTES = "; Path=/; Secure; HttpOnly; SameSite=Lax"
DELETION = (
    f"{NAME}=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"
    "; Secure; HttpOnly; SameSite=Lax"
)


class Browser:
    """Keeps the session cookie from one request to the next, as a browser would."""

    def __init__(self, clock: FakeClock, events: EventRecorder, **fields: Any) -> None:
        self.clock = clock
        self.events = events
        self.fields = {"secret": S1, **fields}
        self.cookie: str | None = None
        self.said: Any = None
        self._app: Any = None
        self._guarded: list[tuple[dict[str, Any], SessionMiddleware]] = []

    async def visit(
        self,
        act: Callable[[Session], object] = lambda _: None,
        *,
        status: int = 200,
        headers: list[tuple[bytes, bytes]] | None = None,
        cookie_lines: list[str] | None = None,
        after: Callable[[Session], object] = lambda _: None,
        **fields: Any,
    ) -> Answered:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            session = scope["session"]
            self.said = act(session)
            start = {"type": "http.response.start", "status": status, "headers": headers or []}
            await send(start)
            after(session)
            await send({"type": "http.response.body", "body": b""})

        self._app = app
        guarded = self._guard({**self.fields, **fields})
        lines = cookie_lines
        if lines is None:
            lines = [] if self.cookie is None else [f"{NAME}={self.cookie}"]
        answered = await call(guarded, headers=[("cookie", line) for line in lines])
        for line in answered.values("set-cookie"):
            self.cookie = line.partition(";")[0].partition("=")[2] or None
        return answered

    def _guard(self, fields: dict[str, Any]) -> SessionMiddleware:
        """Return the middleware of these fields, the same each time, as a server would keep it."""
        for known, guarded in self._guarded:
            if known == fields:
                return guarded

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await self._app(scope, receive, send)

        guarded = SessionMiddleware(app, clock=self.clock, events=self.events, **fields)
        self._guarded.append((fields, guarded))
        return guarded


def write(key: str = "a", value: Any = 1) -> Callable[[Session], object]:
    def act(session: Session) -> object:
        session[key] = value
        return None

    return act


def show(session: Session) -> dict[str, Any]:
    return dict(session)


def login(user: str = "ada") -> Callable[[Session], object]:
    return lambda session: session.login(user)


def same(browser: Browser, **fields: Any) -> Browser:
    """Return another browser on the same app."""
    return Browser(browser.clock, browser.events, **{**browser.fields, **fields})


class Watching:
    """A session or revocation store that counts its calls, and fails or dawdles on demand."""

    def __init__(self, facet: Any) -> None:
        self.facet = facet
        self.calls: list[str] = []
        self.arguments: list[object] = []
        self.failing: tuple[str, ...] = ()
        self.hanging: tuple[str, ...] = ()
        self.before: dict[str, Callable[[], Any]] = {}

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self.facet, name)

        async def watched(*args: Any, **keywords: Any) -> Any:
            self.calls.append(name)
            self.arguments.extend((args, keywords))
            if name in self.failing:
                raise StorageError("the driver's own words")
            if name in self.hanging:
                await anyio.sleep_forever()
            if name in self.before:
                await self.before.pop(name)()
            return await operation(*args, **keywords)

        return watched
