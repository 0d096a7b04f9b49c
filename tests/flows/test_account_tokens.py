"""Tokens that are mailed: one account, one purpose, one use."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_security.crypto.digests import compute_unkeyed_digest
from asgi_security.errors import StorageError
from asgi_security.flows.account_tokens import AccountTokens
from asgi_security.storage.memory import MemoryStore
from asgi_security.storage.protocols import Account
from asgi_security.testing import FakeClock, SeededEntropy

if TYPE_CHECKING:
    from asgi_security.flows.account_tokens import TakenToken
    from asgi_security.storage.protocols import Store

pytestmark = pytest.mark.anyio

ANN = Account(id="id-1", name="ann@example.com", epoch=3)


def make(store: Store, clock: FakeClock, *, purpose: str = "reset", **fields: Any) -> AccountTokens:
    fields = {"timeout_seconds": 1, "clock": clock, "entropy": SeededEntropy(purpose), **fields}
    return AccountTokens(purpose, store, lifetime_seconds=60, **fields)


async def test_P51_a_token_is_taken_once(clock: FakeClock) -> None:
    tokens = make(MemoryStore(), clock)
    token = await tokens.issue(ANN)
    assert len(token) == 43  # 256 bits
    taken = await tokens.take(token)
    assert taken is not None
    assert (taken.account, taken.epoch, taken.expires_at) == ("id-1", 3, clock.now + 60)
    assert await tokens.take(token) is None


async def test_P51_a_token_may_carry_a_name(clock: FakeClock) -> None:
    tokens = make(MemoryStore(), clock, purpose="rename")
    taken = await tokens.take(await tokens.issue(ANN, name="new@example.com"))
    assert taken is not None
    assert (taken.account, taken.name) == ("id-1", "new@example.com")
    assert "new@example.com" not in repr(taken)
    other = await tokens.take(await tokens.issue(ANN))
    assert other is not None
    assert other.name is None


async def test_the_store_knows_a_digest_only(clock: FakeClock) -> None:
    store = MemoryStore()
    token = await make(store, clock).issue(ANN)
    shown = repr(vars(store.once))
    assert token not in shown
    assert repr(hashlib.sha256(token.encode()).digest()) not in shown
    assert "ann@" not in shown


async def test_a_token_of_another_purpose_opens_nothing(clock: FakeClock) -> None:
    store = MemoryStore()
    token = await make(store, clock, purpose="verify").issue(ANN)
    assert await make(store, clock).take(token) is None


async def test_a_token_dies_at_its_instant(clock: FakeClock) -> None:
    tokens = make(MemoryStore(), clock)
    first, second = await tokens.issue(ANN), await tokens.issue(ANN)
    clock.advance(59.9)
    assert await tokens.take(first) is not None
    clock.advance(0.1)
    assert await tokens.take(second) is None


async def test_a_token_put_back_is_good_until_it_would_have_died(clock: FakeClock) -> None:
    tokens = make(MemoryStore(), clock)
    token = await tokens.issue(ANN)
    clock.advance(30)
    taken = await tokens.take(token)
    assert taken is not None
    await tokens.put_back(taken)
    assert await tokens.take(token) == taken
    await tokens.put_back(taken)
    clock.advance(30)
    assert await tokens.take(token) is None


async def test_a_token_for_nobody_takes_the_same_work_and_opens_nothing(clock: FakeClock) -> None:
    store = MemoryStore()
    tokens = make(store, clock)
    token = await tokens.issue(None)
    assert len(token) == 43
    assert len(store.once) == 1  # type: ignore[arg-type]
    assert await tokens.take(token) is None


@pytest.mark.parametrize(
    "token", ["", "x" * 42, "x" * 44, "x" * 42 + "=", "x" * 42 + "\n", "é" * 43]
)
async def test_what_can_be_no_token_is_not_asked_for(clock: FakeClock, token: str) -> None:
    class Untouched:
        async def take(self, *_: Any, **__: Any) -> None:
            raise RuntimeError

    assert await make(Untouched(), clock).take(token) is None  # type: ignore[arg-type]


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_any_text_is_refused(token: str) -> None:
    tokens = make(MemoryStore(), FakeClock())

    async def take() -> TakenToken | None:
        return await tokens.take(token)

    assert anyio.run(take) is None


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"[]",
        b"{}",
        b'{"account": "", "epoch": 0, "expires_at": 1}',
        b'{"account": 1, "epoch": 0, "expires_at": 1}',
        b'{"account": "a", "epoch": true, "expires_at": 1}',
        b'{"account": "a", "epoch": "0", "expires_at": 1}',
        b'{"account": "a", "epoch": 0, "expires_at": 1e400}',
        b'{"account": "a", "epoch": 0}',
        b'{"account": "a", "epoch": 0, "expires_at": 1, "name": 7}',
    ],
)
async def test_what_another_release_has_stored_is_no_token(clock: FakeClock, value: bytes) -> None:
    store = MemoryStore()
    tokens = make(store, clock)
    token = await tokens.issue(ANN)
    kind = "account_reset"
    digest = compute_unkeyed_digest(kind, token)
    await store.once.put(kind, digest, value, expires_at=clock.now + 60, now=clock.now)
    assert await tokens.take(token) is None


async def test_100_takers_of_one_token_1_gets_it(clock: FakeClock) -> None:
    tokens = make(MemoryStore(), clock)
    token = await tokens.issue(ANN)
    taken: list[TakenToken | None] = []

    async def take() -> None:
        taken.append(await tokens.take(token))

    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(take)
    assert len(taken) == 100
    assert sum(each is not None for each in taken) == 1


async def test_a_store_that_hangs_is_a_storage_error(clock: FakeClock) -> None:
    class Hanging:
        async def put(self, *_: Any, **__: Any) -> None:
            await anyio.sleep_forever()

        take = put

    tokens = make(Hanging(), clock, timeout_seconds=0.01)  # type: ignore[arg-type]
    with pytest.raises(StorageError):
        await tokens.issue(ANN)
    with pytest.raises(StorageError):
        await tokens.take("x" * 43)
