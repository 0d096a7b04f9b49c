"""Audit chains in this process's memory."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from asgi_security.errors import StorageError
from asgi_security.storage.audit_steps import check_records, decide_append
from asgi_security.storage.protocols.audit import Appended, AuditHead

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.storage.protocols.audit import AuditRecord, HeadMoved


class MemoryAudit:
    """An `AuditStore` of at most `limit` records of all chains together.

    When it is full, appending raises `StorageError`: a log that drops its oldest records hides what
    it was kept for.
    """

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._chains: dict[str, list[AuditRecord]] = {}
        self._count = 0
        self._lock = Lock()

    def __len__(self) -> int:
        return self._count

    async def append(
        self, records: Sequence[AuditRecord], *, after: AuditHead | None
    ) -> Appended | HeadMoved:
        """Store one or more records of one chain, if it ends in `after`."""
        made = check_records(records, after)
        with self._lock:
            stored = self._chains.get(records[0].chain, [])
            stands = made.sequence <= len(stored) and stored[made.sequence - 1].mac == made.mac
            answer = decide_append(_find_head(stored), after, made, stands=stands)
            if answer is not None:
                return answer
            if self._count + len(records) > self._limit:
                raise StorageError(f"the memory store holds {self._limit} audit records")
            self._chains.setdefault(records[0].chain, stored).extend(records)
            self._count += len(records)
            return Appended(made)

    async def load_head(self, chain: str) -> AuditHead | None:
        """Return the end of a chain."""
        with self._lock:
            return _find_head(self._chains.get(chain, []))

    async def read(
        self, chain: str, *, after: int = 0, limit: int = 500
    ) -> tuple[AuditRecord, ...]:
        """Return up to `limit` records behind a number."""
        with self._lock:
            return tuple(self._chains.get(chain, [])[after : after + limit])

    async def list_chains(self, *, after: str | None = None, limit: int = 500) -> tuple[str, ...]:
        """Return up to `limit` names of chains, in the order of their UTF-8."""
        with self._lock:
            names = [name for name in self._chains if after is None or name > after]
        # Python orders text by code points, and UTF-8 orders bytes alike.
        return tuple(sorted(names)[:limit])


def _find_head(stored: Sequence[AuditRecord]) -> AuditHead | None:
    return AuditHead(stored[-1].sequence, stored[-1].mac) if stored else None
