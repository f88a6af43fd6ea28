-- take_events
-- Hands entries out that nobody was given yet. The group is made where it is missing: a stream begins without one.
-- KEYS: 1 sel:{tenant}. ARGV: group, consumer, how many entries at most, the bytes at which it is enough.
-- Answers entries as XRANGE does.
local group, consumer, max, enough = argument(), argument(), number(), number()
local taken, bytes = {}, 0
while #taken < max and bytes < enough do
  local read = redis.pcall('XREADGROUP', 'GROUP', group, consumer, 'COUNT', '1', 'STREAMS', KEYS[1], '>')
  if not read then break end
  if read.err then
    if redis.call('EXISTS', KEYS[1]) == 0 then break end
    -- Fails, and says why, if it was something else.
    redis.call('XGROUP', 'CREATE', KEYS[1], group, '0')
  else
    local entry = read[1][2][1]
    table.insert(taken, entry)
    bytes = bytes + weight(entry)
  end
end
return taken
