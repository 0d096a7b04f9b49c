"""Curves of a process: keys in the store, and connections that wait.

Every point is measured in a fresh process, by its resident memory: what the operating system
counts, the allocator's own waste included.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import random
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from benchmarks.cases.jwt import SECRETS, build_token
from benchmarks.cases.lockout import build_address, build_key
from benchmarks.cases.memory import FILLS, LIMIT
from benchmarks.driving import build_scope, run_now
from benchmarks.growth.curves import Curve, CurveError
from benchmarks.measure import Stopwatch, compute_quartiles, find_disagreement
from benchmarks.rows import MICROSECONDS, silence
from benchmarks.server.variants import WRAPS
from benchmarks.server.wire import CREDENTIALS, build_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from asgi_security.asgi.types import Message, Receive, Scope, Send
    from benchmarks.growth.curves import GrowthEffort, Point

P = ParamSpec("P")
T = TypeVar("T")

_SAMPLED = 20_000
_PIECE = 250
_SEED = 1
_PATIENCE_SECONDS = 60.0


def in_own_process(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function in a fresh interpreter and return what it returns."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *args, **kwargs).result()


def read_resident_bytes() -> int:
    """Read the resident memory of this process.

    Raises:
        CurveError: where the system does not tell it.
    """
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError as error:
        raise CurveError("this system does not tell a process's resident memory") from error
    return pages * os.sysconf("SC_PAGE_SIZE")


def fill_store(side: str, keys: int) -> tuple[float, float, int] | None:
    """Fill a store. None if it is missing.

    Returns:
        Bytes for each key, microseconds of one more charge, and how many attempts the key has left
        that was charged first: a store that has given it up remembers less than it seems.
    """
    fill = FILLS[side]
    try:
        fill(1)  # what is imported and made once is no part of a key
    except ImportError:
        return None
    gc.collect()
    before = read_resident_bytes()
    gc.disable()  # it would walk through a growing heap over and over
    filled = fill(keys)
    gc.enable()
    gc.collect()
    each = (read_resident_bytes() - before) / keys
    numbers = list(range(1, keys))
    random.Random(_SEED).shuffle(numbers)  # noqa: S311 -- an order, not a secret
    sampled = numbers[:_SAMPLED]
    charge = _build_charge(side, filled.store, sampled)
    pieces: list[float] = []
    for start in range(0, len(sampled) - len(sampled) % _PIECE or len(sampled), _PIECE):
        chosen = sampled[start : start + _PIECE]
        with Stopwatch() as watch:
            for number in chosen:
                charge(number)
        pieces.append(watch.seconds / len(chosen))
    return each, compute_quartiles(pieces).median * MICROSECONDS, filled.attempts_left


def _build_charge(side: str, store: Any, sampled: list[int]) -> Callable[[int], object]:
    """Build the call that is timed; its keys are made beforehand."""
    if side == "ours":
        keys = {number: (build_key(number, threshold=LIMIT),) for number in sampled}
        charge = store.charge
        return lambda number: run_now(charge(keys[number], ticket=os.urandom(16), now=time.time()))
    from limits import RateLimitItemPerMinute

    item = RateLimitItemPerMinute(LIMIT, 15)
    addresses = {number: build_address(number) for number in sampled}
    hit = store.hit
    return lambda number: hit(item, addresses[number])


def _measure_keys(part: int) -> Callable[[int, GrowthEffort], Point]:
    def measure(size: int, effort: GrowthEffort) -> Point:
        found = {side: in_own_process(fill_store, side, size) for side in FILLS}
        known = {side: told for side, told in found.items() if told is not None}
        fault = find_disagreement({side: told[2] for side, told in known.items()})
        if fault:
            raise CurveError(fault)
        return {side: told[part] for side, told in known.items()}

    return measure


class _Lot:
    """Where connections are parked: an app that counts them and lets them wait."""

    def __init__(self, count: int) -> None:
        self._missing = count
        self.full = asyncio.Event()
        self.leave = asyncio.Event()

    async def _park(self) -> None:
        self._missing -= 1
        if not self._missing:
            self.full.set()
        await self.leave.wait()

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Accept a WebSocket, or begin a stream; then wait."""
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await self._park()
            await send({"type": "websocket.close", "code": 1000})
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await self._park()
        await send({"type": "http.response.body", "body": b"last"})


def park(variant: str, kind: str, count: int) -> float | None:
    """Park that many connections; bytes for each. None if a package is missing."""
    with silence():
        try:
            WRAPS[variant](_Lot(1).app)
        except ImportError:
            return None
        token = build_token(SECRETS[0])
        lines = build_lines(variant, CREDENTIALS, token)
        asyncio.run(_park(variant, _build_scope(kind, lines), 10))
        return asyncio.run(_park(variant, _build_scope(kind, lines), count))


def _build_scope(kind: str, lines: list[Any]) -> Scope:
    scope = build_scope(*lines, path="/events")
    if kind == "websocket":
        del scope["method"]
        scope.update(type="websocket", scheme="wss", subprotocols=[])
    return scope


async def _park(variant: str, scope: Scope, count: int) -> float:
    lot = _Lot(count)
    app: Any = WRAPS[variant](lot.app)

    async def receive_first() -> Message:
        return {"type": "websocket.connect"}

    async def receive_body() -> Message:
        if lot.full.is_set():
            await lot.leave.wait()
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        """Take the message and do nothing."""

    receive = receive_first if scope["type"] == "websocket" else receive_body
    gc.collect()
    before = read_resident_bytes()
    tasks = [asyncio.create_task(app({**scope}, receive, send)) for _ in range(count)]
    async with asyncio.timeout(_PATIENCE_SECONDS):
        await lot.full.wait()
        gc.collect()
        each = (read_resident_bytes() - before) / count
        lot.leave.set()
        await asyncio.gather(*tasks)
    return each


def _measure_parked(kind: str) -> Callable[[int, GrowthEffort], Point]:
    def measure(_: int, effort: GrowthEffort) -> Point:
        count = effort.parked_websockets if kind == "websocket" else effort.parked_streams
        found = {variant: in_own_process(park, variant, kind, count) for variant in WRAPS}
        return {variant: each for variant, each in found.items() if each is not None}

    return measure


_KEYS = (1_000, 10_000, 100_000, 1_000_000)

CURVES = (
    Curve(
        name="charge by keys",
        size="keys in the store",
        unit="us",
        sizes=_KEYS,
        measure=_measure_keys(1),
    ),
    Curve(
        name="memory by keys",
        size="keys in the store",
        unit="bytes",
        sizes=_KEYS,
        measure=_measure_keys(0),
    ),
    Curve(
        name="idle WebSockets",
        size="memory of each",
        unit="bytes",
        sizes=(1,),
        measure=_measure_parked("websocket"),
    ),
    Curve(
        name="slow streams",
        size="memory of each",
        unit="bytes",
        sizes=(1,),
        measure=_measure_parked("stream"),
    ),
)
