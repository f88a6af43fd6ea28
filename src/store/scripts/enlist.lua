-- Cluster only: takes a place among a tenant's rooms before the room is made.
-- KEYS: 1 rooms:{tenant}. ARGV: code, max_rooms or '' for no cap. Answers {'enlisted'} or {'full'}.
-- The new score keeps a clean-up that has just seen the entry without its room from removing it.
local code, max_rooms = argument(), number()
if max_rooms and not redis.call('ZSCORE', KEYS[1], code) and redis.call('ZCARD', KEYS[1]) >= max_rooms then
  return { 'full' }
end
redis.call('ZADD', KEYS[1], text(now_us()), code)
return { 'enlisted' }
