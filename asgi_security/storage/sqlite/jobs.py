"""One step for a worker thread, and the task that waits for it, on asyncio or trio."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import anyio

from asgi_security.errors import StorageError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable

T = TypeVar("T")


class Job(Generic[T]):
    """A step to run with a connection. Made in the task that will `wait` for it."""

    __slots__ = ("_answered", "_call_soon", "_event", "_result", "abandoned", "error", "step")

    def __init__(self, step: Callable[[sqlite3.Connection], T]) -> None:
        self.step = step
        self.error: BaseException | None = None
        self._result: Any = None
        self.abandoned = False
        self._answered = False
        self._event = anyio.Event()
        self._call_soon = _find_call_soon()

    def run(self, connection: sqlite3.Connection) -> None:
        """Run the step, in the worker's thread."""
        self._result = self.step(connection)

    async def wait(self, timeout_seconds: float) -> T:
        """Return the step's result.

        Raises:
            StorageError: The step failed, or did not end in time. It may have been taken.
        """
        try:
            with anyio.move_on_after(timeout_seconds):
                await self._event.wait()
        finally:
            # Timed out or cancelled: a worker that has not begun the step need not.
            self.abandoned = True
        if not self._answered:
            raise StorageError(f"SQLite did not answer within {timeout_seconds:g} s")
        if self.error is None:
            result: T = self._result
            return result
        if isinstance(self.error, StorageError):
            raise StorageError(str(self.error)) from self.error
        raise StorageError(f"SQLite failed: {type(self.error).__name__}") from self.error

    def _resolve(self) -> None:
        self._answered = True
        self._event.set()


def answer(jobs: Iterable[Job[Any]]) -> None:
    """Wake the tasks of these jobs, with one call into each event loop."""
    by_loop: dict[Callable[..., object], list[Job[Any]]] = {}
    for job in jobs:
        by_loop.setdefault(job._call_soon, []).append(job)
    for call_soon, waiting in by_loop.items():
        try:
            call_soon(_resolve_all, waiting)
        except RuntimeError:
            continue  # the loop has ended, and with it whoever waited


def _resolve_all(jobs: list[Job[Any]]) -> None:
    for job in jobs:
        job._resolve()


def _find_call_soon() -> Callable[..., object]:
    """Return how another thread gets a function called in the running event loop."""
    try:
        return asyncio.get_running_loop().call_soon_threadsafe
    except RuntimeError:
        trio = sys.modules["trio"]
        call_soon: Callable[..., object] = trio.lowlevel.current_trio_token().run_sync_soon
        return call_soon
