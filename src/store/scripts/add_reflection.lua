-- Keeps a reflection, unless there are too many. KEYS: 1 reflections:{tenant:code}. ARGV: its JSON, how many there may be.
-- Answers {'kept'} or {'full'}.
local reflection, max = argument(), number()
if redis.call('LLEN', KEYS[1]) >= max then return { 'full' } end
redis.call('RPUSH', KEYS[1], reflection)
return { 'kept' }
