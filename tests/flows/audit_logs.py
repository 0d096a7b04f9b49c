"""Audit logs for tests, and stores that fail on demand between a log and a real one."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from asgi_security.errors import StorageError
from asgi_security.flows.audit import AuditConfig, AuditEntry, AuditLog
from asgi_security.storage.memory import MemoryStore
from asgi_security.testing import EventRecorder, FakeClock, SeededEntropy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from asgi_security.crypto.audit_chain import Verification
    from asgi_security.storage.memory.audit import MemoryAudit
    from asgi_security.storage.protocols import Appended, AuditHead, AuditRecord, HeadMoved

SECRET, NEW = "s" * 32, "n" * 32


async def pass_on(_seconds: float) -> None:
    """Wait for nothing."""


class Between:
    """Passes every call on to a store, counts them, and fails or waits where it is told to.

    `before` and `after` are called around each append; `lost` appends are stored, and their answer
    is an error.
    """

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.batches: list[int] = []
        self.reads = 0
        self.before: Callable[[], Awaitable[None]] | None = None
        self.after: Callable[[], Awaitable[None]] | None = None
        self.is_down = False
        self.lost = 0

    async def append(
        self, records: Sequence[AuditRecord], *, after: AuditHead | None
    ) -> Appended | HeadMoved:
        self.batches.append(len(records))
        self._check()
        if self.before is not None:
            await self.before()
        answer: Appended | HeadMoved = await self.inner.append(records, after=after)
        if self.after is not None:
            await self.after()
        if self.lost:
            self.lost -= 1
            raise StorageError("the answer was lost")
        return answer

    async def load_head(self, chain: str) -> AuditHead | None:
        self.reads += 1
        self._check()
        head: AuditHead | None = await self.inner.load_head(chain)
        return head

    async def read(self, chain: str, *, after: int = 0, limit: int = 500) -> Any:
        self.reads += 1
        self._check()
        return await self.inner.read(chain, after=after, limit=limit)

    async def list_chains(self, *, after: str | None = None, limit: int = 500) -> Any:
        self._check()
        return await self.inner.list_chains(after=after, limit=limit)

    def _check(self) -> None:
        if self.is_down:
            raise StorageError("down")


class Scene:
    """A log over a memory store that can be looked at and tampered with."""

    def __init__(self, **config: Any) -> None:
        self.memory = MemoryStore()
        self.numbers = count()
        self.audit: MemoryAudit = self.memory.audit  # type: ignore[assignment]
        self.between = Between(self.audit)
        self.clock = FakeClock()
        self.events = EventRecorder()
        self.log = self.open(**config)

    def open(self, **config: Any) -> AuditLog:
        """Return another log over the same store, as another process would have one."""
        values = config if "dangerously_unkeyed" in config else {"secret": SECRET, **config}
        return AuditLog(
            AuditConfig(**values),
            self.between,
            clock=self.clock,
            entropy=SeededEntropy(f"log {next(self.numbers)}"),
            events=self.events,
            sleep=pass_on,
        )

    def stored(self, chain: str = "main") -> list[AuditRecord]:
        """The records themselves: to change this list is to tamper with the store."""
        return self.audit._chains[chain]

    async def fill(self, times: int, **fields: Any) -> None:
        for number in range(times):
            await self.log.record(AuditEntry(action=f"act_{number}", actor="a1", **fields))

    async def verify(self, tenant: str | None = None, **options: Any) -> Verification:
        return await self.log.verify(tenant, **options)
