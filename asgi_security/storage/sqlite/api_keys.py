"""API keys in SQLite."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from asgi_security.storage.api_key_steps import check_repeated
from asgi_security.storage.protocols.api_keys import ApiKey

if TYPE_CHECKING:
    import sqlite3
    from typing import Any

    from asgi_security.storage.sqlite.worker import Worker

COLUMNS = "id, digest, account, name, scopes, created_at, expires_at, revoked_at, used_at"
LOAD = f"SELECT {COLUMNS} FROM api_keys WHERE id = ?"  # noqa: S608 -- constants
LIST = f"""
    SELECT {COLUMNS} FROM api_keys WHERE account = ? ORDER BY created_at DESC, id"""  # noqa: S608
INSERT = f"INSERT INTO api_keys ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?)"  # noqa: S608
TOUCH = "UPDATE api_keys SET used_at = max(coalesce(used_at, ?1), ?1) WHERE id = ?2"
REVOKE = """
    UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?) WHERE account = ? AND id = ?"""
REVOKE_FOR = "UPDATE api_keys SET revoked_at = ? WHERE account = ? AND revoked_at IS NULL"
DELETE = "DELETE FROM api_keys WHERE account = ? AND id = ?"


class SqliteApiKeys:
    """An `ApiKeyStore`: each operation one transaction."""

    def __init__(self, writer: Worker, reader: Worker) -> None:
        self._writer = writer
        self._reader = reader

    async def create(self, key: ApiKey) -> None:
        """Store a new key."""

        def step(connection: sqlite3.Connection) -> None:
            if not check_repeated(_load(connection, key.id), key):
                connection.execute(INSERT, _list_columns(key))

        await self._writer.run(step)

    async def load(self, key_id: str) -> ApiKey | None:
        """Return the key, live or not, or None."""
        return await self._reader.run(lambda connection: _load(connection, key_id))

    async def touch(self, key_id: str, *, used_at: float) -> bool:
        """Move `used_at` forward, never back."""
        return await self._change(TOUCH, used_at, key_id) == 1

    async def revoke(self, account: str, key_id: str, *, now: float) -> bool:
        """Revoke the account's key; the first instant stays."""
        return await self._change(REVOKE, now, account, key_id) == 1

    async def revoke_for(self, account: str, *, now: float) -> int:
        """Revoke all of the account's keys that are not revoked."""
        return await self._change(REVOKE_FOR, now, account)

    async def delete(self, account: str, key_id: str) -> bool:
        """Delete the account's key."""
        return await self._change(DELETE, account, key_id) == 1

    async def list_for(self, account: str) -> tuple[ApiKey, ...]:
        """Return the account's keys, the newest first, then by id."""

        def step(connection: sqlite3.Connection) -> tuple[ApiKey, ...]:
            return tuple([_read(row) for row in connection.execute(LIST, (account,))])

        return await self._reader.run(step)

    async def _change(self, statement: str, *parameters: str | float) -> int:
        return await self._writer.run(
            lambda connection: connection.execute(statement, parameters).rowcount
        )


def _load(connection: sqlite3.Connection, key_id: str) -> ApiKey | None:
    found = connection.execute(LOAD, (key_id,)).fetchone()
    return None if found is None else _read(found)


def _read(row: Any) -> ApiKey:
    key_id, digest, account, name, scopes, *instants = row
    return ApiKey(key_id, digest, account, name, tuple(json.loads(scopes)), *instants)


def _list_columns(key: ApiKey) -> tuple[object, ...]:
    return (
        key.id,
        key.digest,
        key.account,
        key.name,
        json.dumps(key.scopes),
        key.created_at,
        key.expires_at,
        key.revoked_at,
        key.used_at,
    )
