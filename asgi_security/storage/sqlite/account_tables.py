"""The tables of accounts and API keys."""

from __future__ import annotations

ACCOUNT_TABLES = (
    """
    CREATE TABLE accounts (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        password_hash TEXT,
        is_active INTEGER NOT NULL,
        is_verified INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        roles TEXT NOT NULL,  -- JSON
        tenant TEXT,
        created_at REAL NOT NULL,
        data BLOB NOT NULL,
        version INTEGER NOT NULL
    ) WITHOUT ROWID""",
    """
    CREATE TABLE account_factors (
        account TEXT NOT NULL,
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        created_at REAL NOT NULL,
        data BLOB NOT NULL,
        step INTEGER NOT NULL,
        PRIMARY KEY (account, kind, id)
    ) WITHOUT ROWID""",
    """
    CREATE TABLE account_identities (
        issuer TEXT NOT NULL,
        subject TEXT NOT NULL,
        account TEXT NOT NULL,
        created_at REAL NOT NULL,
        data BLOB NOT NULL,
        PRIMARY KEY (issuer, subject)
    ) WITHOUT ROWID""",
    "CREATE INDEX account_identities_by_account ON account_identities (account)",
    """
    CREATE TABLE api_keys (
        id TEXT PRIMARY KEY,
        digest BLOB NOT NULL,
        account TEXT NOT NULL,
        name TEXT NOT NULL,
        scopes TEXT NOT NULL,  -- JSON
        created_at REAL NOT NULL,
        expires_at REAL,
        revoked_at REAL,
        used_at REAL
    ) WITHOUT ROWID""",
    "CREATE INDEX api_keys_by_account ON api_keys (account)",
)
"""The statements that make them."""
