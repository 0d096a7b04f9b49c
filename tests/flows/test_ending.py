"""Everything of an account ends, or the caller hears that it may not have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from asgi_security.errors import StorageError
from asgi_security.flows.ending import Ended, end_everything
from asgi_security.flows.revocations import compute_subject_digest
from asgi_security.storage.protocols import RefreshFamily, SessionRecord
from tests.flows.account_world import Watched

if TYPE_CHECKING:
    from asgi_security.testing import FakeClock

pytestmark = pytest.mark.anyio

DAY = 86400.0


async def open_both(store: Watched, clock: FakeClock, user: str, number: int) -> None:
    digest = bytes([number]) * 32
    times: dict[str, Any] = {
        "created_at": clock.now,
        "idle_expires_at": clock.now + DAY,
        "absolute_expires_at": clock.now + DAY,
    }
    session = SessionRecord(
        digest=digest, handle=f"s{number}", user=user, data=b"{}", seen_at=clock.now, **times
    )
    await store.store.sessions.create(session, now=clock.now)
    family = RefreshFamily(
        digest=digest,
        handle=f"f{number}",
        subject=user,
        data=b"{}",
        advanced_at=clock.now,
        **times,
    )
    await store.store.refresh.open_family(family, now=clock.now)


async def is_revoked(store: Watched, user: str, issued_at: float, now: float) -> bool:
    subject = compute_subject_digest(user)
    revoked: bool = await store.store.revocations.is_revoked(
        (), subject=subject, issued_at=issued_at, now=now
    )
    return revoked


async def count_open(store: Watched, user: str, now: float) -> tuple[list[str], list[str]]:
    sessions = await store.store.sessions.list_for(user, now=now)
    families = await store.store.refresh.list_for(user, now=now)
    return sorted(each.handle for each in sessions), sorted(each.handle for each in families)


@pytest.fixture
async def store(clock: FakeClock, anyio_backend: str) -> Watched:
    made = Watched()
    for number in range(1, 4):
        await open_both(made, clock, "ann", number)
    await open_both(made, clock, "bob", 4)
    return made


async def end(store: Watched, clock: FakeClock, **fields: Any) -> Ended:
    clock.advance(10)
    return await end_everything(
        store,
        "ann",
        longest_token_seconds=DAY,
        clock=clock,
        **fields,
    )


async def test_S38_all_of_the_account_ends_and_nothing_else(
    store: Watched, clock: FakeClock
) -> None:
    assert await end(store, clock) == Ended(sessions=3, families=3)
    now = clock.now
    assert await count_open(store, "ann", now) == ([], [])
    assert await count_open(store, "bob", now) == (["s4"], ["f4"])
    assert await is_revoked(store, "ann", now, now)
    assert not await is_revoked(store, "ann", now + 1, now)
    assert await is_revoked(store, "ann", now, now + DAY - 1)
    assert not await is_revoked(store, "bob", now, now)


async def test_the_ones_that_ask_stay(store: Watched, clock: FakeClock) -> None:
    ended = await end(store, clock, keep_session=bytes([2]) * 32, keep_family="f3")
    assert ended == Ended(sessions=2, families=2)
    assert await count_open(store, "ann", clock.now) == (["s2"], ["f3"])


async def test_it_can_be_done_again(store: Watched, clock: FakeClock) -> None:
    await end(store, clock)
    assert await end(store, clock) == Ended(sessions=0, families=0)


CALLS = ("sessions.delete_for", "refresh.revoke_subject", "revocations.revoke_subject")


@pytest.mark.parametrize("call", CALLS)
async def test_what_fails_once_is_tried_again(store: Watched, clock: FakeClock, call: str) -> None:
    store.failing[call] = 1
    assert await end(store, clock) == Ended(sessions=3, families=3)
    assert await is_revoked(store, "ann", clock.now, clock.now)


@pytest.mark.parametrize("call", CALLS)
async def test_what_fails_keeps_nothing_else_alive(
    store: Watched, clock: FakeClock, call: str
) -> None:
    store.failing[call] = 2
    with pytest.raises(StorageError, match="not everything"):
        await end(store, clock)
    sessions, families = await count_open(store, "ann", clock.now)
    assert bool(sessions) is call.startswith("sessions")
    assert bool(families) is call.startswith("refresh")
    revoked = await is_revoked(store, "ann", clock.now, clock.now)
    assert revoked is not call.startswith("revocations")


async def test_tokens_made_while_families_end_are_met_too(store: Watched, clock: FakeClock) -> None:
    revoke = store.store.refresh.revoke_subject

    async def take_long(*args: Any, **fields: Any) -> Any:
        clock.advance(5)
        return await revoke(*args, **fields)

    store.store.refresh.revoke_subject = take_long
    before = clock.now
    await end(store, clock)
    assert await is_revoked(store, "ann", before + 14, clock.now)
