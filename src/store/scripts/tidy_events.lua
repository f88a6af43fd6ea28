-- tidy_events
-- Forgets consumers that have nothing in hands and were handed nothing for long.
-- KEYS: 1 sel:{tenant}. ARGV: group, for how many ms. Answers how many.
local group, idle = argument(), number()
local consumers = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], group)
if consumers.err then
  if redis.call('EXISTS', KEYS[1]) == 0 or string.find(consumers.err, 'NOGROUP', 1, true) then return 0 end
  return consumers
end
local forgotten = 0
for _, flat in ipairs(consumers) do
  local consumer = {}
  for i = 1, #flat, 2 do consumer[flat[i]] = flat[i + 1] end
  if consumer.pending == 0 and consumer.idle >= idle then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], group, consumer.name)
    forgotten = forgotten + 1
  end
end
return forgotten
