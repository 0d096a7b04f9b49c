"""What every store must do, as test classes to run against one of your own.

Derive a test class from each contract and give it a fixture `store` that returns an empty store:

    import pytest
    from asgi_security.testing.contracts import (
        AccountContract, ApiKeyContract, AttemptContract, AuditContract, OneTimeContract,
        RefreshContract, RevocationContract, SessionContract, ThrottleContract,
    )

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    async def store():
        async with MyStore() as store:
            yield store

    class TestAccounts(AccountContract): ...
    class TestApiKeys(ApiKeyContract): ...
    class TestAttempts(AttemptContract): ...
    class TestAudit(AuditContract): ...
    class TestRevocations(RevocationContract): ...
    class TestSessions(SessionContract): ...
    class TestOneTime(OneTimeContract): ...
    class TestThrottles(ThrottleContract): ...
    class TestRefresh(RefreshContract): ...

An object with only the facet that a contract uses will do. The names of the tests cite the numbers
of this project's specification. Time is an argument throughout: nothing waits.
"""

from asgi_security.testing.contracts.accounts import AccountContract
from asgi_security.testing.contracts.api_keys import ApiKeyContract
from asgi_security.testing.contracts.attempts import AttemptContract
from asgi_security.testing.contracts.audit import AuditContract
from asgi_security.testing.contracts.once import OneTimeContract
from asgi_security.testing.contracts.refresh import RefreshContract
from asgi_security.testing.contracts.revocations import RevocationContract
from asgi_security.testing.contracts.sessions import SessionContract
from asgi_security.testing.contracts.throttles import ThrottleContract

__all__ = [
    "AccountContract",
    "ApiKeyContract",
    "AttemptContract",
    "AuditContract",
    "OneTimeContract",
    "RefreshContract",
    "RevocationContract",
    "SessionContract",
    "ThrottleContract",
]
