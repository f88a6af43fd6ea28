-- Gives a room to a new owner, if it still belongs to the expected one. The same claim again changes nothing.
-- KEYS of the room. ARGV: expected node and incarnation; claimant's node and incarnation; nonce; highest epoch seen;
-- from_beat or ''; expected epoch and nonce, or '' and ''.
-- Answers {'gone'}, {'owned', node, incarnation} or {'taken', the four lists of read_room, the recent answers,
-- members_rev, members as ids and JSON}: all that whoever takes over must know.
local function taken()
  local room = read_room()
  return { 'taken', room[1], room[2], room[3], room[4], redis.call('LRANGE', KEYS[2], 0, -1),
    redis.call('HGET', KEYS[1], 'members_rev') or '', redis.call('HGETALL', KEYS[3]) }
end
local expected_node, expected_incarnation = argument(), number()
local node, incarnation, nonce, seen, from_beat = argument(), argument(), argument(), number(), argument()
local expected_epoch, expected_nonce = number(), number()
local stored = redis.call('HMGET', KEYS[1], 'owner', 'incarnation', 'epoch', 'nonce', 'rev', 'lineage')
if not stored[1] then return { 'gone' } end
-- Carried out already: its answer was lost, or too few replicas had it.
if stored[1] == node and stored[2] == incarnation and stored[4] == nonce then return taken() end
local epoch = tonumber(stored[3])
local is_expected = stored[1] == expected_node and tonumber(stored[2]) == expected_incarnation
if expected_epoch and (epoch ~= expected_epoch or tonumber(stored[4]) ~= expected_nonce) then is_expected = false end
if not is_expected then return { 'owned', stored[1], stored[2] } end
local now_ms = math.floor(now_us() / 1000)
local new_epoch = text(math.max(epoch + 1, now_ms, seen + 1))
-- The last sixteen reigns, and what each inherited.
local lineage = {}
for reign in string.gmatch(stored[6] or '', '%S+') do lineage[#lineage + 1] = reign end
lineage[#lineage + 1] = new_epoch .. ':' .. nonce .. ':' .. stored[5]
while #lineage > 16 do table.remove(lineage, 1) end
redis.call('HSET', KEYS[1], 'owner', node, 'incarnation', incarnation, 'nonce', nonce, 'epoch', new_epoch,
  'since_ms', text(now_ms), 'lineage', table.concat(lineage, ' '))
-- Whoever re-asserts itself took the room from whom it took it.
if stored[1] ~= node then
  redis.call('HSET', KEYS[1], 'taken_from', stored[1])
  redis.call('HDEL', KEYS[1], 'from_beat')
  if from_beat ~= '' then redis.call('HSET', KEYS[1], 'from_beat', from_beat) end
end
return taken()
