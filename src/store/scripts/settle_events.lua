-- settle_events
-- Removes entries that were handed out, and counts their events down. Only what is still in somebody's hands goes: an
-- id that a server has given out anew, after it lost what it had, is another entry.
-- KEYS: 1 sel:{tenant}, 2 sel:{tenant}:waiting. ARGV: group, a list of ids, a list of how many events each has.
local group, ids, counts = argument(), list(), list()
local waiting = events_waiting()
for i, id in ipairs(ids) do
  if redis.call('XACK', KEYS[1], group, id) == 1 and redis.call('XDEL', KEYS[1], id) == 1 then
    waiting = waiting - tonumber(counts[i])
  end
end
local entries = redis.call('XLEN', KEYS[1])
if entries == 0 then
  redis.call('DEL', KEYS[2])
else
  redis.call('SET', KEYS[2], text(math.max(waiting, entries)))
end
