-- Makes a room, unless its code is taken or its tenant has too many.
-- KEYS of the room. ARGV: tenant, code, max_rooms, the room (see store_room).
-- Answers {'created'}, {'taken'} or {'full'}. On a Cluster `enlist.lua` has seen to the cap before.
local tenant, code, max_rooms = argument(), argument(), number()
if redis.call('EXISTS', KEYS[1]) == 1 then return { 'taken' } end
if KEYS[8] and redis.call('ZCARD', KEYS[8]) >= max_rooms then return { 'full' } end
redis.call('DEL', KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6])
store_room()
enlist(tenant, code)
return { 'created' }
