"""A thread with a connection of its own, that runs queued steps in shared transactions.

Group commit: whatever has queued up while the disk was busy goes into one transaction, each step
under a savepoint of its own, so that one fails alone; after the commit all are answered. Under
load a commit is paid once for many steps, and alone a step waits for nobody.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from asgi_security.errors import StorageError
from asgi_security.storage.sqlite.jobs import Job, answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from asgi_security.storage.sqlite.connecting import Opening

T = TypeVar("T")

_MAX_BATCH = 256
"""Bounds how long the write lock is held, since other processes wait for it."""


class Worker:
    """Runs steps in a thread that starts with the first one and ends with `aclose`.

    A step after that starts another. So does a step after a fork, on both sides of it.
    """

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._starting = threading.Lock()
        self._queue: Queue = SimpleQueue()
        self._thread: threading.Thread | None = None
        _workers.add(self)

    async def run(self, step: Callable[[sqlite3.Connection], T]) -> T:
        """Run a step in a transaction and return its result once that is committed.

        Raises:
            StorageError: See `Job.wait`.
        """
        job = Job(step)
        with self._starting:
            if self._thread is None:
                self._start()
            self._queue.put(job)
        return await job.wait(self._opening.timeout_seconds)

    async def aclose(self) -> None:
        """End the thread once it has run what is queued, and close its connection."""
        closed = Job(_do_nothing)
        with self._starting:
            thread = self._stop(closed)
        if thread is not None:
            await closed.wait(self._opening.timeout_seconds)
            thread.join(self._opening.timeout_seconds)  # it has nothing left to do but return

    def _start(self) -> None:
        queue: Queue = SimpleQueue()
        thread = threading.Thread(
            target=_serve, args=(queue, self._opening), name="asgi_security sqlite", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:
            raise StorageError("no thread can be started") from error
        self._queue = queue
        self._thread = thread
        # The thread holds the queue and not the worker: a store that is dropped ends it too.
        self._finalizer = weakref.finalize(self, queue.put, Stop(None))

    def _stop(self, closed: Job[None] | None) -> threading.Thread | None:
        thread, self._thread = self._thread, None
        if thread is not None:
            self._finalizer.detach()
            self._queue.put(Stop(closed))
        return thread

    def _before_fork(self) -> None:
        """Close the connection, and start no other until the fork is done.

        A child that inherits an open connection believes in locks that it does not hold, even on
        connections of its own: SQLite keeps them by file, and a commit can then be lost.
        """
        self._starting.acquire()
        thread = self._stop(None)
        if thread is not None:
            thread.join(2 * self._opening.timeout_seconds)

    def _after_fork(self) -> None:
        self._starting.release()


_workers: weakref.WeakSet[Worker] = weakref.WeakSet()
_forking: list[Worker] = []


def _before_fork() -> None:
    for worker in list(_workers):
        worker._before_fork()
        _forking.append(worker)


def _after_fork() -> None:
    while _forking:
        _forking.pop()._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork
    )


class Stop:
    """Ends the thread. `closed` is answered once the connection is closed."""

    __slots__ = ("closed",)

    def __init__(self, closed: Job[None] | None) -> None:
        self.closed = closed


Queue: TypeAlias = SimpleQueue[Job[Any] | Stop]


def _do_nothing(_connection: sqlite3.Connection) -> None:
    return


def _serve(queue: Queue, opening: Opening) -> None:
    connection: sqlite3.Connection | None = None
    while True:
        batch, stop = _drain(queue)
        try:
            if batch and connection is None:
                connection = opening.open()
            if batch and connection is not None:
                _run_batch(connection, batch, opening.begin)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the waiting tasks must hear
            for job in batch:
                job.error = job.error or error
            _close(connection)
            connection = None  # the next batch gets a fresh one, whatever this one has come to
        answer(batch)
        if stop is not None:
            _close(connection)
            if stop.closed is not None:
                answer([stop.closed])
            return
        del batch  # the thread now sleeps; what it answered is not its to keep


def _drain(queue: Queue) -> tuple[list[Job[Any]], Stop | None]:
    """Wait for a job, then take along what else is there, without jobs nobody waits for."""
    batch: list[Job[Any]] = []
    item = queue.get()
    with suppress(Empty):
        while not isinstance(item, Stop):
            if not item.abandoned:
                batch.append(item)
            if len(batch) >= _MAX_BATCH:
                return batch, None
            item = queue.get_nowait()
        return batch, item
    return batch, None


def _run_batch(connection: sqlite3.Connection, batch: list[Job[Any]], begin: str) -> None:
    """Run the jobs in one transaction. A job's own error is noted in it; any other is raised."""
    alone = len(batch) == 1
    connection.execute(begin)
    try:
        for job in batch:
            if not alone:
                connection.execute("SAVEPOINT step")
            try:
                job.run(connection)
            except Exception as error:
                job.error = error
                # A full disk or an I/O error undoes the whole transaction, not the step alone.
                if alone or not connection.in_transaction:
                    raise
                connection.execute("ROLLBACK TO step")
            if not alone:
                connection.execute("RELEASE step")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _close(connection: sqlite3.Connection | None) -> None:
    if connection is not None:
        with suppress(sqlite3.Error):
            connection.close()
