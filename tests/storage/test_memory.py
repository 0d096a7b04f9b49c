"""What is the memory store's own: its bounds, and what a flood can and cannot do."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security import ConfigError, StorageError
from asgi_security.storage.memory import MemoryStore
from asgi_security.storage.memory.attempts import MemoryAttempts
from asgi_security.storage.memory.expiring import Expiring
from asgi_security.storage.memory.once import MemoryOnce
from asgi_security.storage.memory.revocations import MemoryRevocations
from asgi_security.storage.memory.sessions import MemorySessions
from asgi_security.storage.memory.throttles import MemoryThrottles
from asgi_security.storage.protocols import (
    Admitted,
    AttemptRecord,
    Busy,
    Created,
    LockoutSchedule,
    Outcome,
    Saved,
    ThrottleRule,
    ThrottleState,
)
from asgi_security.testing.contracts.expecting import (
    SCHEDULE,
    START,
    build_account,
    build_client,
    build_digest,
    build_session,
    build_ticket,
    fail,
    open_charge,
)

if TYPE_CHECKING:
    from asgi_security.storage.protocols import Receipt

pytestmark = pytest.mark.anyio


async def count_failures(attempts: MemoryAttempts, *names: str, now: float) -> list[int]:
    statuses = await attempts.status([build_account(name) for name in names], now=now)
    return [status.failures for status in statuses]


async def test_D57_a_flood_evicts_the_lowest_count_first() -> None:
    attempts = MemoryAttempts(max_keys=4)
    for name, times in (("three", 3), ("locked", 5), ("one", 1), ("two", 2)):
        await fail(attempts, [build_account(name)], now=START, times=times)
    names = ("three", "locked", "one", "two")
    for number, left in enumerate(([3, 5, 0, 2], [3, 5, 0, 2], [3, 5, 0, 2])):
        await fail(attempts, [build_account(f"flood {number}")], now=START)
        assert await count_failures(attempts, *names, now=START) == left, "a flood evicts itself"
    await fail(attempts, [build_account("flood 2")], now=START, times=2)
    await fail(attempts, [build_account("more")], now=START)
    assert await count_failures(attempts, *names, now=START) == [3, 5, 0, 0]
    assert len(attempts) == 4


async def test_D57_a_flood_evicts_the_expired_before_the_lowest() -> None:
    attempts = MemoryAttempts(max_keys=2)
    await fail(attempts, [build_account("expired")], now=START, times=4)
    await fail(attempts, [build_account("one")], now=START + 500)
    await fail(attempts, [build_account("new")], now=START + 900)
    assert await count_failures(attempts, "expired", "one", "new", now=START + 900) == [0, 1, 1]


async def test_D57_locked_and_open_keys_are_never_evicted() -> None:
    attempts = MemoryAttempts(max_keys=3)
    await fail(attempts, [build_account("locked")], now=START, times=5)
    await fail(attempts, [build_client("locked")], now=START, times=5)
    receipt = await open_charge(attempts, [build_account("open")], "open", now=START)
    new = [build_account("new")]
    assert await attempts.charge(new, ticket=b"t" * 16, now=START + 29) == Busy()
    with pytest.raises(StorageError):
        await attempts.add_failure(new, now=START + 29)
    both = [build_account("open"), build_account("new")]
    assert await attempts.charge(both, ticket=b"t" * 16, now=START + 29) == Busy()
    assert await attempts.settle(receipt, Outcome.REFUND, now=START + 29) is not None
    await open_charge(attempts, new, "new", now=START + 29)
    assert await count_failures(attempts, "locked", now=START + 29) == [5]
    # The locks end, and the charge times out: all can be given up again, the lowest first.
    await open_charge(attempts, [build_account("newer")], "newer", now=START + 59)
    assert await count_failures(attempts, "locked", "new", now=START + 59) == [5, 0]


async def test_D57_room_is_not_made_of_the_keys_being_charged() -> None:
    attempts = MemoryAttempts(max_keys=2)
    await fail(attempts, [build_account("one")], now=START)
    await fail(attempts, [build_account("two")], now=START, times=2)
    await open_charge(attempts, [build_account("one"), build_account("new")], 0, now=START)
    assert await count_failures(attempts, "one", "two", now=START) == [1, 0]
    assert await attempts.charge([build_account("x")], ticket=b"t" * 16, now=START) == Busy()


async def test_D57_of_an_evicted_key_nothing_is_left() -> None:
    attempts = MemoryAttempts(max_keys=10)
    for number in range(200):
        keys = [build_account(f"{number}"), build_client(f"{number % 7}")]
        receipt = await open_charge(attempts, keys, number, now=START + number)
        outcome = Outcome.FAILURE if number % 3 else Outcome.SUCCESS
        await attempts.settle(receipt, outcome, now=START + number)
        await attempts.clear(keys[1:])
        assert len(attempts) <= 10
    await attempts.clear([build_account(f"{number}") for number in range(200)])
    assert len(attempts) == 0
    assert attempts._queues.find_blank(START, 10) == []
    assert attempts._queues._queues == {}


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.integers(0, 7), st.sampled_from(["fail", "open", "settle"]), st.integers(0, 9)
        ),
        max_size=60,
    )
)
def test_D57_no_step_of_another_key_opens_a_lock(steps: list[tuple[int, str, int]]) -> None:
    async def run() -> None:
        attempts = MemoryAttempts(max_keys=3)
        schedule = LockoutSchedule(2, 20.0, (8.0, 30.0), None, 5.0)
        keys = [build_account(f"{number}", schedule=schedule) for number in range(8)]
        open_charges: dict[int, Receipt] = {}
        now = START
        for turn, (number, step, wait) in enumerate(steps):
            now += wait
            before = await attempts.status(keys, now=now)
            if step == "settle":
                receipt = open_charges.pop(number, None)
                if receipt is not None:
                    settled = await attempts.settle(receipt, Outcome.FAILURE, now=now)
                    in_time = now < receipt.charged_at + 5.0
                    assert (settled is not None) is in_time, "an open charge is never evicted"
            elif number not in open_charges:
                answer = await attempts.charge([keys[number]], ticket=build_ticket(turn), now=now)
                if isinstance(answer, Admitted) and step == "open":
                    open_charges[number] = answer.receipt
                elif isinstance(answer, Admitted):
                    await attempts.settle(answer.receipt, Outcome.FAILURE, now=now)
            after = await attempts.status(keys, now=now)
            for other in range(8):
                if other != number and before[other].locked:
                    assert after[other] == before[other]
            assert len(attempts) <= 3

    asyncio.run(run())


async def test_D57_clock_back_in_a_full_store() -> None:
    single = MemoryAttempts(max_keys=1)
    await fail(single, [build_account("one")], now=START)
    await fail(single, [build_account("new")], now=START - 86_400)
    assert await count_failures(single, "one", "new", now=START - 86_400) == [0, 1]
    attempts = MemoryAttempts(max_keys=2)
    await fail(attempts, [build_account("one")], now=START, times=1)
    await fail(attempts, [build_account("two")], now=START, times=1)
    await fail(attempts, [build_account("new")], now=START - 86_400)
    assert await count_failures(attempts, "one", "two", "new", now=START - 86_400) == [0, 1, 1]


async def test_V75_a_flood_never_evicts_a_live_revocation() -> None:
    revocations = MemoryRevocations(limit=3)
    for number in range(3):
        await revocations.revoke(build_digest(f"{number}"), expires_at=START + number)
        await revocations.revoke_subject(build_digest(f"{number}"), before=0, expires_at=START + 9)
    with pytest.raises(StorageError):
        await revocations.revoke(b"more", expires_at=START + 60)
    with pytest.raises(StorageError):
        await revocations.revoke_subject(b"more", before=0, expires_at=START + 60)
    await revocations.revoke(build_digest("0"), expires_at=START + 5)
    assert await revocations.is_revoked([build_digest("1")], now=START)
    assert not await revocations.is_revoked([build_digest("1")], now=START + 1)
    await revocations.revoke(b"more", expires_at=START + 60)
    for name, revoked in (("0", True), ("1", False), ("2", True)):
        assert await revocations.is_revoked([build_digest(name)], now=START + 1) is revoked
    assert len(revocations) == 6


async def test_S36_a_flood_of_sessions_logs_nobody_out() -> None:
    sessions = MemorySessions(limit=2)
    await sessions.create(build_session("a"), now=START)
    await sessions.create(build_session("b", user="bob", idle_expires_at=START + 60), now=START)
    with pytest.raises(StorageError):
        await sessions.create(build_session("c", user="eve"), now=START)
    own = await sessions.create(build_session("d"), now=START, limit=1)
    assert own == Created(("handle of a",))
    fresh = replace(build_session("e"), data=b"e")
    assert await sessions.replace(build_digest("d"), fresh, now=START) == Saved(2)
    await sessions.create(build_session("c", user="eve"), now=START + 60)
    assert await sessions.list_for("bob", now=START) == ()
    assert len(sessions) == 2


async def test_S42_reading_stores_nothing() -> None:
    sessions = MemorySessions(limit=2)
    for number in range(1000):
        assert await sessions.load(build_digest(f"{number}"), now=START) is None
    assert len(sessions) == 0


async def test_S28_a_digest_belongs_to_one_session() -> None:
    sessions = MemorySessions(limit=2)
    await sessions.create(build_session(), now=START)
    with pytest.raises(StorageError):
        await sessions.create(build_session(handle="another"), now=START)


async def test_one_time_values_are_bounded() -> None:
    once = MemoryOnce(limit=2)
    for number in range(2):
        await once.put("k", b"%d" % number, b"v", expires_at=START + number, now=START - 1)
        assert await once.claim("k", b"%d" % number, expires_at=START + number, now=START - 1)
    with pytest.raises(StorageError):
        await once.put("k", b"2", b"v", expires_at=START + 9, now=START - 1)
    with pytest.raises(StorageError):
        await once.claim("k", b"2", expires_at=START + 9, now=START - 1)
    await once.put("k", b"2", b"v", expires_at=START + 9, now=START)
    assert await once.claim("k", b"2", expires_at=START + 9, now=START)
    assert await once.take("k", b"1", now=START) == b"v"
    assert len(once) == 3


async def test_T50_D57_a_flood_of_keys_wins_back_no_quota() -> None:
    throttles = MemoryThrottles(limit=3)
    rule = ThrottleRule(2, 60.0)
    names = ("a", "b", "c")
    for later, name in enumerate(names):
        await throttles.take(build_digest(name), rule, now=START + later / 10, cost=2)
    for number in range(50):
        state = await throttles.take(build_digest(f"flood {number}"), rule, now=START + 10)
        wait = {"reset_seconds": 50.0, "retry_after_seconds": 50.0}
        assert state == ThrottleState(admitted=False, remaining=0, **wait), "unknown keys must wait"
    for name in names:
        assert not (await throttles.take(build_digest(name), rule, now=START + 29)).admitted
        assert (await throttles.take(build_digest(name), rule, now=START + 31)).admitted
    assert len(throttles) == 3


async def test_D57_room_is_made_of_keys_whose_quota_is_whole() -> None:
    throttles = MemoryThrottles(limit=3)
    rule = ThrottleRule(2, 60.0)
    for name in ("busy", "idle", "busier"):
        await throttles.take(build_digest(name), rule, now=START)
    await throttles.take(build_digest("busy"), rule, now=START + 29)
    await throttles.take(build_digest("busier"), rule, now=START + 29, cost=1)
    state = await throttles.take(build_digest("new"), rule, now=START + 30)
    assert state == ThrottleState(
        admitted=True, remaining=1, reset_seconds=30.0, retry_after_seconds=0.0
    )
    assert len(throttles) == 3
    for name in ("busy", "busier"):
        key = build_digest(name)
        assert not (await throttles.take(key, rule, now=START + 30, cost=2)).admitted
    assert not (await throttles.take(build_digest("newer"), rule, now=START + 30)).admitted
    assert (await throttles.take(build_digest("newer"), rule, now=START + 60)).admitted
    assert len(throttles) == 3


async def test_D57_the_search_for_room_is_bounded() -> None:
    throttles = MemoryThrottles(limit=3000)
    rule = ThrottleRule(2, 60.0)
    for number in range(3000):
        await throttles.take(b"%d" % number, rule, now=START)
    for number in range(2999):  # the last key stays as it was, behind all the others
        await throttles.take(b"%d" % number, rule, now=START + 29)
    answers = [await throttles.take(b"new", rule, now=START + 30) for _ in range(3)]
    assert [state.admitted for state in answers] == [False, False, True]
    assert [state.retry_after_seconds for state in answers] == [1e-6, 1e-6, 0.0]
    assert len(throttles) == 3000
    for number in range(2999):
        await throttles.take(b"%d" % number, rule, now=START + 58)
    assert throttles.sweep(START + 60, 500) == 1, "a sweep looks at all"
    assert len(throttles) == 2999


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 12), st.integers(0, 20), st.integers(1, 3)), max_size=80
    )
)
def test_D57_a_bounded_store_admits_no_more_than_an_unbounded_one(
    steps: list[tuple[int, int, int]],
) -> None:
    async def play() -> None:
        small, large = MemoryThrottles(limit=4), MemoryThrottles(limit=100)
        rule, now = ThrottleRule(3, 30.0), START
        for key, wait, cost in steps:
            now += wait
            digest = b"%d" % key
            known = digest in small._whole_at
            state = await small.take(digest, rule, now=now, cost=cost)
            assert len(small) <= 4
            assert sorted(digest for _, digest in small._order) == sorted(small._whole_at)
            if state.admitted or known:
                assert await large.take(digest, rule, now=now, cost=cost) == state

    asyncio.run(play())


def test_expiring_order_stays_as_small_as_its_entries() -> None:
    expiring: Expiring[bytes, None] = Expiring("things", 10)
    for number in range(10_000):
        expiring.put(b"%d" % (number % 3), None, expires_at=START + number, now=START)
    assert len(expiring._order) <= 2 * 3 + 65
    assert expiring.sweep(START + 9_998, 500) == 2
    assert len(expiring) == 1


async def test_D58_sweep_empties_every_facet() -> None:
    store = MemoryStore()
    for number in range(1100):
        name = build_digest(f"{number}")
        await store.once.put("kind", name, b"v", expires_at=START, now=START - 1)
    await store.once.claim("kind", b"d", expires_at=START, now=START - 1)
    await store.revocations.revoke(b"d", expires_at=START)
    await store.revocations.revoke_subject(b"d", before=START, expires_at=START)
    await store.sessions.create(build_session(idle_expires_at=START), now=START - 1)
    await store.sessions.create(build_session("live"), now=START - 1)
    for client, at in (("whole", START - 60), ("in use", START - 59)):
        await store.throttles.take(build_digest(client), ThrottleRule(1, 60.0), now=at)
    await fail(store.attempts, [build_account(), build_client()], now=START - 900)
    await fail(store.attempts, [build_account("live")], now=START)
    receipt = await open_charge(store.attempts, [build_account("live")], "r", now=START)
    record = AttemptRecord(START, b"a", None, "password", "refund")
    await store.attempts.settle(receipt, Outcome.REFUND, now=START, record=record)
    assert await store.sweep(now=START) == 1100 + 4 + 2 + 1
    assert await store.sweep(now=START) == 0
    assert await store.sessions.load(build_digest("live"), now=START) is not None
    assert len(await store.attempts.history()) == 1
    assert await store.sweep(now=START + 90 * 86_400) == 2 + 1
    assert await store.attempts.history() == ()


def test_E14_threads_with_a_loop_each() -> None:
    attempts = MemoryAttempts(max_keys=100)
    admitted: list[int] = []

    async def guess(thread: int) -> int:
        answers = [
            await attempts.charge(
                [build_account()], ticket=build_ticket(f"{thread} {turn}"), now=START
            )
            for turn in range(50)
        ]
        return sum(isinstance(answer, Admitted) for answer in answers)

    threads = [
        threading.Thread(target=lambda number=number: admitted.append(asyncio.run(guess(number))))
        for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(admitted) == SCHEDULE.threshold


def test_bounds_are_checked_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        MemoryStore(
            max_keys=0,
            max_sessions=True,
            max_revocations=1.5,  # type: ignore[arg-type]
            max_values=-1,
            max_throttles=0,
            max_families=0,
        )
    fields = [problem.field for problem in caught.value.problems]
    assert fields == [
        *("max_families", "max_keys", "max_revocations"),
        *("max_sessions", "max_throttles", "max_values"),
    ]


async def test_aclose_forgets_nothing() -> None:
    store = MemoryStore()
    async with store:
        await store.revocations.revoke(b"d", expires_at=START)
    assert await store.revocations.is_revoked([b"d"], now=START - 1)
    assert repr(store) == "MemoryStore()"
