"""The tables and functions, and the way from any earlier version of them to this one.

Instants are `double precision`, as they are told: what comes back is the same float, and every
backend answers alike. Counts of microseconds are `bigint`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from asgi_security.errors import StorageError
from asgi_security.storage.postgres.account_functions import ACCOUNT_SCHEMA
from asgi_security.storage.postgres.attempt_functions import ATTEMPT_FUNCTIONS
from asgi_security.storage.postgres.audit_functions import AUDIT_STEPS
from asgi_security.storage.postgres.refresh_functions import REFRESH_TABLES
from asgi_security.storage.postgres.row_functions import ROW_FUNCTIONS
from asgi_security.storage.postgres.session_functions import SESSION_FUNCTIONS
from asgi_security.storage.postgres.throttles import TAKE_UNITS

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLES = (
    """
CREATE TABLE {schema}.attempt_keys (
    kind text NOT NULL,
    digest bytea NOT NULL,
    failures integer NOT NULL,
    last_failure_at double precision,
    tickets bytea[] NOT NULL,
    charged_at double precision[] NOT NULL,
    later_failures integer[] NOT NULL,
    expires_at double precision NOT NULL,
    PRIMARY KEY (kind, digest)
) WITH (fillfactor = 70)""",
    "CREATE INDEX attempt_keys_by_expiry ON {schema}.attempt_keys (expires_at)",
    """
CREATE TABLE {schema}.failed_auth_attempts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at double precision NOT NULL,
    account bytea,
    client bytea,
    kind text NOT NULL,
    outcome text NOT NULL,
    user_agent text NOT NULL,
    address text
)""",
    "CREATE INDEX failed_auth_attempts_by_time ON {schema}.failed_auth_attempts (at, id)",
    """
CREATE INDEX failed_auth_attempts_by_account
    ON {schema}.failed_auth_attempts (account, at, id)""",
    "CREATE INDEX failed_auth_attempts_by_client ON {schema}.failed_auth_attempts (client, at, id)",
    """
CREATE TABLE {schema}.auth_sessions (
    digest bytea PRIMARY KEY,
    handle text NOT NULL,
    user_id text,
    data bytea NOT NULL,
    created_at double precision NOT NULL,
    seen_at double precision NOT NULL,
    idle_expires_at double precision NOT NULL,
    absolute_expires_at double precision NOT NULL,
    user_agent text NOT NULL,
    client bytea,
    version bigint NOT NULL
)""",
    "CREATE INDEX auth_sessions_by_user ON {schema}.auth_sessions (user_id, seen_at)",
    """
CREATE INDEX auth_sessions_by_expiry
    ON {schema}.auth_sessions (least(idle_expires_at, absolute_expires_at))""",
    """
CREATE TABLE {schema}.revocations (
    digest bytea PRIMARY KEY,
    expires_at double precision NOT NULL
)""",
    "CREATE INDEX revocations_by_expiry ON {schema}.revocations (expires_at)",
    """
CREATE TABLE {schema}.revoked_subjects (
    subject bytea PRIMARY KEY,
    issued_before double precision NOT NULL,
    expires_at double precision NOT NULL
)""",
    "CREATE INDEX revoked_subjects_by_expiry ON {schema}.revoked_subjects (expires_at)",
    """
CREATE TABLE {schema}.one_time_values (
    kind text NOT NULL,
    digest bytea NOT NULL,
    value bytea NOT NULL,
    expires_at double precision NOT NULL,
    PRIMARY KEY (kind, digest)
)""",
    "CREATE INDEX one_time_values_by_expiry ON {schema}.one_time_values (expires_at)",
    """
CREATE TABLE {schema}.one_time_claims (
    kind text NOT NULL,
    digest bytea NOT NULL,
    expires_at double precision NOT NULL,
    PRIMARY KEY (kind, digest)
)""",
    "CREATE INDEX one_time_claims_by_expiry ON {schema}.one_time_claims (expires_at)",
    """
CREATE TABLE {schema}.throttles (
    digest bytea PRIMARY KEY,
    whole_at_microseconds bigint NOT NULL
) WITH (fillfactor = 70)""",
    "CREATE INDEX throttles_by_expiry ON {schema}.throttles (whole_at_microseconds)",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (*TABLES, *ROW_FUNCTIONS, *ATTEMPT_FUNCTIONS, *SESSION_FUNCTIONS, TAKE_UNITS),
    REFRESH_TABLES,
    ACCOUNT_SCHEMA,
    AUDIT_STEPS,
)
"""The statements that lead from version n to n + 1. Published ones never change."""

VERSION = len(MIGRATIONS)

_BEGIN = (
    "SET LOCAL statement_timeout = 0",
    # Two processes that open at once migrate one after the other.
    "SELECT pg_advisory_xact_lock(hashtextextended('asgi_security {schema}', 0))",
    "CREATE SCHEMA IF NOT EXISTS {schema}",
    "CREATE TABLE IF NOT EXISTS {schema}.schema_version (version integer NOT NULL)",
)
_READ = "SELECT version FROM {schema}.schema_version"
_WRITE = (
    "DELETE FROM {schema}.schema_version",
    "INSERT INTO {schema}.schema_version VALUES ({version})",
)
_IDENTIFIER = re.compile(r"(?!pg_)[A-Za-z_][A-Za-z0-9_]{0,62}\Z")


def is_identifier(name: object) -> bool:
    """Tell whether a name can be a schema: ASCII letters, digits, `_`; at most 63; no `pg_`."""
    return isinstance(name, str) and _IDENTIFIER.match(name) is not None


def fill(statement: str, schema: str) -> str:
    """Return a statement with its schema named, in quotes."""
    return statement.replace("{schema}", f'"{schema}"').replace("{version}", str(VERSION))


def render_migrations(schema: str = "asgi_security", *, version: int = 0) -> str:
    """Return, as one SQL script, what leads from tables of `version` to this one.

    For databases whose tables only their administrator may change.

    >>> print(render_migrations("auth", version=VERSION))  # doctest: +ELLIPSIS
    BEGIN;
    SET LOCAL statement_timeout = 0;
    SELECT pg_advisory_xact_lock(hashtextextended('asgi_security "auth"', 0));
    CREATE SCHEMA IF NOT EXISTS "auth";
    CREATE TABLE IF NOT EXISTS "auth".schema_version (version integer NOT NULL);
    DELETE FROM "auth".schema_version;
    INSERT INTO "auth".schema_version VALUES (...);
    COMMIT;

    Raises:
        ValueError: The schema is no plain identifier.
    """
    if not is_identifier(schema):
        raise ValueError("give a schema of ASCII letters, digits and _, not beginning with pg_")
    statements = (*_BEGIN, *_find_steps(version), *_WRITE)
    lines = ["BEGIN", *[fill(statement, schema).strip() for statement in statements], "COMMIT"]
    return ";\n".join(lines) + ";"


async def migrate(connection: Any, schema: str) -> None:
    """Bring a database to this version; two processes at once do it once.

    A database that is there already is only looked at, so its user needs no right to make tables.

    Raises:
        StorageError: The tables are of a newer version.
    """
    if await _read_version(connection, schema) == VERSION:
        return
    async with connection.transaction(isolation="read_committed"):
        for statement in _BEGIN:
            await connection.execute(fill(statement, schema))
        # Under the lock it is read again: another process may just have migrated.
        for statement in _find_steps(await _read_version(connection, schema)):
            await connection.execute(fill(statement, schema))
        for statement in _WRITE:
            await connection.execute(fill(statement, schema))


def _find_steps(version: int) -> Iterator[str]:
    for step in MIGRATIONS[version:]:
        yield from step


async def find_version(connection: Any, schema: str) -> int:
    """Return the version of the tables that are there, 0 if there are none."""
    # A missing table is asked for, not run into: an error would end a transaction.
    there = await connection.fetchval(fill("SELECT to_regclass('{schema}.schema_version')", schema))
    found = 0 if there is None else await connection.fetchval(fill(_READ, schema))
    return int(found or 0)


async def _read_version(connection: Any, schema: str) -> int:
    version = await find_version(connection, schema)
    if version > VERSION:
        raise StorageError(
            f"schema {schema} has tables of version {version} and this release knows {VERSION}; "
            "upgrade asgi-security, or give another schema"
        )
    return version
