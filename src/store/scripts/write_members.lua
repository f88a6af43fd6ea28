-- Stores changes of a room's members, behind the fence and in their order.
-- KEYS of the room. ARGV: incarnation, epoch, nonce, members_rev; lists of those that are here, as ids and JSON,
-- and of the ids that are not.
-- Answers {'written'}, {'gone'} or {'fenced', incarnation, epoch, nonce, rev}.
local incarnation, epoch, nonce, members_rev = number(), number(), number(), number()
local refused = refusal(incarnation, epoch, nonce)
if refused then return refused end
local stored = redis.call('HMGET', KEYS[1], 'incarnation', 'epoch', 'nonce', 'rev', 'members_rev')
if members_rev <= tonumber(stored[5] or '0') then
  return { 'fenced', stored[1], stored[2], stored[3], stored[4] }
end
redis.call('HSET', KEYS[1], 'members_rev', text(members_rev))
fill('HSET', KEYS[3], list())
fill('HDEL', KEYS[3], list())
return { 'written' }
