"""What concurrent callers of every backend see could have come of one call at a time.

The callers have stores, and so connections, of their own; on memory they are threads of one store.
"""

from __future__ import annotations

import asyncio
import random
import sys
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from asgi_security.storage.memory import MemoryStore
from asgi_security.testing.contracts.expecting import START
from tests.storage import backends
from tests.storage.histories import SUBJECTS
from tests.storage.linearizing import Call, is_linearizable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence

    from asgi_security.storage.protocols import Store
    from tests.storage.backends import Place
    from tests.storage.histories import Subject

pytestmark = pytest.mark.anyio
anyio_backend = pytest.fixture(backends.use_asyncio)

CALLERS = 3
CALLS = 5
HISTORIES = 60


@contextmanager
def switching() -> Iterator[None]:
    """Let threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@asynccontextmanager
async def open_stores(place: Place) -> AsyncIterator[Sequence[Store]]:
    """Open a store for each caller."""
    if place.backend == "memory":
        with switching():
            yield [place.open()] * CALLERS
        return
    one = {"max_size": 1} if place.backend == "postgres" else {}
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(place.open(**one)) for _ in range(CALLERS)]


def run_now(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that never waits, in any thread."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waited")


async def record(
    stores: Sequence[Store], subject: Subject, name: str, chance: random.Random
) -> list[Call]:
    """Let the callers loose, and return what each saw."""
    acts = [[subject.draw(chance) for _ in range(CALLS)] for _ in stores]
    clock, history = count(), []

    async def call(number: int) -> None:
        for act in acts[number]:
            begin = next(clock)
            answer = await subject.run(stores[number], name, act)
            history.append(Call(act, answer, begin, next(clock)))

    if subject.prepare is not None:
        await subject.prepare(stores[0], name)
    if isinstance(stores[0], MemoryStore):
        # Its operations never wait: only threads can come between one another's.
        await asyncio.gather(*[asyncio.to_thread(run_now, call(each)) for each in range(CALLERS)])
    else:
        await asyncio.gather(*map(call, range(CALLERS)))
    return history


async def judge(stores: Sequence[Store], subject: Subject) -> list[list[Call]]:
    """Return the histories that no order of their calls explains."""
    chance = random.Random(f"{subject}")  # noqa: S311 -- the same calls in every run
    wrong: list[list[Call]] = []
    for number in range(HISTORIES):
        history = await record(stores, subject, f"{subject} {number}", chance)
        if not is_linearizable(history, subject.step, subject.state):
            wrong.append(sorted(history, key=lambda call: call.begin))
    return wrong


@pytest.mark.parametrize("place", backends.ALL, indirect=True)
@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
async def test_D57_histories_are_linearizable(subject: Subject, place: Place) -> None:
    async with open_stores(place) as stores:
        assert await judge(stores, subject) == []


class Sleepy:
    """A facet that waits before every operation, so that all come between one another's."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any, **named: Any) -> Any:
            await asyncio.sleep(0)
            return await getattr(self._real, name)(*arguments, **named)

        return call


class TwoTrips(Sleepy):
    """The tempting wrong road: it looks, and acts on what it saw a moment later."""

    async def take(self, kind: str, digest: bytes, *, now: float) -> bytes | None:
        value: bytes | None = await self._real.take(kind, digest, now=now)
        if value is not None:
            await self._real.put(kind, digest, value, expires_at=START + 3600, now=now)
            await asyncio.sleep(0)
            await self._real.take(kind, digest, now=now)
        return value

    async def replace(self, digest: bytes, new: Any, *, now: float) -> Any:
        current = await self._real.load(digest, now=now)
        await asyncio.sleep(0)
        if current is not None and current.version == new.version:
            await self._real.delete(digest)
            await asyncio.sleep(0)
        return await self._real.replace(digest, new, now=now)

    async def advance(self, digest: bytes, generation: int, **named: Any) -> Any:
        found = await self._real.load_family(digest, now=named["now"])
        await asyncio.sleep(0)
        answer = await self._real.advance(digest, generation, **named)
        return type(answer)(found) if type(answer).__name__ == "Rotated" and found else answer


@pytest.mark.parametrize("facet", ["once", "sessions", "refresh"])
async def test_two_trips_in_the_place_of_one_are_found(facet: str) -> None:
    """The judge is awake: a facet that looks first and acts afterwards does not pass."""

    def build(kind: type[Sleepy]) -> list[Any]:
        memory = MemoryStore()

        class Apart:
            """One caller's store; not a `MemoryStore`, so that callers are tasks."""

        apart = Apart()
        setattr(apart, facet, kind(getattr(memory, facet)))
        return [apart] * CALLERS

    (subject,) = [each for each in SUBJECTS if each.name == facet]
    assert await judge(build(Sleepy), subject) == []
    assert await judge(build(TwoTrips), subject) != []
