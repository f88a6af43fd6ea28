-- Sets what is set only once. KEYS: 1 the key. ARGV: the value proposed. Answers the one in force.
local proposed = argument()
redis.call('SET', KEYS[1], proposed, 'NX')
return redis.call('GET', KEYS[1])
