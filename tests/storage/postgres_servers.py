"""Where the PostgreSQL of the tests is, and what its tests do past every store."""

from __future__ import annotations

import asyncio
import os
import secrets
from typing import TYPE_CHECKING, Any

import asyncpg  # type: ignore[import-untyped]
import pytest

from asgi_security.storage.postgres import PostgresStore

if TYPE_CHECKING:
    from collections.abc import Iterator

URL = os.environ.get("ASGI_SECURITY_TEST_POSTGRES_URL", "postgresql://root@127.0.0.1:5432/test")

TABLES = (
    *("attempt_keys", "failed_auth_attempts", "auth_sessions", "revocations", "revoked_subjects"),
    *("one_time_values", "one_time_claims", "throttles"),
)

HOW_TO_GET_ONE = (
    "no PostgreSQL: docker run -e POSTGRES_HOST_AUTH_METHOD=trust -e POSTGRES_USER=root "
    "-e POSTGRES_DB=test -p 5432:5432 postgres, or set ASGI_SECURITY_TEST_POSTGRES_URL"
)


async def run_sql(sql: str, *arguments: object) -> Any:
    """Run a script, or a statement with arguments, past every store; return the first value."""
    connection = await asyncpg.connect(URL, timeout=10)
    try:
        if arguments:
            return await connection.fetchval(sql, *arguments)
        return await connection.execute(sql)
    finally:
        await connection.close()


def provide_schema() -> Iterator[str]:
    """Yield a schema of its own, dropped at the end; skip, or fail in CI, without a server."""
    name = f"test_{secrets.token_hex(6)}"
    try:
        asyncio.run(run_sql("SELECT 1"))
    except (OSError, asyncpg.PostgresError):
        if os.environ.get("CI"):
            pytest.fail(HOW_TO_GET_ONE)
        pytest.skip(HOW_TO_GET_ONE)
    yield name
    asyncio.run(run_sql(f'DROP SCHEMA IF EXISTS "{name}" CASCADE'))


async def empty(schema: str, *, migrate: bool = False) -> None:
    """Delete every row."""
    if migrate:
        async with PostgresStore(URL, schema=schema, timeout_seconds=20) as store:
            await store.migrate()
    await run_sql(";".join(f'DELETE FROM "{schema}".{table}' for table in TABLES))  # noqa: S608
