"""Asks Redis: finds the lane, waits for the reply, and makes every error a `StorageError`."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from asgi_security.errors import StorageError
from asgi_security.storage.redis.lane import Call
from asgi_security.storage.redis.routes import ClusterRoute, ServerRoute
from asgi_security.storage.redis.watching import Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from asgi_security.events import EventSink
    from asgi_security.storage.redis.addresses import Address
    from asgi_security.storage.redis.commands import Command
    from asgi_security.storage.redis.routes import Route

T = TypeVar("T")


class Dispatcher:
    """Runs commands of any task of any event loop; each loop has connections of its own."""

    def __init__(
        self, address: Address, *, timeout_seconds: float, wait_replicas: int, events: EventSink
    ) -> None:
        self._address = address
        self._timeout_seconds = timeout_seconds
        # The replicas' silence should be told, not run into; also by a script sent a second time.
        milliseconds = max(1, int(timeout_seconds * 400))
        self._wait = (wait_replicas, milliseconds) if wait_replicas else None
        self._routes: dict[asyncio.AbstractEventLoop, Route] = {}
        self._watch = Watch(events)

    async def run(
        self, command: Command, decode: Callable[[Any], T], *, now: float | None = None
    ) -> T:
        """Return what `decode` makes of the reply.

        Args:
            command: what to ask.
            decode: may raise anything at a reply it does not know.
            now: the caller's time, to compare the server's clock with.

        Raises:
            StorageError: Redis failed, refused, or did not answer in time.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise StorageError("the Redis store runs on asyncio only") from None
        route = self._routes.get(loop)
        if route is None:
            route = self._open(loop)
        call = Call(command, loop.time() + self._timeout_seconds)
        if isinstance(route, ServerRoute):
            lane = route.lane
            lane.submit(call)
            reply = await call.future
        else:
            try:
                async with asyncio.timeout_at(call.deadline):
                    lane = await route.find_lane(command.key)
                    lane.submit(call)
                    reply = await call.future
                    if isinstance(reply, Exception):
                        reply = await route.follow(call, reply)
            except Exception as error:
                route.doubt()
                raise _explain(error) from error
        if isinstance(reply, Exception):
            raise _explain(reply) from reply
        if now is not None and self._watch.is_due(loop.time()):
            asked_at = call.deadline - self._timeout_seconds
            self._watch.look(lane, now, asked_at, self._timeout_seconds)
        try:
            return decode(reply)
        except StorageError:
            raise
        except Exception as error:
            lane.distrust()
            raise StorageError("Redis gave an answer of another shape") from error

    async def aclose(self) -> None:
        """Close the connections of this loop, and those of other loops that run."""
        here = asyncio.get_running_loop()
        routes = list(self._routes.items())
        self._routes.clear()
        for loop, route in routes:
            if loop is here:
                await route.aclose()
            elif loop.is_running():
                # A loop that has ended has cancelled its tasks, and they have closed everything.
                closing = asyncio.run_coroutine_threadsafe(route.aclose(), loop)
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._timeout_seconds):
                        await asyncio.wrap_future(closing)

    def _open(self, loop: asyncio.AbstractEventLoop) -> Route:
        for other in list(self._routes):
            if other.is_closed():
                self._routes.pop(other, None)
        kind = ClusterRoute if self._address.kind == "cluster" else ServerRoute
        route = kind(self._address, self._timeout_seconds, self._wait)
        self._routes[loop] = route
        return route


def _explain(error: Exception) -> StorageError:
    """Return an error without the driver's text, which may hold addresses and keys."""
    if isinstance(error, StorageError):
        return error
    if isinstance(error, TimeoutError):
        return StorageError("Redis did not answer in time")
    return StorageError(f"Redis failed: {type(error).__name__}")
