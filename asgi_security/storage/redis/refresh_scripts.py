"""The steps of refresh families in Lua: what `storage.refresh_steps` decides, inside the server.

A family is an owned record; one that was ended by reuse stays known, and is listed no more.
"""

from __future__ import annotations

from asgi_security.storage.redis.commands import Script
from asgi_security.storage.redis.owned_records import build_list, build_steps, build_sweep

_STEPS = build_steps(
    owner=b"subject",
    used=b"advanced",
    ends=b"""
  local absolute = tonumber(record.absolute)
  if record.ended then return absolute end
  return math.min(tonumber(record.idle), absolute)
""",
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
shorten(family.subject)
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

LIST = build_list(_STEPS)
SWEEP = build_sweep(_STEPS)
