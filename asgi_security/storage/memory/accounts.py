"""Accounts in this process's memory."""

from __future__ import annotations

from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING

from asgi_security.errors import StorageError
from asgi_security.storage.account_steps import (
    arrange_factors,
    decide_create,
    decide_link,
    decide_save,
    decide_unlink,
    sort_factors,
    sort_identities,
)
from asgi_security.storage.protocols.accounts import (
    Account,
    AccountCreated,
    AccountSaved,
    Identity,
    Linked,
    Unlinked,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.storage.protocols.accounts import (
        AccountConflict,
        AccountGone,
        Factor,
        IdentityTaken,
        LastIdentity,
        NameTaken,
    )


class MemoryAccounts:
    """An `AccountStore` of at most `limit` accounts.

    When it is full, creating one more raises `StorageError`: no account ever makes room.
    """

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._accounts: dict[str, Account] = {}
        self._ids: dict[str, str] = {}
        """By name."""
        self._factors: dict[str, dict[tuple[str, str], Factor]] = {}
        """By account, then by kind and id."""
        self._identities: dict[tuple[str, str], Identity] = {}
        self._linked: dict[str, dict[tuple[str, str], Identity]] = {}
        """The same identities, by account."""
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._accounts)

    async def create(
        self, account: Account, *, identity: Identity | None = None
    ) -> AccountCreated | NameTaken | IdentityTaken:
        """Store a new account, and with it an identity that opens it."""
        with self._lock:
            change = decide_create(
                self._accounts.get(account.id),
                account,
                namesake=self._ids.get(account.name),
                identity_owner=None if identity is None else self._find_owner(identity),
            )
            if not isinstance(change, Account):
                return change
            if len(self._accounts) >= self._limit:
                raise StorageError(f"the memory store holds {self._limit} accounts")
            self._accounts[account.id] = account
            self._ids[account.name] = account.id
            if identity is not None:
                self._put_identity(replace(identity, account=account.id))
            return AccountCreated()

    async def load(self, account_id: str) -> Account | None:
        """Return the account of that id, or None."""
        with self._lock:
            return self._accounts.get(account_id)

    async def find(self, name: str) -> Account | None:
        """Return the account of that normalised name, or None."""
        with self._lock:
            account_id = self._ids.get(name)
            return None if account_id is None else self._accounts[account_id]

    async def save(
        self, account: Account
    ) -> AccountSaved | AccountConflict | AccountGone | NameTaken:
        """Replace an account if it is stored at `account.version`."""
        with self._lock:
            current = self._accounts.get(account.id)
            change = decide_save(current, account, namesake=self._ids.get(account.name))
            if not isinstance(change, Account):
                return change
            del self._ids[self._accounts[change.id].name]
            self._ids[change.name] = change.id
            self._accounts[change.id] = change
            return AccountSaved(change.version)

    async def delete(self, account_id: str) -> bool:
        """Delete an account with its factors and identities."""
        with self._lock:
            account = self._accounts.pop(account_id, None)
            if account is None:
                return False
            del self._ids[account.name]
            self._factors.pop(account_id, None)
            for place in self._linked.pop(account_id, {}):
                del self._identities[place]
            return True

    async def list_factors(self, account_id: str) -> tuple[Factor, ...]:
        """Return the account's factors, by kind, then by id."""
        with self._lock:
            return sort_factors(self._factors.get(account_id, {}).values())

    async def replace_factors(self, account_id: str, kind: str, factors: Sequence[Factor]) -> bool:
        """Put `factors` in the place of all that the account has of this kind."""
        with self._lock:
            if account_id not in self._accounts:
                return False
            before = self._factors.get(account_id, {})
            after = {place: factor for place, factor in before.items() if place[0] != kind}
            for factor in arrange_factors(account_id, kind, factors):
                after[kind, factor.id] = factor
            self._factors[account_id] = after
            return True

    async def advance_factor(self, account_id: str, kind: str, factor_id: str, step: int) -> bool:
        """Record `step` as spent if it is above the last one."""
        with self._lock:
            factors = self._factors.get(account_id, {})
            factor = factors.get((kind, factor_id))
            if factor is None or step <= factor.step:
                return False
            factors[kind, factor_id] = replace(factor, step=step)
            return True

    async def delete_factor(self, account_id: str, kind: str, factor_id: str) -> bool:
        """Delete one factor: True for exactly one caller."""
        with self._lock:
            return self._factors.get(account_id, {}).pop((kind, factor_id), None) is not None

    async def link(self, identity: Identity) -> Linked | IdentityTaken | AccountGone:
        """Let an identity open an account."""
        with self._lock:
            change = decide_link(
                self._identities.get((identity.issuer, identity.subject)),
                identity,
                has_account=identity.account in self._accounts,
            )
            if not isinstance(change, Identity):
                return change
            self._put_identity(change)
            return Linked()

    async def find_identity(self, issuer: str, subject: str) -> Identity | None:
        """Return the identity, or None."""
        with self._lock:
            return self._identities.get((issuer, subject))

    async def list_identities(self, account_id: str) -> tuple[Identity, ...]:
        """Return the account's identities, by issuer, then by subject."""
        with self._lock:
            return sort_identities(self._linked.get(account_id, {}).values())

    async def unlink(
        self, account_id: str, issuer: str, subject: str, *, leave: int = 0
    ) -> Unlinked | LastIdentity:
        """Take an identity from the account, if at least `leave` others stay."""
        with self._lock:
            linked = self._linked.get(account_id, {})
            change = decide_unlink(list(linked.values()), issuer, subject, leave=leave)
            if not isinstance(change, Identity):
                return change
            del linked[issuer, subject]
            del self._identities[issuer, subject]
            return Unlinked()

    def _find_owner(self, identity: Identity) -> str | None:
        standing = self._identities.get((identity.issuer, identity.subject))
        return None if standing is None else standing.account

    def _put_identity(self, identity: Identity) -> None:
        place = (identity.issuer, identity.subject)
        self._identities[place] = identity
        self._linked.setdefault(identity.account, {})[place] = identity
