"""Quotas in Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgi_security.storage.redis.commands import Script, write_digest
from asgi_security.storage.redis.lua import LIFETIME
from asgi_security.storage.throttle_steps import count_microseconds, take_units

if TYPE_CHECKING:
    from asgi_security.storage.protocols import ThrottleRule, ThrottleState
    from asgi_security.storage.redis.dispatcher import Dispatcher

TAKE = Script(
    LIFETIME
    + b"""
local at, window, limit, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]),
  tonumber(ARGV[4])
local stored = redis.call('GET', KEYS[1])
local whole_at, taken = tonumber(stored or '0'), nil
if ARGV[5] == '1' then
  local ends, used = at - math.fmod(at, window) + window, 0
  if whole_at > ends then
    used = math.fmod(whole_at, window)
    ends = whole_at - used
  end
  if used + cost <= limit then taken = ends + used + cost end
else
  local period = (window - math.fmod(window, limit)) / limit
  if math.fmod(window, limit) > 0 then period = period + 1 end
  local after = math.max(at, whole_at) + cost * period
  if after - limit * period - at <= 0 then taken = after end
end
if taken then
  redis.call('SET', KEYS[1], string.format('%.0f', taken), 'PX', lifetime(taken / 1e6, at / 1e6))
end
return stored or '0'
"""
)
"""ARGV: now and the window in microseconds, limit, cost, 1 for a fixed window. What was stored."""


class RedisThrottles:
    """A `ThrottleStore`: `storage.throttle_steps` in Lua, on one key, so that a cluster spreads.

    The script moves the instant and tells what it was; what that means is computed here. Its
    numbers are whole microseconds below 2^53, of which a double is exact.
    """

    def __init__(self, dispatcher: Dispatcher, prefix: bytes) -> None:
        self._dispatcher = dispatcher
        self._prefix = prefix

    async def take(
        self, digest: bytes, rule: ThrottleRule, *, now: float, cost: int = 1
    ) -> ThrottleState:
        """Take units, or none.

        Atomic because a server runs one script at a time.
        """
        instants = (count_microseconds(now), count_microseconds(rule.window_seconds))
        numbers = (*instants, rule.limit, cost, rule.fixed_window)
        name = b"%b:throttle:%b" % (self._prefix, write_digest(digest))
        command = TAKE.call((name,), [b"%d" % number for number in numbers])
        return await self._dispatcher.run(
            command, lambda reply: take_units(int(reply), rule, now=now, cost=cost)[0], now=now
        )
