"""PostgreSQL keeps every contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

pytest.importorskip("asyncpg", reason="pip install 'asgi-security[postgres]'")

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
from tests.storage.postgres_servers import URL, empty, provide_schema

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

schema = pytest.fixture(scope="module")(provide_schema)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # asyncpg runs on nothing else


@pytest.fixture
async def store(schema: str) -> AsyncIterator[PostgresStore]:
    await empty(schema, migrate=True)
    async with PostgresStore(URL, schema=schema, timeout_seconds=20) as backend:
        yield backend


class TestAccounts(AccountContract): ...


class TestApiKeys(ApiKeyContract): ...


class TestAttempts(AttemptContract): ...


class TestAudit(AuditContract): ...


class TestRevocations(RevocationContract): ...


class TestSessions(SessionContract): ...


class TestOneTime(OneTimeContract): ...


class TestThrottles(ThrottleContract): ...


class TestRefresh(RefreshContract): ...
