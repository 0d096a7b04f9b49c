"""Puts a check before a function, whatever kind it is: its signature and its kind stay."""

from __future__ import annotations

import functools
import inspect
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Protocol

from asgi_security.flows.access_memory import is_async
from asgi_security.guards.denials import send_denial
from asgi_security.middleware.access import build_denial
from asgi_security.policy.access import Denied

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Mapping

    from asgi_security.asgi.types import Receive, Scope, Send
    from asgi_security.policy.access import AccessDecision

_ASGI = ("scope", "receive", "send")


class Checks(Protocol):
    """What a wrapped function asks."""

    async def decide(self, arguments: Mapping[str, Any]) -> AccessDecision:
        """Decide."""
        ...

    async def enforce(self, arguments: Mapping[str, Any]) -> object:
        """Raise unless allowed."""
        ...

    def enforce_now(self, arguments: Mapping[str, Any]) -> object:
        """Do the same in a plain function."""
        ...


def wrap(guard: Checks, target: Any) -> Any:
    """Return `target` behind a check.

    Raises:
        TypeError: for what is not callable.
    """
    if isinstance(target, (staticmethod, classmethod)):
        return type(target)(wrap(guard, target.__func__))
    if not callable(target) or inspect.isclass(target):
        raise TypeError(f"a guard decorates functions and ASGI apps, not {target!r}")
    signature = inspect.signature(target)
    if is_async(target) and tuple(signature.parameters) == _ASGI:
        return _wrap_app(guard, target)
    bind = functools.partial(_bind, signature)
    plain = _unwrap(target)
    if inspect.isasyncgenfunction(plain):
        return _wrap_async_stream(guard, target, bind)
    if inspect.isgeneratorfunction(plain):
        return _wrap_stream(guard, target, bind)
    if is_async(target):
        return _wrap_async(guard, target, bind)
    return _wrap_plain(guard, target, bind)


def _unwrap(target: Any) -> Any:
    while isinstance(target, functools.partial):
        target = target.func
    return target if inspect.isroutine(target) else type(target).__call__


def _bind(
    signature: inspect.Signature, positional: tuple[Any, ...], named: Mapping[str, Any]
) -> Mapping[str, Any]:
    bound = signature.bind(*positional, **named)
    bound.apply_defaults()
    return bound.arguments


def _wrap_plain(guard: Checks, target: Any, bind: Callable[..., Any]) -> Any:
    @functools.wraps(target)
    def guarded(*positional: Any, **named: Any) -> Any:
        guard.enforce_now(bind(positional, named))
        return target(*positional, **named)

    return guarded


def _wrap_async(guard: Checks, target: Any, bind: Callable[..., Any]) -> Any:
    @functools.wraps(target)
    async def guarded(*positional: Any, **named: Any) -> Any:
        arguments = bind(positional, named)
        connection = find_connection(arguments)
        if connection is None or not _can_refuse(connection):
            await guard.enforce(arguments)
            return await target(*positional, **named)
        decision = await guard.decide(arguments)
        if isinstance(decision, Denied):
            refusal = build_denial(decision)
            await send_denial(refusal, connection.scope, connection.receive, connection.send)
            return None
        return await target(*positional, **named)

    return guarded


def _wrap_stream(guard: Checks, target: Any, bind: Callable[..., Any]) -> Any:
    @functools.wraps(target)
    def guarded(*positional: Any, **named: Any) -> Generator[Any, Any, Any]:
        guard.enforce_now(bind(positional, named))
        return (yield from target(*positional, **named))

    return guarded


def _wrap_async_stream(guard: Checks, target: Any, bind: Callable[..., Any]) -> Any:
    @functools.wraps(target)
    async def guarded(*positional: Any, **named: Any) -> AsyncIterator[Any]:
        await guard.enforce(bind(positional, named))
        async with aclosing(target(*positional, **named)) as items:
            async for item in items:
                yield item

    return guarded


def _wrap_app(guard: Checks, app: Any) -> Any:
    @functools.wraps(app, updated=())
    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            decision = await guard.decide({"scope": scope})
            if isinstance(decision, Denied):
                await send_denial(build_denial(decision), scope, receive, send)
                return
        await app(scope, receive, send)

    return guarded


def find_connection(arguments: Mapping[str, Any]) -> Any | None:
    """Return the request or socket among a function's arguments, of whatever framework."""
    for value in arguments.values():
        if isinstance(getattr(value, "scope", None), dict) and "type" in value.scope:
            return value
    return None


def _can_refuse(connection: Any) -> bool:
    """Tell whether this is a WebSocket that can be answered like any ASGI app would: Starlette's.

    Its handlers may simply return; other frameworks' must raise.
    """
    return connection.scope["type"] == "websocket" and hasattr(connection, "application_state")


def find_argument(arguments: Mapping[str, Any]) -> Callable[[str], object]:
    """Return how to find an argument by name: a function's own, or else of the path."""

    def find(name: str) -> object:
        if name in arguments:
            return arguments[name]
        bundle = arguments.get("kwargs")
        if isinstance(bundle, dict) and name in bundle:
            return bundle[name]
        scope = arguments.get("scope")
        if not isinstance(scope, dict):
            connection = find_connection(arguments)
            scope = {} if connection is None else connection.scope
        return scope["path_params"][name]

    return find
