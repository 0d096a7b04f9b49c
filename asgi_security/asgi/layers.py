"""What a guard looks like to the engine: the one interface between `middleware/` and `asgi/`."""

from __future__ import annotations

from collections.abc import Awaitable
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from asgi_security.asgi.refusals import Answer

if TYPE_CHECKING:
    from asgi_security.asgi.context import SecurityContext
    from asgi_security.asgi.types import Header, HeaderList, Message, Receive, Scope, Send

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
    """One request on its way through a pipeline, and its response on the way back."""

    # Defaults on the class and no slots: a request pays only for what it uses.
    sent = False
    """Whether the response has started."""
    leavers: Leavers = MappingProxyType({})
    """The hooks that the response will pass; the engine's to choose."""

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, context: SecurityContext
    ) -> None:
        self.scope = scope
        """Our own shallow copy: a layer may set keys, and never changes what it finds inside."""
        self.receive = receive
        """What the app will receive from; a layer may replace it."""
        self.context = context
        self.headers: dict[bytes, list[bytes]] = {}
        """The request's values of every wanted name, in order, duplicates kept."""
        self.notes: dict[object, Any] = {}
        """What a layer wants to remember between its hooks, under itself as the key."""
        self._app_send = send

    def send(self, message: Message) -> Awaitable[None]:
        """Pass a message of the app on: as the same object, unless it starts the response."""
        if self.sent:
            return self._app_send(message)
        hooks = self.leavers.get(message["type"])
        if hooks is None:
            return self._app_send(message)
        start = dict(message)
        start["headers"] = copy_headers(message.get("headers", ()))
        for hook in hooks:
            pending = hook(self, start)
            if pending is not None:
                later = hooks[hooks.index(hook) + 1 :]
                return self._send_later(start, pending, later)
        self.sent = True
        return self._app_send(start)

    async def _send_later(
        self, start: Message, pending: Awaitable[None], hooks: tuple[LeaveHook, ...]
    ) -> None:
        await pending
        for hook in hooks:
            more = hook(self, start)
            if more is not None:
                await more
        self.sent = True
        await self._app_send(start)


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    LeaveHook: TypeAlias = Callable[[Exchange, Message], Left]
    Leavers: TypeAlias = Mapping[str, tuple[LeaveHook, ...]]


def copy_headers(headers: Iterable[Header]) -> HeaderList:
    """Copy field lines, pairs of any iterable shape, into a fresh list with lower-case names."""
    copied: HeaderList = []
    for name, value in headers:  # a comprehension would be a call of its own before Python 3.12
        copied.append((name.lower(), value))
    return copied
