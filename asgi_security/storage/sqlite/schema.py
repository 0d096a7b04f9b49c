"""The tables, and the way from any earlier version of them to this one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgi_security.errors import StorageError
from asgi_security.storage.sqlite.account_tables import ACCOUNT_TABLES
from asgi_security.storage.sqlite.audit_tables import AUDIT_TABLES
from asgi_security.storage.sqlite.refresh_tables import REFRESH_TABLES

if TYPE_CHECKING:
    import sqlite3

APPLICATION_ID = 0x41534743
"""Stands in the file's header, so that another program's database is never migrated."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE attempt_keys (
            kind TEXT NOT NULL,
            digest BLOB NOT NULL,
            failures INTEGER NOT NULL,
            last_failure_at REAL,
            expires_at REAL,  -- NULL: locked until cleared
            PRIMARY KEY (kind, digest)
        ) WITHOUT ROWID""",
        "CREATE INDEX attempt_keys_by_expiry ON attempt_keys (expires_at)",
        """
        CREATE TABLE attempt_charges (
            kind TEXT NOT NULL,
            digest BLOB NOT NULL,
            ticket BLOB NOT NULL,
            charged_at REAL NOT NULL,
            sequence INTEGER NOT NULL,
            later_failures INTEGER NOT NULL,
            PRIMARY KEY (kind, digest, ticket)
        ) WITHOUT ROWID""",
        """
        CREATE TABLE failed_auth_attempts (
            id INTEGER PRIMARY KEY,
            at REAL NOT NULL,
            account BLOB,
            client BLOB,
            kind TEXT NOT NULL,
            outcome TEXT NOT NULL,
            user_agent TEXT NOT NULL,
            address TEXT
        )""",
        "CREATE INDEX failed_auth_attempts_by_time ON failed_auth_attempts (at)",
        "CREATE INDEX failed_auth_attempts_by_account ON failed_auth_attempts (account, at)",
        "CREATE INDEX failed_auth_attempts_by_client ON failed_auth_attempts (client, at)",
        """
        CREATE TABLE auth_sessions (
            digest BLOB PRIMARY KEY,
            handle TEXT NOT NULL,
            user_id TEXT,
            data BLOB NOT NULL,
            created_at REAL NOT NULL,
            seen_at REAL NOT NULL,
            idle_expires_at REAL NOT NULL,
            absolute_expires_at REAL NOT NULL,
            user_agent TEXT NOT NULL,
            client BLOB,
            version INTEGER NOT NULL
        ) WITHOUT ROWID""",
        "CREATE INDEX auth_sessions_by_user ON auth_sessions (user_id, seen_at)",
        """
        CREATE INDEX auth_sessions_by_expiry
            ON auth_sessions (min(idle_expires_at, absolute_expires_at))""",
        """
        CREATE TABLE revocations (
            digest BLOB PRIMARY KEY,
            expires_at REAL NOT NULL
        ) WITHOUT ROWID""",
        "CREATE INDEX revocations_by_expiry ON revocations (expires_at)",
        """
        CREATE TABLE revoked_subjects (
            subject BLOB PRIMARY KEY,
            issued_before REAL NOT NULL,
            expires_at REAL NOT NULL
        ) WITHOUT ROWID""",
        "CREATE INDEX revoked_subjects_by_expiry ON revoked_subjects (expires_at)",
        """
        CREATE TABLE one_time_values (
            kind TEXT NOT NULL,
            digest BLOB NOT NULL,
            value BLOB NOT NULL,
            expires_at REAL NOT NULL,
            PRIMARY KEY (kind, digest)
        ) WITHOUT ROWID""",
        "CREATE INDEX one_time_values_by_expiry ON one_time_values (expires_at)",
        """
        CREATE TABLE one_time_claims (
            kind TEXT NOT NULL,
            digest BLOB NOT NULL,
            expires_at REAL NOT NULL,
            PRIMARY KEY (kind, digest)
        ) WITHOUT ROWID""",
        "CREATE INDEX one_time_claims_by_expiry ON one_time_claims (expires_at)",
    ),
    (
        """
        CREATE TABLE throttles (
            digest BLOB PRIMARY KEY,
            whole_at_microseconds INTEGER NOT NULL
        ) WITHOUT ROWID""",
        "CREATE INDEX throttles_by_expiry ON throttles (whole_at_microseconds)",
    ),
    ACCOUNT_TABLES,
    REFRESH_TABLES,
    AUDIT_TABLES,
)
"""The statements that lead from version n to n + 1. Published ones never change."""

VERSION = len(MIGRATIONS)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a file to this version; two processes at once do it once.

    Raises:
        StorageError: The file was written by a newer version, or by another program.
    """
    if _read_version(connection) == VERSION:
        return
    # Under the write lock the version is read again: another process may just have migrated.
    connection.execute("BEGIN IMMEDIATE")
    try:
        for number in range(_read_version(connection), VERSION):
            for statement in MIGRATIONS[number]:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def render_migrations(*, version: int = 0) -> str:
    """Return, as one SQL script, what leads from a file of `version` to this one.

    >>> print(render_migrations(version=VERSION))  # doctest: +ELLIPSIS
    BEGIN IMMEDIATE;
    PRAGMA application_id = 1095976771;
    PRAGMA user_version = ...;
    COMMIT;
    """
    statements = [statement.strip() for step in MIGRATIONS[version:] for statement in step]
    lines = [
        "BEGIN IMMEDIATE",
        *statements,
        f"PRAGMA application_id = {APPLICATION_ID}",
        f"PRAGMA user_version = {VERSION}",
        "COMMIT",
    ]
    return ";\n".join(lines) + ";"


def _read_version(connection: sqlite3.Connection) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    owner = int(connection.execute("PRAGMA application_id").fetchone()[0])
    if owner != APPLICATION_ID and (version or owner):
        raise StorageError("the file is another program's database; give a path of its own")
    if version > VERSION:
        raise StorageError(
            f"the file has tables of version {version} and this release knows {VERSION}; "
            "upgrade asgi-security, or give another path"
        )
    return version
