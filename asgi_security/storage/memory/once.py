"""One-time values in this process's memory."""

from __future__ import annotations

from threading import Lock

from asgi_security.storage.memory.expiring import Expiring


class MemoryOnce:
    """A `OneTimeStore` of at most `limit` values and as many claims."""

    def __init__(self, *, limit: int) -> None:
        self._values: Expiring[tuple[str, bytes], bytes] = Expiring("one-time values", limit)
        self._claims: Expiring[tuple[str, bytes], None] = Expiring("claims", limit)
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._values) + len(self._claims)

    async def put(
        self, kind: str, digest: bytes, value: bytes, *, expires_at: float, now: float
    ) -> None:
        """Store a value under (kind, digest), in place of any other."""
        with self._lock:
            self._values.put((kind, digest), value, expires_at=expires_at, now=now)

    async def take(self, kind: str, digest: bytes, *, now: float) -> bytes | None:
        """Remove and return a live value, to exactly one caller."""
        with self._lock:
            stored = self._values.pop((kind, digest))
        return stored[1] if stored is not None and now < stored[0] else None

    async def claim(self, kind: str, digest: bytes, *, expires_at: float, now: float) -> bool:
        """Claim (kind, digest) until `expires_at`: True for the first caller only."""
        key = (kind, digest)
        with self._lock:
            stored = self._claims.get_stored(key)
            if stored is not None and now < stored[0]:
                return False
            self._claims.put(key, None, expires_at=expires_at, now=now)
            return True

    def sweep(self, now: float, limit: int) -> int:
        """Drop up to `limit` values and claims that have expired."""
        with self._lock:
            removed = self._values.sweep(now, limit)
            return removed + self._claims.sweep(now, limit - removed)
