"""The engine: all ASGI plumbing, once. Layers decide; this carries their decisions out.

What holds for every pipeline, fused or nested:

* `http` and `websocket` scopes pass the layers; every other scope passes with the very same
  objects.
* The caller's scope and messages are never changed: the app gets a shallow copy of the scope, and
  only the message that starts a response is copied, once; all others pass as the same object.
* A refusal on HTTP is a response; on WebSocket it is sent before `accept`, as a denial response
  where the server offers one and as close code 1008 where not.
* When the app fails before its response has started, a 500 with the layers' headers goes out and
  the error is raised again for the server to log. Cancellation is never converted.
"""

from __future__ import annotations

import contextlib
import functools
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from asgi_security.asgi.context import CONTEXT_KEY, SecurityContext, current_context
from asgi_security.asgi.exits import build_exits, build_finisher
from asgi_security.asgi.layers import Exchange, Layer
from asgi_security.asgi.refusals import Refusal, Reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from asgi_security.asgi.layers import Entered
    from asgi_security.asgi.refusals import Answer
    from asgi_security.asgi.types import ASGIApp, Receive, Scope, Send

_POLICY_VIOLATION = 1008  # RFC 6455 section 7.4.1

# Bound once: looking the methods up on the ContextVar costs every request 0.15 us.
_set_current = current_context.set
_reset_current = current_context.reset

_PLAIN_TEXT = b"text/plain; charset=utf-8"

# Of a request that no layer looks at on its way in: two empty dicts would cost it 0.05 us.
_NOTHING: Any = MappingProxyType({})

DEFAULT_ERROR_BODY = b"Internal Server Error"


def _accept_keyword_app(initialise: Callable[..., None]) -> Callable[..., None]:
    """Take `app` by keyword too, as some frameworks pass it.

    In the signatures it stands by position only: where further fields are open, type checkers
    take `Middleware(XMiddleware, ...)` and `add_middleware(XMiddleware, ...)` no other way.
    """

    @functools.wraps(initialise)
    def accepting(self: Pipeline, *arguments: Any, **fields: Any) -> None:
        if "app" in fields:
            arguments = (fields.pop("app"), *arguments)
        initialise(self, *arguments, **fields)

    return accepting


class Pipeline:
    """An ASGI app behind an ordered run of layers, the outermost first.

    When `app` is itself exactly one of this package's middlewares, the two become one pipeline:
    one coroutine, one pass over the request's headers, one `send`. Subclasses are left as they
    are. `error_body` is the text of the 500 for an app that raised; None sends none.
    """

    _fusible = False

    def __init_subclass__(cls, *, fusible: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._fusible = fusible
        if "__init__" in cls.__dict__:
            cls.__init__ = _accept_keyword_app(cls.__init__)  # type: ignore[method-assign]

    def __init__(
        self,
        app: ASGIApp,
        layers: Iterable[Layer],
        *,
        error_body: bytes | None = DEFAULT_ERROR_BODY,
    ) -> None:
        own = tuple(layers)
        self.app = app
        self._inner_app = app
        self._error_body = error_body
        if self._fusible and isinstance(app, Pipeline) and app._fusible:
            own += app.layers
            self._inner_app = app._inner_app
            self._error_body = app._error_body
        self.layers: tuple[Layer, ...] = own
        self._wanted = frozenset[bytes]().union(*(layer.wants for layer in own))
        self._enters: tuple[tuple[int, Callable[[Exchange], Entered]], ...] = tuple(
            (index, layer.enter)
            for index, layer in enumerate(own)
            if type(layer).enter is not Layer.enter
        )
        self._needs_headers = all(own[index].needs_headers for index, _ in self._enters)
        self._count = len(own)
        # Both by how many layers the request has passed: a refusal meets only those outside it.
        self._exits = tuple(build_exits(own[:count]) for count in range(len(own) + 1))
        self._finishers = tuple(build_finisher(own[:count]) for count in range(len(own) + 1))
        self._all_exits = self._exits[-1]
        self._finish = self._finishers[-1]
        # Without any of the three nobody reads the request's headers or takes a note.
        self._is_entered = bool(self._enters or self._wanted or self._finish)

    # One coroutine on purpose: every further one would cost every request 0.1 us. And to begin a
    # loop that has nothing to do costs more than to ask first.
    async def __call__(  # noqa: C901, PLR0912
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Serve one connection: the ASGI entry point."""
        kind = scope["type"]
        if kind != "http" and kind != "websocket":
            await self._inner_app(scope, receive, send)
            return
        exchange = Exchange()
        exchange.scope = own = scope.copy()  # type: ignore[attr-defined] # a dict, ASGI says
        exchange.receive, exchange.app_send, exchange.sent = receive, send, False
        token = None
        if CONTEXT_KEY in own:  # a pipeline around this one has made it
            exchange.context = own[CONTEXT_KEY]
        else:
            exchange.context = own[CONTEXT_KEY] = context = SecurityContext()
            context.overrides, context.private = None, False  # sooner written than looked up
            token = _set_current(context)
        try:
            if self._is_entered:
                exchange.passed, exchange.headers, exchange.notes = 0, {}, {}
                answer = self._enter(exchange)
                if answer is not None and not isinstance(answer, (Refusal, Reply)):
                    answer = await answer
            else:
                answer, exchange.headers, exchange.notes = None, _NOTHING, _NOTHING
            if answer is None:
                exchange.passed = self._count
                exchange.exits = exits = self._all_exits
                await self._inner_app(own, exchange.receive, exchange.send if exits else send)
            else:
                exchange.exits = self._exits[exchange.passed]
                await (_send_http if kind == "http" else _deny_websocket)(exchange, answer)
        except BaseException as error:
            await self._fail(exchange, error)
            raise
        else:
            finish = self._finish if answer is None else self._finishers[exchange.passed]
            if finish is not None:
                pending = finish(exchange, None)
                if pending is not None:
                    await pending
        finally:
            if token is not None:
                try:  # noqa: SIM105 -- suppress() costs every request 0.3 us
                    _reset_current(token)
                except ValueError:
                    # A server closes a half-run request from another context, where the token
                    # means nothing and there is nothing to restore.
                    pass

    def _enter(self, exchange: Exchange) -> Entered:
        """Collect the wanted headers in one pass, and let the request in, layer by layer."""
        wanted = self._wanted
        found = exchange.headers
        if wanted:
            for name, value in exchange.scope.get("headers", ()):
                if name in wanted:
                    if name in found:
                        found[name].append(value)
                    else:
                        found[name] = [value]
        if self._needs_headers and not found:
            return None
        for passed, enter in self._enters:
            exchange.passed = passed
            entered = enter(exchange)
            if entered is None:
                continue
            if isinstance(entered, (Refusal, Reply)):
                return entered
            return self._enter_later(exchange, entered)
        return None

    async def _enter_later(
        self, exchange: Exchange, pending: Awaitable[Answer | None]
    ) -> Answer | None:
        """Wait for one layer, then go on with the others."""
        answer = await pending
        for passed, enter in self._enters:
            if answer is not None:
                break
            if passed > exchange.passed:
                exchange.passed = passed
                entered = enter(exchange)
                if entered is not None and not isinstance(entered, (Refusal, Reply)):
                    entered = await entered
                answer = entered
        return answer

    async def _fail(self, exchange: Exchange, error: BaseException) -> None:
        exchange.exits = self._exits[exchange.passed]
        if isinstance(error, Exception):
            await self._send_error(exchange)
        if isinstance(error, GeneratorExit):  # nothing may wait any more
            return
        finish = self._finishers[exchange.passed]
        pending = finish(exchange, error) if finish is not None else None
        if pending is not None:
            await pending

    async def _send_error(self, exchange: Exchange) -> None:
        """Send the 500 of an app that raised before its response, through the layers' hooks."""
        body = self._error_body
        if exchange.scope["type"] != "http" or exchange.sent or body is None:
            return
        if exchange.exits is None:  # nothing to add: the server's own 500 is as good
            return
        headers = ((b"content-type", _PLAIN_TEXT),)
        refusal = Refusal(500, "", (*headers, (b"content-length", b"%d" % len(body))), body)
        # The app's error is the one the server must see, whatever becomes of this response.
        with contextlib.suppress(Exception):
            await _send_http(exchange, refusal)


async def _send_http(exchange: Exchange, answer: Answer) -> None:
    headers = [*answer.headers]
    body = answer.body
    if body:
        if _is_for_reading(exchange):
            # Offered `application/problem+json` by a navigation, Firefox downloads it.
            headers = [(n, _PLAIN_TEXT if n == b"content-type" else v) for n, v in headers]
        if exchange.scope.get("method") == "HEAD":
            body = b""
    await exchange.send(
        {"type": "http.response.start", "status": answer.status, "headers": headers}
    )
    await exchange.send({"type": "http.response.body", "body": body, "more_body": False})


def _is_for_reading(exchange: Exchange) -> bool:
    """Tell whether a browser is about to show the answer to a person."""
    for name, value in exchange.scope.get("headers", ()):
        if name == b"accept":
            return bool(value.startswith(b"text/html"))
    return False


async def _deny_websocket(exchange: Exchange, answer: Answer) -> None:
    """Refuse a WebSocket before it is accepted (ASGI, "WebSocket Denial Response")."""
    message = await exchange.receive()
    if message["type"] != "websocket.connect":
        return
    if "websocket.http.response" not in (exchange.scope.get("extensions") or ()):
        await exchange.send(
            {"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": answer.code}
        )
        return
    headers = list(answer.headers)
    await exchange.send(
        {"type": "websocket.http.response.start", "status": answer.status, "headers": headers}
    )
    await exchange.send(
        {"type": "websocket.http.response.body", "body": answer.body, "more_body": False}
    )
