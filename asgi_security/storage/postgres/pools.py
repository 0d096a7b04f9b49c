"""A pool for each event loop: a connection can only be used in the one it was opened in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from asgi_security.errors import StorageError
from asgi_security.storage.postgres.pool import Pool
from asgi_security.storage.postgres.schema import fill

if TYPE_CHECKING:
    from asgi_security.events import EventSink
    from asgi_security.storage.postgres.options import Options


class Pools:
    """Runs statements with the pool of the event loop that asks."""

    def __init__(self, options: Options, events: EventSink) -> None:
        self._options = options
        self._events = events
        self._pools: WeakKeyDictionary[asyncio.AbstractEventLoop, Pool] = WeakKeyDictionary()
        self._filled: dict[str, str] = {}

    async def fetch(self, statement: str, *arguments: object) -> list[Any]:
        """Run one statement, with `{schema}` in it named, and return its rows.

        Raises:
            StorageError: See `Pool.fetch`.
        """
        filled = self._filled.get(statement)
        if filled is None:
            filled = self._filled[statement] = fill(statement, self._options.schema)
        return await self._find().fetch(filled, arguments)

    def watch(self, now: float) -> None:
        """Compare the caller's clock with the server's, now and then."""
        self._find().watch(now)

    async def migrate(self) -> None:
        """Bring the tables to this version.

        Raises:
            StorageError: They are of a newer version, or the database failed.
        """
        await self._find().migrate()

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        pool = self._pools.pop(_find_loop(), None)
        if pool is not None:
            # Shielded: a server that shuts down cancels, and connections would be left behind.
            await asyncio.shield(asyncio.ensure_future(pool.aclose()))

    def _find(self) -> Pool:
        loop = _find_loop()
        pool = self._pools.get(loop)
        if pool is None:
            pool = self._pools[loop] = Pool(self._options, self._events)
        return pool


def _find_loop() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise StorageError("the PostgreSQL store needs asyncio: asyncpg runs on it alone") from None
