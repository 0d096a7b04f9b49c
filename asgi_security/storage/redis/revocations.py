"""Revocations in Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgi_security.storage.redis.commands import Script, build_read, write_digest, write_number
from asgi_security.storage.redis.lua import expect_ok

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.storage.redis.dispatcher import Dispatcher

_LATEST = b"""
-- Nobody says what time it is: the key is kept by the server's own clock, a day longer than it
-- counts and at most ten years, and what counts is the instant that is stored.
local function keep(key, words)
  local clock = redis.call('TIME')
  local seconds = tonumber(words[1]) - tonumber(clock[1])
  if not (seconds < 315360000) then seconds = 315360000 end
  local kept = string.format('%d', math.ceil((math.max(seconds, 0) + 86400) * 1000))
  redis.call('SET', key, table.concat(words, ' '), 'PX', kept)
end

local function latest(stored, given)
  if stored and tonumber(stored) >= tonumber(given) then return stored end
  return given
end
"""

REVOKE = Script(
    _LATEST
    + b"""
local stored = redis.call('GET', KEYS[1])
keep(KEYS[1], {latest(stored, ARGV[1])})
return redis.status_reply('OK')
""",
    is_repeatable=True,
)
"""ARGV: until when."""

REVOKE_SUBJECT = Script(
    _LATEST
    + b"""
local stored = redis.call('GET', KEYS[1])
local expires_at, before
if stored then expires_at, before = string.match(stored, '^(%S+) (%S+)$') end
keep(KEYS[1], {latest(expires_at, ARGV[1]), latest(before, ARGV[2])})
return redis.status_reply('OK')
""",
    is_repeatable=True,
)
"""ARGV: until when, issued before when."""


class RedisRevocations:
    """A `RevocationStore`: scripts that only ever strengthen what stands.

    The ids and the subject of one question must be in one slot of a cluster: all revocations share
    one hash tag, and one node of a cluster carries them.
    """

    def __init__(self, dispatcher: Dispatcher, prefix: bytes) -> None:
        self._dispatcher = dispatcher
        self._tag = b"{%b:revocations}:" % prefix

    async def revoke(self, digest: bytes, *, expires_at: float) -> None:
        """Refuse this id from now on, at least until `expires_at`."""
        command = REVOKE.call((self._name(b"id", digest),), (write_number(expires_at),))
        await self._dispatcher.run(command, expect_ok)

    async def revoke_subject(self, subject: bytes, *, before: float, expires_at: float) -> None:
        """Refuse all that was issued to this subject at or before an instant."""
        numbers = (write_number(expires_at), write_number(before))
        command = REVOKE_SUBJECT.call((self._name(b"subject", subject),), numbers)
        await self._dispatcher.run(command, expect_ok)

    async def is_revoked(
        self,
        ids: Sequence[bytes],
        *,
        subject: bytes | None = None,
        issued_at: float | None = None,
        now: float,
    ) -> bool:
        """Tell whether any id is revoked, or the subject at or after `issued_at`."""
        names = [self._name(b"id", digest) for digest in ids]
        if subject is not None:
            names.append(self._name(b"subject", subject))
        if not names:
            return False
        count = len(ids)

        def decode(reply: list[bytes | None]) -> bool:
            if len(reply) != len(names):
                raise ValueError("not an answer for each")
            if any(stored is not None and now < float(stored) for stored in reply[:count]):
                return True
            stored = reply[count] if subject is not None else None
            if stored is None:
                return False
            expires_at, before = map(float, stored.split())
            return now < expires_at and (issued_at is None or issued_at <= before)

        return await self._dispatcher.run(build_read(b"MGET", names), decode, now=now)

    def _name(self, what: bytes, digest: bytes) -> bytes:
        return b"%b%b:%b" % (self._tag, what, write_digest(digest))
