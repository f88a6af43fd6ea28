-- Renews a session, if it is still this one, and counts the renewal.
-- KEYS: 1 lease:{node}; unless this is a Cluster, 2 nodes.
-- ARGV: node, incarnation, time to live in ms, the rest of its JSON after the first two fields.
-- Answers its renewals, or -1 where it is gone.
local node, incarnation, ttl_ms, rest = argument(), argument(), argument(), argument()
local stored = redis.call('GET', KEYS[1]) or ''
local opened, renewals = string.match(stored, '^{"incarnation":(%d+),"renewals":(%d+),')
if not opened or tonumber(opened) ~= tonumber(incarnation) then return -1 end
renewals = tonumber(renewals) + 1
local session = '{"incarnation":' .. opened .. ',"renewals":' .. text(renewals) .. ',' .. rest
redis.call('SET', KEYS[1], session, 'PX', ttl_ms)
if KEYS[2] then redis.call('ZADD', KEYS[2], text(now_us()), node) end
return renewals
