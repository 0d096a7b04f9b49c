"""The steps of sessions in Lua: what `storage.session_steps` decides, inside the server.

A session is an owned record; its user may be none.
"""

from __future__ import annotations

from asgi_security.storage.redis.commands import Script
from asgi_security.storage.redis.owned_records import build_list, build_steps, build_sweep

_STEPS = (
    build_steps(
        owner=b"user",
        used=b"seen",
        ends=b" return math.min(tonumber(record.idle), tonumber(record.absolute)) ",
    )
    + b"""
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
"""
)

CREATE = Script(
    _STEPS
    + b"""
local digest, limit, evict, record = ARGV[3], tonumber(ARGV[4]), ARGV[5] == '1', given(6)
local present = read_known(digest)
if present then
  if present.handle ~= record.handle then return {'taken'} end
  return {'created'}
end
local answer = {'created'}
if limit then
  local others = record.user and find_live(record.user) or {}
  if limit < 1 or (#others >= limit and not evict) then return {'full'} end
  for place = #others, limit, -1 do
    remove(others[place].digest)
    table.insert(answer, others[place].handle)
  end
end
put(digest, record)
shorten(record.user)
return answer
"""
)
"""ARGV: digest, limit or nothing, 1 to evict, record."""

SAVE = Script(
    _STEPS
    + b"""
local digest, record = ARGV[3], given(4)
local current = read_known(digest)
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
local digest, current = ARGV[3], read_known(ARGV[3])
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
local current, standing = read_known(digest), read_known(fresh)
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

LIST = build_list(_STEPS)
SWEEP = build_sweep(_STEPS)
