"""Attempt rows in and out of their tables."""

from __future__ import annotations

from math import isinf
from typing import TYPE_CHECKING, TypeAlias

from asgi_security.storage.attempt_steps import AttemptRow, OpenCharge, age, compute_expiry

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from asgi_security.storage.protocols import AttemptKey, LockoutSchedule

LOAD = """
    SELECT k.failures, k.last_failure_at, c.ticket, c.charged_at, c.sequence, c.later_failures
    FROM attempt_keys AS k LEFT JOIN attempt_charges AS c ON c.kind = k.kind AND c.digest = k.digest
    WHERE k.kind = ? AND k.digest = ?
    ORDER BY c.sequence"""
SAVE_KEY = """
    INSERT INTO attempt_keys (kind, digest, failures, last_failure_at, expires_at)
    VALUES (?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET failures = excluded.failures,
        last_failure_at = excluded.last_failure_at, expires_at = excluded.expires_at"""
SAVE_CHARGE = """
    INSERT INTO attempt_charges (kind, digest, ticket, charged_at, sequence, later_failures)
    VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET charged_at = excluded.charged_at, sequence = excluded.sequence,
        later_failures = excluded.later_failures"""
DELETE_KEY = "DELETE FROM attempt_keys WHERE kind = ? AND digest = ?"
DELETE_CHARGE = "DELETE FROM attempt_charges WHERE kind = ? AND digest = ? AND ticket = ?"
DELETE_CHARGES = "DELETE FROM attempt_charges WHERE kind = ? AND digest = ?"

Judged: TypeAlias = tuple[AttemptRow, "LockoutSchedule"]
_Charges: TypeAlias = dict[bytes, tuple[float, int, int]]


class StoredRow(AttemptRow):
    """A row of a key that remembers what the tables hold, so that only changes are written."""

    __slots__ = ("_schedule", "_stored", "_stored_charges", "name")

    def __init__(
        self,
        name: tuple[str, bytes],
        schedule: LockoutSchedule,
        stored: tuple[int, float | None] | None,
        charges: _Charges,
    ) -> None:
        failures, last_failure_at = stored or (0, None)
        opened = {ticket: OpenCharge(*fields) for ticket, fields in charges.items()}
        super().__init__(failures, last_failure_at, opened or None)
        self.name = name
        self._schedule = schedule
        self._stored = stored
        self._stored_charges = charges

    def save(self, connection: sqlite3.Connection) -> None:
        """Write what has changed."""
        if self.is_blank:
            if self._stored is not None:
                delete_row(connection, self.name)
            return
        charges = {
            ticket: (charge.charged_at, charge.sequence, charge.later_failures)
            for ticket, charge in (self.charges or {}).items()
        }
        stored = (self.failures, self.last_failure_at)
        if stored == self._stored and charges == self._stored_charges:
            return
        expiry = compute_expiry(self, self._schedule)
        expires_at = None if isinf(expiry) else expiry
        connection.execute(SAVE_KEY, (*self.name, *stored, expires_at))
        for ticket in self._stored_charges.keys() - charges.keys():
            connection.execute(DELETE_CHARGE, (*self.name, ticket))
        for ticket, fields in charges.items():
            if self._stored_charges.get(ticket) != fields:
                connection.execute(SAVE_CHARGE, (*self.name, ticket, *fields))


def load_row(
    connection: sqlite3.Connection, kind: str, digest: bytes, schedule: LockoutSchedule
) -> StoredRow:
    """Return the row of a key, blank if there is none."""
    found = connection.execute(LOAD, (kind, digest)).fetchall()
    stored = (found[0][0], found[0][1]) if found else None
    charges: _Charges = {line[2]: (line[3], line[4], line[5]) for line in found if line[2]}
    return StoredRow((kind, digest), schedule, stored, charges)


def delete_row(connection: sqlite3.Connection, name: tuple[str, bytes]) -> None:
    """Forget a key."""
    connection.execute(DELETE_KEY, name)
    connection.execute(DELETE_CHARGES, name)


class Rows:
    """The rows of some keys under all their digests, read within one transaction."""

    def __init__(self, connection: sqlite3.Connection, keys: Sequence[AttemptKey]) -> None:
        self._connection = connection
        self._rows = {
            (key.kind, digest): load_row(connection, key.kind, digest, key.schedule)
            for key in keys
            for digest in (key.digest, *key.old_digests)
        }

    def find(self, kind: str, digest: bytes) -> StoredRow:
        """Return one of the rows."""
        return self._rows[kind, digest]

    def age(
        self, keys: Iterable[AttemptKey], now: float
    ) -> list[tuple[AttemptRow, LockoutSchedule]]:
        """Bring every row to `now`; return each with the schedule it is judged by."""
        aged: list[Judged] = []
        for key in keys:
            for digest in (key.digest, *key.old_digests):
                row = self._rows[key.kind, digest]
                age(row, key.schedule, now)
                aged.append((row, key.schedule))
        return aged

    def save(self) -> None:
        """Write what has changed."""
        for row in self._rows.values():
            row.save(self._connection)
