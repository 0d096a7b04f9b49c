"""The steps of sessions in Lua: what `storage.session_steps` decides, inside the server.

A session is a hash. Two sorted sets by the instant of its end know of it: its user's, and one of
all with `DIGEST USER`, from which a sweep finds what has ended. The first ARGV is the hash tag, the
second the time; the names of other sessions of a user are made of the tag here, as only the server
knows which they are.

Atomic because a server runs one script at a time.
"""

from __future__ import annotations

from asgi_security.storage.redis.commands import Script
from asgi_security.storage.redis.lua import LIFETIME

_STEPS = (
    LIFETIME
    + b"""
local tag, now = ARGV[1], tonumber(ARGV[2])
local all = tag .. 'all'
local function name(digest) return tag .. 'id:' .. digest end
local function list(user) return tag .. 'user:' .. user end

local function read(digest)
  local flat = redis.call('HGETALL', name(digest))
  if #flat == 0 then return nil end
  local record = {}
  for i = 1, #flat, 2 do record[flat[i]] = flat[i + 1] end
  return record
end

local function ends(record) return math.min(tonumber(record.idle), tonumber(record.absolute)) end

local function read_alive(digest)
  local record = read(digest)
  if record and now < ends(record) then return record end
end

-- A record given as ten arguments; user and client are empty for none, else behind an equals sign.
local function given(first)
  local record = {handle = ARGV[first], data = ARGV[first + 1], created = ARGV[first + 2],
    seen = ARGV[first + 3], idle = ARGV[first + 4], absolute = ARGV[first + 5],
    agent = ARGV[first + 6], version = ARGV[first + 7]}
  if ARGV[first + 8] ~= '' then record.user = string.sub(ARGV[first + 8], 2) end
  if ARGV[first + 9] ~= '' then record.client = string.sub(ARGV[first + 9], 2) end
  return record
end

local function next_version(record)
  return string.format('%d', tonumber(record.version) + 1)
end

local function unlist(digest, user)
  if user then redis.call('ZREM', list(user), digest) end
  redis.call('ZREM', all, digest .. ' ' .. (user or ''))
end

local function remove(digest)
  local user = redis.call('HGET', name(digest), 'user')
  if redis.call('DEL', name(digest)) == 0 then return 0 end
  unlist(digest, user)
  return 1
end

local function enlist(key, member, record)
  redis.call('ZADD', key, number(ends(record)), member)
  local kept = lifetime(ends(record), now)
  if redis.call('PTTL', key) < tonumber(kept) then redis.call('PEXPIRE', key, kept) end
end

local function put(digest, record)
  remove(digest)
  local flat = {}
  for field, value in pairs(record) do
    table.insert(flat, field)
    table.insert(flat, value)
  end
  redis.call('HSET', name(digest), unpack(flat))
  redis.call('PEXPIRE', name(digest), lifetime(ends(record), now))
  if record.user then enlist(list(record.user), digest, record) end
  enlist(all, digest .. ' ' .. (record.user or ''), record)
end

local function same(one, other)
  for _, field in ipairs({'handle', 'data', 'agent', 'version', 'user', 'client'}) do
    if one[field] ~= other[field] then return false end
  end
  for _, field in ipairs({'created', 'seen', 'idle', 'absolute'}) do
    if tonumber(one[field]) ~= tonumber(other[field]) then return false end
  end
  return true
end

local function conflict(digest)
  return {'conflict', digest, redis.call('HGETALL', name(digest))}
end

-- The user's live sessions, the one seen last first.
local function find_others(user)
  local others = {}
  for _, digest in ipairs(redis.call('ZRANGE', list(user), 0, -1)) do
    local record = read_alive(digest)
    if record then
      table.insert(others, {digest = digest, seen = tonumber(record.seen), handle = record.handle})
    end
  end
  table.sort(others, function(one, other)
    if one.seen ~= other.seen then return one.seen > other.seen end
    return one.digest > other.digest
  end)
  return others
end
"""
)

CREATE = Script(
    _STEPS
    + b"""
local digest, limit, evict, record = ARGV[3], tonumber(ARGV[4]), ARGV[5] == '1', given(6)
local present = read_alive(digest)
if present then
  if present.handle ~= record.handle then return {'taken'} end
  return {'created'}
end
local answer = {'created'}
if limit then
  local others = record.user and find_others(record.user) or {}
  if limit < 1 or (#others >= limit and not evict) then return {'full'} end
  for place = #others, limit, -1 do
    remove(others[place].digest)
    table.insert(answer, others[place].handle)
  end
end
put(digest, record)
-- Who signs in often and is never swept still has a short list.
for _, key in ipairs({all, record.user and list(record.user) or all}) do
  redis.call('ZREMRANGEBYSCORE', key, '-inf', number(now - 300))
end
return answer
"""
)
"""ARGV: digest, limit or nothing, 1 to evict, record."""

SAVE = Script(
    _STEPS
    + b"""
local digest, record = ARGV[3], given(4)
local current = read_alive(digest)
if not current then return {'gone'} end
local wanted = {}
for field, value in pairs(current) do wanted[field] = value end
wanted.user, wanted.data, wanted.seen = record.user, record.data, record.seen
wanted.idle, wanted.version = record.idle, next_version(record)
if same(current, wanted) then return {'saved', wanted.version} end
if current.version ~= record.version then return conflict(digest) end
put(digest, wanted)
return {'saved', wanted.version}
""",
    is_repeatable=True,
)
"""ARGV: digest, record."""

TOUCH = Script(
    _STEPS
    + b"""
local digest, current = ARGV[3], read_alive(ARGV[3])
if not current then return 0 end
local moves = false
for field, value in pairs({seen = ARGV[4], idle = ARGV[5]}) do
  if tonumber(value) > tonumber(current[field]) then
    current[field] = value
    moves = true
  end
end
if moves then put(digest, current) end
return 1
""",
    is_repeatable=True,
)
"""ARGV: digest, seen and idle expiry. 1 if it is alive."""

REPLACE = Script(
    _STEPS
    + b"""
local digest, fresh, record = ARGV[3], ARGV[4], given(5)
local current, standing = read_alive(digest), read_alive(fresh)
local expected = record.version
record.version = next_version(record)
if not current then
  if standing and same(standing, record) then return {'saved', record.version} end
  return {'gone'}
end
if current.version ~= expected or (standing and digest ~= fresh) then return conflict(digest) end
remove(digest)
put(fresh, record)
return {'saved', record.version}
""",
    is_repeatable=True,
)
"""ARGV: digest, digest of the new, record."""

DELETE = Script(_STEPS + b"return remove(ARGV[3])\n")
"""ARGV: digest. How many went."""

DELETE_FOR = Script(
    _STEPS
    + b"""
local count = 0
for _, digest in ipairs(redis.call('ZRANGE', list(ARGV[3]), 0, -1)) do
  local goes = digest ~= ARGV[4]
  if ARGV[5] then goes = redis.call('HGET', name(digest), 'handle') == ARGV[5] end
  if goes then count = count + remove(digest) end
end
return count
"""
)
"""ARGV: user, digest to keep or nothing, and the only handle to delete if there is one."""

LIST = Script(
    _STEPS
    + b"""
local answer = {}
for _, other in ipairs(find_others(ARGV[3])) do
  table.insert(answer, {other.digest, redis.call('HGETALL', name(other.digest))})
end
return answer
""",
    is_repeatable=True,
    writes=False,
)
"""ARGV: user."""

SWEEP = Script(
    _STEPS
    + b"""
local ended = redis.call('ZRANGEBYSCORE', all, '-inf', ARGV[2], 'LIMIT', '0', ARGV[3])
for _, member in ipairs(ended) do
  local digest, user = string.match(member, '^(%S+) (.*)$')
  redis.call('DEL', name(digest))
  unlist(digest, user ~= '' and user or nil)
end
return #ended
"""
)
"""ARGV: how many at once. How many went."""
