"""Every backend keeps every contract (D55)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from asgi_security.storage.memory import MemoryStore
from asgi_security.storage.sqlite import SqliteStore
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

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from asgi_security.storage.protocols import Store

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "sqlite"])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str
) -> AsyncIterator[Store]:
    backend: Store
    if request.param == "memory":
        backend = MemoryStore()
    else:
        backend = SqliteStore(tmp_path / "security.db", timeout_seconds=20, durability="normal")
    async with backend:
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
