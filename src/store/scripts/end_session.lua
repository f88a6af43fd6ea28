-- Ends a session, if it is still this one and, where they are given, still stands at these renewals.
-- KEYS: 1 lease:{node}. ARGV: incarnation, renewals or ''. Answers 1 or 0.
local incarnation, seen = number(), number()
local stored = redis.call('GET', KEYS[1]) or ''
local opened, renewals = string.match(stored, '^{"incarnation":(%d+),"renewals":(%d+),')
if not opened or tonumber(opened) ~= incarnation then return 0 end
if seen and tonumber(renewals) ~= seen then return 0 end
return redis.call('DEL', KEYS[1])
