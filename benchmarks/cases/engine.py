"""The engine with nothing to guard: what every guard of ours stands on, and what it is made of.

Each side by hand does one thing more than the one before, as plainly as Python can: the difference
between two of them is the price of that thing, and the last does all that the engine promises of a
response that passes.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from benchmarks.driving import ask, bare_app, build_scope, build_step
from benchmarks.rows import OURS, Contender, Side, TimedCase

if TYPE_CHECKING:
    from collections.abc import Callable

    from asgi_security.asgi.layers import Exchange
    from asgi_security.asgi.types import ASGIApp, Message, Receive, Scope, Send

_SCOPE = build_scope()
_context: ContextVar[object] = ContextVar("by_hand")


def build_engine(app: ASGIApp) -> ASGIApp:
    """Build a pipeline of one layer that looks at the response and leaves it as it is."""
    from asgi_security.asgi.layers import Layer
    from asgi_security.asgi.pipeline import Pipeline

    class Idle(Layer):
        def leave(self, exchange: Exchange, start: Message) -> None:
            pass

    return Pipeline(app, (Idle(),))


def wrap_send(app: ASGIApp) -> ASGIApp:
    """Look at every message, and do nothing."""

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        async def pass_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                pass
            await send(message)

        await app(scope, receive, pass_on)

    return guard


def copy_first(app: ASGIApp) -> ASGIApp:
    """Copy the scope, and the message whose headers are about to be changed."""

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        async def pass_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"]]}
            await send(message)

        await app({**scope}, receive, pass_on)

    return guard


class _Context:
    overrides: object = None
    private = False


def keep_context(app: ASGIApp) -> ASGIApp:
    """Offer the app a context of its request, in the scope and wherever it asks."""

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        async def pass_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"]]}
            await send(message)

        context = _Context()
        token = _context.set(context)
        try:
            await app({**scope, "asgi_security": context}, receive, pass_on)
        finally:
            _context.reset(token)

    return guard


def answer_failures(app: ASGIApp) -> ASGIApp:
    """Tell whether the response has started when the app fails, to send a 500 if not."""

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        sent = False

        async def pass_on(message: Message) -> None:
            nonlocal sent
            if not sent and message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"]]}
                sent = True
            await send(message)

        context = _Context()
        token = _context.set(context)
        try:
            await app({**scope, "asgi_security": context}, receive, pass_on)
        except Exception:
            if not sent:
                await send({"type": "http.response.start", "status": 500, "headers": []})
                await send({"type": "http.response.body", "body": b""})
            raise
        finally:
            _context.reset(token)

    return guard


def _build_contender(name: str, wrap: Callable[[ASGIApp], ASGIApp]) -> Contender:
    def build() -> Side:
        guarded = wrap(bare_app)
        return Side(name, build_step(guarded), lambda: ask(guarded, _SCOPE).headers)

    return Contender(name, build)


CASES = (
    TimedCase(
        name="engine alone",
        contenders=(
            _build_contender(OURS, build_engine),
            _build_contender("send wrapped by hand", wrap_send),
            _build_contender("and copies", copy_first),
            _build_contender("and a context", keep_context),
            _build_contender("and a 500", answer_failures),
        ),
        inputs=lambda calls: [_SCOPE] * calls,
        bare=build_step(bare_app),
    ),
)
