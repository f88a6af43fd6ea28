-- Everything that nodes watch, at one moment.
-- KEYS: 1 generation, 2 the tenants' changes; unless this is a Cluster, 3 nodes: then the keys that begin with ARGV are
-- read too.
-- ARGV: what the keys of leases begin with, what those of clocks begin with, how long in microseconds a node is remembered.
-- Answers {the time in us, run_id, generation or '', the offset or '', the tenants' last change or '', node, its session,
-- node, …}.
local leases, clocks, memory = argument(), argument(), number()
local now = now_us()
local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
local answer = { text(now), run_id, redis.call('GET', KEYS[1]) or '', '', redis.call('HGET', KEYS[2], ':last') or '' }
if not KEYS[3] then return answer end
answer[4] = redis.call('GET', clocks .. run_id) or ''
local forgotten = now - memory
local nodes = redis.call('ZRANGE', KEYS[3], 0, -1, 'WITHSCORES')
for i = 1, #nodes, 2 do
  local escaped = string.gsub(nodes[i], '[^%w._-]', function(c) return string.format('%%%02X', string.byte(c)) end)
  local session = redis.call('GET', leases .. escaped .. '}')
  if session then
    answer[#answer + 1] = nodes[i]
    answer[#answer + 1] = session
  elseif tonumber(nodes[i + 1]) < forgotten then
    redis.call('ZREM', KEYS[3], nodes[i])
  end
end
return answer
