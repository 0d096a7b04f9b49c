"""The steps of accounts and API keys in Lua: `storage.account_steps`, inside the server.

An account is a hash, and its name a key that holds its id. Its factors are one hash, a field each:
`CREATED STEP DATA`. An identity is a hash, and the set of its account knows of it. An API key is a
hash, and the set of its account knows of it. None of them expires. The first ARGV is the hash tag,
of which the names of further keys are made here, as only the server knows which they are.

Atomic because a server runs one script at a time.
"""

from __future__ import annotations

from asgi_security.storage.redis.commands import Script

_ACCOUNTS = b"""
local tag = ARGV[1]
local function account(id) return tag .. 'id:' .. id end
local function factors(id) return tag .. 'factors:' .. id end
local function linked(id) return tag .. 'linked:' .. id end
local function named(name) return tag .. 'name:' .. name end
local function identity(place) return tag .. 'identity:' .. place end

local function exists(id) return redis.call('EXISTS', account(id)) == 1 end

local function link(place, id, created, data)
  redis.call('HSET', identity(place), 'account', id, 'created', created, 'data', data)
  redis.call('SADD', linked(id), place)
end
"""

CREATE = Script(
    _ACCOUNTS
    + b"""
local id, name, created = ARGV[2], ARGV[3], ARGV[4]
local standing = redis.call('HGET', account(id), 'created')
if standing then
  if tonumber(standing) ~= tonumber(created) then return {'taken'} end
  return {'created'}
end
if redis.call('EXISTS', named(name)) == 1 then return {'name taken'} end
if ARGV[5] ~= '' then
  local owner = redis.call('HGET', identity(ARGV[5]), 'account')
  if owner then return {'identity taken', owner} end
  link(ARGV[5], id, ARGV[6], ARGV[7])
end
redis.call('SET', named(name), id)
redis.call('HSET', account(id), 'name', name, 'created', created, unpack(ARGV, 8))
return {'created'}
""",
    is_repeatable=True,
)
"""ARGV: id, name, created, place of an identity or nothing, its created and data, fields."""

FIND = Script(
    _ACCOUNTS
    + b"""
local id = redis.call('GET', named(ARGV[2]))
if not id then return {} end
return {id, redis.call('HGETALL', account(id))}
""",
    is_repeatable=True,
    writes=False,
)
"""ARGV: name."""

SAVE = Script(
    _ACCOUNTS
    + b"""
local id, name, version = ARGV[2], ARGV[3], ARGV[4]
local flat = redis.call('HGETALL', account(id))
if #flat == 0 then return {'gone'} end
local current = {}
for i = 1, #flat, 2 do current[flat[i]] = flat[i + 1] end
local following = string.format('%d', tonumber(version) + 1)
if current.version == following and current.name == name then
  local same = true
  for i = 5, #ARGV, 2 do same = same and current[ARGV[i]] == ARGV[i + 1] end
  if same then return {'saved', following} end
end
if current.version ~= version then return {'conflict', id, flat} end
if current.name ~= name then
  if redis.call('EXISTS', named(name)) == 1 then return {'name taken'} end
  redis.call('DEL', named(current.name))
  redis.call('SET', named(name), id)
end
redis.call('HSET', account(id), 'name', name, 'version', following, unpack(ARGV, 5))
return {'saved', following}
""",
    is_repeatable=True,
)
"""ARGV: id, name, version, fields but for the version."""

DELETE = Script(
    _ACCOUNTS
    + b"""
local id = ARGV[2]
local name = redis.call('HGET', account(id), 'name')
if not name then return 0 end
for _, place in ipairs(redis.call('SMEMBERS', linked(id))) do
  redis.call('DEL', identity(place))
end
redis.call('DEL', account(id), named(name), factors(id), linked(id))
return 1
"""
)
"""ARGV: id. How many went."""

REPLACE_FACTORS = Script(
    _ACCOUNTS
    + b"""
local id, start = ARGV[2], ARGV[3]
if not exists(id) then return 0 end
for _, field in ipairs(redis.call('HKEYS', factors(id))) do
  if string.sub(field, 1, #start) == start then redis.call('HDEL', factors(id), field) end
end
for i = 4, #ARGV, 2 do redis.call('HSET', factors(id), ARGV[i], ARGV[i + 1]) end
return 1
""",
    is_repeatable=True,
)
"""ARGV: account, what the fields of the kind begin with, fields and values."""

ADVANCE_FACTOR = Script(
    _ACCOUNTS
    + b"""
local stored = redis.call('HGET', factors(ARGV[2]), ARGV[3])
if not stored then return 0 end
local created, step, data = string.match(stored, '^(%S+) (%S+) (.*)$')
if tonumber(ARGV[4]) <= tonumber(step) then return 0 end
redis.call('HSET', factors(ARGV[2]), ARGV[3], created .. ' ' .. ARGV[4] .. ' ' .. data)
return 1
"""
)
"""ARGV: account, field, step. 1 if it was recorded."""

LINK = Script(
    _ACCOUNTS
    + b"""
local place, id = ARGV[2], ARGV[3]
if not exists(id) then return {'gone'} end
local owner = redis.call('HGET', identity(place), 'account')
if owner == id then return {'linked'} end
if owner then return {'taken', owner} end
link(place, id, ARGV[4], ARGV[5])
return {'linked'}
""",
    is_repeatable=True,
)
"""ARGV: place, account, created, data."""

LIST_IDENTITIES = Script(
    _ACCOUNTS
    + b"""
local answer = {}
for _, place in ipairs(redis.call('SMEMBERS', linked(ARGV[2]))) do
  table.insert(answer, {place, redis.call('HGETALL', identity(place))})
end
return answer
""",
    is_repeatable=True,
    writes=False,
)
"""ARGV: account."""

UNLINK = Script(
    _ACCOUNTS
    + b"""
local id, place = ARGV[2], ARGV[3]
if redis.call('SISMEMBER', linked(id), place) == 0 then return 1 end
if redis.call('SCARD', linked(id)) <= tonumber(ARGV[4]) then return 0 end
redis.call('SREM', linked(id), place)
redis.call('DEL', identity(place))
return 1
""",
    is_repeatable=True,
)
"""ARGV: account, place, how many others must stay. 0 if too few would."""

_KEYS = b"""
local tag = ARGV[1]
local function key(id) return tag .. 'id:' .. id end
local function owned(account) return tag .. 'account:' .. account end
local function revoke(id, at) return redis.call('HSETNX', key(id), 'revoked', at) end
"""

CREATE_KEY = Script(
    _KEYS
    + b"""
local id, account, digest = ARGV[2], ARGV[3], ARGV[4]
local standing = redis.call('HMGET', key(id), 'account', 'digest')
if standing[1] then
  if standing[1] == account and standing[2] == digest then return 1 end
  return 0
end
redis.call('HSET', key(id), 'account', account, 'digest', digest, unpack(ARGV, 5))
redis.call('SADD', owned(account), id)
return 1
""",
    is_repeatable=True,
)
"""ARGV: id, account, digest, fields. 0 if another one has the id."""

TOUCH_KEY = Script(
    _KEYS
    + b"""
if redis.call('EXISTS', key(ARGV[2])) == 0 then return 0 end
local used = redis.call('HGET', key(ARGV[2]), 'used')
if not used or tonumber(ARGV[3]) > tonumber(used) then
  redis.call('HSET', key(ARGV[2]), 'used', ARGV[3])
end
return 1
""",
    is_repeatable=True,
)
"""ARGV: id, used. 1 if there is one."""

REVOKE_KEY = Script(
    _KEYS
    + b"""
if redis.call('SISMEMBER', owned(ARGV[2]), ARGV[3]) == 0 then return 0 end
revoke(ARGV[3], ARGV[4])
return 1
""",
    is_repeatable=True,
)
"""ARGV: account, id, now. 1 if the account has it."""

REVOKE_KEYS = Script(
    _KEYS
    + b"""
local count = 0
for _, id in ipairs(redis.call('SMEMBERS', owned(ARGV[2]))) do
  count = count + revoke(id, ARGV[3])
end
return count
"""
)
"""ARGV: account, now. How many were revoked now."""

DELETE_KEY = Script(
    _KEYS
    + b"""
if redis.call('SREM', owned(ARGV[2]), ARGV[3]) == 0 then return 0 end
return redis.call('DEL', key(ARGV[3]))
"""
)
"""ARGV: account, id. How many went."""

LIST_KEYS = Script(
    _KEYS
    + b"""
local answer = {}
for _, id in ipairs(redis.call('SMEMBERS', owned(ARGV[2]))) do
  table.insert(answer, {id, redis.call('HGETALL', key(id))})
end
return answer
""",
    is_repeatable=True,
    writes=False,
)
"""ARGV: account."""
