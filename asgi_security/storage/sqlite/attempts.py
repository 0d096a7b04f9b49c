"""Attempts in SQLite."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from asgi_security.storage.attempt_steps import (
    HISTORY_SECONDS,
    USER_AGENT_CHARACTERS,
    add_failure,
    compute_key_status,
    decide,
    settle,
    take_charge,
)
from asgi_security.storage.protocols.lockout import (
    Admitted,
    AttemptRecord,
    Outcome,
    Receipt,
    Settled,
)
from asgi_security.storage.sqlite.attempt_rows import Rows, delete_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.storage.protocols.lockout import AttemptKey, AttemptStatus, Charge
    from asgi_security.storage.sqlite.worker import Worker

ADD_RECORD = """
    INSERT INTO failed_auth_attempts (at, account, client, kind, outcome, user_agent, address)
    VALUES (?, ?, ?, ?, ?, ?, ?)"""
RECORDS = "SELECT at, account, client, kind, outcome, user_agent, address FROM failed_auth_attempts"
NEWEST = " ORDER BY at DESC, id DESC LIMIT ?"
HISTORY = RECORDS + NEWEST
HISTORY_OF_ACCOUNT = RECORDS + " WHERE account = ?" + NEWEST
HISTORY_OF_CLIENT = RECORDS + " WHERE client = ?" + NEWEST
HISTORY_OF_BOTH = RECORDS + " WHERE account = ? AND client = ?" + NEWEST
SWEEP_KEYS = """
    DELETE FROM attempt_keys WHERE (kind, digest) IN (
        SELECT kind, digest FROM attempt_keys WHERE expires_at <= ? LIMIT ?
    ) RETURNING kind, digest"""
SWEEP_RECORDS = """
    DELETE FROM failed_auth_attempts WHERE id IN (
        SELECT id FROM failed_auth_attempts WHERE at <= ? LIMIT ?)"""


class SqliteAttempts:
    """An `AttemptStore`: each operation one transaction, each row read and written once."""

    def __init__(self, writer: Worker, reader: Worker) -> None:
        self._writer = writer
        self._reader = reader

    async def charge(self, keys: Sequence[AttemptKey], *, ticket: bytes, now: float) -> Charge:
        """Charge every key, or none."""
        keys = tuple(keys)
        return await self._writer.run(lambda connection: _charge(connection, keys, ticket, now))

    async def settle(
        self,
        receipt: Receipt,
        outcome: Outcome,
        *,
        now: float,
        record: AttemptRecord | None = None,
    ) -> Settled | None:
        """End a charge, once."""

        def step(connection: sqlite3.Connection) -> Settled | None:
            settled = _settle(connection, receipt, outcome, now)
            if settled is not None and record is not None:
                _keep(connection, record)
            return settled

        return await self._writer.run(step)

    async def status(self, keys: Sequence[AttemptKey], *, now: float) -> tuple[AttemptStatus, ...]:
        """Return the state of each key, changing nothing."""
        keys = tuple(keys)

        def step(connection: sqlite3.Connection) -> tuple[AttemptStatus, ...]:
            rows = Rows(connection, keys)
            return tuple([compute_key_status(rows.find, key, now) for key in keys])

        return await self._reader.run(step)

    async def clear(self, keys: Sequence[AttemptKey]) -> None:
        """Forget each key."""
        names = [(key.kind, digest) for key in keys for digest in (key.digest, *key.old_digests)]

        def step(connection: sqlite3.Connection) -> None:
            for name in names:
                delete_row(connection, name)

        await self._writer.run(step)

    async def add_failure(self, keys: Sequence[AttemptKey], *, now: float) -> None:
        """Count a failure on each key without a charge before it."""
        keys = tuple(keys)

        def step(connection: sqlite3.Connection) -> None:
            rows = Rows(connection, keys)
            rows.age(keys, now)
            for key in keys:
                add_failure(rows.find(key.kind, key.digest), now)
            rows.save()

        await self._writer.run(step)

    async def history(
        self, *, account: bytes | None = None, client: bytes | None = None, limit: int = 50
    ) -> tuple[AttemptRecord, ...]:
        """Return the newest records of an account or client digest."""
        if account is not None and client is not None:
            statement = HISTORY_OF_BOTH
        elif account is not None:
            statement = HISTORY_OF_ACCOUNT
        else:
            statement = HISTORY if client is None else HISTORY_OF_CLIENT
        wanted = [digest for digest in (account, client) if digest is not None]
        parameters = (*wanted, max(0, limit))

        def step(connection: sqlite3.Connection) -> tuple[AttemptRecord, ...]:
            return tuple(AttemptRecord(*row) for row in connection.execute(statement, parameters))

        return await self._reader.run(step)

    async def sweep(self, now: float, limit: int) -> int:
        """Remove up to `limit` expired rows of each table, in one transaction."""

        def step(connection: sqlite3.Connection) -> int:
            expired = connection.execute(SWEEP_KEYS, (now, limit)).fetchall()
            for name in expired:
                delete_row(connection, name)
            old = connection.execute(SWEEP_RECORDS, (now - HISTORY_SECONDS, limit))
            return len(expired) + old.rowcount

        return await self._writer.run(step)


def _charge(
    connection: sqlite3.Connection, keys: tuple[AttemptKey, ...], ticket: bytes, now: float
) -> Charge:
    rows = Rows(connection, keys)
    aged = rows.age(keys, now)
    charged = [rows.find(key.kind, key.digest) for key in keys]
    for row in charged:
        if row.charges and ticket in row.charges:
            rows.save()
            return Admitted(Receipt(ticket, keys, row.charges[ticket].charged_at))
    refusal = decide(aged, now)
    if refusal is None:
        for row in charged:
            take_charge(row, ticket, now)
    rows.save()  # also when refused: what has aged stays aged
    return Admitted(Receipt(ticket, keys, now)) if refusal is None else refusal


def _settle(
    connection: sqlite3.Connection, receipt: Receipt, outcome: Outcome, now: float
) -> Settled | None:
    keys = receipt.keys
    rows = Rows(connection, keys)
    rows.age(keys, now)
    before = tuple([compute_key_status(rows.find, key, now) for key in keys])
    was_open = False
    for key in keys:
        row = rows.find(key.kind, key.digest)
        forgets = key.forgets_on_success
        if settle(row, receipt.ticket, outcome, forgets_on_success=forgets):
            was_open = True
            if outcome is Outcome.SUCCESS and forgets:
                for digest in key.old_digests:
                    rows.find(key.kind, digest).forget()
    rows.save()
    if not was_open:
        return None
    after = tuple([compute_key_status(rows.find, key, now) for key in keys])
    return Settled(before, after)


def _keep(connection: sqlite3.Connection, record: AttemptRecord) -> None:
    """Write a record; a failure to do so undoes the record alone."""
    agent = record.user_agent[:USER_AGENT_CHARACTERS]
    connection.execute("SAVEPOINT record")
    try:
        connection.execute(
            ADD_RECORD,
            (
                record.at,
                record.account,
                record.client,
                record.kind,
                record.outcome,
                agent,
                record.address,
            ),
        )
    except (sqlite3.Error, UnicodeError):
        if not connection.in_transaction:
            raise
        connection.execute("ROLLBACK TO record")
    connection.execute("RELEASE record")
