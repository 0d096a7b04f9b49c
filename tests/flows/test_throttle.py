"""Quotas in a store, without ASGI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from asgi_security.errors import ConfigError, StorageError
from asgi_security.flows.throttle import SendThrottle, Throttle, Uncounted, resolve_throttles
from asgi_security.policy.throttle import Exceeded, ThrottleConfig, Within
from asgi_security.storage.memory import MemoryStore
from asgi_security.testing import EventRecorder, FakeClock, SeededEntropy

if TYPE_CHECKING:
    from asgi_security.storage.protocols import ThrottleRule, ThrottleState

pytestmark = pytest.mark.anyio

SECRET = "n" * 32
HERE, THERE = "192.0.2.1", "198.51.100.9"


class Recording:
    """Throttles that keep the digests they were asked for; shared, so a secret is needed."""

    def __init__(self) -> None:
        self.inner = MemoryStore().throttles
        self.digests: list[bytes] = []
        self.calls: list[tuple[ThrottleRule, float, int]] = []

    async def take(
        self, digest: bytes, rule: ThrottleRule, *, now: float, cost: int = 1
    ) -> ThrottleState:
        self.digests.append(digest)
        self.calls.append((rule, now, cost))
        return await self.inner.take(digest, rule, now=now, cost=cost)


class Broken:
    """Throttles that fail, or never answer."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.hangs = hangs

    async def take(self, *args: Any, **fields: Any) -> ThrottleState:
        if self.hangs:
            await anyio.sleep_forever()
        raise StorageError("down")


class World:
    """A throttle and everything around it, at hand for a test."""

    def __init__(self, store: Any = None, **fields: Any) -> None:
        self.store = Recording() if store is None else store
        self.clock = FakeClock()
        self.events = EventRecorder()
        self.config = ThrottleConfig(
            **{"limit": 2, "window_seconds": 60, "secret": SECRET, **fields}
        )
        self.throttle = self.build()

    def build(self) -> Throttle:
        return Throttle(self.config, self.store, clock=self.clock, events=self.events)


def test_a_store_and_its_facet_are_the_same() -> None:
    store = MemoryStore()
    assert resolve_throttles(store) is store.throttles
    assert resolve_throttles(store.throttles) is store.throttles


async def test_T49_taken_until_nothing_is_left() -> None:
    world = World()
    take = world.throttle.take
    assert [await take("a") for _ in range(2)] == [Within(1, 30), Within(0, 30)]
    assert await take("a") == Exceeded(0, 30, 30)
    assert await take("b") == Within(1, 30)
    world.clock.advance(30)
    assert await take("a") == Within(0, 30)
    assert world.events.names == ["throttle_exceeded"]
    assert world.events.events[0].facts == {"throttle": "default", "kind": "key"}


async def test_what_the_store_is_told() -> None:
    world = World(limit=5, cost=2, fixed_window=True)
    await world.throttle.take("a")
    await world.throttle.take("a", cost=3)
    for (rule, now, cost), wanted in zip(world.store.calls, (2, 3), strict=True):
        assert (rule.limit, rule.window_seconds, rule.fixed_window) == (5, 60.0, True)
        assert (now, cost) == (world.clock.now, wanted)


@pytest.mark.parametrize("cost", [0, -1, 3])
async def test_T53_a_cost_that_never_fits(cost: int) -> None:
    world = World()
    with pytest.raises(ValueError, match="the limit of 2"):
        await world.throttle.take("a", cost=cost)
    assert world.store.calls == []


async def test_keys_are_digests_apart_by_kind_name_and_secret() -> None:
    world = World()
    await world.throttle.take("x" * 1000)
    await world.throttle.take("x" * 1000)
    await world.throttle.take(HERE)
    await world.throttle.take(HERE, kind="principal")
    await world.throttle.take_client(HERE)
    for fields in ({"name": "other"}, {"secret": "o" * 32}, {}):
        other = World(world.store, **fields)
        await other.throttle.take_client(HERE)
    digests = world.store.digests
    assert all(len(digest) == 32 for digest in digests)
    assert digests[0] == digests[1]
    assert digests[-1] == digests[4], "the same in every process"
    assert len(set(digests)) == 6


async def test_IPv6_counts_by_its_network() -> None:
    world = World()
    for address in ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "::ffff:192.0.2.1", HERE):
        await world.throttle.take_client(address)
    a, same, other, mapped, plain = world.store.digests
    assert a == same
    assert a != other
    assert mapped == plain


async def test_without_an_address_all_share_one_quota() -> None:
    world = World()
    admitted = [(await world.throttle.take_client(none)).admitted for none in (None, "", None)]
    assert admitted == [True, True, False]


async def test_digests_are_kept_within_bounds() -> None:
    world = World()
    for number in range(5000):
        await world.throttle.take(f"{number}")
    assert 0 < len(world.throttle._digests) <= 4096
    count = len(world.throttle._digests)
    await world.throttle.take("long" * 100)
    assert len(world.throttle._digests) == count
    await world.throttle.take("4999")
    assert world.store.digests[-1] == world.store.digests[4999]


@pytest.mark.parametrize("hangs", [False, True])
@pytest.mark.parametrize("choice", ["pass", "refuse"])
async def test_T53_D59_a_store_that_does_not_answer(choice: str, *, hangs: bool) -> None:
    world = World(Broken(hangs=hangs), on_store_error=choice, store_timeout_seconds=0.01)
    passes = choice == "pass"
    assert await world.throttle.take("a") == Uncounted(passes)
    assert world.events.names == ["throttle_unavailable"]
    assert world.events.events[0].facts == {"throttle": "default", "passed": passes}


def test_a_shared_store_needs_a_secret() -> None:
    with pytest.raises(ConfigError) as caught:
        World(secret=None)
    assert caught.value.problems[0].field == "secret"
    config = ThrottleConfig(limit=1, window_seconds=1)
    made = [
        Throttle(config, MemoryStore(), entropy=SeededEntropy(seed))._compute_digest("key", "a")
        for seed in ("one", "one", "two")
    ]
    assert made[0] == made[1] != made[2]


class Sending:
    """Mail to be sent, three an hour to each recipient and five for each address."""

    def __init__(self, store: Any = None, **fields: Any) -> None:
        self.store = MemoryStore() if store is None else store
        self.clock = FakeClock()
        self.throttle = SendThrottle(
            ThrottleConfig(limit=3, window_seconds=3600, secret=SECRET, **fields),
            ThrottleConfig(limit=5, window_seconds=3600, secret=SECRET, **fields),
            self.store,
            clock=self.clock,
            events=EventRecorder(),
        )

    async def admitted(self, *recipients: str, client: str | None = HERE) -> list[bool]:
        taken = [await self.throttle.take(name, client=client) for name in recipients]
        return [each.admitted for each in taken]


async def test_T54_by_recipient_in_every_spelling() -> None:
    sending = Sending()
    names = ("ada@x.test", " Ada@X.test", "\uff21da@x.test")
    for number, name in enumerate(names):
        assert await sending.admitted(name, client=f"192.0.2.{number}") == [True]
    assert await sending.admitted("ada@x.test", client=THERE) == [False]
    assert await sending.admitted("bob@x.test", client=THERE) == [True]
    sending.clock.advance(1200)
    assert await sending.admitted("ada@x.test", client=THERE) == [True]


async def test_T54_by_address() -> None:
    sending = Sending()
    names = [f"{number}@x.test" for number in range(6)]
    assert await sending.admitted(*names) == [True] * 5 + [False]
    assert await sending.admitted("5@x.test", client=THERE) == [True]


async def test_T54_a_used_up_address_takes_of_no_recipient() -> None:
    sending = Sending()
    await sending.admitted(*["mine@x.test"] * 5)
    assert await sending.admitted(*["ada@x.test"] * 9) == [False] * 9
    assert await sending.admitted(*["ada@x.test"] * 3, client=THERE) == [True] * 3


async def test_T54_what_is_no_name_is_counted_too() -> None:
    sending = Sending()
    wrong = ["", "   ", "x" * 10_000, "\ud800"]
    assert await sending.admitted(*wrong, client=None) == [True, True, True, False]


async def test_T54_a_name_is_no_address() -> None:
    sending = Sending()
    assert await sending.admitted(HERE, HERE, HERE, client=HERE) == [True] * 3


@pytest.mark.parametrize("choice", ["pass", "refuse"])
async def test_T54_D59_without_a_store(choice: str) -> None:
    sending = Sending(Broken(), on_store_error=choice)
    assert await sending.throttle.take("ada@x.test", client=HERE) == Uncounted(choice == "pass")
