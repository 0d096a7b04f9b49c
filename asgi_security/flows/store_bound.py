"""Waits for a store no longer than its caller may wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from asgi_security.errors import StorageError

if TYPE_CHECKING:
    from types import TracebackType


class StoreBound:
    """A block of store calls that raises `StorageError` when it takes longer than `seconds`.

    `shield` keeps a cancellation from outside away until the block is done. It is made where it is
    entered; a class, because a generator would cost as much as a call to a store in memory.
    """

    __slots__ = ("_scope",)

    def __init__(self, seconds: float, *, shield: bool = False) -> None:
        self._scope = anyio.CancelScope(deadline=anyio.current_time() + seconds, shield=shield)

    def __enter__(self) -> None:
        self._scope.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._scope.__exit__(kind, error, trace)
        if self._scope.cancelled_caught:
            raise StorageError("the store did not answer within its time bound")
