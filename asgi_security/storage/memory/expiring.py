"""A bounded dictionary whose entries end at an instant of their own."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Generic, TypeVar

from asgi_security.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

K = TypeVar("K", bound="Hashable")
V = TypeVar("V")


class Expiring(Generic[K, V]):
    """Values with their expiry, at most `limit` of them.

    A full one drops what has expired. It never gives up a live entry: a flood must not undo a
    revocation or log anyone out, so one more is a `StorageError`.
    """

    def __init__(
        self, what: str, limit: int, dropped: Callable[[K, V], None] | None = None
    ) -> None:
        self._what = what
        self._limit = limit
        self._dropped = dropped
        self._entries: dict[K, tuple[float, V]] = {}
        self._order: list[tuple[float, K]] = []

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K, now: float) -> V | None:
        """Return the value if it is alive at `now`."""
        entry = self._entries.get(key)
        return entry[1] if entry is not None and now < entry[0] else None

    def get_stored(self, key: K) -> tuple[float, V] | None:
        """Return expiry and value, alive or not."""
        return self._entries.get(key)

    def put(self, key: K, value: V, *, expires_at: float, now: float) -> None:
        """Store a value in place of any other under its key."""
        present = self._entries.get(key)
        if present is None and len(self._entries) >= self._limit:
            self.sweep(now, self._limit)
            if len(self._entries) >= self._limit:
                raise StorageError(f"the memory store holds {self._limit} live {self._what}")
        self._entries[key] = (expires_at, value)
        if present is None or present[0] != expires_at:
            heappush(self._order, (expires_at, key))
            self._shed()

    def pop(self, key: K) -> tuple[float, V] | None:
        """Remove an entry and return its expiry and value."""
        return self._entries.pop(key, None)

    def sweep(self, now: float, limit: int) -> int:
        """Drop up to `limit` entries that have expired at `now`; return how many."""
        removed = 0
        while self._order and self._order[0][0] <= now and removed < limit:
            expires_at, key = heappop(self._order)
            entry = self._entries.get(key)
            if entry is not None and entry[0] == expires_at:
                del self._entries[key]
                removed += 1
                if self._dropped is not None:
                    self._dropped(key, entry[1])
        return removed

    def _shed(self) -> None:
        """Rebuild the order once most of it is of entries that moved or went: O(1) amortised."""
        if len(self._order) > 2 * len(self._entries) + 64:
            self._order = [(expires_at, key) for key, (expires_at, _) in self._entries.items()]
            heapify(self._order)
