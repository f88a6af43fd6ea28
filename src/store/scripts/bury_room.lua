-- Removes a room that was closed, unless it was made anew since. KEYS of the room. ARGV: tenant, code, epoch.
-- Answers {'buried'} or {'newer'}.
local tenant, code, epoch = argument(), argument(), number()
local stored = redis.call('HGET', KEYS[1], 'epoch')
if stored and tonumber(stored) > epoch then return { 'newer' } end
remove_room(tenant, code, epoch)
return { 'buried' }
