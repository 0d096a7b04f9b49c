"""A Redis Cluster of three keeps every contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

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
from tests.storage.backends import use_asyncio
from tests.storage.redis_servers import build_cluster, open_redis

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from asgi_security.storage.redis import RedisStore

pytestmark = pytest.mark.anyio
anyio_backend = pytest.fixture(use_asyncio)


@pytest.fixture(scope="module")
def cluster_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with build_cluster(tmp_path_factory.mktemp("cluster")) as nodes:
        yield "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)


@pytest.fixture
async def store(
    request: pytest.FixtureRequest, cluster_url: str, anyio_backend: str
) -> AsyncIterator[RedisStore]:
    prefix = f"test-{request.node.name}".translate({ord("["): "-", ord("]"): "-"})
    async with open_redis(cluster_url, prefix) as backend:
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
