"""Random operations: Redis answers as memory does, and as the model that all backends share."""

from __future__ import annotations

import random
from itertools import count
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from asgi_security.events import discard_event
from asgi_security.storage.memory import MemoryStore
from asgi_security.storage.protocols import Admitted, Conflict, LockoutSchedule, Outcome
from asgi_security.storage.redis import RedisStore
from asgi_security.testing.contracts.expecting import (
    START,
    build_account,
    build_session,
    build_ticket,
)
from tests.storage.redis_servers import URL, fresh_prefix, open_redis
from tests.storage.test_backends_agree import KEYS, Backends

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asgi_security.storage.protocols import Receipt


SHORT = LockoutSchedule(3, 3.0, (1.0,), None, 30.0)
FORGETFUL = (build_account("a", schedule=SHORT), build_account("b", schedule=SHORT))


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


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_long_histories_of_few_keys() -> None:
    """Charges that stay open while the clock jumps and streaks end: what random rules seldom do."""
    chance = random.Random(11)  # noqa: S311 -- the same histories in every run
    for history in range(120):
        memory = MemoryStore()
        async with open_redis(URL, f"{RedisAndMemory.prefix}-h{history}") as redis:
            stores = (memory.attempts, redis.attempts)
            now = START
            receipts: list[Receipt] = []
            # In every other, streaks are forgotten while charges are still open.
            known = FORGETFUL if history % 2 else KEYS[:2]
            for step in range(40):
                now += chance.choice([0, 0, 0, 1, 2, 5, 7, 9, 50, -3, -20])
                keys = chance.sample(known, chance.choice([1, 1, 2]))
                match chance.randrange(6):
                    case 0 | 1 | 2:
                        ticket = build_ticket(step)
                        answers = [await s.charge(keys, ticket=ticket, now=now) for s in stores]
                        if isinstance(answers[0], Admitted):
                            receipts.append(answers[0].receipt)
                        assert answers[0] == answers[1]
                    case 3 | 4 if receipts:
                        receipt = receipts.pop(chance.randrange(len(receipts)))
                        outcome = chance.choice(list(Outcome))
                        settled = [await s.settle(receipt, outcome, now=now) for s in stores]
                        assert settled[0] == settled[1]
                    case 5:
                        for each in stores:
                            await each.add_failure(keys, now=now)
                statuses = [await each.status(known, now=now) for each in stores]
                assert statuses[0] == statuses[1]


@pytest.mark.anyio
async def test_S30_a_session_is_not_put_in_the_place_of_two() -> None:
    one, two = build_session("one"), build_session("two")
    for store in (MemoryStore(), RedisStore(URL, prefix=f"{RedisAndMemory.prefix}-s")):
        async with store:
            for record in (one, two):
                await store.sessions.create(record, now=START)
            assert await store.sessions.replace(one.digest, two, now=START) == Conflict(one)
            assert await store.sessions.load(two.digest, now=START) == two
