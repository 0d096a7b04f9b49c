"""Drives a check to its end: one that yields what must be awaited serves plain functions too."""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from inspect import iscoroutine
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")
Steps: TypeAlias = Generator[Awaitable[Any], Any, T]
"""Yields what must be awaited, is sent its result or thrown its error, and returns."""


async def run(steps: Steps[T], *, timeout_seconds: float) -> T:
    """Drive a check to its end, awaiting what it yields, each for so long at most."""
    try:
        pending = next(steps)
        while True:
            try:
                value = await _bound(pending, timeout_seconds)
            except Exception as error:  # noqa: BLE001 -- the check decides what becomes of it
                pending = steps.throw(error)
            else:
                pending = steps.send(value)
    except StopIteration as end:
        result: T = end.value
        return result


def run_now(steps: Steps[T], *, timeout_seconds: float) -> T:
    """Drive a check to its end from a plain function.

    What must be awaited runs in the event loop that this worker thread belongs to; on the loop's
    own thread it cannot run, and has failed.
    """
    try:
        pending = next(steps)
        while True:
            try:
                value = _await_elsewhere(pending, timeout_seconds)
            except Exception as error:  # noqa: BLE001 -- the check decides what becomes of it
                pending = steps.throw(error)
            else:
                pending = steps.send(value)
    except StopIteration as end:
        result: T = end.value
        return result


def _await_elsewhere(pending: Awaitable[T], seconds: float) -> T:
    from anyio import from_thread  # noqa: PLC0415 -- only who waits pays for it

    try:
        return from_thread.run(_bound, pending, seconds)
    finally:
        if iscoroutine(pending):
            pending.close()  # it may never have begun


async def _bound(pending: Awaitable[T], seconds: float) -> T:
    from anyio import fail_after  # noqa: PLC0415 -- only who waits pays for it

    with fail_after(seconds):
        return await pending
