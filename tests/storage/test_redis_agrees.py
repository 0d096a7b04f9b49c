"""Random operations: Redis answers as memory does, and as the model that all backends share."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from asgi_security.events import discard_event
from asgi_security.storage.memory import MemoryStore
from asgi_security.storage.redis import RedisStore
from tests.storage.redis_servers import URL, fresh_prefix
from tests.storage.test_backends_agree import Backends

if TYPE_CHECKING:
    from collections.abc import Iterator


class RedisAndMemory(Backends):
    """The histories of `Backends`, with Redis in the place of SQLite."""

    prefix = ""
    numbers = count()

    def __init__(self) -> None:
        super().__init__()
        own = f"{self.prefix}-{next(self.numbers)}"
        store = RedisStore(URL, prefix=own, timeout_seconds=20, events=discard_event)
        self.stores = (MemoryStore(), store)


RedisAndMemory.TestCase.settings = settings(max_examples=15, stateful_step_count=30, deadline=None)


TestRedisAgrees = RedisAndMemory.TestCase


@pytest.fixture(autouse=True, scope="module")
def _prefix() -> Iterator[None]:
    with fresh_prefix() as prefix:
        RedisAndMemory.prefix = prefix
        yield
