"""Rows in the order in which a full memory store gives them up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgi_security.storage.attempt_steps import AttemptRow, age, compute_lock_end

if TYPE_CHECKING:
    from asgi_security.storage.protocols.lockout import LockoutSchedule

_OPEN = -1
_TOP_LEVEL = 64
"""Counts from here on share a queue: who has failed so often is not evicted for being lowest."""


class Entry(AttemptRow):
    """A row that knows its key, and its neighbours in the queue it stands in.

    The links are in the row because a second dictionary over a million keys costs more than the
    rows, and finding the oldest entry of one is slow once many in front of it were deleted.
    """

    __slots__ = ("after", "before", "digest", "kind", "schedule")

    before: Entry
    after: Entry

    def __init__(self, kind: str, digest: bytes, schedule: LockoutSchedule) -> None:
        self.failures = 0
        self.last_failure_at = None
        self.charges = None
        self.kind = kind
        self.digest = digest
        self.schedule = schedule
        self.before = self.after = self


class EvictionQueues:
    """One queue for each kind and failure count, and one for each kind's rows with open charges.

    Within a queue the oldest stands in front, so that it is the first to expire or to be unlocked:
    looking at the front of each queue finds the row to give up without a scan.
    """

    def __init__(self) -> None:
        self._queues: dict[tuple[str, int], Entry] = {}

    def place(self, entry: Entry) -> None:
        """Put an entry, queued or not, at the end of the queue where it belongs."""
        level = entry.failures
        if entry.charges:
            level = _OPEN
        elif level > _TOP_LEVEL:
            level = _TOP_LEVEL
        head = self._queues.get((entry.kind, level))
        if head is None:
            head = self._queues[entry.kind, level] = Entry(entry.kind, b"", entry.schedule)
        before, after = entry.before, entry.after
        before.after = after
        after.before = before
        last = head.before
        entry.before = last
        entry.after = head
        last.after = head.before = entry

    def remove(self, entry: Entry) -> None:
        """Take an entry out of its queue, if it is in one."""
        before = entry.before
        after = entry.after
        before.after = after
        after.before = before
        entry.before = entry.after = entry

    def find_blank(self, now: float, limit: int) -> list[Entry]:
        """Return up to `limit` entries that have nothing left to remember at `now`."""
        found: list[Entry] = []
        for key in list(self._queues):
            entry = self._front(key, now)
            while entry is not None and entry.is_blank and len(found) < limit:
                self.remove(entry)
                found.append(entry)
                entry = self._front(key, now)
        return found

    def find_victim(self, now: float) -> Entry | None:
        """Return the entry to give up: one expired, else the unlocked one that failed least.

        Never one that is locked or has an open charge: evicting it would hand out new guesses.
        """
        for key in [key for key in self._queues if key[1] == _OPEN]:
            self._front(key, now)  # what has timed out moves to the queue of its count
        victim: Entry | None = None
        for key in list(self._queues):
            entry = self._front(key, now)
            if entry is None or entry.charges:
                continue
            last = entry.last_failure_at
            if last is None:
                return entry
            if victim is not None and victim.failures <= entry.failures:
                continue
            if now >= compute_lock_end(entry.failures, last, entry.schedule):
                victim = entry
        return victim

    def _front(self, key: tuple[str, int], now: float) -> Entry | None:
        """Return the oldest entry of a queue at `now`, moving on those that no longer belong."""
        head = self._queues[key]
        while (entry := head.after) is not head:
            changed = age(entry, entry.schedule, now)
            if not changed or entry.is_blank:
                return entry
            self.place(entry)
            if head.after is entry:
                return entry
        del self._queues[key]
        return None
