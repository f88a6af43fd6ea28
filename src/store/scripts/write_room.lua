-- Stores a room's controls, and the answer to the command that changed them, behind the fence.
-- KEYS of the room. ARGV: tenant, code, incarnation, epoch, nonce, rev; how the answer's JSON begins, up to its reply;
-- its JSON, or '' for none; how many answers are kept; the room (see store_room), without its owner and reign.
-- Answers {'written'}, {'gone'} or {'fenced', incarnation, epoch, nonce, rev}.
local tenant, code = argument(), argument()
local incarnation, epoch, nonce, rev = number(), number(), number(), number()
local same, done, kept = argument(), argument(), number()
local refused = refusal(incarnation, epoch, nonce, rev)
if refused then return refused end
redis.call('HSET', KEYS[1], 'epoch', text(epoch), 'nonce', text(nonce))
store_room()
if done ~= '' then
  for _, earlier in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do
    if string.sub(earlier, 1, #same) == same then redis.call('LREM', KEYS[2], 1, earlier) end
  end
  redis.call('RPUSH', KEYS[2], done)
  redis.call('LTRIM', KEYS[2], -kept, -1)
end
enlist(tenant, code)
return { 'written' }
