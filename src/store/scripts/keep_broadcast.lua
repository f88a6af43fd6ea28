-- keep_broadcast
-- Keeps a broadcast, and of the older ones the newest; and forgets those of the tenant's topics beyond the cap.
-- KEYS: 1 broadcasts:{topic}; unless this is a Redis Cluster, where it has another slot: 2 broadcasts:{tenant}.
-- ARGV: how many topics there may be, how many broadcasts, for how many seconds; event, `payload` or `octets`, the body,
-- id or empty, at.
local max_topics, max, kept = number(), number(), number()
local event, kind, body, id, at = argument(), argument(), argument(), argument(), argument()
local fields = { 'event', event, kind, body, 'at', at }
if id ~= '' then
  table.insert(fields, 'id')
  table.insert(fields, id)
end
redis.call('XADD', KEYS[1], 'MAXLEN', '=', text(max), '*', unpack(fields))
redis.call('EXPIRE', KEYS[1], text(kept))
if KEYS[2] then
  for _, stream in ipairs(enlist_stream(KEYS[2], KEYS[1], max_topics, kept)) do redis.call('DEL', stream) end
end
