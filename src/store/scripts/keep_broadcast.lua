-- keep_broadcast
-- Keeps a broadcast, and of the older ones the newest. KEYS: 1 broadcasts:{topic}.
-- ARGV: how many there may be, for how many seconds; event, `payload` or `octets`, the body, id or empty, at.
local max, kept = number(), number()
local event, kind, body, id, at = argument(), argument(), argument(), argument(), argument()
local fields = { 'event', event, kind, body, 'at', at }
if id ~= '' then
  table.insert(fields, 'id')
  table.insert(fields, id)
end
redis.call('XADD', KEYS[1], 'MAXLEN', '=', text(max), '*', unpack(fields))
redis.call('EXPIRE', KEYS[1], text(kept))
