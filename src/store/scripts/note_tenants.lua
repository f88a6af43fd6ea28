-- Tells of tenants' changes; an older one than is told already changes nothing.
-- KEYS: 1 the tenants' changes. ARGV: the last change of all that is known, a list of tenant, its change, tenant, …
-- Answers the last change that is told from now on.
local last, changes = number(), list()
for i = 1, #changes, 2 do
  if tonumber(changes[i + 1]) > tonumber(redis.call('HGET', KEYS[1], changes[i]) or 0) then
    redis.call('HSET', KEYS[1], changes[i], changes[i + 1])
  end
end
if last > tonumber(redis.call('HGET', KEYS[1], ':last') or 0) then redis.call('HSET', KEYS[1], ':last', text(last)) end
return redis.call('HGET', KEYS[1], ':last') or '0'
