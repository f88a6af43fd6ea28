-- An incarnation that no session ever had: above all that this store gave out, and above those that a store which
-- lost everything gave out before, because it is at least the time in microseconds. A random step beyond: a replica that
-- was promoted without the last one does not give it out again.
-- KEYS: 1 incarnation. ARGV: the least that it may be; the step. Answers it.
local least, step = number(), number()
local incarnation = math.max(tonumber(redis.call('GET', KEYS[1]) or '0') + 1, now_us(), least) + step
redis.call('SET', KEYS[1], text(incarnation))
return text(incarnation)
