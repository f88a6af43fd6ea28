-- reclaim_events
-- Hands entries out again whose consumers have not settled them for too long.
-- KEYS: 1 sel:{tenant}. ARGV: group, consumer, for how many ms, how many entries at most, the bytes at which it is
-- enough. Answers entries as XRANGE does.
local group, consumer, idle, max, enough = argument(), argument(), argument(), number(), number()
local taken, bytes, from = {}, 0, '0-0'
repeat
  local claimed = redis.pcall('XAUTOCLAIM', KEYS[1], group, consumer, idle, from, 'COUNT', '1')
  if claimed.err then
    -- Nothing was ever handed out.
    if string.find(claimed.err, 'NOGROUP', 1, true) then break end
    return claimed
  end
  -- An entry that was removed meanwhile is `false` before Redis 7.0, and left out since.
  for _, entry in ipairs(claimed[2]) do
    table.insert(taken, entry)
    bytes = bytes + weight(entry)
  end
  from = claimed[1]
until from == '0-0' or #taken >= max or bytes >= enough
return taken
