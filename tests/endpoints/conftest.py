"""Stores of every kind for the stories that are told on all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from asgi_security.storage.memory import MemoryStore
from asgi_security.storage.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from asgi_security.storage.protocols import Store

SECONDS = 30.0


@pytest.fixture(scope="session")
def schema() -> Iterator[str]:
    pytest.importorskip("asyncpg", reason="pip install 'asgi-security[postgres]'")
    from tests.storage.postgres_servers import provide_schema  # noqa: PLC0415 -- with the extra

    yield from provide_schema()


@pytest.fixture(params=["memory", "sqlite", "redis", "postgres"])
def backend(request: pytest.FixtureRequest, anyio_backend: str) -> str:
    name = str(request.param)
    if name in {"redis", "postgres"} and anyio_backend != "asyncio":
        pytest.skip("the driver runs on asyncio only")
    # Asked for here: its server is asked by `asyncio.run`, which a running loop forbids.
    return f"postgres {request.getfixturevalue('schema')}" if name == "postgres" else name


@pytest.fixture
def redis_prefix(backend: str) -> Iterator[str]:
    if backend != "redis":
        yield ""
        return
    from tests.storage.redis_servers import fresh_prefix  # noqa: PLC0415 -- with the extra

    with fresh_prefix() as prefix:
        yield prefix


@pytest.fixture
async def store(backend: str, redis_prefix: str, tmp_path: Path) -> AsyncIterator[Store]:
    if backend == "memory":
        yield MemoryStore()
    elif backend == "sqlite":
        path = tmp_path / "security.db"
        async with SqliteStore(path, timeout_seconds=SECONDS, durability="normal") as sqlite:
            yield sqlite
    elif backend == "redis":
        from tests.storage.redis_servers import URL, open_redis  # noqa: PLC0415 -- with the extra

        async with open_redis(URL, redis_prefix, timeout_seconds=SECONDS) as redis:
            yield redis
    else:
        from asgi_security.storage.postgres import PostgresStore  # noqa: PLC0415 -- with the extra
        from tests.storage.postgres_servers import URL as POSTGRES  # noqa: PLC0415 -- likewise
        from tests.storage.postgres_servers import empty  # noqa: PLC0415 -- likewise

        schema = backend.split()[1]
        await empty(schema, migrate=True)
        async with PostgresStore(POSTGRES, schema=schema, timeout_seconds=SECONDS) as postgres:
            yield postgres
