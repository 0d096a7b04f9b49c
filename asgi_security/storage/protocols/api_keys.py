"""API keys: long-lived credentials of programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key as it is stored.

    `id` is the public part, by which it is found and listed, unique and random. `digest` is that of
    the secret part, 32 bytes. None for `expires_at` is never.
    """

    id: str
    digest: bytes
    account: str
    name: str
    scopes: tuple[str, ...]
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None
    used_at: float | None = None


class ApiKeyStore(Protocol):
    """API keys. What has expired stays in lists until it is deleted, so that users see it."""

    async def create(self, key: ApiKey) -> None:
        """Store a new key; storing the same one again is a success without effect.

        Raises:
            StorageError: Another key has this id.
        """
        ...

    async def load(self, key_id: str) -> ApiKey | None:
        """Return the key, live or not, or None."""
        ...

    async def touch(self, key_id: str, *, used_at: float) -> bool:
        """Move `used_at` forward, never back; False if there is no such key."""
        ...

    async def revoke(self, account: str, key_id: str, *, now: float) -> bool:
        """Revoke the account's key; the first instant stays. False if it has none such."""
        ...

    async def revoke_for(self, account: str, *, now: float) -> int:
        """Revoke all of the account's keys that are not revoked; return how many that were."""
        ...

    async def delete(self, account: str, key_id: str) -> bool:
        """Delete the account's key; False if it has none such."""
        ...

    async def list_for(self, account: str) -> tuple[ApiKey, ...]:
        """Return the account's keys, the newest first, then by id."""
        ...
