"""What every test may ask for."""

from __future__ import annotations

import pytest

from asgi_security.testing import EventRecorder, FakeClock, SeededEntropy


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
