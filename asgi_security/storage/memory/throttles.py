"""Quotas in this process's memory."""

from __future__ import annotations

from heapq import heappop, heappush, heapreplace
from threading import Lock
from typing import TYPE_CHECKING

from asgi_security.storage.protocols import ThrottleState
from asgi_security.storage.throttle_steps import count_microseconds, take_units

if TYPE_CHECKING:
    from asgi_security.storage.protocols import ThrottleRule

_MOST_LOOKED_AT = 1000
"""Bounds how long the making of room may hold up a request; the next one goes on with it."""


class MemoryThrottles:
    """A `ThrottleStore` of at most `limit` keys.

    When it is full, keys whose quota is whole again are dropped: nothing is lost with them. While
    there is none, new keys are refused. To forget a quota in use instead would let a flood of
    addresses win back its own, and to admit unknown keys uncounted would admit the flood.
    """

    is_process_local = True
    """Nobody else reads these keys: a secret for their digests may be made up at the start."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._whole_at: dict[bytes, int] = {}
        # Each key once, at an instant not later than its own: to move an entry at every take
        # would cost more than the take.
        self._order: list[tuple[int, bytes]] = []
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._whole_at)

    async def take(
        self, digest: bytes, rule: ThrottleRule, *, now: float, cost: int = 1
    ) -> ThrottleState:
        """Take units, or none."""
        # Atomic because nothing waits in here, and threads wait for the lock.
        with self._lock:
            stored = self._whole_at.get(digest)
            if stored is None and len(self._whole_at) >= self._limit:
                refusal = self._make_room(count_microseconds(now))
                if refusal is not None:
                    return refusal
            state, whole_at = take_units(stored or 0, rule, now=now, cost=cost)
            if whole_at is not None:
                self._whole_at[digest] = whole_at
                if stored is None:
                    heappush(self._order, (whole_at, digest))
            return state

    def sweep(self, now: float, limit: int) -> int:
        """Drop up to `limit` keys whose quota is whole again."""
        with self._lock:
            return self._drop_whole(count_microseconds(now), limit, most_looked_at=self._limit)

    def _make_room(self, at: int) -> ThrottleState | None:
        """Drop a key, or return the refusal of a new one: not before one may be dropped."""
        if self._drop_whole(at, 1, most_looked_at=_MOST_LOOKED_AT):
            return None
        wait = max(1, self._order[0][0] - at) / 1_000_000
        return ThrottleState(
            admitted=False, remaining=0, reset_seconds=wait, retry_after_seconds=wait
        )

    def _drop_whole(self, at: int, limit: int, *, most_looked_at: int) -> int:
        order, dropped = self._order, 0
        for _ in range(most_looked_at):
            if dropped == limit or not order or order[0][0] > at:
                break
            digest = order[0][1]
            whole_at = self._whole_at[digest]
            if whole_at > at:
                heapreplace(order, (whole_at, digest))
            else:
                heappop(order)
                del self._whole_at[digest]
                dropped += 1
        return dropped
