"""Accounts in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgi_security.errors import StorageError
from asgi_security.storage.account_steps import arrange_factors
from asgi_security.storage.protocols.accounts import (
    Account,
    AccountConflict,
    AccountCreated,
    AccountGone,
    AccountSaved,
    Factor,
    Identity,
    IdentityTaken,
    LastIdentity,
    Linked,
    NameTaken,
    Unlinked,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.storage.postgres.pools import Pools

_COLUMNS = (
    "id, name, password_hash, is_active, is_verified, epoch, roles, tenant, created_at, data, "
    "version"
)
_IDENTITY = "SELECT issuer, subject, account, created_at, data FROM {schema}.account_identities"

CREATE = """
    SELECT outcome, owner FROM {schema}.create_account(
        $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"""
LOAD = f"SELECT {_COLUMNS} FROM {{schema}}.accounts WHERE id = $1"  # noqa: S608 -- constants
FIND = f"SELECT {_COLUMNS} FROM {{schema}}.accounts WHERE name = $1"  # noqa: S608
SAVE = """
    SELECT s.outcome, (s.current).* FROM {schema}.save_account(
        $1, $2, $3, $4, $5, $6, $7, $8, $9, $10) AS s"""
DELETE = "DELETE FROM {schema}.accounts WHERE id = $1 RETURNING 1"
LIST_FACTORS = """
    SELECT account, kind, id, created_at, data, step FROM {schema}.account_factors
    WHERE account = $1 ORDER BY kind, id"""
# Every array goes as text[]: for one of any other type asyncpg first asks the server what it is (a
# second round trip), and leaves a setting behind on the connection.
REPLACE_FACTORS = """
    SELECT {schema}.replace_factors($1, $2, $3, $4::text[]::double precision[],
        $5::text[]::bytea[], $6::text[]::bigint[])"""
ADVANCE_FACTOR = "SELECT {schema}.advance_factor($1, $2, $3, $4)"
DELETE_FACTOR = "SELECT {schema}.delete_factor($1, $2, $3)"
LINK = "SELECT outcome, owner FROM {schema}.link_identity($1, $2, $3, $4, $5)"
FIND_IDENTITY = f"{_IDENTITY} WHERE issuer = $1 AND subject = $2"
LIST_IDENTITIES = f"{_IDENTITY} WHERE account = $1 ORDER BY issuer, subject"
UNLINK = "SELECT {schema}.unlink_identity($1, $2, $3, $4)"


class PostgresAccounts:
    """An `AccountStore`: each operation one statement."""

    def __init__(self, pools: Pools) -> None:
        self._pools = pools

    async def create(
        self, account: Account, *, identity: Identity | None = None
    ) -> AccountCreated | NameTaken | IdentityTaken:
        """Store a new account, and with it an identity that opens it."""
        linked: tuple[object, ...] = (None,) * 4
        if identity is not None:
            linked = (identity.issuer, identity.subject, identity.created_at, identity.data)
        columns = (*_list_columns(account), account.created_at, account.data, account.version)
        outcome, owner = (await self._pools.fetch(CREATE, *columns, *linked))[0]
        match outcome:
            case "created":
                return AccountCreated()
            case "name_taken":
                return NameTaken()
            case "identity_taken":
                return IdentityTaken(owner)
            case _:
                raise StorageError("another account has this id")

    async def load(self, account_id: str) -> Account | None:
        """Return the account of that id, or None."""
        found = await self._pools.fetch(LOAD, account_id)
        return _read_account(found[0]) if found else None

    async def find(self, name: str) -> Account | None:
        """Return the account of that normalised name, or None."""
        found = await self._pools.fetch(FIND, name)
        return _read_account(found[0]) if found else None

    async def save(
        self, account: Account
    ) -> AccountSaved | AccountConflict | AccountGone | NameTaken:
        """Replace an account if it is stored at `account.version`."""
        columns = (*_list_columns(account), account.data, account.version)
        outcome, *current = (await self._pools.fetch(SAVE, *columns))[0]
        match outcome:
            case "saved":
                return AccountSaved(account.version + 1)
            case "name_taken":
                return NameTaken()
            case "conflict":
                return AccountConflict(_read_account(current))
            case _:
                return AccountGone()

    async def delete(self, account_id: str) -> bool:
        """Delete an account with its factors and identities."""
        return bool(await self._pools.fetch(DELETE, account_id))

    async def list_factors(self, account_id: str) -> tuple[Factor, ...]:
        """Return the account's factors, by kind, then by id."""
        return tuple([Factor(*row) for row in await self._pools.fetch(LIST_FACTORS, account_id)])

    async def replace_factors(self, account_id: str, kind: str, factors: Sequence[Factor]) -> bool:
        """Put `factors` in the place of all that the account has of this kind."""
        arranged = arrange_factors(account_id, kind, factors)
        columns = (
            [factor.id for factor in arranged],
            [repr(float(factor.created_at)) for factor in arranged],
            [f"\\x{factor.data.hex()}" for factor in arranged],
            [str(factor.step) for factor in arranged],
        )
        return await self._ask(REPLACE_FACTORS, account_id, kind, *columns)

    async def advance_factor(self, account_id: str, kind: str, factor_id: str, step: int) -> bool:
        """Record `step` as spent if it is above the last one."""
        return await self._ask(ADVANCE_FACTOR, account_id, kind, factor_id, step)

    async def delete_factor(self, account_id: str, kind: str, factor_id: str) -> bool:
        """Delete one factor: True for exactly one caller."""
        return await self._ask(DELETE_FACTOR, account_id, kind, factor_id)

    async def link(self, identity: Identity) -> Linked | IdentityTaken | AccountGone:
        """Let an identity open an account."""
        place = (identity.issuer, identity.subject)
        values = (identity.account, identity.created_at, identity.data)
        outcome, owner = (await self._pools.fetch(LINK, *place, *values))[0]
        match outcome:
            case "linked":
                return Linked()
            case "taken":
                return IdentityTaken(owner)
            case _:
                return AccountGone()

    async def find_identity(self, issuer: str, subject: str) -> Identity | None:
        """Return the identity, or None."""
        found = await self._pools.fetch(FIND_IDENTITY, issuer, subject)
        return Identity(*found[0]) if found else None

    async def list_identities(self, account_id: str) -> tuple[Identity, ...]:
        """Return the account's identities, by issuer, then by subject."""
        found = await self._pools.fetch(LIST_IDENTITIES, account_id)
        return tuple([Identity(*row) for row in found])

    async def unlink(
        self, account_id: str, issuer: str, subject: str, *, leave: int = 0
    ) -> Unlinked | LastIdentity:
        """Take an identity from the account, if at least `leave` others stay."""
        gone = await self._ask(UNLINK, account_id, issuer, subject, leave)
        return Unlinked() if gone else LastIdentity()

    async def _ask(self, statement: str, *arguments: object) -> bool:
        return bool((await self._pools.fetch(statement, *arguments))[0][0])


def _list_columns(account: Account) -> tuple[object, ...]:
    """Return what can be saved, up to where `created_at` stands."""
    return (
        account.id,
        account.name,
        account.password_hash,
        account.is_active,
        account.is_verified,
        account.epoch,
        list(account.roles),
        account.tenant,
    )


def _read_account(row: Any) -> Account:
    account_id, name, password_hash, is_active, is_verified, epoch, roles, *rest = row
    told = (is_active, is_verified, epoch, tuple(roles))
    return Account(account_id, name, password_hash, *told, *rest)
