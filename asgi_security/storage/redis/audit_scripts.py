"""The append to an audit chain in Lua.

A chain is a stream whose ids are the numbers of its records, which the server takes in ascending
order only; beside it stands its head, as text: the number, a blank, the seal. A sorted set holds
the names of all chains.

Atomic because a server runs one script at a time.
"""

from __future__ import annotations

from asgi_security.storage.redis.commands import Script

APPEND = Script(
    b"""
local chain, after, made = ARGV[1], ARGV[2], ARGV[3]
local head = redis.call('GET', KEYS[1]) or ''
local number = string.match(made, '^%d+') .. '-0'
local standing = redis.call('XRANGE', KEYS[2], number, number)[1]
if standing then
  for place = 1, #standing[2], 2 do
    if standing[2][place] == 'mac' and standing[2][place + 1] == string.match(made, ' (.*)$') then
      return {'appended', head}  -- before, and its answer was lost
    end
  end
end
if head ~= after then return {'moved', head} end
local place = 4
while place <= #ARGV do
  local fields = {}
  for field = 1, tonumber(ARGV[place + 1]) do fields[field] = ARGV[place + 1 + field] end
  redis.call('XADD', KEYS[2], ARGV[place], unpack(fields))
  place = place + 2 + #fields
end
redis.call('SET', KEYS[1], made)
redis.call('ZADD', KEYS[3], 0, chain)
return {'appended', made}
""",
    is_repeatable=True,
)
"""ARGV: chain, the head it must have, the head it gets; then of each record the id, the count of
what follows, fields and values in turn. What happened, and the head."""
