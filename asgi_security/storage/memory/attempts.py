"""Attempts in this process's memory."""

from __future__ import annotations

from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias

from asgi_security.errors import StorageError
from asgi_security.storage.attempt_steps import (
    BUSY,
    CLEAN,
    HISTORY_SECONDS,
    USER_AGENT_CHARACTERS,
    add_failure,
    age,
    compute_key_status,
    compute_status,
    decide,
    describe,
    settle,
    take_charge,
)
from asgi_security.storage.memory.queues import Entry, EvictionQueues
from asgi_security.storage.memory.records import AttemptRecords
from asgi_security.storage.protocols.lockout import Admitted, Outcome, Receipt, Settled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.storage.protocols.lockout import (
        AttemptKey,
        AttemptRecord,
        AttemptStatus,
        Charge,
        LockoutSchedule,
    )

_MAX_RECORDS = 10_000

Charged: TypeAlias = "list[tuple[AttemptKey, Entry | None]]"
"""Keys, each with its current row."""


class MemoryAttempts:
    """An `AttemptStore` of at most `max_keys` keys.

    Every operation is one synchronous step under a lock, so it is atomic for the tasks of one
    event loop and for several threads. When it is full, rows are given up as `EvictionQueues`
    says; if none can be, new keys are answered `Busy`.
    """

    is_process_local = True
    """Nobody else reads these keys: a secret for their digests may be made up at the start."""

    def __init__(self, *, max_keys: int) -> None:
        self._max_keys = max_keys
        self._count = 0
        self._entries: dict[str, dict[bytes, Entry]] = {}
        self._queues = EvictionQueues()
        self._records = AttemptRecords(_MAX_RECORDS)
        self._lock = Lock()

    def __len__(self) -> int:
        return self._count

    async def charge(self, keys: Sequence[AttemptKey], *, ticket: bytes, now: float) -> Charge:
        """Charge every key, or none."""
        with self._lock:
            aged, charged = self._find_aged(keys, now)
            if aged:
                for _, entry in charged:
                    if entry is not None and entry.charges and ticket in entry.charges:
                        charged_at = entry.charges[ticket].charged_at
                        return Admitted(Receipt(ticket, tuple(keys), charged_at))
                refusal = decide(aged, now)
                if refusal is not None:
                    return refusal
            if not self._make_room(charged, now):
                return BUSY
            for key, entry in charged:
                taken = self._add(key) if entry is None else entry
                take_charge(taken, ticket, now)
                self._queues.place(taken)
            return Admitted(Receipt(ticket, tuple(keys), now))

    async def settle(
        self,
        receipt: Receipt,
        outcome: Outcome,
        *,
        now: float,
        record: AttemptRecord | None = None,
    ) -> Settled | None:
        """End a charge, once."""
        keys = receipt.keys
        with self._lock:
            charged = self._find_aged(keys, now)[1]
            before = self._describe(charged, now)
            was_open = False
            for key, entry in charged:
                forgets = key.forgets_on_success
                if entry is not None and settle(
                    entry, receipt.ticket, outcome, forgets_on_success=forgets
                ):
                    was_open = True
                    self._put_back(entry)
                    if outcome is Outcome.SUCCESS and forgets and key.old_digests:
                        self._drop_all(key.kind, key.old_digests)
            if not was_open:
                return None
            if record is not None:
                self._keep(record)
            return Settled(before, self._describe(charged, now))

    async def status(self, keys: Sequence[AttemptKey], *, now: float) -> tuple[AttemptStatus, ...]:
        """Return the state of each key, changing nothing."""
        statuses: list[AttemptStatus] = []
        with self._lock:
            for key in keys:
                if key.old_digests:
                    statuses.append(compute_key_status(self._find, key, now))
                    continue
                entries = self._entries.get(key.kind)
                entry = None if entries is None else entries.get(key.digest)
                statuses.append(compute_status(entry, key.schedule, now))
        return tuple(statuses)

    async def clear(self, keys: Sequence[AttemptKey]) -> None:
        """Forget each key."""
        with self._lock:
            for key in keys:
                self._drop_all(key.kind, (key.digest, *key.old_digests))

    async def add_failure(self, keys: Sequence[AttemptKey], *, now: float) -> None:
        """Count a failure on each key without a charge before it."""
        with self._lock:
            charged = self._find_aged(keys, now)[1]
            if not self._make_room(charged, now):
                raise StorageError(f"all {self._max_keys} keys are locked or being verified")
            for key, entry in charged:
                failed = self._add(key) if entry is None else entry
                add_failure(failed, now)
                self._queues.place(failed)

    async def history(
        self, *, account: bytes | None = None, client: bytes | None = None, limit: int = 50
    ) -> tuple[AttemptRecord, ...]:
        """Return the newest records, of the last 10 000 in all."""
        with self._lock:
            return self._records.find(account, client, limit)

    def sweep(self, now: float, limit: int) -> int:
        """Remove up to `limit` rows that say nothing any more, and records past their time."""
        with self._lock:
            removed = 0
            self._records.drop_until(now - HISTORY_SECONDS)
            for entry in self._queues.find_blank(now, limit):
                self._drop(entry)
                removed += 1
            return removed

    def _find(self, kind: str, digest: bytes) -> Entry | None:
        entries = self._entries.get(kind)
        return None if entries is None else entries.get(digest)

    def _find_aged(
        self, keys: Sequence[AttemptKey], now: float
    ) -> tuple[list[tuple[Entry, LockoutSchedule]], Charged]:
        """Bring the rows of these keys to `now` and drop those that then say nothing.

        Return all that are left, under old digests too; and the current one of each key.
        """
        aged: list[tuple[Entry, LockoutSchedule]] = []
        charged: Charged = []
        for key in keys:
            entry = self._age(key, key.digest, now)
            charged.append((key, entry))
            if entry is not None:
                aged.append((entry, key.schedule))
            for digest in key.old_digests:
                old = self._age(key, digest, now)
                if old is not None:
                    aged.append((old, key.schedule))
        return aged, charged

    def _age(self, key: AttemptKey, digest: bytes, now: float) -> Entry | None:
        entries = self._entries.get(key.kind)
        entry = None if entries is None else entries.get(digest)
        if entry is None:
            return None
        entry.schedule = key.schedule
        if age(entry, key.schedule, now):
            self._put_back(entry)
            if entry.is_blank:
                return None
        return entry

    def _describe(self, charged: Charged, now: float) -> tuple[AttemptStatus, ...]:
        """Return the state of each key, given its aged row."""
        statuses: list[AttemptStatus] = []
        for key, entry in charged:
            if key.old_digests:
                statuses.append(compute_key_status(self._find, key, now))
            elif entry is None:
                statuses.append(CLEAN)
            else:
                statuses.append(describe(entry, key.schedule, now))
        return tuple(statuses)

    def _add(self, key: AttemptKey) -> Entry:
        """Return a new row, or the one just added when a key is given twice."""
        entries = self._entries.setdefault(key.kind, {})
        entry = entries.get(key.digest)
        if entry is None:
            entry = entries[key.digest] = Entry(key.kind, key.digest, key.schedule)
            self._count += 1
        return entry

    def _put_back(self, entry: Entry) -> None:
        if entry.failures or entry.charges:
            self._queues.place(entry)
        else:
            self._drop(entry)

    def _drop(self, entry: Entry) -> None:
        self._queues.remove(entry)
        entry.forget()
        if self._entries[entry.kind].pop(entry.digest, None) is not None:
            self._count -= 1

    def _drop_all(self, kind: str, digests: Sequence[bytes]) -> None:
        for digest in digests:
            entry = self._find(kind, digest)
            if entry is not None:
                self._drop(entry)

    def _make_room(self, charged: Charged, now: float) -> bool:
        """Give up rows until one fits for each that is missing, none of those to be charged."""
        if self._count + len(charged) <= self._max_keys:
            return True
        spared = [entry for _, entry in charged if entry is not None]
        room = self._max_keys - (len(charged) - len(spared))
        for entry in spared:
            self._queues.remove(entry)
        while self._count > room:
            victim = self._queues.find_victim(now)
            if victim is None:
                break
            self._drop(victim)
        for entry in spared:
            self._queues.place(entry)
        return self._count <= room

    def _keep(self, record: AttemptRecord) -> None:
        if len(record.user_agent) > USER_AGENT_CHARACTERS:
            record = replace(record, user_agent=record.user_agent[:USER_AGENT_CHARACTERS])
        self._records.add(record)
