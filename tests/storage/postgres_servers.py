"""Where the PostgreSQL of the tests is, and what stands between it and a store."""

from __future__ import annotations

import asyncio
import os
import secrets
from typing import TYPE_CHECKING, Any

import asyncpg  # type: ignore[import-untyped]
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

URL = os.environ.get("ASGI_SECURITY_TEST_POSTGRES_URL", "postgresql://root@127.0.0.1:5432/test")

HOW_TO_GET_ONE = (
    "no PostgreSQL: docker run -e POSTGRES_HOST_AUTH_METHOD=trust -e POSTGRES_USER=root "
    "-e POSTGRES_DB=test -p 5432:5432 postgres, or set ASGI_SECURITY_TEST_POSTGRES_URL"
)


async def run_sql(sql: str, *arguments: object, fetch: bool = False) -> Any:
    """Run a statement past every store."""
    connection = await asyncpg.connect(URL, timeout=10)
    try:
        return await (connection.fetch if arguments or fetch else connection.execute)(
            sql, *arguments
        )
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
