-- Agrees on a server's offset to cluster time. KEYS: 1 clock:{run_id}. ARGV: the offset expected or '', the one proposed.
-- Answers the one in force.
local expected, proposed = argument(), argument()
local stored = redis.call('GET', KEYS[1])
if stored and stored ~= expected then return stored end
redis.call('SET', KEYS[1], proposed)
return proposed
