"""One-time values in Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgi_security.storage.redis.commands import (
    Script,
    build_write,
    write_digest,
    write_number,
    write_text,
)
from asgi_security.storage.redis.lua import LIFETIME, expect_ok, get_lifetime_milliseconds

if TYPE_CHECKING:
    from asgi_security.storage.redis.dispatcher import Dispatcher

CLAIM = Script(
    LIFETIME
    + b"""
local stored = redis.call('GET', KEYS[1])
if stored and tonumber(ARGV[2]) < tonumber(stored) then return 0 end
local kept = lifetime(tonumber(ARGV[1]), tonumber(ARGV[2]))
redis.call('SET', KEYS[1], ARGV[1], 'PX', kept)
return 1
"""
)
"""ARGV: until when, now. 1 for the first."""


class RedisOnce:
    """A `OneTimeStore`: each operation on one key, so that a cluster spreads them."""

    def __init__(self, dispatcher: Dispatcher, prefix: bytes) -> None:
        self._dispatcher = dispatcher
        self._prefix = prefix

    async def put(
        self, kind: str, digest: bytes, value: bytes, *, expires_at: float, now: float
    ) -> None:
        """Store a value under (kind, digest), in place of any other."""
        stored = b"%b %b" % (write_number(expires_at), value)
        kept = get_lifetime_milliseconds(expires_at, now)
        command = build_write(b"SET", (self._name(b"value", kind, digest),), stored, b"PX", kept)
        await self._dispatcher.run(command, expect_ok, now=now)

    async def take(self, kind: str, digest: bytes, *, now: float) -> bytes | None:
        """Remove and return a live value, to exactly one caller.

        Atomic because GETDEL is one command.
        """

        def decode(reply: bytes | None) -> bytes | None:
            if reply is None:
                return None
            expires_at, _, value = reply.partition(b" ")
            return value if now < float(expires_at) else None

        command = build_write(b"GETDEL", (self._name(b"value", kind, digest),))
        return await self._dispatcher.run(command, decode, now=now)

    async def claim(self, kind: str, digest: bytes, *, expires_at: float, now: float) -> bool:
        """Claim (kind, digest) until `expires_at`: True for the first caller only.

        Atomic because a server runs one script at a time.
        """
        names = (self._name(b"claim", kind, digest),)
        command = CLAIM.call(names, (write_number(expires_at), write_number(now)))
        return await self._dispatcher.run(command, lambda reply: int(reply) == 1, now=now)

    def _name(self, what: bytes, kind: str, digest: bytes) -> bytes:
        text = write_text(kind)
        return b"%b:%b:%b:%b" % (self._prefix, what, text, write_digest(digest))
