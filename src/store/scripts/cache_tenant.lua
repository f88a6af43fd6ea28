-- Keeps a tenant's settings, unless those of a later change stand there.
-- KEYS: 1 tenant:{id}. ARGV: the change, for how many seconds or '', a list of field, value, field, …
-- Answers 1, or 0 where it was left.
local change, life, fields = number(), argument(), list()
if change < tonumber(redis.call('HGET', KEYS[1], 'change') or 0) then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'change', text(change), unpack(fields))
if life ~= '' then redis.call('EXPIRE', KEYS[1], life) end
return 1
