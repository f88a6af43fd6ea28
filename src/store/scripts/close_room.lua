-- Ends a room, behind the fence. KEYS of the room. ARGV: tenant, code, incarnation, epoch, nonce.
-- Answers {'closed'}, {'gone'} or {'fenced', incarnation, epoch, nonce, rev}.
local tenant, code = argument(), argument()
local refused = refusal(number(), number(), number())
if refused then return refused end
remove_room(tenant, code, tonumber(redis.call('HGET', KEYS[1], 'epoch')))
return { 'closed' }
