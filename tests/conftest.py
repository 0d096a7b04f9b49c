"""What every test may ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from asgi_security.testing import EventRecorder, FakeClock, SeededEntropy
from tests.storage.backends import provide_place, provide_store

if TYPE_CHECKING:
    from collections.abc import Iterator

place = pytest.fixture(provide_place)
store = pytest.fixture(provide_store)


@pytest.fixture(scope="module")
def schema() -> Iterator[str]:
    """Yield a schema of the module's own, in the PostgreSQL of the tests."""
    from tests.storage.postgres_servers import provide_schema  # noqa: PLC0415 -- with the extra

    yield from provide_schema()


@pytest.fixture
def prefix() -> Iterator[str]:
    """Yield a prefix of the test's own, in the Redis of the tests."""
    from tests.storage.redis_servers import fresh_prefix  # noqa: PLC0415 -- with the extra

    with fresh_prefix() as made:
        yield made


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def entropy() -> SeededEntropy:
    return SeededEntropy()


@pytest.fixture
def events() -> EventRecorder:
    return EventRecorder()
