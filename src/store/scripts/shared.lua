-- Stands before every script. All numbers are below 2^53 and come as text, which `tonumber` reads exactly.

-- The text of a whole number: Lua's own has 14 digits.
local function text(number)
  return string.format('%.0f', number)
end

-- The server's clock, microseconds since 1970.
local function now_us()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

-- Is (epoch, nonce, rev) at least (epoch2, nonce2, rev2)?
local function reaches(epoch, nonce, rev, epoch2, nonce2, rev2)
  if epoch ~= epoch2 then return epoch > epoch2 end
  if nonce ~= nonce2 then return nonce > nonce2 end
  return rev >= rev2
end

-- ARGV is read from the left to the right. A list is its length, then its items.
local read = 0
local function argument()
  read = read + 1
  return ARGV[read]
end
local function number()
  return tonumber(argument())
end
local function list()
  local items = {}
  for i = 1, number() do items[i] = argument() end
  return items
end

-- `command key item…`, in pieces, because Lua's stack is finite.
local function fill(command, key, items)
  for from = 1, #items, 1000 do
    redis.call(command, key, unpack(items, from, math.min(from + 999, #items)))
  end
end
local function replace(command, key, items)
  redis.call('DEL', key)
  fill(command, key, items)
end

-- KEYS of one room, in every script about rooms:
-- 1 its record, 2 :done, 3 :members, 4 :muted, 5 :assignments, 6 :roles, 7 :closed;
-- and, unless this is a Redis Cluster, where they have other slots: 8 rooms:{tenant}, 9 rooms.

-- Reads four lists from ARGV and stores them: the record's fields and values, who is muted,
-- assignments as places and JSON, roles as ids and names.
local function store_room()
  fill('HSET', KEYS[1], list())
  replace('SADD', KEYS[4], list())
  replace('HSET', KEYS[5], list())
  replace('HSET', KEYS[6], list())
end

local function read_room()
  return {
    redis.call('HGETALL', KEYS[1]), redis.call('SMEMBERS', KEYS[4]),
    redis.call('HGETALL', KEYS[5]), redis.call('HGETALL', KEYS[6]),
  }
end

local function enlist(tenant, code)
  if KEYS[8] then
    redis.call('ZADD', KEYS[8], text(now_us()), code)
    redis.call('SADD', KEYS[9], tenant)
  end
end

-- Removes the room, and keeps for an hour that its reigns up to `epoch` are over.
local function remove_room(tenant, code, epoch)
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6])
  local closed = tonumber(redis.call('GET', KEYS[7]) or '0')
  redis.call('SET', KEYS[7], text(math.max(closed, epoch)), 'EX', 3600)
  if KEYS[8] then
    redis.call('ZREM', KEYS[8], code)
    if redis.call('ZCARD', KEYS[8]) == 0 then redis.call('SREM', KEYS[9], tenant) end
  end
end

-- The fence: none where the writer may write; else what to answer.
-- `rev` none: whatever it is.
local function refusal(incarnation, epoch, nonce, rev)
  local stored = redis.call('HMGET', KEYS[1], 'incarnation', 'epoch', 'nonce', 'rev')
  if not stored[1] then return { 'gone' } end
  local owned = tonumber(stored[1]) == incarnation
  local rev2 = tonumber(stored[4])
  if owned and reaches(epoch, nonce, rev or rev2, tonumber(stored[2]), tonumber(stored[3]), rev2) then
    return nil
  end
  return { 'fenced', stored[1], stored[2], stored[3], stored[4] }
end

-- Puts a topic's stream on top of its tenant's, a sorted set by last write, and answers those that have no place in it
-- any more. It goes there even if this server's clock is behind that of an earlier one.
local function enlist_stream(streams, stream, max, kept)
  local last = redis.call('ZRANGE', streams, '0', '0', 'REV', 'WITHSCORES')
  redis.call('ZADD', streams, text(math.max(now_us(), tonumber(last[2] or '0') + 1)), stream)
  redis.call('EXPIRE', streams, text(kept))
  local forgotten = redis.call('ZRANGE', streams, '0', text(-max - 1))
  fill('ZREM', streams, forgotten)
  return forgotten
end

-- How many events of a tenant wait: KEYS are 1 sel:{tenant}, 2 sel:{tenant}:waiting. An entry has at least one, so that
-- a count that was lost or is wrong comes right again at the latest when the stream is empty.
local function events_waiting()
  local entries = redis.call('XLEN', KEYS[1])
  if entries == 0 then return 0 end
  return math.max(tonumber(redis.call('GET', KEYS[2])) or 0, entries)
end

-- The bytes in a stream's entry.
local function weight(entry)
  local bytes = 0
  for _, field in ipairs(entry[2]) do bytes = bytes + #field end
  return bytes
end
