"""Reaches the accounts of a store: each call bounded in time, each change compare-and-set."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from asgi_security.errors import StorageError
from asgi_security.flows.store_bound import StoreBound
from asgi_security.policy.login_names import normalise_login_name
from asgi_security.storage.protocols import AccountConflict, AccountSaved

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asgi_security.storage.protocols import (
        Account,
        AccountCreated,
        AccountStore,
        IdentityTaken,
        NameTaken,
        Store,
    )

_CHANGE_ATTEMPTS = 8


def resolve_accounts(store: Store | AccountStore) -> AccountStore:
    """Return the accounts of a whole store, or what is that facet already."""
    return cast("AccountStore", getattr(store, "accounts", store))


def build_account_epoch(
    store: Store | AccountStore, *, timeout_seconds: float = 1.0
) -> Callable[[str], Awaitable[str]]:
    """Return the `account_epoch` of a `Lockout` whose accounts are in this store.

    With it a change of the password makes strangers of all known devices (spec E22).
    """
    records = AccountRecords(store, timeout_seconds=timeout_seconds)

    async def find_epoch(name: str) -> str:
        account = await records.find(name)
        return "" if account is None else f"{account.id}:{account.epoch}"

    return find_epoch


class AccountRecords:
    """The accounts of a store. Every method raises `StorageError` when it does not answer."""

    def __init__(self, store: Store | AccountStore, *, timeout_seconds: float) -> None:
        self._accounts = resolve_accounts(store)
        self._timeout_seconds = timeout_seconds

    async def find(self, typed: str) -> Account | None:
        """Return the account of a login name as it was typed, or None."""
        name = normalise_login_name(typed)
        if name is None or "\0" in name:  # no name, and to PostgreSQL no text either
            return None
        with StoreBound(self._timeout_seconds):
            return await self._accounts.find(name)

    async def load(self, account_id: str) -> Account | None:
        """Return the account of that id, or None."""
        with StoreBound(self._timeout_seconds):
            return await self._accounts.load(account_id)

    async def is_current(self, account: Account) -> bool:
        """Tell whether what was proven of an account still lets it in.

        Asked once a sign-in stands in the store: then a change of the password, which ends
        everything, has either been seen here or will find it there.
        """
        stored = await self.load(account.id)
        return stored is not None and stored.is_active and stored.epoch == account.epoch

    async def create(self, account: Account) -> AccountCreated | NameTaken | IdentityTaken:
        """Store a new account."""
        with StoreBound(self._timeout_seconds):
            return await self._accounts.create(account)

    async def replace(self, account: Account) -> int | None:
        """Save an account if nobody else has; return its new version, or None."""
        with StoreBound(self._timeout_seconds):
            saved = await self._accounts.save(account)
        return saved.version if isinstance(saved, AccountSaved) else None

    async def delete(self, account_id: str) -> bool:
        """Delete an account; tell whether there was one."""
        with StoreBound(self._timeout_seconds):
            return await self._accounts.delete(account_id)

    async def change(
        self, account_id: str, alter: Callable[[Account], Account | None]
    ) -> Account | None:
        """Make a change that holds against all others made meanwhile; return the account as stored.

        `alter` gets what is stored, perhaps several times, and returns None to leave it; then, and
        for an account that is gone, None is the answer.
        """
        current = await self.load(account_id)
        for _ in range(_CHANGE_ATTEMPTS):
            wanted = None if current is None else alter(current)
            if wanted is None:
                return None
            with StoreBound(self._timeout_seconds):
                saved = await self._accounts.save(wanted)
            if isinstance(saved, AccountSaved):
                return replace(wanted, version=saved.version)
            current = saved.current if isinstance(saved, AccountConflict) else None
        raise StorageError("others changed the account each time")
