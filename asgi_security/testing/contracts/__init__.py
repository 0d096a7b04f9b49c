"""What every store must do, as test classes to run against one of your own.

Derive a test class from each contract and give it a fixture `store` that returns an empty store:

    import pytest
    from asgi_security.testing.contracts import (
        AttemptContract, OneTimeContract, RevocationContract, SessionContract, ThrottleContract,
    )

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    async def store():
        async with MyStore() as store:
            yield store

    class TestAttempts(AttemptContract): ...
    class TestRevocations(RevocationContract): ...
    class TestSessions(SessionContract): ...
    class TestOneTime(OneTimeContract): ...
    class TestThrottles(ThrottleContract): ...

An object with only the facet that a contract uses will do. The names of the tests cite the numbers
of this project's specification. Time is an argument throughout: nothing waits.
"""

from asgi_security.testing.contracts.attempts import AttemptContract
from asgi_security.testing.contracts.once import OneTimeContract
from asgi_security.testing.contracts.revocations import RevocationContract
from asgi_security.testing.contracts.sessions import SessionContract
from asgi_security.testing.contracts.throttles import ThrottleContract

__all__ = [
    "AttemptContract",
    "OneTimeContract",
    "RevocationContract",
    "SessionContract",
    "ThrottleContract",
]
