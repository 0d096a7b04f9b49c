"""Where the PostgreSQL of the tests is, and what its tests do past every store."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from asgi_security.storage.postgres import PostgresStore
from tests.missing import miss
from tests.storage.bundled import find_url, start_postgres

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from typing import Self


asyncpg = pytest.importorskip("asyncpg", reason="pip install 'asgi-security[postgres]'")

URL = find_url(
    "ASGI_SECURITY_TEST_POSTGRES_URL",
    "postgresql://root@127.0.0.1:5432/test",
    port=5432,
    start=start_postgres,
)

TABLES = (
    *("attempt_keys", "failed_auth_attempts", "auth_sessions", "revocations", "revoked_subjects"),
    *("one_time_values", "one_time_claims", "throttles"),
    *("accounts", "account_factors", "account_identities", "api_keys"),
    "refresh_families",
    *("audit_log", "audit_heads"),
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
        miss(HOW_TO_GET_ONE)
    yield name
    asyncio.run(run_sql(f'DROP SCHEMA IF EXISTS "{name}" CASCADE'))


async def empty(schema: str, *, migrate: bool = False) -> None:
    """Delete every row."""
    if migrate:
        async with PostgresStore(URL, schema=schema, timeout_seconds=20) as store:
            await store.migrate()
    await run_sql(";".join(f'DELETE FROM "{schema}".{table}' for table in TABLES))  # noqa: S608


async def provide_store(schema: str) -> AsyncIterator[PostgresStore]:
    """Yield the store of a schema, with every row deleted."""
    await empty(schema, migrate=True)
    async with PostgresStore(URL, schema=schema, timeout_seconds=20) as store:
        yield store


class Proxy:
    """Stands between a store and the server; it counts, stalls in mid-reply, and resets.

    `round_trips` counts what a client waits for: each Sync, Flush and Query that it sends.
    """

    def __init__(self) -> None:
        self.round_trips = 0
        self.connections = 0
        self.reply_bytes: int | None = None
        """How many more bytes of replies are let through, None for all."""
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.reset()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            with suppress(OSError):
                await writer.wait_closed()

    @property
    def url(self) -> str:
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        split = urlsplit(URL)
        user, at, _ = split.netloc.rpartition("@")
        return f"postgresql://{user}{at}127.0.0.1:{port}{split.path}?sslmode=disable"

    def reset(self) -> None:
        """Cut every connection off, and let the next ones through."""
        for writer in self._writers:
            writer.transport.abort()
        self.reply_bytes = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        split = urlsplit(URL)
        there, server = await asyncio.open_connection(split.hostname, split.port or 5432)
        self._writers += [writer, server]
        self._tasks.append(asyncio.ensure_future(self._pass_replies(there, writer)))
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readexactly(4)
            rest = await reader.readexactly(int.from_bytes(head) - 4)
            server.write(head + rest)  # the start-up, and cancel requests: they have no letter
            while True:
                head = await reader.readexactly(5)
                rest = await reader.readexactly(int.from_bytes(head[1:]) - 4)
                self.round_trips += head[:1] in {b"S", b"H", b"Q"}
                server.write(head + rest)
        server.close()

    async def _pass_replies(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if self.reply_bytes is not None:
                    data = data[: self.reply_bytes]
                    self.reply_bytes -= len(data)
                writer.write(data)
        writer.close()
