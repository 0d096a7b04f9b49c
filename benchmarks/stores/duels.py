"""Ours beside real peers on one server, file or process, each doing as near the same as it can.

Both sides of a duel take turns in one process: a piece of ours, a piece of the peer's, and the
other way round. What is told is the time of a piece by its calls, so that at 32 at once it is what
one of them costs the process, and not how long it waited for the others.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import tempfile
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from benchmarks.measure import compute_quartiles, compute_ratio
from benchmarks.rows import silence
from benchmarks.stores.filling import MICROSECONDS, ask_all
from benchmarks.stores.operations import KEPT_SECONDS, build_digest, build_keys
from benchmarks.stores.places import MissingError, provide
from benchmarks.stores.session_operations import build_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from asgi_security.storage.protocols import Store
    from benchmarks.measure import Quartiles
    from benchmarks.stores.filling import StoresEffort
    from benchmarks.stores.places import Place

    Step: TypeAlias = Callable[[int], Awaitable[object]]
    """Takes a number that no call before had."""
    Open: TypeAlias = Callable[[Place], AbstractAsyncContextManager[Step]]

_DATA = b"x" * 64
_LIMIT = 1000
_FRESH_FROM = 7_000_000_000
_MOST_ROWS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Duel:
    """One operation of ours and its counterpart; `budgets` bound the ratio by how many at once."""

    backend: str
    operation: str
    peer: str
    ours: Callable[[Store, int], Awaitable[object]]
    open_peer: Open
    budgets: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class DuelResult:
    """What a call of each side costs, and ours divided by the peer's."""

    backend: str
    operation: str
    peer: str
    at_once: int
    ours_us: Quartiles | None = None
    peer_us: Quartiles | None = None
    ratio: Quartiles | None = None
    budget: float | None = None
    absent: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the budget is met; None where there is none, or nothing to compare."""
        if self.budget is None or self.ratio is None:
            return None
        return self.ratio.median <= self.budget


def _charge(store: Store, number: int) -> Awaitable[object]:
    ticket = os.urandom(16)
    return store.attempts.charge(build_keys(number), ticket=ticket, now=time.time())


def _create(store: Store, number: int) -> Awaitable[object]:
    now = time.time()
    return store.sessions.create(build_session(number, now, f"user-{number}"), now=now)


def _throttle(store: Store, number: int) -> Awaitable[object]:
    from asgi_security.storage.protocols import ThrottleRule

    rule = ThrottleRule(_LIMIT, 60.0)
    return store.throttles.take(build_digest(number), rule, now=time.time())


def _put(store: Store, number: int) -> Awaitable[object]:
    now = time.time()
    return store.once.put("k", build_digest(number), _DATA, expires_at=now + 60, now=now)


@asynccontextmanager
async def _open_raw_script(place: Place) -> AsyncIterator[Step]:
    """Run our own script with redis-py's pool, as one would write it by hand."""
    from redis.asyncio import Redis

    from asgi_security.storage.redis.attempt_scripts import CHARGE

    schedule = f"2{_LIMIT} {KEPT_SECONDS} 30.0 - 30.0 60.0 120.0"
    async with Redis.from_url(place.url) as client:
        sha = await client.script_load(CHARGE.source.decode())

        async def charge(number: int) -> object:
            name = f"raw:account:{build_digest(number).hex()}"
            ticket = os.urandom(16).hex()
            return await client.evalsha(sha, 1, name, ticket, repr(time.time()), schedule)

        if not str(await charge(0)).startswith("b'A"):
            raise MissingError("the script answers something else")
        yield charge


@asynccontextmanager
async def _open_limits_redis(place: Place) -> AsyncIterator[Step]:
    from limits.aio.storage import RedisStorage

    storage = RedisStorage(f"async+{place.url}", implementation="redispy")
    yield _build_hit(storage)
    bridge: Any = storage.bridge
    await bridge.storage.aclose()  # it has no other way to close


@asynccontextmanager
async def _open_limits_memory(_: Place) -> AsyncIterator[Step]:
    from limits.aio.storage import MemoryStorage

    yield _build_hit(MemoryStorage())


def _build_hit(storage: Any) -> Step:
    from limits import RateLimitItemPerMinute
    from limits.aio.strategies import FixedWindowRateLimiter

    limiter, item = FixedWindowRateLimiter(storage), RateLimitItemPerMinute(_LIMIT)
    return lambda number: limiter.hit(item, build_digest(number).hex())


def _build_write(store: Any) -> Step:
    return lambda number: store.write(
        build_digest(number).hex(), _DATA, lifetime=int(KEPT_SECONDS), ttl=int(KEPT_SECONDS)
    )


@asynccontextmanager
async def _open_starsessions_redis(place: Place) -> AsyncIterator[Step]:
    from redis.asyncio import Redis
    from starsessions.stores.redis import RedisStore

    async with Redis.from_url(place.url) as client:
        yield _build_write(RedisStore(connection=client))


@asynccontextmanager
async def _open_starsessions_memory(_: Place) -> AsyncIterator[Step]:
    from starsessions import InMemoryStore

    yield _build_write(InMemoryStore())


@asynccontextmanager
async def _open_aiosqlite(_: Place) -> AsyncIterator[Step]:
    """Put with the same statement, as durably, on one connection: each call commits."""
    import aiosqlite

    from asgi_security.storage.sqlite.once import PUT
    from asgi_security.storage.sqlite.schema import render_migrations

    with tempfile.TemporaryDirectory() as folder:
        async with aiosqlite.connect(Path(folder) / "peer.db", isolation_level=None) as connection:
            await connection.execute("PRAGMA journal_mode = WAL")
            await connection.execute("PRAGMA synchronous = FULL")
            await connection.executescript(render_migrations())

            async def put(number: int) -> object:
                arguments = ("k", build_digest(number), _DATA, time.time() + 60)
                return await connection.execute(PUT, arguments)

            yield put


@asynccontextmanager
async def _open_asyncpg(place: Place) -> AsyncIterator[Step]:
    """Put with the same statement through asyncpg's own pool, as large as ours."""
    import asyncpg  # type: ignore[import-untyped]

    from asgi_security.storage.postgres.once import PUT
    from asgi_security.storage.postgres.schema import fill, render_migrations

    schema = f"bench_{secrets.token_hex(6)}"
    statement = fill(PUT, schema)
    async with asyncpg.create_pool(place.url, min_size=10, max_size=10) as pool:
        await pool.execute(render_migrations(schema))

        async def put(number: int) -> object:
            return await pool.fetch(statement, "k", build_digest(number), _DATA, time.time() + 60)

        try:
            yield put
        finally:
            await pool.execute(f'DROP SCHEMA "{schema}" CASCADE')


DUELS = (
    Duel(
        backend="redis",
        operation="charge",
        peer="redis-py, raw script",
        ours=_charge,
        open_peer=_open_raw_script,
        budgets={1: 1.2, 32: 0.6},
    ),
    Duel(
        backend="redis",
        operation="throttle take",
        peer="limits aio",
        ours=_throttle,
        open_peer=_open_limits_redis,
        budgets={},
    ),
    Duel(
        backend="redis",
        operation="session create",
        peer="starsessions write",
        ours=_create,
        open_peer=_open_starsessions_redis,
        budgets={},
    ),
    Duel(
        backend="memory",
        operation="throttle take",
        peer="limits aio",
        ours=_throttle,
        open_peer=_open_limits_memory,
        budgets={},
    ),
    Duel(
        backend="memory",
        operation="session create",
        peer="starsessions write",
        ours=_create,
        open_peer=_open_starsessions_memory,
        budgets={},
    ),
    Duel(
        backend="sqlite",
        operation="once put",
        peer="aiosqlite",
        ours=_put,
        open_peer=_open_aiosqlite,
        budgets={},
    ),
    Duel(
        backend="postgres",
        operation="once put",
        peer="asyncpg's pool",
        ours=_put,
        open_peer=_open_asyncpg,
        budgets={},
    ),
)

AT_ONCE = (1, 32)


def run_duels(
    duels: Sequence[Duel], postgres_url: str, effort: StoresEffort
) -> tuple[DuelResult, ...]:
    """Run the duels; one whose peer or server is missing becomes results that say so."""
    results: list[DuelResult] = []
    for duel in duels:
        try:
            with silence(), provide(duel.backend, postgres_url, _MOST_ROWS) as place:
                results += asyncio.run(_fight(duel, place, effort))
        except (ImportError, MissingError) as error:
            results.append(
                DuelResult(duel.backend, duel.operation, duel.peer, 0, absent=f"missing: {error}")
            )
    return tuple(results)


async def _fight(duel: Duel, place: Place, effort: StoresEffort) -> list[DuelResult]:
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(place.store)
        theirs = await stack.enter_async_context(duel.open_peer(place))
        sides: dict[str, Step] = {"ours": lambda number: duel.ours(store, number), "peer": theirs}
        return [await _measure(duel, sides, at_once, effort) for at_once in AT_ONCE]


async def _measure(
    duel: Duel, sides: Mapping[str, Step], at_once: int, effort: StoresEffort
) -> DuelResult:
    series: dict[str, list[float]] = {name: [] for name in sides}
    number = _FRESH_FROM * at_once
    # The first round warms connections, scripts and caches up, and is not told.
    for index in range(effort.rounds + 1):
        for name in list(sides) if index % 2 else reversed(list(sides)):
            step = sides[name]
            numbers = range(number, number + effort.duel_calls)
            number += effort.duel_calls
            acts = (partial(step, each) for each in numbers)
            began = time.perf_counter()
            await ask_all(acts, at_once)
            if index:
                series[name].append((time.perf_counter() - began) / effort.duel_calls)
    ours, peer = tuple(series["ours"]), tuple(series["peer"])
    return DuelResult(
        duel.backend,
        duel.operation,
        duel.peer,
        at_once,
        compute_quartiles(ours).scale(MICROSECONDS),
        compute_quartiles(peer).scale(MICROSECONDS),
        compute_ratio(ours, peer),
        duel.budgets.get(at_once),
    )
