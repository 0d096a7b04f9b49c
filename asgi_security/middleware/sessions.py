"""Guards the session: `scope["session"]` is there for the app, and costs only those who use it.

Litestar and Quart: `from asgi_security import current` and `current().session`, wherever a handler
runs. Django: the same, its own `request.session` being another thing. Starlette and FastAPI:
`request.session`.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from asgi_security.asgi.cookies import find_cookies, make_private
from asgi_security.asgi.headers import add_vary
from asgi_security.asgi.layers import Layer
from asgi_security.asgi.pipeline import DEFAULT_ERROR_BODY, Pipeline
from asgi_security.asgi.refusals import build_unavailable
from asgi_security.clock import system_clock, system_entropy
from asgi_security.errors import StorageError
from asgi_security.events import Severity, log_event
from asgi_security.flows.session_keepers import build_keeper
from asgi_security.flows.session_keeping import Visitor, Written
from asgi_security.policy.session_state import Session
from asgi_security.policy.sessions import SessionConfig
from asgi_security.validation import resolve_configuration

if TYPE_CHECKING:
    from asgi_security.asgi.layers import Entered, Exchange, Left
    from asgi_security.asgi.refusals import Answer
    from asgi_security.asgi.types import ASGIApp, HeaderList, Message
    from asgi_security.clock import Clock, Entropy
    from asgi_security.events import EventSink
    from asgi_security.flows.session_keeping import Committed


class SessionLayer(Layer):
    """Offers the session to the app, and settles it as the response starts."""

    minds = frozenset({b"vary"})

    def __init__(
        self,
        config: SessionConfig,
        *,
        clock: Clock = system_clock,
        entropy: Entropy = system_entropy,
        events: EventSink = log_event,
    ) -> None:
        name = str(config.cookie_name).encode()
        self._keeper = build_keeper(
            config,
            find=lambda lines: find_cookies(lines, name),
            clock=clock,
            entropy=entropy,
            events=events,
        )
        self._survives_failure = config.on_store_error == "anonymous"
        self._unavailable = build_unavailable()
        names = {b"cookie"} if config.store is None else {b"cookie", b"user-agent"}
        self.wants = frozenset(names)

    def enter(self, exchange: Exchange) -> Entered:
        """Put an unread session before the app; load it where that takes waiting."""
        keeper = self._keeper
        session = Session(keeper, exchange.headers.get(b"cookie", ()))
        exchange.scope["session"] = exchange.context.session = exchange.notes[self] = session
        return self._load(session) if keeper.waits and keeper.needs_load(session) else None

    async def _load(self, session: Session) -> Answer | None:
        try:
            await self._keeper.load(session)
        except StorageError:
            self._keeper.report("session_load_failed", Severity.ERROR)
            if not self._survives_failure:
                return self._unavailable
            session.fill(None, had_cookie=True)
            session.is_detached = True
        return None

    def leave(self, exchange: Exchange, start: Message) -> Left:
        """Save what was changed, and tell caches what the response depends on."""
        session: Any = exchange.notes[self]
        session.closed = True
        if not session.accessed:
            return None
        session.varies = True
        headers = start["headers"]
        if len(headers) == exchange.plain_lines:
            headers.append((b"vary", b"Cookie"))
        else:
            add_vary(headers, (b"Cookie",))
        if session.found is not None:
            exchange.context.private = True
        return self._settle(exchange, session, headers, failed=start["status"] >= 500)

    def accept(self, exchange: Exchange, start: Message) -> Left:
        """Send the cookie with a WebSocket's accept; what changes later is settled at its end."""
        session: Any = exchange.notes[self]
        session.closed = session.is_open_ended = True
        if not session.accessed:
            return None
        return self._settle(exchange, session, start["headers"], failed=False)

    def finish(self, exchange: Exchange, error: BaseException | None) -> Left:
        """Settle, or report, what was changed after the start."""
        session: Any = exchange.notes[self]
        if not session.accessed:
            return None
        cancelled = error is not None and not isinstance(error, Exception)
        return self._keeper.finish(session, cancelled=cancelled)

    def _settle(
        self, exchange: Exchange, session: Session, headers: HeaderList, *, failed: bool
    ) -> Left:
        saving = self._keeper.decide(session, failed=failed)
        if saving is None:
            return None
        agent = exchange.headers.get(b"user-agent", (b"",))[0]
        visitor = Visitor(agent, exchange.context.client)
        committed = self._keeper.carry_out(session, saving, visitor)
        if session.confirm is not None:
            committed = self._keeper.confirm(session, committed)
        if isinstance(committed, Awaitable):
            return self._write_later(committed, headers)
        self._write(committed, headers)
        return None

    async def _write_later(self, pending: Awaitable[Committed], headers: HeaderList) -> None:
        self._write(await pending, headers)

    def _write(self, committed: Committed, headers: HeaderList) -> None:
        if not isinstance(committed, Written):
            return
        if committed.cookie is not None:
            headers.append((b"set-cookie", committed.cookie))
        if make_private(headers):
            self._keeper.report("session_public_response", Severity.WARNING)


class SessionMiddleware(Pipeline, fusible=True):
    """Sessions in signed cookies or in a store, at `scope["session"]`.

    Called as `SessionMiddleware(app, config)` or with the fields of `SessionConfig` as keywords.
    """

    def __init__(
        self,
        app: ASGIApp,
        /,
        config: SessionConfig | None = None,
        *,
        clock: Clock = system_clock,
        entropy: Entropy = system_entropy,
        events: EventSink = log_event,
        error_body: bytes | None = DEFAULT_ERROR_BODY,
        **fields: Any,
    ) -> None:
        resolved = resolve_configuration(SessionConfig, config, fields)
        layer = SessionLayer(resolved, clock=clock, entropy=entropy, events=events)
        super().__init__(app, (layer,), error_body=error_body)
