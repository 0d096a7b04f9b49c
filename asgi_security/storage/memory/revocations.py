"""Revocations in this process's memory."""

from __future__ import annotations

from math import inf
from threading import Lock
from typing import TYPE_CHECKING

from asgi_security.storage.memory.expiring import Expiring

if TYPE_CHECKING:
    from collections.abc import Sequence


class MemoryRevocations:
    """A `RevocationStore` of at most `limit` ids and as many subjects.

    When it is full of live revocations, revoking one more raises `StorageError`: forgetting one
    would let a stolen token in again.
    """

    def __init__(self, *, limit: int) -> None:
        self._ids: Expiring[bytes, None] = Expiring("revocations", limit)
        self._subjects: Expiring[bytes, float] = Expiring("revoked subjects", limit)
        self._seen_now = -inf
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._ids) + len(self._subjects)

    async def revoke(self, digest: bytes, *, expires_at: float) -> None:
        """Refuse this id from now on, at least until `expires_at`."""
        with self._lock:
            stored = self._ids.get_stored(digest)
            if stored is None or stored[0] < expires_at:
                self._ids.put(digest, None, expires_at=expires_at, now=self._seen_now)

    async def revoke_subject(self, subject: bytes, *, before: float, expires_at: float) -> None:
        """Refuse all that was issued to this subject at or before an instant."""
        with self._lock:
            stored = self._subjects.get_stored(subject)
            if stored is not None:
                expires_at = max(expires_at, stored[0])
                before = max(before, stored[1])
            self._subjects.put(subject, before, expires_at=expires_at, now=self._seen_now)

    async def is_revoked(
        self,
        ids: Sequence[bytes],
        *,
        subject: bytes | None = None,
        issued_at: float | None = None,
        now: float,
    ) -> bool:
        """Tell whether any id is revoked, or the subject at or after `issued_at`."""
        with self._lock:
            # `revoke` is not told the time: what may be dropped follows the latest one seen.
            self._seen_now = max(self._seen_now, now)
            for digest in ids:
                stored = self._ids.get_stored(digest)
                if stored is not None and now < stored[0]:
                    return True
            if subject is None:
                return False
            before = self._subjects.get(subject, now)
        return before is not None and (issued_at is None or issued_at <= before)

    def sweep(self, now: float, limit: int) -> int:
        """Drop up to `limit` revocations that have expired."""
        with self._lock:
            self._seen_now = max(self._seen_now, now)
            removed = self._ids.sweep(now, limit)
            return removed + self._subjects.sweep(now, limit - removed)
