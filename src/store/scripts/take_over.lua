-- Gives a room to a new owner, if it still belongs to the expected one.
-- KEYS of the room. ARGV: expected node and incarnation; claimant's node and incarnation; nonce; highest epoch seen;
-- from_beat or ''; expected epoch and nonce, or '' and ''.
-- Answers {'gone'}, {'owned', node, incarnation} or {'taken', the four lists of read_room}.
local expected_node, expected_incarnation = argument(), number()
local node, incarnation, nonce, seen, from_beat = argument(), argument(), argument(), number(), argument()
local expected_epoch, expected_nonce = number(), number()
local stored = redis.call('HMGET', KEYS[1], 'owner', 'incarnation', 'epoch', 'nonce')
if not stored[1] then return { 'gone' } end
local epoch = tonumber(stored[3])
local is_expected = stored[1] == expected_node and tonumber(stored[2]) == expected_incarnation
if expected_epoch and (epoch ~= expected_epoch or tonumber(stored[4]) ~= expected_nonce) then is_expected = false end
if not is_expected then return { 'owned', stored[1], stored[2] } end
local now_ms = math.floor(now_us() / 1000)
redis.call('HSET', KEYS[1], 'owner', node, 'incarnation', incarnation, 'nonce', nonce, 'taken_from', stored[1],
  'epoch', text(math.max(epoch + 1, now_ms, seen + 1)), 'since_ms', text(now_ms))
if from_beat == '' then
  redis.call('HDEL', KEYS[1], 'from_beat')
else
  redis.call('HSET', KEYS[1], 'from_beat', from_beat)
end
return { 'taken', unpack(read_room()) }
