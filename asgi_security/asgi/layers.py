"""What a guard looks like to the engine: the one interface between `middleware/` and `asgi/`."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, TypeAlias

from asgi_security.asgi.headers import copy_headers
from asgi_security.asgi.refusals import Answer

if TYPE_CHECKING:
    from asgi_security.asgi.context import SecurityContext
    from asgi_security.asgi.exits import Exits
    from asgi_security.asgi.types import Message, Receive, Scope, Send

Entered: TypeAlias = Answer | Awaitable[Answer | None] | None
Left: TypeAlias = Awaitable[None] | None


class Layer:
    """One guard: a compiled policy and the hooks it needs. Override only those.

    Every hook is a plain function, so that a request it has no work for costs one call: one that
    must wait returns a coroutine, and the engine awaits it. No hook ever calls `send`.

    A request passes `enter` from the outermost layer to the app; the response passes `leave` (or
    `accept`) from the innermost back. The hooks behind `enter` run only for layers whose `enter`
    let the request pass, so a layer puts into its own refusal all the headers it wants there.
    """

    __slots__ = ()

    wants: frozenset[bytes] = frozenset()
    """The request header names, in lower case, that this layer reads from `exchange.headers`."""
    needs_headers = False
    """Whether `enter` does nothing for a request that has none of the headers in `wants`."""
    minds: frozenset[bytes] = frozenset()
    """The response header names, in lower case, that change what `leave` does.

    Only for a layer that asks `exchange.plain_lines`.
    """

    def enter(self, exchange: Exchange) -> Entered:
        """Let the request pass (None), or answer it in the app's stead."""

    def leave(self, exchange: Exchange, start: Message) -> Left:
        """Edit `start["headers"]` in place: a fresh `HeaderList` with names in lower case.

        `start` is an `http.response.start` or a `websocket.http.response.start`, with its own
        copy of the status: changing the message changes nothing of the app's.
        """

    def accept(self, exchange: Exchange, start: Message) -> Left:
        """Edit `start["headers"]` of a `websocket.accept`, as `leave` does."""

    def finish(self, exchange: Exchange, error: BaseException | None) -> Left:
        """Clean up when the app has returned, or has raised `error`; the answer has gone out."""


class Exchange:
    """One request on its way through a pipeline, and its response on the way back.

    The engine makes it and fills it in, field by field: a constructor would cost every request as
    much again.
    """

    __slots__ = (
        *("app_send", "context", "exits", "headers", "notes"),
        *("passed", "plain_lines", "receive", "scope", "sent"),
    )

    scope: Scope
    """Our own shallow copy: a layer may set keys, and never changes what it finds inside."""
    receive: Receive
    """What the app will receive from; a layer may replace it."""
    context: SecurityContext
    headers: dict[bytes, list[bytes]]
    """The request's values of every wanted name, in order, duplicates kept."""
    notes: dict[object, Any]
    """What a layer wants to remember between its hooks, under itself as the key."""
    plain_lines: int
    """How many lines the response has if no layer minds any of them, else -1.

    While the list is of that length, a layer may add its lines without looking at the others.
    """
    passed: int
    """How many layers the request has passed."""
    sent: bool
    """Whether the response has started."""
    app_send: Send
    """What `send` passes messages on to."""
    exits: Exits | None
    """What the response will pass; None for nothing. The engine's to choose."""

    def send(self, message: Message) -> Awaitable[None]:
        """Pass a message of the app on: as the same object, unless it starts the response."""
        app_send = self.app_send
        if self.sent:
            return app_send(message)
        exits = self.exits
        if exits is None:
            return app_send(message)
        kind = message["type"]
        if kind == "http.response.start" or kind == "websocket.http.response.start":
            leave = exits.leave
        elif kind == "websocket.accept":
            leave = exits.accept
        else:
            return app_send(message)
        start: Message = message.copy()  # type: ignore[attr-defined] # a dict, ASGI says
        headers = [*message.get("headers", ())]
        self.plain_lines = len(headers)
        calm = exits.calm
        try:
            for line in headers:
                if line[0] not in calm:
                    self.plain_lines = -1
                    headers = copy_headers(headers)
                    break
        except TypeError:  # lines of another shape than sequences
            self.plain_lines = -1
            headers = copy_headers(headers)
        start["headers"] = headers
        pending = leave(self, start)
        if pending is not None:
            return self._send_later(start, pending)
        self.sent = True
        return app_send(start)

    async def _send_later(self, start: Message, pending: Awaitable[None]) -> None:
        await pending
        self.sent = True
        await self.app_send(start)
