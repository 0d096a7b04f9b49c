"""API keys in this process's memory."""

from __future__ import annotations

from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING

from asgi_security.errors import StorageError
from asgi_security.storage.api_key_steps import check_repeated, move_used_at, sort_keys

if TYPE_CHECKING:
    from asgi_security.storage.protocols.api_keys import ApiKey


class MemoryApiKeys:
    """An `ApiKeyStore` of at most `limit` keys.

    When it is full, creating one more raises `StorageError`: no key ever makes room.
    """

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._keys: dict[str, ApiKey] = {}
        self._of_accounts: dict[str, dict[str, None]] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._keys)

    async def create(self, key: ApiKey) -> None:
        """Store a new key."""
        with self._lock:
            if check_repeated(self._keys.get(key.id), key):
                return
            if len(self._keys) >= self._limit:
                raise StorageError(f"the memory store holds {self._limit} API keys")
            self._keys[key.id] = key
            self._of_accounts.setdefault(key.account, {})[key.id] = None

    async def load(self, key_id: str) -> ApiKey | None:
        """Return the key, live or not, or None."""
        with self._lock:
            return self._keys.get(key_id)

    async def touch(self, key_id: str, *, used_at: float) -> bool:
        """Move `used_at` forward, never back."""
        with self._lock:
            key = self._keys.get(key_id)
            if key is None:
                return False
            self._keys[key_id] = move_used_at(key, used_at)
            return True

    async def revoke(self, account: str, key_id: str, *, now: float) -> bool:
        """Revoke the account's key; the first instant stays."""
        with self._lock:
            if key_id not in self._of_accounts.get(account, {}):
                return False
            self._revoke(key_id, now)
            return True

    async def revoke_for(self, account: str, *, now: float) -> int:
        """Revoke all of the account's keys that are not revoked."""
        with self._lock:
            return sum([self._revoke(key_id, now) for key_id in self._of_accounts.get(account, {})])

    async def delete(self, account: str, key_id: str) -> bool:
        """Delete the account's key."""
        with self._lock:
            owned = self._of_accounts.get(account, {})
            if key_id not in owned:
                return False
            del self._keys[key_id]
            del owned[key_id]
            if not owned:
                del self._of_accounts[account]
            return True

    async def list_for(self, account: str) -> tuple[ApiKey, ...]:
        """Return the account's keys, the newest first, then by id."""
        with self._lock:
            return sort_keys([self._keys[key_id] for key_id in self._of_accounts.get(account, {})])

    def _revoke(self, key_id: str, now: float) -> bool:
        key = self._keys[key_id]
        if key.revoked_at is not None:
            return False
        self._keys[key_id] = replace(key, revoked_at=now)
        return True
