"""Lockout in memory with 100 000 keys: a charge, its settlement, a look, and a whole login.

limits counts requests and knows no settlement: its `hit` is the counterpart of a charge, its
`test` that of a look. The rows of the store hand every side a key that is ready for it.
"""

from __future__ import annotations

import itertools
import os
import random
import time
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from benchmarks.driving import run_now, wait_for
from benchmarks.rows import OURS, Contender, Side, TimedCase

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from asgi_security.storage.protocols import AttemptKey, AttemptStore
    from benchmarks.driving import Inputs

    Verb: TypeAlias = Callable[[Any], Coroutine[Any, Any, bool]]

KEYS = 100_000
MOST_KEYS = 2_000_000
WINDOW_MINUTES = 15
# Above what a run of the rows can charge one key, so that every timed call takes the usual road.
_THRESHOLD = 60
_SHUFFLE_SEED = 1
_PROBES = ("look", "charge", "fail")
"""The first keys stay fresh: one for the answer of each case."""


def build_key(number: int, *, threshold: int = _THRESHOLD) -> AttemptKey:
    """Build the key of one account."""
    from asgi_security.storage.protocols import AttemptKey, LockoutSchedule

    schedule = LockoutSchedule(
        threshold=threshold,
        window_seconds=WINDOW_MINUTES * 60.0,
        cooldowns_seconds=(30.0, 60.0, 120.0),
    )
    return AttemptKey("account", number.to_bytes(32), schedule, forgets_on_success=True)


def build_address(number: int) -> str:
    """Build the client address that limits counts by."""
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def build_attempts() -> AttemptStore:
    """Build our store in memory, with room for every key of any row: none may be given up."""
    from asgi_security import MemoryStore

    attempts: AttemptStore = MemoryStore(max_keys=MOST_KEYS).attempts
    return attempts


@dataclass(frozen=True, slots=True)
class _Verbs:
    """What a store can be asked for one key; each tells whether the attempt is admitted."""

    look: Verb
    charge: Verb
    fail: Verb


async def _fill(fail: Verb) -> None:
    for number in range(len(_PROBES), KEYS):
        await fail(number)


@cache
def _prepare_ours() -> _Verbs:
    from asgi_security.storage.protocols import Admitted, Outcome

    attempts = build_attempts()
    template = build_key(0)
    keys = [(replace(template, digest=number.to_bytes(32)),) for number in range(KEYS)]

    async def look(number: int) -> bool:
        (status,) = await attempts.status(keys[number], now=time.time())
        return not status.locked

    async def charge(number: int) -> bool:
        answer = await attempts.charge(keys[number], ticket=os.urandom(16), now=time.time())
        return type(answer) is Admitted

    async def fail(number: int) -> bool:
        now = time.time()
        answer = await attempts.charge(keys[number], ticket=os.urandom(16), now=now)
        if type(answer) is not Admitted:
            return False
        await attempts.settle(answer.receipt, Outcome.FAILURE, now=now)
        return True

    run_now(_fill(fail))
    return _Verbs(look, charge, fail)


@cache
def _prepare_limits(strategy: str) -> _Verbs:
    from limits import RateLimitItemPerMinute, strategies
    from limits.storage import MemoryStorage

    limiter = getattr(strategies, strategy)(MemoryStorage())
    item = RateLimitItemPerMinute(_THRESHOLD, WINDOW_MINUTES)
    addresses = [build_address(number) for number in range(KEYS)]

    async def look(number: int) -> bool:
        return bool(limiter.test(item, addresses[number]))

    async def hit(number: int) -> bool:
        return bool(limiter.hit(item, addresses[number]))

    run_now(_fill(hit))
    return _Verbs(look, hit, hit)


@cache
def _prepare_limits_aio(strategy: str) -> _Verbs:
    from limits import RateLimitItemPerMinute
    from limits.aio import strategies
    from limits.aio.storage import MemoryStorage

    limiter = getattr(strategies, strategy)(MemoryStorage())
    item = RateLimitItemPerMinute(_THRESHOLD, WINDOW_MINUTES)
    addresses = [build_address(number) for number in range(KEYS)]

    async def look(number: int) -> bool:
        return bool(await limiter.test(item, addresses[number]))

    async def hit(number: int) -> bool:
        return bool(await limiter.hit(item, addresses[number]))

    wait_for(_fill(hit))
    return _Verbs(look, hit, hit)


def _count_admitted(verbs: _Verbs, verb: str) -> object:
    """Count how many attempts a fresh key has before the verb refuses it."""
    ask_again: Verb = getattr(verbs, verb)
    probe = _PROBES.index(verb)

    async def call() -> object:
        for spent in range(_THRESHOLD + 1):
            if not await ask_again(probe):
                return spent
            if verb == "look":
                await verbs.fail(probe)
        return None

    return wait_for(call())


def build_numbers() -> Inputs:
    """Make inputs that walk through all filled keys in a shuffled order, over and over."""
    order = list(range(len(_PROBES), KEYS))
    random.Random(_SHUFFLE_SEED).shuffle(order)  # noqa: S311 -- an order, not a secret
    numbers = itertools.cycle(order)
    return lambda calls: list(itertools.islice(numbers, calls))


async def _nothing(number: int) -> bool:
    return True


def _build_case(name: str, verb: str, budgets: Mapping[str, float]) -> TimedCase:
    def build_side(side: str, prepare: Callable[[], _Verbs]) -> Contender:
        def build() -> Side:
            verbs = prepare()
            return Side(side, getattr(verbs, verb), lambda: _count_admitted(verbs, verb))

        return Contender(side, build)

    return TimedCase(
        name=name,
        contenders=(
            build_side(OURS, _prepare_ours),
            build_side("limits fixed", lambda: _prepare_limits("FixedWindowRateLimiter")),
            build_side("limits moving", lambda: _prepare_limits("MovingWindowRateLimiter")),
            build_side("limits aio fixed", lambda: _prepare_limits_aio("FixedWindowRateLimiter")),
        ),
        inputs=build_numbers(),
        bare=_nothing,
        budgets=budgets,
        waits=True,
        most_calls=2_000,
    )


CASES = (
    _build_case("lockout look", "look", {"limits fixed": 1 / 2, "limits moving": 1 / 2}),
    _build_case("lockout charge", "charge", {"limits fixed": 1 / 2, "limits moving": 1 / 2}),
    _build_case("lockout charge and fail", "fail", {}),
)
