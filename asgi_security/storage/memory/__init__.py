"""The memory backend: for one process, for tests, and for what may be lost with the process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgi_security.storage.facets import SWEEP_BATCH, FacetStore
from asgi_security.storage.inspecting import Observation
from asgi_security.storage.memory.accounts import MemoryAccounts
from asgi_security.storage.memory.api_keys import MemoryApiKeys
from asgi_security.storage.memory.attempts import MemoryAttempts
from asgi_security.storage.memory.audit import MemoryAudit
from asgi_security.storage.memory.once import MemoryOnce
from asgi_security.storage.memory.refresh import MemoryRefresh
from asgi_security.storage.memory.revocations import MemoryRevocations
from asgi_security.storage.memory.sessions import MemorySessions
from asgi_security.storage.memory.throttles import MemoryThrottles
from asgi_security.validation import Findings

if TYPE_CHECKING:
    from typing import Unpack

    from asgi_security.storage.facets import Facets

__all__ = ["MemoryStore"]


class MemoryStore(FacetStore):
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
        max_families: int = 100_000,
        max_accounts: int = 100_000,
        max_api_keys: int = 100_000,
        max_audit_records: int = 100_000,
        **facets: Unpack[Facets],
    ) -> None:
        findings = Findings("MemoryStore")
        findings.check_number("max_keys", max_keys, minimum=1, integer=True)
        findings.check_number("max_revocations", max_revocations, minimum=1, integer=True)
        findings.check_number("max_sessions", max_sessions, minimum=1, integer=True)
        findings.check_number("max_values", max_values, minimum=1, integer=True)
        findings.check_number("max_throttles", max_throttles, minimum=1, integer=True)
        findings.check_number("max_families", max_families, minimum=1, integer=True)
        findings.check_number("max_accounts", max_accounts, minimum=1, integer=True)
        findings.check_number("max_api_keys", max_api_keys, minimum=1, integer=True)
        findings.check_number("max_audit_records", max_audit_records, minimum=1, integer=True)
        findings.raise_if_any()
        own = {
            "attempts": MemoryAttempts(max_keys=max_keys),
            "revocations": MemoryRevocations(limit=max_revocations),
            "sessions": MemorySessions(limit=max_sessions),
            "once": MemoryOnce(limit=max_values),
            "throttles": MemoryThrottles(limit=max_throttles),
            "refresh": MemoryRefresh(limit=max_families),
            "accounts": MemoryAccounts(limit=max_accounts),
            "api_keys": MemoryApiKeys(limit=max_api_keys),
            "audit": MemoryAudit(limit=max_audit_records),
        }
        self._install(own, facets)

    def __repr__(self) -> str:
        return "MemoryStore()"

    async def sweep(self, *, now: float) -> int:
        """Remove what has expired, in batches between which other tasks run."""
        import anyio.lowlevel  # noqa: PLC0415 -- the request path never needs it

        total = 0
        for facet in self._swept:
            while removed := facet.sweep(now, SWEEP_BATCH):
                total += removed
                await anyio.lowlevel.checkpoint()
        return total

    async def inspect(self, *, now: float) -> tuple[Observation, ...]:
        """Tell what this store is; there is nothing to look at."""
        del now
        return (Observation("durability", "none; and each process has a store of its own"),)

    async def aclose(self) -> None:
        """Do nothing: there is nothing to let go of, and what is remembered stays."""
