"""Every operation meets every fault of the network: the right answer, or `StorageError` in time.

What is checked of each: nothing else comes out; the same store goes on once the network has healed;
an operation that is called again after a lost reply has happened once, or as often as it was
called where its contract says so; and no connection is left behind.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from asgi_security.errors import StorageError
from asgi_security.storage.facets import FACETS
from asgi_security.storage.memory import MemoryStore
from tests.storage.backends import use_asyncio
from tests.storage.faults import FAULTS, FaultyProxy
from tests.storage.operations import ROWS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from asgi_security.storage.protocols import Store
    from tests.storage.backends import Place
    from tests.storage.faults import Fault
    from tests.storage.operations import Row

pytestmark = pytest.mark.anyio
anyio_backend = pytest.fixture(use_asyncio)

PORTS = {"redis": 6379, "postgres": 5432}
QUERIES = {"redis": "", "postgres": "?sslmode=disable"}
AT_ONCE = 6
"""Rows that are tried at once: each has up to three connections of its own."""
PATIENCE_SECONDS = 60
"""Far above every bound: a slow machine is no failure."""
COUNTED = {"attempts.add_failure", "throttles.take"}
"""What happens as often as it is called, by its contract: it has nothing to be told apart by."""


class Line:
    """A store behind a proxy, and one that reaches the same data directly."""

    def __init__(self, proxy: FaultyProxy, store: Store, direct: Store) -> None:
        self.proxy = proxy
        self.store = store
        self.direct = direct


@asynccontextmanager
async def open_line(place: Place, bound_seconds: float) -> AsyncIterator[Line]:
    few = {"max_size": 1} if place.backend == "postgres" else {}
    async with FaultyProxy(place.url, PORTS[place.backend]) as proxy:
        proxied = replace(place, url=f"{proxy.url}{QUERIES[place.backend]}")
        async with (
            proxied.open(timeout_seconds=bound_seconds, **few) as store,
            place.open(timeout_seconds=PATIENCE_SECONDS, **few) as direct,
        ):
            yield Line(proxy, store, direct)


async def insist(step: Callable[[], Awaitable[object]]) -> tuple[object, int]:
    """Call a step until it answers; return the answer, and how often it was called."""
    times = 1
    while True:
        try:
            return await step(), times
        except StorageError:
            times += 1
            await asyncio.sleep(0.01)


async def foretell(row: Row, times: int) -> tuple[list[object], list[object]]:
    """Return the answer of each call, and the state after each, as they have to be."""
    answers: list[object] = []
    states: list[object] = []
    for count in range(1, times + 1):
        async with MemoryStore() as store:
            await row.prepare(store, str(row))
            answers = [await row.act(store, str(row)) for _ in range(count)]
            states.append(await row.look(store, str(row)))
    return answers, states


async def meet(row: Row, fault: Fault, line: Line) -> None:
    """Let an operation meet a fault, and judge what comes of it."""
    store, direct, proxy, name = line.store, line.direct, line.proxy, str(row)
    # Connections are open and statements prepared: the fault meets the operation itself.
    await row.prepare(direct, f"warm {name}")
    for _ in range(2):
        await insist(lambda: row.act(store, f"warm {name}"))
    await row.prepare(direct, name)
    baseline = max(1, proxy.open_connections)

    proxy.break_with(fault)
    answer: object = None
    try:
        answer = await row.act(store, name)
        failed = 0
    except StorageError:
        failed = 1
    hits = proxy.hits
    proxy.heal()
    assert hits, f"{name} asked nothing"
    if failed:
        answer, times = await insist(lambda: row.act(store, name))
        failed += times - 1
    answers, states = await foretell(row, failed + 1)
    assert answer in answers, name
    state = await row.look(direct, name)
    if name in COUNTED:
        assert state in states, name
    else:
        assert [state] * len(states) == states, name
    while proxy.open_connections > baseline:  # noqa: ASYNC110 -- the network tells no event
        await asyncio.sleep(0.01)
    assert (await insist(lambda: row.act(store, f"after {name}")))[1] == 1 or failed, name


@pytest.mark.parametrize("place", PORTS, indirect=True)
@pytest.mark.parametrize("facet", FACETS)
@pytest.mark.parametrize("fault", FAULTS, ids=str)
async def test_D59_D61_each_operation_meets_each_fault(
    facet: str, fault: Fault, place: Place
) -> None:
    free = asyncio.Semaphore(AT_ONCE)

    async def try_out(row: Row) -> None:
        async with free, open_line(place, fault.bound_seconds) as line:
            await meet(row, fault, line)

    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.gather(*[try_out(row) for row in ROWS if row.facet == facet])
