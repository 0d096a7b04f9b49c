"""The steps of refresh families in Lua: what `storage.refresh_steps` decides, inside the server.

A family is a hash. Two sorted sets by the instant at which it is forgotten know of it: its
subject's, and one of all with `DIGEST SUBJECT`, from which a sweep finds what has expired. The
first ARGV is the hash tag, the second the time; the names of other families of a subject are made
of the tag here, as only the server knows which they are.

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
local function list(subject) return tag .. 'subject:' .. subject end

local function read(digest)
  local flat = redis.call('HGETALL', name(digest))
  if #flat == 0 then return nil end
  local family = {}
  for i = 1, #flat, 2 do family[flat[i]] = flat[i + 1] end
  return family
end

local function ends(family)
  local absolute = tonumber(family.absolute)
  if family.ended then return absolute end
  return math.min(tonumber(family.idle), absolute)
end

local function read_known(digest)
  local family = read(digest)
  if family and now < ends(family) then return family end
end

local function unlist(digest, subject)
  redis.call('ZREM', list(subject), digest)
  redis.call('ZREM', all, digest .. ' ' .. subject)
end

local function remove(digest)
  local subject = redis.call('HGET', name(digest), 'subject')
  if not subject then return end
  redis.call('DEL', name(digest))
  unlist(digest, subject)
end

local function enlist(key, member, family)
  redis.call('ZADD', key, number(ends(family)), member)
  local kept = lifetime(ends(family), now)
  if redis.call('PTTL', key) < tonumber(kept) then redis.call('PEXPIRE', key, kept) end
end

local function put(digest, family)
  remove(digest)
  local flat = {}
  for field, value in pairs(family) do
    table.insert(flat, field)
    table.insert(flat, value)
  end
  redis.call('HSET', name(digest), unpack(flat))
  redis.call('PEXPIRE', name(digest), lifetime(ends(family), now))
  enlist(list(family.subject), digest, family)
  enlist(all, digest .. ' ' .. family.subject, family)
end

-- The subject's live families, the one advanced last first.
local function find_live(subject)
  local found = {}
  for _, digest in ipairs(redis.call('ZRANGE', list(subject), 0, -1)) do
    local family = read_known(digest)
    if family and not family.ended then
      table.insert(found,
        {digest = digest, at = tonumber(family.advanced), handle = family.handle})
    end
  end
  table.sort(found, function(one, other)
    if one.at ~= other.at then return one.at > other.at end
    return one.digest > other.digest
  end)
  return found
end
"""
)

OPEN = Script(
    _STEPS
    + b"""
local digest = ARGV[3]
local present = read_known(digest)
if present then
  if present.handle ~= ARGV[4] then return 'taken' end
  return 'opened'
end
local family = {handle = ARGV[4], subject = ARGV[5], data = ARGV[6], created = ARGV[7],
  advanced = ARGV[8], idle = ARGV[9], absolute = ARGV[10], agent = ARGV[11],
  generation = ARGV[12]}
-- Empty for none, else behind an equals sign.
if ARGV[13] ~= '' then family.client = string.sub(ARGV[13], 2) end
put(digest, family)
-- Who signs in often and is never swept still has a short list.
for _, key in ipairs({all, list(family.subject)}) do
  redis.call('ZREMRANGEBYSCORE', key, '-inf', number(now - 300))
end
return 'opened'
""",
    is_repeatable=True,
)
"""ARGV: digest, then the ten other fields."""

ADVANCE = Script(
    _STEPS
    + b"""
local digest, generation, family = ARGV[3], tonumber(ARGV[4]), read_known(ARGV[3])
if not family or generation > tonumber(family.generation) then return {'gone'} end
local age = tonumber(family.generation) - generation
local outcome = 'ended'
if not family.ended then
  if age == 0 then
    outcome = 'rotated'
    family.generation = string.format('%.0f', generation + 1)
    family.advanced = ARGV[2]
    if tonumber(ARGV[6]) > tonumber(family.idle) then family.idle = ARGV[6] end
    put(digest, family)
  elseif age == 1 and now < tonumber(family.advanced) + tonumber(ARGV[5]) then
    outcome = 'retried'
  else
    outcome = 'reused'
    family.ended = '1'
    put(digest, family)
  end
end
return {outcome, string.format('%.0f', age), redis.call('HGETALL', name(digest))}
"""
)
"""ARGV: digest, generation, grace, idle expiry. Not repeatable: the alarm is for one alone."""

REVOKE = Script(
    _STEPS
    + b"""
local family = redis.call('HGETALL', name(ARGV[3]))
if #family == 0 or redis.call('HEXISTS', name(ARGV[3]), 'ended') == 1 then return {} end
remove(ARGV[3])
return family
"""
)
"""ARGV: digest."""

REVOKE_HANDLE = Script(
    _STEPS
    + b"""
for _, digest in ipairs(redis.call('ZRANGE', list(ARGV[3]), 0, -1)) do
  local found = redis.call('HMGET', name(digest), 'handle', 'ended')
  if found[1] == ARGV[4] and not found[2] then
    remove(digest)
    return 1
  end
end
return 0
"""
)
"""ARGV: subject, handle. How many went."""

REVOKE_SUBJECT = Script(
    _STEPS
    + b"""
local keep = string.sub(ARGV[4], 2)
local answer = {}
for _, family in ipairs(find_live(ARGV[3])) do
  if ARGV[4] == '' or family.handle ~= keep then table.insert(answer, family.handle) end
end
for _, digest in ipairs(redis.call('ZRANGE', list(ARGV[3]), 0, -1)) do
  if ARGV[4] == '' or redis.call('HGET', name(digest), 'handle') ~= keep then remove(digest) end
end
return answer
"""
)
"""ARGV: subject, and an equals sign with the handle to keep, or nothing. Handles of the live."""

LIST = Script(
    _STEPS
    + b"""
local answer = {}
for _, family in ipairs(find_live(ARGV[3])) do
  table.insert(answer, {family.digest, redis.call('HGETALL', name(family.digest))})
end
return answer
""",
    is_repeatable=True,
    writes=False,
)
"""ARGV: subject."""

SWEEP = Script(
    _STEPS
    + b"""
local ended = redis.call('ZRANGEBYSCORE', all, '-inf', ARGV[2], 'LIMIT', '0', ARGV[3])
for _, member in ipairs(ended) do
  local digest, subject = string.match(member, '^(%S+) (.*)$')
  redis.call('DEL', name(digest))
  unlist(digest, subject)
end
return #ended
"""
)
"""ARGV: how many at once. How many went."""
