"""Revocations in SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from asgi_security.storage.sqlite.worker import Worker

REVOKE = """
    INSERT INTO revocations (digest, expires_at) VALUES (?, ?)
    ON CONFLICT DO UPDATE SET expires_at = max(expires_at, excluded.expires_at)"""
REVOKE_SUBJECT = """
    INSERT INTO revoked_subjects (subject, issued_before, expires_at) VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET issued_before = max(issued_before, excluded.issued_before),
        expires_at = max(expires_at, excluded.expires_at)"""
FIND = "SELECT 1 FROM revocations WHERE digest = ? AND expires_at > ?"
FIND_SUBJECT = "SELECT issued_before FROM revoked_subjects WHERE subject = ? AND expires_at > ?"
SWEEP = """
    DELETE FROM revocations WHERE digest IN (
        SELECT digest FROM revocations WHERE expires_at <= ? LIMIT ?)"""
SWEEP_SUBJECTS = """
    DELETE FROM revoked_subjects WHERE subject IN (
        SELECT subject FROM revoked_subjects WHERE expires_at <= ? LIMIT ?)"""


class SqliteRevocations:
    """A `RevocationStore`: upserts that only ever strengthen what stands."""

    def __init__(self, writer: Worker, reader: Worker) -> None:
        self._writer = writer
        self._reader = reader

    async def revoke(self, digest: bytes, *, expires_at: float) -> None:
        """Refuse this id from now on, at least until `expires_at`."""
        await self._writer.run(lambda connection: _execute(connection, REVOKE, digest, expires_at))

    async def revoke_subject(self, subject: bytes, *, before: float, expires_at: float) -> None:
        """Refuse all that was issued to this subject at or before an instant."""
        await self._writer.run(
            lambda connection: _execute(connection, REVOKE_SUBJECT, subject, before, expires_at)
        )

    async def is_revoked(
        self,
        ids: Sequence[bytes],
        *,
        subject: bytes | None = None,
        issued_at: float | None = None,
        now: float,
    ) -> bool:
        """Tell whether any id is revoked, or the subject at or after `issued_at`."""
        wanted = tuple(ids)

        def step(connection: sqlite3.Connection) -> bool:
            for digest in wanted:
                if connection.execute(FIND, (digest, now)).fetchone() is not None:
                    return True
            if subject is None:
                return False
            found = connection.execute(FIND_SUBJECT, (subject, now)).fetchone()
            return found is not None and (issued_at is None or issued_at <= found[0])

        return await self._reader.run(step)

    async def sweep(self, now: float, limit: int) -> int:
        """Drop up to `limit` expired revocations of each kind, in one transaction."""

        def step(connection: sqlite3.Connection) -> int:
            removed = _execute(connection, SWEEP, now, limit)
            return removed + _execute(connection, SWEEP_SUBJECTS, now, limit)

        return await self._writer.run(step)


def _execute(connection: sqlite3.Connection, statement: str, *parameters: bytes | float) -> int:
    return connection.execute(statement, parameters).rowcount
