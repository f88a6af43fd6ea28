-- waiting_events
-- KEYS: 1 sel:{tenant}, 2 sel:{tenant}:waiting.
-- Answers how many events wait and in how many entries; and unless it is none: the first one's id, the last one's, the
-- server's clock in ms, as text.
local waiting = { events_waiting(), redis.call('XLEN', KEYS[1]) }
if waiting[2] == 0 then return waiting end
table.insert(waiting, redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', '1')[1][1])
table.insert(waiting, redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', '1')[1][1])
table.insert(waiting, text(math.floor(now_us() / 1000)))
return waiting
