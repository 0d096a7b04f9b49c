"""Redis keeps every contract: one server, and a cluster of three."""

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
from tests.storage.redis_servers import URL, build_cluster, fresh_prefix, open_redis

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from asgi_security.storage.redis import RedisStore

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # the client needs it


@pytest.fixture(scope="module")
def cluster_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with build_cluster(tmp_path_factory.mktemp("cluster")) as nodes:
        yield "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)


@pytest.fixture(params=["server", "cluster"])
async def store(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[RedisStore]:
    if request.param == "cluster":
        url = request.getfixturevalue("cluster_url")
        prefix = f"test-{request.node.name}".translate({ord("["): "-", ord("]"): "-"})
        async with open_redis(url, prefix) as backend:
            yield backend
    else:
        with fresh_prefix() as prefix:
            async with open_redis(URL, prefix) as backend:
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
