"""Accounts of a store: bounded in time, changed by compare-and-set."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from asgi_security.errors import StorageError
from asgi_security.flows.account_records import (
    AccountRecords,
    build_account_epoch,
    resolve_accounts,
)
from asgi_security.storage.memory import MemoryStore
from asgi_security.storage.protocols import Account, AccountCreated, NameTaken
from tests.flows.account_world import Watched

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

pytestmark = pytest.mark.anyio

ANN = Account(id="id-1", name="ann@example.com")


@pytest.fixture
def store() -> Watched:
    return Watched()


@pytest.fixture
def records(store: Watched) -> AccountRecords:
    return AccountRecords(store, timeout_seconds=1)


def test_a_store_and_its_facet_are_the_same() -> None:
    store = MemoryStore()
    assert resolve_accounts(store) is store.accounts
    assert resolve_accounts(store.accounts) is store.accounts


async def test_an_account_is_created_found_replaced_and_deleted(records: AccountRecords) -> None:
    assert isinstance(await records.create(ANN), AccountCreated)
    assert isinstance(await records.create(replace(ANN, id="id-2", created_at=1.0)), NameTaken)
    assert await records.load("id-1") == ANN
    assert await records.replace(replace(ANN, is_verified=True)) == 2
    assert await records.replace(replace(ANN, is_active=False)) is None
    assert await records.load("id-1") == replace(ANN, is_verified=True, version=2)
    assert await records.delete("id-1")
    assert not await records.delete("id-1")
    assert await records.load("id-1") is None


@pytest.mark.parametrize(
    ("typed", "is_asked"),
    [
        pytest.param("ANN@example.com ", True, id="E26 any spelling"),
        pytest.param("eve@example.com", True, id="unknown"),
        pytest.param("", False, id="E25 blank"),
        pytest.param("x" * 321, False, id="E25 too long"),
        pytest.param("ann\0@example.com", False, id="NUL"),
        pytest.param("\ud800", False, id="lone surrogate"),
    ],
)
async def test_names_are_normalised_and_impossible_ones_not_asked_for(
    records: AccountRecords, store: Watched, typed: str, *, is_asked: bool
) -> None:
    await records.create(ANN)
    found = await records.find(typed)
    assert found == (ANN if typed.startswith("ANN") else None)
    assert ("accounts.find" in store.calls) is is_asked


@pytest.mark.parametrize(
    ("stored", "is_current"),
    [
        pytest.param({"data": b'{"n":1}'}, True, id="another change"),
        pytest.param({"epoch": 1}, False, id="V77 another password"),
        pytest.param({"is_active": False}, False, id="disabled"),
    ],
)
async def test_what_was_proven_of_an_account_may_be_out_of_date(
    records: AccountRecords, stored: dict[str, Any], *, is_current: bool
) -> None:
    await records.create(ANN)
    await records.replace(replace(ANN, **stored))
    assert await records.is_current(ANN) is is_current
    await records.delete(ANN.id)
    assert not await records.is_current(ANN)


async def test_a_change_holds_against_others(records: AccountRecords) -> None:
    await records.create(ANN)

    async def raise_epoch() -> None:
        await records.change("id-1", lambda found: replace(found, epoch=found.epoch + 1))

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(raise_epoch)
    changed = await records.load("id-1")
    assert changed is not None
    assert changed.epoch == 20


async def test_a_conflict_is_looked_at_again(records: AccountRecords, store: Watched) -> None:
    await records.create(ANN)
    alterations: list[Account] = []

    save = store.store.accounts.save

    async def save_late(account: Account) -> Any:
        if len(alterations) == 1:
            await save(replace(ANN, data=b'{"n":1}'))
        return await save(account)

    store.store.accounts.save = save_late

    def alter(found: Account) -> Account:
        alterations.append(found)
        return replace(found, is_verified=True)

    changed = await records.change("id-1", alter)
    assert len(alterations) == 2
    assert changed is not None
    assert (changed.data, changed.is_verified, changed.version) == (b'{"n":1}', True, 3)
    assert await records.load("id-1") == changed


async def test_a_change_that_is_refused_or_of_nobody_changes_nothing(
    records: AccountRecords, store: Watched
) -> None:
    await records.create(ANN)
    assert await records.change("id-1", lambda _: None) is None
    assert await records.change("id-2", lambda found: found) is None
    assert "accounts.save" not in store.calls
    assert await records.load("id-1") == ANN


async def test_an_account_deleted_between_is_gone(records: AccountRecords, store: Watched) -> None:
    await records.create(ANN)
    save = store.store.accounts.save

    async def save_too_late(account: Account) -> Any:
        await store.store.accounts.delete(account.id)
        return await save(account)

    store.store.accounts.save = save_too_late
    assert await records.change("id-1", lambda found: replace(found, epoch=1)) is None


async def test_endless_interference_is_a_failure_of_the_store(
    records: AccountRecords, store: Watched
) -> None:
    await records.create(ANN)
    save = store.store.accounts.save

    async def always_late(account: Account) -> Any:
        current = await store.store.accounts.load(account.id)
        await save(replace(current, epoch=current.epoch + 1))
        return await save(account)

    store.store.accounts.save = always_late
    with pytest.raises(StorageError, match="each time"):
        await records.change("id-1", lambda found: replace(found, is_verified=True))


OPERATIONS: dict[str, Callable[[AccountRecords], Coroutine[Any, Any, object]]] = {
    "find": lambda records: records.find("ann"),
    "load": lambda records: records.load("id-1"),
    "create": lambda records: records.create(ANN),
    "replace": lambda records: records.replace(ANN),
    "delete": lambda records: records.delete("id-1"),
    "change": lambda records: records.change("id-1", lambda found: found),
}


@pytest.mark.parametrize("name", OPERATIONS)
async def test_a_store_that_hangs_is_a_storage_error(name: str) -> None:
    class Hanging:
        def __getattr__(self, called: str) -> Any:
            if called == "accounts":
                raise AttributeError(called)

            async def hang(*_: Any) -> None:
                await anyio.sleep_forever()

            return hang

    records = AccountRecords(Hanging(), timeout_seconds=0.01)
    with pytest.raises(StorageError):
        await OPERATIONS[name](records)


async def test_E22_the_epoch_of_a_lockout_changes_with_the_credentials(store: Watched) -> None:
    find_epoch = build_account_epoch(store)
    assert await find_epoch("ann@example.com") == ""
    await store.store.accounts.create(ANN)
    before = await find_epoch("ann@example.com")
    await store.store.accounts.save(replace(ANN, epoch=1))
    assert before != await find_epoch("ann@example.com") != ""
