-- Gives a room back to a store that has lost it, or fell behind.
-- KEYS of the room. ARGV: tenant, code, epoch, nonce, rev; lists of the answers, and of members as ids and JSON;
-- the room (see store_room). Answers {'written'}, {'known'} or {'closed'}.
local tenant, code, epoch, nonce, rev = argument(), argument(), number(), number(), number()
local closed = redis.call('GET', KEYS[7])
if closed and tonumber(closed) >= epoch then return { 'closed' } end
local stored = redis.call('HMGET', KEYS[1], 'epoch', 'nonce', 'rev')
if stored[1] and reaches(tonumber(stored[1]), tonumber(stored[2]), tonumber(stored[3]), epoch, nonce, rev) then
  local is_equal = reaches(epoch, nonce, rev, tonumber(stored[1]), tonumber(stored[2]), tonumber(stored[3]))
  -- A gateway gave the same room back, and knew of no answers.
  if is_equal and redis.call('EXISTS', KEYS[2]) == 0 then fill('RPUSH', KEYS[2], list()) end
  return { 'known' }
end
redis.call('DEL', KEYS[1])
replace('RPUSH', KEYS[2], list())
replace('HSET', KEYS[3], list())
store_room()
enlist(tenant, code)
return { 'written' }
