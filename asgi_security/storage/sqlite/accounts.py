"""Accounts in SQLite."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from asgi_security.storage.account_steps import (
    arrange_factors,
    decide_create,
    decide_link,
    decide_save,
    decide_unlink,
)
from asgi_security.storage.protocols.accounts import (
    Account,
    AccountCreated,
    AccountSaved,
    Factor,
    Identity,
    Linked,
    Unlinked,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from asgi_security.storage.protocols.accounts import (
        AccountConflict,
        AccountGone,
        IdentityTaken,
        LastIdentity,
        NameTaken,
    )
    from asgi_security.storage.sqlite.worker import Worker

COLUMNS = (
    "id, name, password_hash, is_active, is_verified, epoch, roles, tenant, created_at, data, "
    "version"
)
LOAD = f"SELECT {COLUMNS} FROM accounts WHERE id = ?"  # noqa: S608 -- constants
FIND = f"SELECT {COLUMNS} FROM accounts WHERE name = ?"  # noqa: S608
FIND_ID = "SELECT id FROM accounts WHERE name = ?"
HAS = "SELECT 1 FROM accounts WHERE id = ?"
# Not INSERT OR REPLACE: that would delete whoever else has the name.
INSERT = f"INSERT INTO accounts ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?)"  # noqa: S608
UPDATE = """
    UPDATE accounts SET name = ?, password_hash = ?, is_active = ?, is_verified = ?, epoch = ?,
        roles = ?, tenant = ?, created_at = ?, data = ?, version = ?
    WHERE id = ?"""
DELETE = "DELETE FROM accounts WHERE id = ?"

LIST_FACTORS = """
    SELECT account, kind, id, created_at, data, step FROM account_factors WHERE account = ?
    ORDER BY kind, id"""
PUT_FACTOR = """
    INSERT INTO account_factors (account, kind, id, created_at, data, step)
    VALUES (?, ?, ?, ?, ?, ?)"""
ADVANCE_FACTOR = """
    UPDATE account_factors SET step = ? WHERE account = ? AND kind = ? AND id = ? AND step < ?"""
DELETE_FACTOR = "DELETE FROM account_factors WHERE account = ? AND kind = ? AND id = ?"
DELETE_KIND = "DELETE FROM account_factors WHERE account = ? AND kind = ?"
DELETE_FACTORS = "DELETE FROM account_factors WHERE account = ?"

IDENTITY = "SELECT issuer, subject, account, created_at, data FROM account_identities"
FIND_IDENTITY = f"{IDENTITY} WHERE issuer = ? AND subject = ?"
LIST_IDENTITIES = f"{IDENTITY} WHERE account = ? ORDER BY issuer, subject"
PUT_IDENTITY = """
    INSERT INTO account_identities (issuer, subject, account, created_at, data)
    VALUES (?, ?, ?, ?, ?)"""
DELETE_IDENTITY = "DELETE FROM account_identities WHERE issuer = ? AND subject = ?"
DELETE_IDENTITIES = "DELETE FROM account_identities WHERE account = ?"


class SqliteAccounts:
    """An `AccountStore`: each operation one transaction."""

    def __init__(self, writer: Worker, reader: Worker) -> None:
        self._writer = writer
        self._reader = reader

    async def create(
        self, account: Account, *, identity: Identity | None = None
    ) -> AccountCreated | NameTaken | IdentityTaken:
        """Store a new account, and with it an identity that opens it."""

        def step(connection: sqlite3.Connection) -> AccountCreated | NameTaken | IdentityTaken:
            standing = None if identity is None else _find_identity(connection, identity)
            change = decide_create(
                _load(connection, LOAD, account.id),
                account,
                namesake=_find_id(connection, account.name),
                identity_owner=None if standing is None else standing.account,
            )
            if not isinstance(change, Account):
                return change
            connection.execute(INSERT, _list_columns(account))
            if identity is not None:
                _put_identity(connection, replace(identity, account=account.id))
            return AccountCreated()

        return await self._writer.run(step)

    async def load(self, account_id: str) -> Account | None:
        """Return the account of that id, or None."""
        return await self._reader.run(lambda connection: _load(connection, LOAD, account_id))

    async def find(self, name: str) -> Account | None:
        """Return the account of that normalised name, or None."""
        return await self._reader.run(lambda connection: _load(connection, FIND, name))

    async def save(
        self, account: Account
    ) -> AccountSaved | AccountConflict | AccountGone | NameTaken:
        """Replace an account if it is stored at `account.version`."""

        def step(
            connection: sqlite3.Connection,
        ) -> AccountSaved | AccountConflict | AccountGone | NameTaken:
            current = _load(connection, LOAD, account.id)
            namesake = _find_id(connection, account.name)
            change = decide_save(current, account, namesake=namesake)
            if not isinstance(change, Account):
                return change
            account_id, *columns = _list_columns(change)
            connection.execute(UPDATE, (*columns, account_id))
            return AccountSaved(change.version)

        return await self._writer.run(step)

    async def delete(self, account_id: str) -> bool:
        """Delete an account with its factors and identities."""

        def step(connection: sqlite3.Connection) -> bool:
            connection.execute(DELETE_FACTORS, (account_id,))
            connection.execute(DELETE_IDENTITIES, (account_id,))
            return connection.execute(DELETE, (account_id,)).rowcount == 1

        return await self._writer.run(step)

    async def list_factors(self, account_id: str) -> tuple[Factor, ...]:
        """Return the account's factors, by kind, then by id."""

        def step(connection: sqlite3.Connection) -> tuple[Factor, ...]:
            return tuple([Factor(*row) for row in connection.execute(LIST_FACTORS, (account_id,))])

        return await self._reader.run(step)

    async def replace_factors(self, account_id: str, kind: str, factors: Sequence[Factor]) -> bool:
        """Put `factors` in the place of all that the account has of this kind."""
        arranged = arrange_factors(account_id, kind, factors)

        def step(connection: sqlite3.Connection) -> bool:
            if not _has_account(connection, account_id):
                return False
            connection.execute(DELETE_KIND, (account_id, kind))
            for factor in arranged:
                values = (factor.id, factor.created_at, factor.data, factor.step)
                connection.execute(PUT_FACTOR, (account_id, kind, *values))
            return True

        return await self._writer.run(step)

    async def advance_factor(self, account_id: str, kind: str, factor_id: str, step: int) -> bool:
        """Record `step` as spent if it is above the last one."""
        return await self._change(ADVANCE_FACTOR, step, account_id, kind, factor_id, step)

    async def delete_factor(self, account_id: str, kind: str, factor_id: str) -> bool:
        """Delete one factor: True for exactly one caller."""
        return await self._change(DELETE_FACTOR, account_id, kind, factor_id)

    async def link(self, identity: Identity) -> Linked | IdentityTaken | AccountGone:
        """Let an identity open an account."""

        def step(connection: sqlite3.Connection) -> Linked | IdentityTaken | AccountGone:
            change = decide_link(
                _find_identity(connection, identity),
                identity,
                has_account=_has_account(connection, identity.account),
            )
            if not isinstance(change, Identity):
                return change
            _put_identity(connection, change)
            return Linked()

        return await self._writer.run(step)

    async def find_identity(self, issuer: str, subject: str) -> Identity | None:
        """Return the identity, or None."""

        def step(connection: sqlite3.Connection) -> Identity | None:
            found = connection.execute(FIND_IDENTITY, (issuer, subject)).fetchone()
            return None if found is None else Identity(*found)

        return await self._reader.run(step)

    async def list_identities(self, account_id: str) -> tuple[Identity, ...]:
        """Return the account's identities, by issuer, then by subject."""
        return await self._reader.run(lambda connection: _list_identities(connection, account_id))

    async def unlink(
        self, account_id: str, issuer: str, subject: str, *, leave: int = 0
    ) -> Unlinked | LastIdentity:
        """Take an identity from the account, if at least `leave` others stay."""

        def step(connection: sqlite3.Connection) -> Unlinked | LastIdentity:
            linked = _list_identities(connection, account_id)
            change = decide_unlink(linked, issuer, subject, leave=leave)
            if not isinstance(change, Identity):
                return change
            connection.execute(DELETE_IDENTITY, (issuer, subject))
            return Unlinked()

        return await self._writer.run(step)

    async def _change(self, statement: str, *parameters: str | int) -> bool:
        return await self._writer.run(
            lambda connection: connection.execute(statement, parameters).rowcount == 1
        )


def _load(connection: sqlite3.Connection, statement: str, value: str) -> Account | None:
    found = connection.execute(statement, (value,)).fetchone()
    if found is None:
        return None
    account_id, name, password_hash, is_active, is_verified, epoch, roles, *rest = found
    told = (bool(is_active), bool(is_verified), epoch, tuple(json.loads(roles)))
    return Account(account_id, name, password_hash, *told, *rest)


def _find_id(connection: sqlite3.Connection, name: str) -> str | None:
    found = connection.execute(FIND_ID, (name,)).fetchone()
    return None if found is None else str(found[0])


def _has_account(connection: sqlite3.Connection, account_id: str) -> bool:
    return connection.execute(HAS, (account_id,)).fetchone() is not None


def _find_identity(connection: sqlite3.Connection, identity: Identity) -> Identity | None:
    place = (identity.issuer, identity.subject)
    found = connection.execute(FIND_IDENTITY, place).fetchone()
    return None if found is None else Identity(*found)


def _list_identities(connection: sqlite3.Connection, account_id: str) -> tuple[Identity, ...]:
    return tuple([Identity(*row) for row in connection.execute(LIST_IDENTITIES, (account_id,))])


def _put_identity(connection: sqlite3.Connection, identity: Identity) -> None:
    place = (identity.issuer, identity.subject)
    values = (identity.account, identity.created_at, identity.data)
    connection.execute(PUT_IDENTITY, (*place, *values))


def _list_columns(account: Account) -> tuple[object, ...]:
    return (
        account.id,
        account.name,
        account.password_hash,
        account.is_active,
        account.is_verified,
        account.epoch,
        json.dumps(account.roles),
        account.tenant,
        account.created_at,
        account.data,
        account.version,
    )
