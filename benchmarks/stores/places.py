"""Where the stores of a run are: each begins empty, and nothing of it is left behind."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from asgi_security.storage.protocols import Store
    from benchmarks.stores.bulk import Rows

TIMEOUT_SECONDS = 60.0
"""Far above what any operation takes: a run tells how long one takes, and must not end there."""

_PATIENCE_SECONDS = 20.0
_ROWS_OF_TRANSACTION = 100_000


class MissingError(Exception):
    """A backend has no server or no driver here."""


@dataclass(frozen=True, slots=True)
class Place:
    """A store to fill, and how to ask what room it takes, in bytes."""

    store: Store
    count_bytes: Callable[[], int]
    url: str
    """For the peers of the same server."""
    load: Callable[[Rows, Iterator[tuple[object, ...]]], Awaitable[None]] | None = None
    """Puts rows into the tables of an open store; None where operations are as fast."""
    schema: str = ""
    """Where the tables are, if not in a file of their own."""
    has_arrays: bool = False
    """Whether a list is stored as one, and not as JSON."""


def read_resident_bytes() -> int:
    """Read the resident memory of this process; 0 where the system does not tell it."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def provide_memory(most_rows: int) -> Iterator[Place]:
    """Give an empty store in memory with room for every row of a run."""
    from asgi_security import MemoryStore

    store = MemoryStore(
        max_keys=most_rows,
        max_revocations=most_rows,
        max_sessions=most_rows,
        max_values=most_rows,
        max_throttles=most_rows,
        max_families=most_rows,
        max_accounts=most_rows,
        max_api_keys=most_rows,
        max_audit_records=most_rows,
    )
    yield Place(store, read_resident_bytes, "")


@contextmanager
def provide_sqlite() -> Iterator[Place]:
    """Give an empty file, as durable as is usual."""
    from asgi_security import SqliteStore

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "security.db"

        def count() -> int:
            return sum(
                found.stat().st_size
                for suffix in ("", "-wal")
                if (found := path.with_name(path.name + suffix)).exists()
            )

        async def load(rows: Rows, records: Iterator[tuple[object, ...]]) -> None:
            # No reader of the run waits, and a run that is cut off leaves no file behind.
            with closing(sqlite3.connect(path, isolation_level=None)) as connection:
                connection.execute("PRAGMA synchronous = OFF")
                connection.execute("PRAGMA cache_size = -262144")  # KiB
                while batch := list(islice(records, _ROWS_OF_TRANSACTION)):
                    connection.execute("BEGIN IMMEDIATE")
                    connection.executemany(rows.insertion, batch)
                    connection.execute("COMMIT")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

        store = SqliteStore(path, timeout_seconds=TIMEOUT_SECONDS)
        yield Place(store, count, str(path), load)


def _find_free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def provide_redis() -> Iterator[Place]:
    """Give a server of its own, that keeps nothing on a disk.

    Raises:
        MissingError: There is no redis-server, or no redis-py.
    """
    try:
        import redis
    except ImportError as error:
        raise MissingError(str(error)) from error
    program = shutil.which("redis-server")
    if program is None:
        raise MissingError("no redis-server in the PATH")
    from asgi_security.events import discard_event
    from asgi_security.storage.redis import RedisStore

    port = _find_free_port()
    url = f"redis://127.0.0.1:{port}/0"
    with tempfile.TemporaryDirectory() as folder:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        process = subprocess.Popen(  # noqa: S603 -- a program of the PATH, with our own words
            [program, *options], stdout=subprocess.DEVNULL
        )
        try:
            with redis.Redis(port=port) as client:
                _wait_for(client)

                def count() -> int:
                    client.execute_command("MEMORY", "PURGE")
                    return int(client.info("memory")["used_memory"])

                store = RedisStore(url, timeout_seconds=TIMEOUT_SECONDS, events=discard_event)
                yield Place(store, count, url)
        finally:
            process.kill()
            process.wait()


def _wait_for(client: Any) -> None:
    import redis

    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            client.ping()
        except redis.RedisError as error:
            if time.monotonic() > deadline:
                raise MissingError("redis-server does not start") from error
            time.sleep(0.02)
        else:
            return


@contextmanager
def provide_postgres(url: str) -> Iterator[Place]:
    """Give a schema of its own in a database that is there, dropped at the end.

    Raises:
        MissingError: There is no asyncpg, or nobody answers.
    """
    try:
        import asyncpg  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingError(str(error)) from error
    from asgi_security.events import discard_event
    from asgi_security.storage.postgres import PostgresStore

    schema = f"bench_{secrets.token_hex(6)}"

    async def ask(statement: str, *arguments: object) -> Any:
        connection = await asyncpg.connect(url, timeout=_PATIENCE_SECONDS)
        try:
            return await connection.fetchval(statement, *arguments)
        finally:
            await connection.close()

    def run(statement: str, *arguments: object) -> Any:
        return asyncio.run(ask(statement, *arguments))

    try:
        run("SELECT 1")
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise MissingError(f"nobody answers: {type(error).__name__}") from error
    sizes = (
        "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class AS c "
        "WHERE c.relnamespace = to_regnamespace($1) AND c.relkind = 'r'"
    )
    store = PostgresStore(url, schema=schema, timeout_seconds=TIMEOUT_SECONDS, events=discard_event)

    async def load(rows: Rows, records: Iterator[tuple[object, ...]]) -> None:
        connection = await asyncpg.connect(url, timeout=_PATIENCE_SECONDS)
        try:
            await connection.copy_records_to_table(
                rows.table, schema_name=schema, columns=rows.columns, records=records
            )
            await connection.execute(f'ANALYZE "{schema}".{rows.table}')
        finally:
            await connection.close()

    try:
        yield Place(store, lambda: int(run(sizes, schema)), url, load, schema, has_arrays=True)
    finally:
        run(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')


def provide(backend: str, postgres_url: str, most_rows: int) -> Any:
    """Give an empty store of a backend, as a context.

    Raises:
        MissingError: When it is entered, if that backend is not here.
    """
    if backend == "memory":
        return provide_memory(most_rows)
    if backend == "sqlite":
        return provide_sqlite()
    return provide_redis() if backend == "redis" else provide_postgres(postgres_url)


BACKENDS = ("memory", "sqlite", "redis", "postgres")
