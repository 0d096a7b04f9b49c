"""Appends to chains: what one event loop has to append to one chain goes in one call.

Whoever comes while a call is under way waits for its end; the first of them then takes along all
that has come by then. So there is one call at a time and chain, however many want to append, and
alone nobody waits. Other processes are met by the store: if one was faster, the same facts are
sealed again behind it.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

import anyio

from asgi_security.errors import StorageError
from asgi_security.flows.per_loop import PerLoop
from asgi_security.flows.store_bound import StoreBound
from asgi_security.storage.protocols import Appended

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from asgi_security.clock import Entropy
    from asgi_security.flows.audit_sealing import ChainEnd, Sealer
    from asgi_security.policy.audit import AuditFacts
    from asgi_security.storage.protocols import AuditHead, AuditRecord, AuditStore

MOST_AT_ONCE = 100
"""Records in one call: the first of thousands need not wait for the last."""

MOST_ENDS = 1024
"""How many chains' ends are remembered; that of any other is asked for."""

_STEP_SECONDS = 0.002
_LONGEST_PAUSE_SECONDS = 0.05


class Appender:
    """Appends facts to their chains, each once.

    `sleep` waits between the tries, a while that `entropy` chooses: processes that step back alike
    would meet again.
    """

    def __init__(
        self,
        store: AuditStore,
        sealer: Sealer,
        *,
        timeout_seconds: float,
        max_tries: int,
        entropy: Entropy,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._timeout_seconds = timeout_seconds
        self._max_tries = max_tries
        self._entropy = entropy
        self._sleep = sleep
        self._ends: dict[str, ChainEnd] = {}
        self._queues: PerLoop[_Queues] = PerLoop(dict)

    async def append(self, facts: AuditFacts) -> None:
        """Append facts to their chain, and return once they are stored.

        Cancelled before a call has them they are not appended; after that they are.

        Raises:
            StorageError: They could not be stored in time. They may still have been.
        """
        queues = self._queues.get()
        queue = queues.get(facts.chain)
        if queue is None:
            queue = queues[facts.chain] = _Queue()
        pending = _Pending(facts)
        queue.users += 1
        queue.waiting.append(pending)
        try:
            await self._take_turn(queue, pending)
        finally:
            queue.users -= 1
            if not pending.is_taken:
                queue.waiting.remove(pending)
            if not queue.users:
                del queues[facts.chain]
        if pending.error is not None:
            raise StorageError(str(pending.error)) from pending.error

    async def load_end(self, chain: str) -> ChainEnd:
        """Return the end of a chain as it is stored now.

        Raises:
            StorageError: The store failed, or the chain has come to a key that is not held.
        """
        head = await self._store.load_head(chain)
        return await self._sealer.find_end(chain, head, self.read_last)

    async def read_last(self, chain: str, head: AuditHead) -> Sequence[AuditRecord]:
        """Return the record with the number of a head."""
        return await self._store.read(chain, after=head.sequence - 1, limit=1)

    async def _take_turn(self, queue: _Queue, pending: _Pending) -> None:
        try:
            with StoreBound(self._timeout_seconds):
                await queue.lock.acquire()
        except StorageError:
            if not pending.is_taken:
                raise  # in no call yet: it is not stored
            with StoreBound(self._timeout_seconds):  # as long as a call may take
                await pending.done.wait()
            return
        try:
            while not pending.done.is_set():
                await self._run_call(queue)
        finally:
            queue.lock.release()

    async def _run_call(self, queue: _Queue) -> None:
        batch = queue.interrupted or _Batch(queue.take(MOST_AT_ONCE))
        queue.interrupted = batch
        error: StorageError | None = None
        try:
            # Shielded: a caller who hangs up must not undo what others wait for. A task that is
            # cancelled past the shield leaves its batch to the next, who repeats the same call.
            with StoreBound(self._timeout_seconds, shield=True):
                await self._append(batch)
        except StorageError as caught:
            error = caught
        queue.interrupted = None
        for pending in batch.pending:
            pending.error = error
            pending.done.set()

    async def _append(self, batch: _Batch) -> None:
        for count in range(self._max_tries):
            if batch.start is None:
                batch.start = self._ends.get(batch.chain) or await self.load_end(batch.chain)
                facts = [pending.facts for pending in batch.pending]
                batch.records, batch.end = self._sealer.seal(facts, batch.start)
            answer = await self._store.append(batch.records, after=batch.start.head)
            if isinstance(answer, Appended):
                self._remember(batch.chain, batch.end)
                return
            batch.start = None
            end = await self._sealer.find_end(batch.chain, answer.head, self.read_last)
            self._remember(batch.chain, end)
            if count:
                longest = min(count * _STEP_SECONDS, _LONGEST_PAUSE_SECONDS)
                await self._sleep(longest * self._entropy(1)[0] / 255)
        raise StorageError("other processes were always faster to append to the audit log")

    def _remember(self, chain: str, end: ChainEnd | None) -> None:
        """Remember where a chain ends; if that is no longer so, the store will say it."""
        self._ends.pop(chain, None)
        if end is not None:
            self._ends[chain] = end
        while len(self._ends) > MOST_ENDS:
            self._ends.pop(next(iter(self._ends)), None)


class _Pending:
    """Facts whose caller waits."""

    __slots__ = ("done", "error", "facts", "is_taken")

    def __init__(self, facts: AuditFacts) -> None:
        self.facts = facts
        self.done = anyio.Event()
        self.error: StorageError | None = None
        self.is_taken = False
        """Whether it is in a call, and so may be stored whatever becomes of its caller."""


class _Batch:
    """What goes in one call; the records, once they have their place."""

    __slots__ = ("chain", "end", "pending", "records", "start")

    def __init__(self, pending: Sequence[_Pending]) -> None:
        self.pending = pending
        self.chain = pending[0].facts.chain
        self.records: tuple[AuditRecord, ...] = ()
        self.start: ChainEnd | None = None
        self.end: ChainEnd | None = None


class _Queue:
    """What waits to be appended to one chain; whoever has the lock appends it."""

    __slots__ = ("interrupted", "lock", "users", "waiting")

    def __init__(self) -> None:
        self.lock = anyio.Lock()
        self.waiting: deque[_Pending] = deque()
        self.interrupted: _Batch | None = None
        self.users = 0

    def take(self, limit: int) -> list[_Pending]:
        """Remove and return the first ones."""
        taken = list(islice(self.waiting, limit))
        for pending in taken:
            self.waiting.popleft()
            pending.is_taken = True
        return taken


_Queues: TypeAlias = dict[str, _Queue]
