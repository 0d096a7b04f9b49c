"""The tables of the audit log in SQLite.

Nothing in a record refers to another table: an account that is deleted leaves its records as they
are. The two unique keys admit no fork, even to a writer that has read an old head.
"""

from __future__ import annotations

AUDIT_TABLES = (
    """
    CREATE TABLE audit_log (
        chain TEXT NOT NULL,
        sequence INTEGER NOT NULL,
        body BLOB NOT NULL,
        mac BLOB NOT NULL,
        previous BLOB NOT NULL,
        at TEXT NOT NULL,
        action TEXT NOT NULL,
        actor TEXT,
        target TEXT,
        outcome TEXT NOT NULL,
        request_id TEXT,
        PRIMARY KEY (chain, sequence),
        UNIQUE (chain, previous)
    )""",
    "CREATE INDEX audit_log_by_actor ON audit_log (actor, at) WHERE actor IS NOT NULL",
    "CREATE INDEX audit_log_by_target ON audit_log (target, at) WHERE target IS NOT NULL",
    """
    CREATE TABLE audit_heads (
        chain TEXT PRIMARY KEY,
        sequence INTEGER NOT NULL,
        mac BLOB NOT NULL
    ) WITHOUT ROWID""",
)
