"""Many uses of tokens at once, over stores that answer when they like."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asgi_security.flows.refresh import Refreshed, RefreshRefused, Unavailable
from asgi_security.storage.memory import MemoryStore
from asgi_security.storage.protocols import Retried, Rotated
from asgi_security.testing import EventRecorder, FakeClock
from asgi_security.testing.contracts.expecting import race
from tests.flows.refreshing import Delaying, Logins

if TYPE_CHECKING:
    from asgi_security.flows.refresh import TokenPair

pytestmark = pytest.mark.anyio


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    seed=st.integers(0, 2**32),
    users=st.lists(st.integers(0, 2), min_size=2, max_size=12),
    losing=st.sampled_from([0.0, 0.3]),
)
async def test_R91_no_token_ever_has_two_successors(
    seed: int, users: list[int], losing: float
) -> None:
    """Whoever uses which token of one login when: each leads to one next token, or to none."""
    delaying = Delaying(MemoryStore().refresh, seed, losing=0.0)
    logins = Logins(delaying, FakeClock(), EventRecorder(), seed=str(seed))
    chain = [await logins.open()]
    for _ in range(2):
        chain.append(await logins.refresh(chain[-1]))
    delaying.losing = losing
    delaying.answers.clear()
    successors: dict[str, set[str]] = defaultdict(set)
    for before, after in pairwise(chain):
        successors[before.refresh_token].add(after.refresh_token)
    outcomes: list[object] = []

    async def use(number: int) -> None:
        pair: TokenPair = chain[users[number]]
        for _ in range(2):
            outcome = await logins.tokens.refresh(pair.refresh_token)
            outcomes.append(outcome)
            if not isinstance(outcome, Refreshed):
                return
            successors[pair.refresh_token].add(outcome.pair.refresh_token)
            pair = outcome.pair

    await race(len(users), use)
    assert all(len(each) == 1 for each in successors.values()), successors
    rotated = [each.family.generation for each in delaying.answers if isinstance(each, Rotated)]
    assert len(set(rotated)) == len(rotated)
    retried = {each.family.generation for each in delaying.answers if isinstance(each, Retried)}
    assert retried <= {2, *rotated}
    refused = [each for each in outcomes if isinstance(each, RefreshRefused)]
    assert {each.reason for each in refused} <= {"reused"}
    if losing == 0.0:
        assert not any(isinstance(each, Unavailable) for each in outcomes)


async def test_R91_a_hundred_over_a_slow_store_have_one_successor(
    clock: FakeClock, events: EventRecorder
) -> None:
    logins = Logins(Delaying(MemoryStore().refresh, 1), clock, events)
    first = await logins.open()

    async def use(_number: int) -> str:
        refreshed = await logins.tokens.refresh(first.refresh_token)
        assert isinstance(refreshed, Refreshed)
        return refreshed.pair.refresh_token

    assert len(Counter(await race(100, use))) == 1


async def test_R81_a_client_whose_every_second_reply_is_lost_stays_signed_in(
    clock: FakeClock, events: EventRecorder
) -> None:
    delaying = Delaying(MemoryStore().refresh, 7)
    logins = Logins(delaying, clock, events)
    pair = await logins.open()
    delaying.losing = 0.5
    lost = 0
    for _ in range(50):
        outcome: object = Unavailable()
        while not isinstance(outcome, Refreshed):
            outcome = await logins.tokens.refresh(pair.refresh_token)
            assert isinstance(outcome, Refreshed | Unavailable)
            lost += isinstance(outcome, Unavailable)
        pair = outcome.pair
        clock.advance(600)
    assert lost > 20


async def test_R88_losers_of_a_race_delete_no_cookie(
    clock: FakeClock, events: EventRecorder
) -> None:
    delaying = Delaying(MemoryStore().refresh, 3)
    logins = Logins(delaying, clock, events)
    first = await logins.open(scopes=["read"])
    delaying.losing = 0.3

    async def use(number: int) -> object:
        fields: dict[str, Any] = [{}, {"client_id": "other"}, {"scope": "admin"}][number % 3]
        return await logins.tokens.refresh(first.refresh_token, **fields)

    outcomes = await race(99, use)
    kinds = Counter(type(each).__name__ for each in outcomes)
    assert set(kinds) == {"Refreshed", "RefreshRefused", "Unavailable"}
    assert not any(each.ends_cookie for each in outcomes if isinstance(each, RefreshRefused))


async def test_R83_who_hangs_up_keeps_no_access_token(
    clock: FakeClock, events: EventRecorder
) -> None:
    store = MemoryStore()
    reached = anyio.Event()

    class Slow:
        async def revoke(self, digest: bytes, *, expires_at: float) -> None:
            reached.set()
            for _ in range(5):
                await anyio.lowlevel.checkpoint()
            await store.revocations.revoke(digest, expires_at=expires_at)

        async def is_revoked(self, *arguments: Any, **fields: Any) -> bool:
            return await store.revocations.is_revoked(*arguments, **fields)

    logins = Logins(store, clock, events, revocations=Slow())
    first = await logins.open()
    second = await logins.refresh(first)
    clock.advance(60)
    async with anyio.create_task_group() as group:
        group.start_soon(logins.tokens.refresh, first.refresh_token)
        await reached.wait()
        group.cancel_scope.cancel()
    refused = await logins.call_api(second.access_token)
    assert getattr(refused, "reason", None) == "revoked"
    assert "refresh_reuse" in events.names
