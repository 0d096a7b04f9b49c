"""Turns a denial inside the app into an answer, in each framework's way.

* Starlette, FastAPI: `AccessDenied` is their HTTPException; nothing is to be done.
* Litestar: as a guard (`guards=[requires(...)]`) or a decorator, nothing is to be done.
* Quart: `app.register_error_handler(AccessDenied, answer_denied)`.
* Django and what has no handlers for exceptions: in a middleware's `process_exception`, build a
  response of `answer_denied(error)`.
* Bare ASGI apps: `access_errors(app)`, inside the other guards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException, WebSocketException

from asgi_security.asgi.layers import Layer
from asgi_security.asgi.pipeline import Pipeline
from asgi_security.middleware.access import build_denial

if TYPE_CHECKING:
    from asgi_security.asgi.layers import Exchange
    from asgi_security.asgi.refusals import Refusal
    from asgi_security.asgi.types import ASGIApp, Message, Receive, Scope, Send
    from asgi_security.policy.access import Denied

_POLICY_VIOLATION = 1008  # RFC 6455 section 7.4.1


class AccessDenied(HTTPException):
    """Says that the principal may not. `refusal` is the whole answer, `denied` says why."""

    def __init__(self, denied: Denied, *, reveals: bool = False) -> None:
        self.denied = denied
        self.refusal: Refusal = build_denial(denied, reveals=reveals)
        headers = {
            name.decode(): value.decode()
            for name, value in self.refusal.headers
            if name not in (b"content-type", b"content-length")
        }
        detail: Any = self.refusal.code
        if reveals and denied.missing:
            detail = f"{self.refusal.code}: {', '.join(denied.missing)}"
        super().__init__(self.refusal.status, detail, headers)


class SocketAccessDenied(WebSocketException, AccessDenied):
    """The same on a WebSocket, where frameworks know only how to close: with code 1008."""

    def __init__(self, denied: Denied, *, reveals: bool = False) -> None:
        AccessDenied.__init__(self, denied, reveals=reveals)
        self.code = _POLICY_VIOLATION
        self.reason = self.refusal.code


def answer_denied(error: AccessDenied) -> tuple[bytes, int, dict[str, str]]:
    """Return body, status and headers of a denial, as error handlers of Quart want them."""
    refusal = error.refusal
    return refusal.body, refusal.status, {n.decode(): v.decode() for n, v in refusal.headers}


class _Refusing(Layer):
    """Refuses whatever comes."""

    def __init__(self, refusal: Refusal) -> None:
        self._refusal = refusal

    def enter(self, exchange: Exchange) -> Refusal:  # noqa: ARG002 -- all are refused
        """Refuse."""
        return self._refusal


async def send_denial(
    refusal: Refusal, scope: Scope, receive: Receive, send: Send, *, connected: bool = False
) -> None:
    """Answer with a refusal, on HTTP and before a WebSocket is accepted.

    `connected` tells that somebody has taken the `websocket.connect` out of `receive` already.
    """

    async def replay() -> Message:
        return {"type": "websocket.connect"}

    await Pipeline(_nothing, (_Refusing(refusal),))(scope, replay if connected else receive, send)


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """Stand for the app that is never reached."""


def access_errors(app: ASGIApp) -> ASGIApp:
    """Answer an `AccessDenied` that `app` lets out, unless its response has started by then."""

    async def answering(scope: Scope, receive: Receive, send: Send) -> None:
        started = connected = False

        async def watched_receive() -> Message:
            nonlocal connected
            message = await receive()
            connected = connected or message["type"] == "websocket.connect"
            return message

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await app(scope, watched_receive, watched_send)
        except AccessDenied as error:
            if started:
                raise
            await send_denial(error.refusal, scope, receive, send, connected=connected)

    return answering
