"""Every backend keeps every contract (D55)."""

from __future__ import annotations

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
from tests.storage import backends

pytestmark = [pytest.mark.anyio, backends.on(*backends.ALL)]


class TestAccounts(AccountContract): ...


class TestApiKeys(ApiKeyContract): ...


class TestAttempts(AttemptContract): ...


class TestAudit(AuditContract): ...


class TestRevocations(RevocationContract): ...


class TestSessions(SessionContract): ...


class TestOneTime(OneTimeContract): ...


class TestThrottles(ThrottleContract): ...


class TestRefresh(RefreshContract): ...
