"""Behind PgBouncer in transaction mode, where each transaction may meet another connection."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("asyncpg", reason="pip install 'asgi-security[postgres]'")

import asyncpg  # type: ignore[import-untyped]

from asgi_security.errors import StorageError
from asgi_security.storage.postgres import PostgresStore
from asgi_security.testing.contracts import (
    AccountContract,
    ApiKeyContract,
    AttemptContract,
    AuditContract,
    OneTimeContract,
    RefreshContract,
    RevocationContract,
    SessionContract,
    ThrottleContract,
)
from tests.missing import miss
from tests.storage.backends import use_asyncio
from tests.storage.postgres_servers import URL, empty

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.anyio
anyio_backend = pytest.fixture(use_asyncio)


@pytest.fixture(scope="module")
def bouncer(schema: str) -> Iterator[str]:
    """Run a PgBouncer of the tests' own; yield the URL that leads through it."""
    program = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")
    if program is None:
        miss("no PgBouncer: apt-get install pgbouncer, or brew install pgbouncer")
    split = urlsplit(URL)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        name, host, port_there = split.path[1:], split.hostname, split.port or 5432
        user = f"user={split.username}"
        if split.password:
            user += f" password={unquote(split.password)}"
        configuration = Path(folder) / "pgbouncer.ini"
        configuration.write_text(
            f"""
            [databases]
            {name} = host={host} port={port_there} {user}
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = {port}
            unix_socket_dir =
            auth_type = any
            pool_mode = transaction
            default_pool_size = 4
            server_round_robin = 1
            """.replace("            ", "")
        )
        Path(folder).chmod(0o755)
        unprivileged = ["-u", "nobody"] if os.getuid() == 0 else []
        process = subprocess.Popen(
            [program, "-q", *unprivileged, str(configuration)], stderr=subprocess.DEVNULL
        )
        try:
            url = f"postgresql://anyone@127.0.0.1:{port}{split.path}"
            asyncio.run(reach(url))
            yield url
        finally:
            process.kill()
            process.wait()


async def reach(url: str) -> None:
    """Wait until it listens."""
    async with asyncio.timeout(10):
        while True:
            try:
                await (await asyncpg.connect(url, statement_cache_size=0)).close()
            except OSError:
                await asyncio.sleep(0)
            else:
                return


@pytest.fixture
async def store(bouncer: str, schema: str) -> AsyncIterator[PostgresStore]:
    await empty(schema, migrate=True)
    backend = PostgresStore(
        bouncer, schema=schema, timeout_seconds=20, statement_cache_size=0, max_size=20
    )
    async with backend:
        yield backend


class TestAccounts(AccountContract): ...


class TestApiKeys(ApiKeyContract): ...


class TestAttempts(AttemptContract): ...


class TestRevocations(RevocationContract): ...


class TestSessions(SessionContract): ...


class TestOneTime(OneTimeContract): ...


class TestThrottles(ThrottleContract): ...


class TestAudit(AuditContract): ...


class TestRefresh(RefreshContract): ...


async def test_the_tables_are_made_through_it(bouncer: str, schema: str) -> None:
    name = f"{schema}_made"
    store = PostgresStore(bouncer, schema=name, timeout_seconds=20, statement_cache_size=0)
    async with store:
        await store.migrate()
        await store.revocations.revoke(b"d" * 32, expires_at=1.0)
        await store._pools.fetch("DROP SCHEMA {schema} CASCADE")


async def test_without_the_option_the_error_names_it(bouncer: str, schema: str) -> None:
    async with PostgresStore(bouncer, schema=schema, timeout_seconds=20) as store:
        with pytest.raises(StorageError, match="behind PgBouncer give statement_cache_size=0"):
            await store.revocations.revoke(b"d" * 32, expires_at=1.0)
