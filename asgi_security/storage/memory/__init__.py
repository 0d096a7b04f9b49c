"""The memory backend: for one process, for tests, and for what may be lost with the process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgi_security.storage.closing import Closing
from asgi_security.storage.memory.attempts import MemoryAttempts
from asgi_security.storage.memory.once import MemoryOnce
from asgi_security.storage.memory.revocations import MemoryRevocations
from asgi_security.storage.memory.sessions import MemorySessions
from asgi_security.storage.memory.throttles import MemoryThrottles
from asgi_security.validation import Findings

if TYPE_CHECKING:
    from asgi_security.storage.protocols import (
        AttemptStore,
        OneTimeStore,
        RevocationStore,
        SessionStore,
        ThrottleStore,
    )

__all__ = ["MemoryStore"]

SWEEP_BATCH = 500


class MemoryStore(Closing):
    """All facets in this process's memory, each bounded.

    A facet given as a keyword takes the place of the store's own; it is neither swept nor closed.
    Nothing is shared with other processes: with several workers, each counts for itself.
    """

    def __init__(
        self,
        *,
        max_keys: int = 100_000,
        max_revocations: int = 1_000_000,
        max_sessions: int = 100_000,
        max_values: int = 100_000,
        max_throttles: int = 100_000,
        attempts: AttemptStore | None = None,
        revocations: RevocationStore | None = None,
        sessions: SessionStore | None = None,
        once: OneTimeStore | None = None,
        throttles: ThrottleStore | None = None,
    ) -> None:
        findings = Findings("MemoryStore")
        findings.check_number("max_keys", max_keys, minimum=1, integer=True)
        findings.check_number("max_revocations", max_revocations, minimum=1, integer=True)
        findings.check_number("max_sessions", max_sessions, minimum=1, integer=True)
        findings.check_number("max_values", max_values, minimum=1, integer=True)
        findings.check_number("max_throttles", max_throttles, minimum=1, integer=True)
        findings.raise_if_any()
        own_attempts = MemoryAttempts(max_keys=max_keys)
        own_revocations = MemoryRevocations(limit=max_revocations)
        own_sessions = MemorySessions(limit=max_sessions)
        own_once = MemoryOnce(limit=max_values)
        own_throttles = MemoryThrottles(limit=max_throttles)
        self._own = (own_attempts, own_revocations, own_sessions, own_once, own_throttles)
        self.attempts: AttemptStore = own_attempts if attempts is None else attempts
        self.revocations: RevocationStore = own_revocations if revocations is None else revocations
        self.sessions: SessionStore = own_sessions if sessions is None else sessions
        self.once: OneTimeStore = own_once if once is None else once
        self.throttles: ThrottleStore = own_throttles if throttles is None else throttles

    def __repr__(self) -> str:
        return "MemoryStore()"

    async def sweep(self, *, now: float) -> int:
        """Remove what has expired, in batches between which other tasks run."""
        import anyio.lowlevel  # noqa: PLC0415 -- the request path never needs it

        total = 0
        for facet in self._own:
            while removed := facet.sweep(now, SWEEP_BATCH):
                total += removed
                await anyio.lowlevel.checkpoint()
        return total

    async def aclose(self) -> None:
        """Do nothing: there is nothing to let go of, and what is remembered stays."""
