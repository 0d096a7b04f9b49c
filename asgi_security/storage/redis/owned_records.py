"""Records that expire and have an owner, in Lua: what sessions and refresh families have in common.

A record is a hash. Two sorted sets by the instant at which it is forgotten know of it: its owner's,
and one of all with `DIGEST OWNER`, from which a sweep finds what has expired. The first ARGV is the
hash tag, the second the time; the names of other records of an owner are made of the tag here, as
only the server knows which they are.

Atomic because a server runs one script at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgi_security.storage.redis.commands import Script, write_digest, write_number
from asgi_security.storage.redis.lua import LIFETIME

if TYPE_CHECKING:
    from asgi_security.storage.redis.commands import Command
    from asgi_security.storage.redis.dispatcher import Dispatcher

_RECORDS = b"""
local tag, now = ARGV[1], tonumber(ARGV[2])
local all = tag .. 'all'
local function name(digest) return tag .. 'id:' .. digest end
local function list(owner) return tag .. owner_field .. ':' .. owner end

local function read(digest)
  local flat = redis.call('HGETALL', name(digest))
  if #flat == 0 then return nil end
  local record = {}
  for i = 1, #flat, 2 do record[flat[i]] = flat[i + 1] end
  return record
end

local function read_known(digest)
  local record = read(digest)
  if record and now < ends(record) then return record end
end

local function unlist(digest, owner)
  if owner then redis.call('ZREM', list(owner), digest) end
  redis.call('ZREM', all, digest .. ' ' .. (owner or ''))
end

local function remove(digest)
  local owner = redis.call('HGET', name(digest), owner_field)
  if redis.call('DEL', name(digest)) == 0 then return 0 end
  unlist(digest, owner)
  return 1
end

local function enlist(key, member, record)
  redis.call('ZADD', key, number(ends(record)), member)
  local kept = lifetime(ends(record), now)
  if redis.call('PTTL', key) < tonumber(kept) then redis.call('PEXPIRE', key, kept) end
end

local function put(digest, record)
  local owner = record[owner_field]
  remove(digest)
  local flat = {}
  for field, value in pairs(record) do
    table.insert(flat, field)
    table.insert(flat, value)
  end
  redis.call('HSET', name(digest), unpack(flat))
  redis.call('PEXPIRE', name(digest), lifetime(ends(record), now))
  if owner then enlist(list(owner), digest, record) end
  enlist(all, digest .. ' ' .. (owner or ''), record)
end

-- Who begins often and is never swept still has a short list.
local function shorten(owner)
  for _, key in ipairs({all, owner and list(owner) or all}) do
    redis.call('ZREMRANGEBYSCORE', key, '-inf', number(now - 300))
  end
end

-- The owner's live records, the one used last first.
local function find_live(owner)
  local found = {}
  for _, digest in ipairs(redis.call('ZRANGE', list(owner), 0, -1)) do
    local record = read_known(digest)
    if record and not record.ended then
      table.insert(found,
        {digest = digest, at = tonumber(record[used_field]), handle = record.handle})
    end
  end
  table.sort(found, function(one, other)
    if one.at ~= other.at then return one.at > other.at end
    return one.digest > other.digest
  end)
  return found
end
"""


def build_steps(*, owner: bytes, used: bytes, ends: bytes) -> bytes:
    """Return what the scripts of one kind of record begin with.

    Args:
        owner: the field that names the owner; empty for none.
        used: the field with the instant of the last use.
        ends: the body of a Lua function from a `record` to when it is forgotten. A record with the
            field `ended` is not listed any more.
    """
    fields = b"local owner_field, used_field = '%b', '%b'\n" % (owner, used)
    return LIFETIME + fields + b"local function ends(record)" + ends + b"end\n" + _RECORDS


def build_list(steps: bytes) -> Script:
    """Return the script that lists an owner's live records. ARGV: owner."""
    return Script(
        steps
        + b"""
local answer = {}
for _, found in ipairs(find_live(ARGV[3])) do
  table.insert(answer, {found.digest, redis.call('HGETALL', name(found.digest))})
end
return answer
""",
        is_repeatable=True,
        writes=False,
    )


def build_sweep(steps: bytes) -> Script:
    """Return the script that forgets what has expired. ARGV: how many at once. How many went."""
    return Script(
        steps
        + b"""
local ended = redis.call('ZRANGEBYSCORE', all, '-inf', ARGV[2], 'LIMIT', '0', ARGV[3])
for _, member in ipairs(ended) do
  local digest, owner = string.match(member, '^(%S+) (.*)$')
  redis.call('DEL', name(digest))
  unlist(digest, owner ~= '' and owner or nil)
end
return #ended
"""
    )


class OwnedRecords:
    """Calls the scripts of one kind of record, all under one hash tag."""

    def __init__(self, dispatcher: Dispatcher, prefix: bytes, word: bytes, sweep: Script) -> None:
        self._dispatcher = dispatcher
        self._tag = b"{%b:%b}:" % (prefix, word)
        self._sweep = sweep

    async def sweep(self, now: float, limit: int) -> int:
        """Drop up to `limit` records that have expired, from the lists too."""
        return await self._dispatcher.run(self._call(self._sweep, b"", now, b"%d" % limit), int)

    def _call(self, script: Script, digest: bytes, now: float, *arguments: bytes) -> Command:
        return script.call((self._name(digest),), (self._tag, write_number(now), *arguments))

    def _name(self, digest: bytes) -> bytes:
        return self._tag + b"id:" + write_digest(digest)
