"""Builds what a response passes on its way out: the hooks of several layers, joined into one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgi_security.asgi.headers import COMMON_NAMES
from asgi_security.asgi.layers import Layer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from typing import TypeAlias

    from asgi_security.asgi.layers import Exchange, Left

    Hook: TypeAlias = Callable[[Exchange, Any], Left]
    """`leave`, `accept` or `finish` of a layer: the other subject is the message, or the error."""


class Exits:
    """What the response passes of those layers that the request has passed."""

    __slots__ = ("accept", "calm", "leave")

    def __init__(self, leave: Hook, accept: Hook, calm: frozenset[bytes]) -> None:
        self.leave = leave
        self.accept = accept
        self.calm = calm
        """The common response header names, in lower case, that none of the layers minds."""


def build_exits(layers: Sequence[Layer]) -> Exits | None:
    """Join the hooks of a response, the innermost first; None where no layer edits any."""
    inward = layers[::-1]
    leaves = [layer.leave for layer in inward if type(layer).leave is not Layer.leave]
    accepts = [layer.accept for layer in inward if type(layer).accept is not Layer.accept]
    if not leaves and not accepts:
        return None
    calm = COMMON_NAMES.difference(*(layer.minds for layer in layers))
    return Exits(_join(leaves), _join(accepts), calm)


def build_finisher(layers: Sequence[Layer]) -> Hook | None:
    """Join what is to be done at the end, the innermost first; None where there is nothing."""
    finishes = [layer.finish for layer in layers[::-1] if type(layer).finish is not Layer.finish]
    return _join(finishes) if finishes else None


def _join(hooks: Sequence[Hook]) -> Hook:
    """Make one hook of several, called in this order; a single one stays what it is."""
    if len(hooks) == 1:
        return hooks[0]

    def call_all(exchange: Exchange, subject: Any) -> Left:
        remaining = iter(hooks)
        for hook in remaining:
            pending = hook(exchange, subject)
            if pending is not None:
                return _go_on(pending, remaining, exchange, subject)
        return None

    return call_all


async def _go_on(
    pending: Awaitable[None], remaining: Iterator[Hook], exchange: Exchange, subject: Any
) -> None:
    await pending
    for hook in remaining:
        more = hook(exchange, subject)
        if more is not None:
            await more
