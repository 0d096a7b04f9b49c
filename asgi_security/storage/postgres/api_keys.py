"""API keys in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgi_security.errors import StorageError
from asgi_security.storage.protocols.api_keys import ApiKey

if TYPE_CHECKING:
    from asgi_security.storage.postgres.pools import Pools

_COLUMNS = "id, digest, account, name, scopes, created_at, expires_at, revoked_at, used_at"
_SELECT = f"SELECT {_COLUMNS} FROM {{schema}}.api_keys"  # noqa: S608 -- constants

# The update that changes nothing makes one that is there already count as a row, if it is the same.
CREATE = f"""
    INSERT INTO {{schema}}.api_keys AS k ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (id) DO UPDATE SET id = k.id
        WHERE (k.account, k.digest) = (excluded.account, excluded.digest)
    RETURNING 1"""  # noqa: S608
LOAD = f"{_SELECT} WHERE id = $1"
LIST = f"{_SELECT} WHERE account = $1 ORDER BY created_at DESC, id"
TOUCH = "UPDATE {schema}.api_keys SET used_at = greatest(used_at, $2) WHERE id = $1 RETURNING 1"
REVOKE = """
    UPDATE {schema}.api_keys SET revoked_at = coalesce(revoked_at, $3)
    WHERE account = $1 AND id = $2 RETURNING 1"""
# In ascending order, so that two calls never wait for one another.
REVOKE_FOR = """
    UPDATE {schema}.api_keys SET revoked_at = $2
    WHERE revoked_at IS NULL AND id IN (
        SELECT id FROM {schema}.api_keys WHERE account = $1 AND revoked_at IS NULL
        ORDER BY id FOR UPDATE)
    RETURNING 1"""
DELETE = "DELETE FROM {schema}.api_keys WHERE account = $1 AND id = $2 RETURNING 1"


class PostgresApiKeys:
    """An `ApiKeyStore`: each operation one statement."""

    def __init__(self, pools: Pools) -> None:
        self._pools = pools

    async def create(self, key: ApiKey) -> None:
        """Store a new key."""
        if not await self._pools.fetch(CREATE, *_list_columns(key)):
            raise StorageError("another API key has this id")

    async def load(self, key_id: str) -> ApiKey | None:
        """Return the key, live or not, or None."""
        found = await self._pools.fetch(LOAD, key_id)
        return _read(found[0]) if found else None

    async def touch(self, key_id: str, *, used_at: float) -> bool:
        """Move `used_at` forward, never back."""
        return bool(await self._pools.fetch(TOUCH, key_id, used_at))

    async def revoke(self, account: str, key_id: str, *, now: float) -> bool:
        """Revoke the account's key; the first instant stays."""
        return bool(await self._pools.fetch(REVOKE, account, key_id, now))

    async def revoke_for(self, account: str, *, now: float) -> int:
        """Revoke all of the account's keys that are not revoked."""
        return len(await self._pools.fetch(REVOKE_FOR, account, now))

    async def delete(self, account: str, key_id: str) -> bool:
        """Delete the account's key."""
        return bool(await self._pools.fetch(DELETE, account, key_id))

    async def list_for(self, account: str) -> tuple[ApiKey, ...]:
        """Return the account's keys, the newest first, then by id."""
        return tuple([_read(row) for row in await self._pools.fetch(LIST, account)])


def _read(row: Any) -> ApiKey:
    key_id, digest, account, name, scopes, *instants = row
    return ApiKey(key_id, digest, account, name, tuple(scopes), *instants)


def _list_columns(key: ApiKey) -> tuple[object, ...]:
    return (
        key.id,
        key.digest,
        key.account,
        key.name,
        list(key.scopes),
        key.created_at,
        key.expires_at,
        key.revoked_at,
        key.used_at,
    )
