-- add_events
-- Adds events to a tenant's stream, unless it would then hold too many.
-- KEYS: 1 sel:{tenant}, 2 sel:{tenant}:waiting. ARGV: their text, how many they are, how many there may be.
-- Answers {'added'} or {'full'}.
local events, count, max = argument(), number(), number()
local waiting = events_waiting() + count
if waiting > max then return { 'full' } end
redis.call('XADD', KEYS[1], '*', 'events', events, 'count', text(count))
redis.call('SET', KEYS[2], text(waiting))
return { 'added' }
