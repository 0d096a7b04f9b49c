"""Attempts in this process's memory."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING

from asgi_security.errors import StorageError
from asgi_security.storage.attempt_steps import (
    BUSY,
    HISTORY_SECONDS,
    USER_AGENT_CHARACTERS,
    add_failure,
    age,
    compute_key_status,
    decide,
    settle,
    take_charge,
)
from asgi_security.storage.memory.queues import Entry, EvictionQueues
from asgi_security.storage.protocols.lockout import Admitted, Outcome, Receipt, Settled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.storage.protocols.lockout import (
        AttemptKey,
        AttemptRecord,
        AttemptStatus,
        Charge,
    )

_MAX_RECORDS = 10_000


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
        self._records: deque[AttemptRecord] = deque(maxlen=_MAX_RECORDS)
        self._lock = Lock()

    def __len__(self) -> int:
        return self._count

    async def charge(self, keys: Sequence[AttemptKey], *, ticket: bytes, now: float) -> Charge:
        """Charge every key, or none."""
        with self._lock:
            found, missing = self._find_aged(keys, now)
            if found:
                for entry, is_charged in found:
                    if is_charged and entry.charges and ticket in entry.charges:
                        charged_at = entry.charges[ticket].charged_at
                        return Admitted(Receipt(ticket, tuple(keys), charged_at))
                refusal = decide([(entry, entry.schedule) for entry, _ in found], now)
                if refusal is not None:
                    return refusal
            if missing and self._count + missing > self._max_keys:
                present = [entry for entry, is_charged in found if is_charged]
                if not self._make_room(missing, now, sparing=present):
                    return BUSY
            for key in keys:
                charged = self._find(key.kind, key.digest) or self._add(key)
                take_charge(charged, ticket, now)
                self._queues.place(charged)
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
        find = self._find
        with self._lock:
            self._find_aged(keys, now)
            before = tuple([compute_key_status(find, key, now) for key in keys])
            was_open = False
            for key in keys:
                entry = find(key.kind, key.digest)
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
            return Settled(before, tuple([compute_key_status(find, key, now) for key in keys]))

    async def status(self, keys: Sequence[AttemptKey], *, now: float) -> tuple[AttemptStatus, ...]:
        """Return the state of each key, changing nothing."""
        with self._lock:
            return tuple([compute_key_status(self._find, key, now) for key in keys])

    async def clear(self, keys: Sequence[AttemptKey]) -> None:
        """Forget each key."""
        with self._lock:
            for key in keys:
                self._drop_all(key.kind, (key.digest, *key.old_digests))

    async def add_failure(self, keys: Sequence[AttemptKey], *, now: float) -> None:
        """Count a failure on each key without a charge before it."""
        with self._lock:
            found, missing = self._find_aged(keys, now)
            present = [entry for entry, is_charged in found if is_charged]
            if missing and not self._make_room(missing, now, sparing=present):
                raise StorageError(f"all {self._max_keys} keys are locked or being verified")
            for key in keys:
                entry = self._find(key.kind, key.digest) or self._add(key)
                add_failure(entry, now)
                self._queues.place(entry)

    async def history(
        self, *, account: bytes | None = None, client: bytes | None = None, limit: int = 50
    ) -> tuple[AttemptRecord, ...]:
        """Return the newest records, of the last 10 000 in all."""
        with self._lock:
            chosen = [
                record
                for record in reversed(self._records)
                if (account is None or record.account == account)
                and (client is None or record.client == client)
            ]
        chosen.sort(key=lambda record: record.at, reverse=True)
        return tuple(chosen[: max(0, limit)])

    def sweep(self, now: float, limit: int) -> int:
        """Remove up to `limit` rows that say nothing any more, and records past their time."""
        with self._lock:
            removed = 0
            while self._records and self._records[0].at <= now - HISTORY_SECONDS:
                self._records.popleft()
            for entry in self._queues.find_blank(now, limit):
                self._drop(entry)
                removed += 1
            return removed

    def _find(self, kind: str, digest: bytes) -> Entry | None:
        entries = self._entries.get(kind)
        return None if entries is None else entries.get(digest)

    def _find_aged(
        self, keys: Sequence[AttemptKey], now: float
    ) -> tuple[list[tuple[Entry, bool]], int]:
        """Bring the rows of these keys to `now` and drop those that then say nothing.

        Return what is left, each with whether it is a key's current row and no old one, and how
        many keys have no current row.
        """
        found: list[tuple[Entry, bool]] = []
        missing = 0
        for key in keys:
            kept = self._age(key, key.digest, now)
            if kept is None:
                missing += 1
            else:
                found.append((kept, True))
            for digest in key.old_digests:
                old = self._age(key, digest, now)
                if old is not None:
                    found.append((old, False))
        return found, missing

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

    def _add(self, key: AttemptKey) -> Entry:
        entry = Entry(key.kind, key.digest, key.schedule)
        self._entries.setdefault(key.kind, {})[key.digest] = entry
        self._count += 1
        return entry

    def _put_back(self, entry: Entry) -> None:
        if entry.failures or entry.charges:
            self._queues.place(entry)
        else:
            self._drop(entry)

    def _drop(self, entry: Entry) -> None:
        self._queues.remove(entry)
        if self._entries[entry.kind].pop(entry.digest, None) is not None:
            self._count -= 1

    def _drop_all(self, kind: str, digests: Sequence[bytes]) -> None:
        for digest in digests:
            entry = self._find(kind, digest)
            if entry is not None:
                self._drop(entry)

    def _make_room(self, wanted: int, now: float, *, sparing: Sequence[Entry]) -> bool:
        """Give up rows until `wanted` more fit, none of those that are about to be charged."""
        if self._count + wanted <= self._max_keys:
            return True
        for entry in sparing:
            self._queues.remove(entry)
        while self._count + wanted > self._max_keys:
            victim = self._queues.find_victim(now)
            if victim is None:
                break
            self._drop(victim)
        for entry in sparing:
            self._queues.place(entry)
        return self._count + wanted <= self._max_keys

    def _keep(self, record: AttemptRecord) -> None:
        if len(record.user_agent) > USER_AGENT_CHARACTERS:
            record = replace(record, user_agent=record.user_agent[:USER_AGENT_CHARACTERS])
        self._records.append(record)
