"""Audit chains in SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgi_security.storage.audit_steps import BEFORE_FIRST, check_records, decide_append
from asgi_security.storage.protocols.audit import Appended, AuditHead, AuditRecord

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from asgi_security.storage.protocols.audit import HeadMoved
    from asgi_security.storage.sqlite.worker import Worker

# Makes the row of a new chain; and takes the write lock, in a transaction that has not got it.
BEGIN = "INSERT INTO audit_heads VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
# A column takes values of any type, and others may write to the file.
HEAD = """
    SELECT CAST(sequence AS INTEGER), CAST(mac AS BLOB) FROM audit_heads
    WHERE chain = ? AND sequence > 0"""
MOVE = "UPDATE audit_heads SET sequence = ?, mac = ? WHERE chain = ?"
STANDS = "SELECT 1 FROM audit_log WHERE chain = ? AND sequence = ? AND mac = ?"
APPEND = "INSERT INTO audit_log VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
# Text is read as bytes: what is no UTF-8, and so none of ours, is then found and not run into.
READ = """
    SELECT CAST(chain AS BLOB), sequence, body, mac, previous, CAST(at AS BLOB),
        CAST(action AS BLOB), CAST(actor AS BLOB), CAST(target AS BLOB), CAST(outcome AS BLOB),
        CAST(request_id AS BLOB)
    FROM audit_log WHERE chain = ? AND sequence > ? ORDER BY sequence LIMIT ?"""
CHAINS = "SELECT chain FROM audit_heads WHERE sequence > 0 AND chain > ? ORDER BY chain LIMIT ?"
_TEXTS = (0, 5, 6, 7, 8, 9, 10)


class SqliteAudit:
    """An `AuditStore`: each operation one transaction.

    Atomic because an append holds the file's write lock before it looks at the head.
    """

    def __init__(self, writer: Worker, reader: Worker) -> None:
        self._writer = writer
        self._reader = reader

    async def append(
        self, records: Sequence[AuditRecord], *, after: AuditHead | None
    ) -> Appended | HeadMoved:
        """Store one or more records of one chain, if it ends in `after`."""
        return await self._writer.run(
            lambda connection: _append(connection, records, after),
        )

    async def append_in(
        self,
        connection: sqlite3.Connection,
        records: Sequence[AuditRecord],
        *,
        after: AuditHead | None,
    ) -> Appended | HeadMoved:
        """Append in a transaction of the app's own, on its own connection to the same file.

        The records are stored when that commits, and not if it is rolled back. It holds the file's
        write lock from here on: let it be the last step before the commit. Nothing here waits, so
        the connection may be used by this thread only.

        Raises:
            sqlite3.Error: As by any other statement of the app's.
        """
        return _append(connection, records, after)

    async def load_head(self, chain: str) -> AuditHead | None:
        """Return the end of a chain."""
        return await self._reader.run(lambda connection: _load_head(connection, chain))

    async def read(
        self, chain: str, *, after: int = 0, limit: int = 500
    ) -> tuple[AuditRecord, ...]:
        """Return up to `limit` records behind a number."""
        return await self._reader.run(lambda connection: _read(connection, chain, after, limit))

    async def read_in(
        self, connection: sqlite3.Connection, chain: str, *, after: int = 0, limit: int = 500
    ) -> tuple[AuditRecord, ...]:
        """Read as the app's own transaction sees it."""
        return _read(connection, chain, after, limit)

    async def list_chains(self, *, after: str | None = None, limit: int = 500) -> tuple[str, ...]:
        """Return up to `limit` names of chains, in the order of their UTF-8."""
        found = await self._reader.run(
            lambda connection: connection.execute(CHAINS, (after or "", limit)).fetchall()
        )
        return tuple([row[0] for row in found])


def _append(
    connection: sqlite3.Connection, records: Sequence[AuditRecord], after: AuditHead | None
) -> Appended | HeadMoved:
    made = check_records(records, after)
    chain = records[0].chain
    connection.execute(BEGIN, (chain, BEFORE_FIRST.sequence, BEFORE_FIRST.mac))
    stands = connection.execute(STANDS, (chain, made.sequence, made.mac)).fetchone() is not None
    answer = decide_append(_load_head(connection, chain), after, made, stands=stands)
    if answer is not None:
        return answer
    connection.executemany(APPEND, [_list_columns(record) for record in records])
    connection.execute(MOVE, (made.sequence, made.mac, chain))
    return Appended(made)


def _load_head(connection: sqlite3.Connection, chain: str) -> AuditHead | None:
    found = connection.execute(HEAD, (chain,)).fetchone()
    return None if found is None else AuditHead(*found)


def _read(
    connection: sqlite3.Connection, chain: str, after: int, limit: int
) -> tuple[AuditRecord, ...]:
    return tuple([_build(row) for row in connection.execute(READ, (chain, after, limit))])


def _build(row: Sequence[Any]) -> AuditRecord:
    columns = list(row)
    for place in _TEXTS:
        if columns[place] is not None:
            columns[place] = columns[place].decode(errors="replace")
    return AuditRecord(*columns)


def _list_columns(record: AuditRecord) -> tuple[object, ...]:
    return (
        record.chain,
        record.sequence,
        record.body,
        record.mac,
        record.previous,
        record.at,
        record.action,
        record.actor,
        record.target,
        record.outcome,
        record.request_id,
    )
