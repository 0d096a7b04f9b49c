"""The steps of attempts in Lua: what `storage.attempt_steps` does, inside the server.

A row is one string: `FAILURES LAST` and, for each open charge in the order of its sequence,
`TICKET CHARGED_AT SEQUENCE LATER_FAILURES`, parted by blanks; LAST is `-` if there is none. Numbers
are written with 17 digits, so that a double comes back as it was.

Atomic because a server runs one script at a time.
"""

from __future__ import annotations

from asgi_security.storage.redis.commands import Script
from asgi_security.storage.redis.lua import LIFETIME

_STEPS = (
    LIFETIME
    + b"""
local function parse_schedule(text)
  local threshold, window, timeout, most, cooldowns =
    string.match(text, '^.(%S+) (%S+) (%S+) (%S+) ?(.*)$')
  return {threshold = tonumber(threshold), window = tonumber(window),
    timeout = tonumber(timeout), most = tonumber(most), cooldowns = cooldowns}
end

local function lock_end(failures, last, schedule)
  if schedule.most and failures >= schedule.most then return math.huge end
  local beyond = failures - schedule.threshold
  if beyond < 0 or schedule.cooldowns == '' then return last end
  if not schedule.steps then
    schedule.steps = {}
    for step in string.gmatch(schedule.cooldowns, '%S+') do
      table.insert(schedule.steps, tonumber(step))
    end
  end
  return last + schedule.steps[math.min(beyond + 1, #schedule.steps)]
end

local function load(key)
  local row = {key = key, failures = 0, charges = {}}
  row.stored = redis.call('GET', key)
  if row.stored then
    local words = {}
    for word in string.gmatch(row.stored, '%S+') do words[#words + 1] = word end
    row.failures, row.last = tonumber(words[1]), tonumber(words[2])
    for i = 3, #words, 4 do
      table.insert(row.charges, {ticket = words[i], at = tonumber(words[i + 1]),
        sequence = tonumber(words[i + 2]), later = tonumber(words[i + 3])})
    end
  end
  return row
end

local function fail(row, sequence, at)
  row.failures = row.failures + 1
  if not row.last or row.last < at then row.last = at end
  for _, charge in ipairs(row.charges) do
    if charge.sequence < sequence then charge.later = charge.later + 1 end
  end
end

local function fail_charges(row, charged_until)
  local ripe, open = {}, {}
  for _, charge in ipairs(row.charges) do
    table.insert(charge.at <= charged_until and ripe or open, charge)
  end
  row.charges = open
  for _, charge in ipairs(ripe) do fail(row, charge.sequence, charge.at) end
end

local function age(row, schedule, now)
  if row.last and now < row.last then row.last = now end
  local timed_out = now - schedule.timeout
  local stale = false
  for _, charge in ipairs(row.charges) do
    if not (timed_out < charge.at and charge.at <= now) then stale = true end
  end
  if stale then
    for _, charge in ipairs(row.charges) do charge.at = math.min(charge.at, now) end
    fail_charges(row, timed_out)
  end
  if row.last and now >= lock_end(row.failures, row.last, schedule) + schedule.window then
    row.failures, row.last = 0, nil
    for _, charge in ipairs(row.charges) do charge.later = 0 end
  end
end

local function find(row, ticket)
  for place, charge in ipairs(row.charges) do
    if charge.ticket == ticket then return place, charge end
  end
end

local function write(row)
  if row.failures == 0 and #row.charges == 0 then return '' end
  local words = {string.format('%d', row.failures), row.last and number(row.last) or '-'}
  for _, charge in ipairs(row.charges) do
    table.insert(words, string.format('%s %s %d %d', charge.ticket, number(charge.at),
      charge.sequence, charge.later))
  end
  return table.concat(words, ' ')
end

local function expiry(row, schedule)
  local failures, last, timed_out = row.failures, row.last, -math.huge
  for _, charge in ipairs(row.charges) do
    failures = failures + 1
    last = math.max(last or charge.at, charge.at)
    timed_out = math.max(timed_out, charge.at + schedule.timeout)
  end
  return math.max(lock_end(failures, last, schedule) + schedule.window, timed_out)
end

local function save(rows, now)
  for _, row in ipairs(rows) do
    local text = write(row)
    if text == '' then
      if row.stored then redis.call('DEL', row.key) end
    elseif text ~= row.stored then
      redis.call('SET', row.key, text, 'PX', lifetime(expiry(row, row.schedule), now))
    end
  end
end

-- A key's row under its current digest has the role 1, or 2 where a success makes it forgotten;
-- rows under its old digests follow with the role 0. A key given twice is one row.
local function load_all(first, count, now)
  local judged, rows, by_key = {}, {}, {}
  for place = 1, count do
    local key, argument = KEYS[place], ARGV[first + place - 1]
    local row = by_key[key]
    if not row then
      row = load(key)
      by_key[key] = row
      table.insert(rows, row)
    end
    row.schedule = parse_schedule(argument)
    age(row, row.schedule, now)
    judged[place] = {row = row, role = string.sub(argument, 1, 1), schedule = row.schedule}
  end
  return judged, rows
end
"""
)

CHARGE = Script(
    _STEPS
    + b"""
local ticket, now = ARGV[1], tonumber(ARGV[2])
local judged, rows = load_all(3, #KEYS, now)
for _, each in ipairs(judged) do
  if each.role ~= '0' then
    local _, charge = find(each.row, ticket)
    if charge then
      save(rows, now)
      return 'A' .. number(charge.at)
    end
  end
end
local ends, busy = -math.huge, false
for _, each in ipairs(judged) do
  local row, locked_until = each.row, -math.huge
  if row.last then locked_until = lock_end(row.failures, row.last, each.schedule) end
  if now < locked_until then
    ends = math.max(ends, locked_until)
  elseif #row.charges >= math.max(1, each.schedule.threshold - row.failures) then
    busy = true
  end
end
local answer
if ends == math.huge then answer = 'L'
elseif ends > -math.huge then answer = 'L' .. number(ends)
elseif busy then answer = 'B'
else
  answer = 'A' .. number(now)
  for _, each in ipairs(judged) do
    if each.role ~= '0' and not find(each.row, ticket) then
      local last = each.row.charges[#each.row.charges]
      table.insert(each.row.charges,
        {ticket = ticket, at = now, sequence = last and last.sequence + 1 or 1, later = 0})
    end
  end
end
save(rows, now)
return answer
""",
    is_repeatable=True,
)
"""ARGV: ticket, now, then role and schedule of each key. `A` and when it was charged; `L` and
until when it is locked, nothing for until it is cleared; `B` for busy."""

SETTLE = Script(
    _STEPS
    + b"""
local ticket, now, outcome, count = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local judged, rows = load_all(5, count, now)
local answer, was_open = {}, false
for place, each in ipairs(judged) do answer[place] = write(each.row) end
local forgotten = false
for _, each in ipairs(judged) do
  local row = each.row
  if each.role ~= '0' then
    local place, charge = find(row, ticket)
    forgotten = false
    if place then
      was_open = true
      table.remove(row.charges, place)
      if outcome == 'failure' then
        fail(row, charge.sequence, charge.at)
      elseif outcome == 'success' and each.role == '2' then
        forgotten = true
        row.failures = charge.later
        if row.failures == 0 then row.last = nil end
        local later = {}
        for _, other in ipairs(row.charges) do
          if other.sequence >= charge.sequence then table.insert(later, other) end
        end
        row.charges = later
      end
    end
  elseif forgotten then
    row.failures, row.last, row.charges = 0, nil, {}
  end
end
save(rows, now)
if not was_open then return false end
for place, each in ipairs(judged) do answer[count + place] = write(each.row) end
if #KEYS > count then
  -- A record is for people to look at: failing to keep it fails nothing else.
  local at, record, oldest = ARGV[5 + count], ARGV[6 + count], ARGV[7 + count]
  local turn = redis.pcall('INCR', KEYS[count + 1])
  if type(turn) == 'number' then
    redis.pcall('PEXPIRE', KEYS[count + 1], ARGV[8 + count])
    for place = count + 2, #KEYS do
      local most = place == count + 2 and ARGV[9 + count] or ARGV[10 + count]
      redis.pcall('ZADD', KEYS[place], at, string.format('%016d', turn) .. record)
      redis.pcall('ZREMRANGEBYRANK', KEYS[place], 0, -1 - tonumber(most))
      redis.pcall('ZREMRANGEBYSCORE', KEYS[place], '-inf', oldest)
      redis.pcall('PEXPIRE', KEYS[place], ARGV[8 + count])
    end
  end
end
return answer
"""
)
"""KEYS: rows; then the records' counter, all records, and those of the account and the client.
ARGV: ticket, now, outcome, count of rows, role and schedule of each; then for a record its instant,
its text, the oldest instant kept, the lifetime, and how many are kept in all and of one key. The
rows before and after, or nothing."""

ADD_FAILURE = Script(
    _STEPS
    + b"""
local now = tonumber(ARGV[1])
local judged, rows = load_all(2, #KEYS, now)
for _, each in ipairs(judged) do
  if each.role ~= '0' then fail(each.row, math.huge, now) end
end
save(rows, now)
return 'OK'
"""
)
"""ARGV: now, then role and schedule of each key."""

SWEEP_RECORDS = Script(
    b"""
local old = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', '0', ARGV[2])
if #old > 0 then redis.call('ZREM', KEYS[1], unpack(old)) end
return #old
"""
)
"""ARGV: the oldest instant kept, how many at once. How many went."""
