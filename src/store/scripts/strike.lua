-- Removes an entry that stands for nothing from a sorted set by time, if it is still the one that was seen:
-- a code without a room from rooms:{tenant}, a node without a session from nodes.
-- KEYS: 1 the sorted set. ARGV: the entry, the score seen, how old in microseconds it must be. Answers 1 or 0.
local entry, seen, age = argument(), number(), number()
local score = tonumber(redis.call('ZSCORE', KEYS[1], entry) or '-1')
if score ~= seen or score > now_us() - age then return 0 end
return redis.call('ZREM', KEYS[1], entry)
