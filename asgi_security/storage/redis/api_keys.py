"""API keys in Redis."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeAlias

from asgi_security.errors import StorageError
from asgi_security.storage.api_key_steps import sort_keys
from asgi_security.storage.protocols.api_keys import ApiKey
from asgi_security.storage.redis.account_scripts import (
    CREATE_KEY,
    DELETE_KEY,
    LIST_KEYS,
    REVOKE_KEY,
    REVOKE_KEYS,
    TOUCH_KEY,
)
from asgi_security.storage.redis.commands import build_read, read_text, write_number, write_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from asgi_security.storage.redis.commands import Command, Script
    from asgi_security.storage.redis.dispatcher import Dispatcher

_Flat: TypeAlias = "Sequence[bytes]"
"""Fields and values in turn."""


class RedisApiKeys:
    """An `ApiKeyStore`: each operation one script or command.

    A key is found by its id and listed by its account: all share one hash tag.
    """

    def __init__(self, dispatcher: Dispatcher, prefix: bytes) -> None:
        self._dispatcher = dispatcher
        self._tag = b"{%b:api_keys}:" % prefix

    async def create(self, key: ApiKey) -> None:
        """Store a new key."""

        def decode(reply: Any) -> None:
            if not _read_flag(reply):
                raise StorageError("another API key has this id")

        head = (write_text(key.id), write_text(key.account), key.digest)
        command = self._call(CREATE_KEY, *head, *_write_fields(key))
        await self._dispatcher.run(command, decode)

    async def load(self, key_id: str) -> ApiKey | None:
        """Return the key, live or not, or None."""
        name = write_text(key_id)

        def decode(reply: _Flat) -> ApiKey | None:
            return _read_key(name, reply) if reply else None

        command = build_read(b"HGETALL", (b"%bid:%b" % (self._tag, name),))
        return await self._dispatcher.run(command, decode)

    async def touch(self, key_id: str, *, used_at: float) -> bool:
        """Move `used_at` forward, never back."""
        return await self._run(TOUCH_KEY, write_text(key_id), write_number(used_at)) == 1

    async def revoke(self, account: str, key_id: str, *, now: float) -> bool:
        """Revoke the account's key; the first instant stays."""
        place = (write_text(account), write_text(key_id))
        return await self._run(REVOKE_KEY, *place, write_number(now)) == 1

    async def revoke_for(self, account: str, *, now: float) -> int:
        """Revoke all of the account's keys that are not revoked."""
        return await self._run(REVOKE_KEYS, write_text(account), write_number(now))

    async def delete(self, account: str, key_id: str) -> bool:
        """Delete the account's key."""
        return await self._run(DELETE_KEY, write_text(account), write_text(key_id)) == 1

    async def list_for(self, account: str) -> tuple[ApiKey, ...]:
        """Return the account's keys, the newest first, then by id."""

        def decode(reply: list[tuple[bytes, _Flat]]) -> tuple[ApiKey, ...]:
            return sort_keys([_read_key(name, flat) for name, flat in reply])

        command = self._call(LIST_KEYS, write_text(account))
        return await self._dispatcher.run(command, decode)

    async def _run(self, script: Script, *arguments: bytes) -> int:
        return await self._dispatcher.run(self._call(script, *arguments), int)

    def _call(self, script: Script, *arguments: bytes) -> Command:
        return script.call((self._tag,), (self._tag, *arguments))


def _write_fields(key: ApiKey) -> list[bytes]:
    """Return fields and values in turn; an instant that has none has no field."""
    fields = [
        *(b"name", write_text(key.name), b"scopes", json.dumps(key.scopes).encode()),
        *(b"created", write_number(key.created_at)),
    ]
    for field, instant in (
        *((b"expires", key.expires_at), (b"revoked", key.revoked_at), (b"used", key.used_at)),
    ):
        if instant is not None:
            fields += (field, write_number(instant))
    return fields


def _read_key(name: bytes, flat: _Flat) -> ApiKey:
    fields = dict(zip(flat[::2], flat[1::2], strict=True))

    def read_instant(field: bytes) -> float | None:
        return float(fields[field]) if field in fields else None

    return ApiKey(
        id=read_text(name),
        digest=fields[b"digest"],
        account=read_text(fields[b"account"]),
        name=read_text(fields[b"name"]),
        scopes=tuple(json.loads(fields[b"scopes"])),
        created_at=float(fields[b"created"]),
        expires_at=read_instant(b"expires"),
        revoked_at=read_instant(b"revoked"),
        used_at=read_instant(b"used"),
    )


def _read_flag(reply: Any) -> bool:
    return int(reply) == 1
