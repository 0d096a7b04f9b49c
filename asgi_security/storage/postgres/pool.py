"""The connections of one event loop.

Not asyncpg's own pool: that resets a connection after each use, which is a second round trip. Here
nothing is ever set on one, so there is nothing to reset.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any

from asgi_security.errors import StorageError
from asgi_security.storage.postgres.connecting import (
    close,
    connect,
    is_undone,
    is_usable,
    translate,
)
from asgi_security.storage.postgres.schema import migrate
from asgi_security.storage.postgres.watching import CLOCK, EVERY_SECONDS, report_skew

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from asgi_security.events import EventSink
    from asgi_security.storage.postgres.options import Options

_IDLE_SECONDS = 300.0
"""A connection unused for longer may have been forgotten by a firewall, and would only stall."""

_MIGRATION_SECONDS = 60.0


class Pool:
    """At most `max_size` connections, opened when they are first needed.

    A statement whose time runs out, or whose task is cancelled, is cancelled on the server, and
    its connection is closed. Until then it keeps its place: the server never sees more than
    `max_size` of them, however slow it is.
    """

    def __init__(self, options: Options, events: EventSink) -> None:
        self._options = options
        self._events = events
        self._look_at = -inf
        self._places = asyncio.Semaphore(options.max_size)
        self._idle: list[tuple[float, Any]] = []
        self._is_migrated = False
        self._migrating: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    async def fetch(self, statement: str, arguments: Sequence[object]) -> list[Any]:
        """Run one statement, in a transaction of its own, and return its rows.

        Raises:
            StorageError: It failed, or did not end in time. It may have been carried out.
        """
        timeout_seconds = self._options.timeout_seconds
        try:
            async with asyncio.timeout(timeout_seconds):
                try:
                    return await self._fetch(statement, arguments)
                except Exception as error:
                    if not is_undone(error):
                        raise
                return await self._fetch(statement, arguments)
        except StorageError:
            raise
        except Exception as error:
            # Errors of the server, the network, the arguments, and asyncpg's own confusion when a
            # connection ends at a bad moment: they have nothing in common but this.
            raise translate(error, timeout_seconds) from error

    def watch(self, now: float) -> None:
        """Compare the clocks, at first and then every five minutes; nobody waits for it."""
        at = self._loop.time()
        if at >= self._look_at:
            self._look_at = at + EVERY_SECONDS
            self._start(self._look(now, at))

    async def migrate(self) -> None:
        """Bring the tables to this version, unless that is done.

        All who wait share one attempt. It has a longer bound than they have, and goes on when they
        give up: a migration that is cut off at each attempt would never be done.

        Raises:
            StorageError: They are of a newer version, or the database failed.
        """
        if self._is_migrated:
            return
        if self._migrating is None or self._migrating.done():
            self._migrating = self._start(self._migrate())
        try:
            await asyncio.shield(self._migrating)
        except StorageError:
            raise
        except Exception as error:
            raise translate(error, _MIGRATION_SECONDS) from error

    async def aclose(self) -> None:
        """Wait for what is being asked, and close all connections."""
        for _ in range(self._options.max_size):
            await self._places.acquire()
        if self._migrating is not None:
            self._migrating.cancel()
        for _, connection in self._idle:
            self._start(self._close(connection))
        self._idle.clear()
        while self._tasks:
            await asyncio.wait(self._tasks)
        await asyncio.sleep(0)  # transports that were cut off are now told so

    async def _fetch(self, statement: str, arguments: Sequence[object]) -> list[Any]:
        await self._places.acquire()
        connection = None
        try:
            connection = self._take_idle() or await self._open()
            found: list[Any] = await connection.fetch(statement, *arguments)
        except BaseException as error:
            if connection is None:
                self._places.release()
            elif is_usable(connection, error):
                self._put_back(connection)
            else:
                self._start(self._give_up(connection))
            raise
        self._put_back(connection)
        return found

    def _take_idle(self) -> Any:
        """Return the connection used last, None if there is none."""
        oldest = self._loop.time() - _IDLE_SECONDS
        while self._idle:
            since, connection = self._idle.pop()
            if since >= oldest and not connection.is_closed():
                return connection
            self._start(self._close(connection))
        return None

    async def _open(self) -> Any:
        await self.migrate()
        return self._take_idle() or await connect(self._options)

    async def _migrate(self) -> None:
        async with asyncio.timeout(_MIGRATION_SECONDS):
            connection = await connect(self._options)
            try:
                await migrate(connection, self._options.schema)
            except BaseException:
                connection.terminate()
                raise
            self._is_migrated = True
            self._idle.append((self._loop.time(), connection))
            while len(self._idle) < self._options.min_size and not self._places.locked():
                self._idle.append((self._loop.time(), await connect(self._options)))

    async def _look(self, now: float, at: float) -> None:
        with suppress(StorageError):  # whoever asks for more than the time is told
            found = await self.fetch(CLOCK, ())
            passed = self._loop.time() - at
            report_skew(self._events, ahead_seconds=found[0][0] - now, passed_seconds=passed)

    def _put_back(self, connection: Any) -> None:
        now = self._loop.time()
        self._idle.append((now, connection))
        self._places.release()
        if self._idle[0][0] < now - _IDLE_SECONDS and len(self._idle) > self._options.min_size:
            self._start(self._close(self._idle.pop(0)[1]))

    async def _give_up(self, connection: Any) -> None:
        try:
            await self._close(connection)
        finally:
            self._places.release()

    async def _close(self, connection: Any) -> None:
        await close(connection, self._options.timeout_seconds)

    def _start(self, step: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(step)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
