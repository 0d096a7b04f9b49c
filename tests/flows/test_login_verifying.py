"""One verification, whoever it is for."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from asgi_security.errors import StorageError
from asgi_security.flows.account_records import AccountRecords
from asgi_security.flows.auditing import Reporter
from asgi_security.flows.login_verifying import AccountVerifier, Right, Undecided, Wrong
from asgi_security.storage.protocols import Account
from asgi_security.testing import EventRecorder
from tests.flows.account_world import GOOD, WRONG, CountingPasswords, Watched, make_hash

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio


class Bench:
    """A verifier and everything around it."""

    def __init__(self) -> None:
        self.store = Watched()
        self.events = EventRecorder()
        self.passwords = CountingPasswords()
        self.records = AccountRecords(self.store, timeout_seconds=20)
        self.verifier = AccountVerifier(self.records, self.passwords, Reporter(self.events))

    async def add(self, password: str | None = GOOD) -> Account:
        stored = None if password is None else await make_hash(password)
        account = Account(id="id-1", name="ann", password_hash=stored)
        await self.store.store.accounts.create(account)
        return account

    async def verify(
        self,
        password: str = GOOD,
        *,
        name: str = "ann",
        find: Callable[[], Any] | None = None,
        may_enter: bool = True,
    ) -> Any:
        return await self.verifier.verify(
            find or partial(self.records.find, name), password, may_enter=lambda _: may_enter
        )


async def test_G47_one_verification_whatever_there_is() -> None:
    bench = Bench()
    account = await bench.add()
    await bench.store.store.accounts.create(Account(id="id-2", name="bob"))
    bob = await bench.records.load("id-2")
    assert await bench.verify() == Right(account)
    assert await bench.verify(WRONG) == Wrong("wrong_password", account)
    assert await bench.verify(name="eve") == Wrong("unknown_name", None)
    assert await bench.verify(name="bob") == Wrong("no_password", bob)
    assert bench.passwords.verified == [
        *(account.password_hash, account.password_hash),
        *(None, None),  # for which the flow of passwords has a dummy of equal cost
    ]


async def test_F94_who_may_not_enter_costs_no_more_than_a_wrong_password() -> None:
    bench = Bench()
    account = await bench.add()
    assert await bench.verify(WRONG) == Wrong("wrong_password", account)
    wrong = list(bench.store.calls)
    bench.store.calls.clear()
    assert await bench.verify(may_enter=False) == Right(account)
    assert bench.store.calls == wrong == ["accounts.find"]


async def test_what_is_stored_by_now_is_what_signs_in() -> None:
    bench = Bench()
    account = await bench.add()

    async def find_then_change() -> Account | None:
        await bench.store.store.accounts.save(replace(account, roles=("admin",)))
        return account

    outcome = await bench.verify(find=find_then_change)
    assert outcome == Right(replace(account, roles=("admin",), version=2))


@pytest.mark.parametrize(
    ("error", "event"),
    [
        pytest.param(StorageError("down"), "accounts_unavailable", id="E19 a store"),
        pytest.param(RuntimeError("secret text"), "verifier_failed", id="E19 an app's own"),
    ],
)
async def test_E19_what_fails_is_no_verdict(error: Exception, event: str) -> None:
    bench = Bench()

    async def fail() -> Account | None:
        raise error

    assert await bench.verify(find=fail) == Undecided()
    assert bench.events.names == [event]
    assert "secret" not in str(bench.events.events)


async def test_P79_a_damaged_hash_is_a_wrong_password() -> None:
    bench = Bench()
    account = Account(id="id-1", name="ann", password_hash="md5$nonsense")
    await bench.store.store.accounts.create(account)
    assert await bench.verify() == Wrong("wrong_password", account)
