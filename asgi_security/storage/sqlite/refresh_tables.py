"""The table of refresh families, and families in and out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgi_security.storage.protocols.refresh import RefreshFamily
from asgi_security.storage.refresh_steps import StoredFamily

if TYPE_CHECKING:
    import sqlite3

REFRESH_TABLES = (
    """
        CREATE TABLE refresh_families (
            digest BLOB PRIMARY KEY,
            handle TEXT NOT NULL,
            subject TEXT NOT NULL,
            data BLOB NOT NULL,
            created_at REAL NOT NULL,
            advanced_at REAL NOT NULL,
            idle_expires_at REAL NOT NULL,
            absolute_expires_at REAL NOT NULL,
            user_agent TEXT NOT NULL,
            client BLOB,
            generation INTEGER NOT NULL,
            is_ended INTEGER NOT NULL,  -- 1: a token came twice
            expires_at REAL NOT NULL
        ) WITHOUT ROWID""",
    "CREATE INDEX refresh_families_by_subject ON refresh_families (subject, advanced_at)",
    "CREATE INDEX refresh_families_by_expiry ON refresh_families (expires_at)",
)

COLUMNS = (
    "digest, handle, subject, data, created_at, advanced_at, idle_expires_at, "
    "absolute_expires_at, user_agent, client, generation, is_ended"
)
SELECT = f"SELECT {COLUMNS} FROM refresh_families"  # noqa: S608 -- constants
LOAD = f"{SELECT} WHERE digest = ? AND expires_at > ?"
PUT = f"""
    INSERT OR REPLACE INTO refresh_families ({COLUMNS}, expires_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""  # noqa: S608


def load(connection: sqlite3.Connection, digest: bytes, now: float) -> StoredFamily | None:
    """Return the family of a digest unless it has expired."""
    found = connection.execute(LOAD, (digest, now)).fetchone()
    return None if found is None else read_row(found)


def put(connection: sqlite3.Connection, stored: StoredFamily) -> None:
    """Write a family in place of what is stored under its digest."""
    family = stored.family
    connection.execute(
        PUT,
        (
            family.digest,
            family.handle,
            family.subject,
            family.data,
            family.created_at,
            family.advanced_at,
            family.idle_expires_at,
            family.absolute_expires_at,
            family.user_agent,
            family.client,
            family.generation,
            stored.is_ended,
            stored.expires_at,
        ),
    )


def read_row(row: tuple[object, ...]) -> StoredFamily:
    """Return what a row of `COLUMNS` stands for."""
    *fields, is_ended = row
    return StoredFamily(RefreshFamily(*fields), is_ended=bool(is_ended))  # type: ignore[arg-type]
