-- write_presences
-- Stores changes of a topic's presences. Of each connection the highest version counts, and of equals the removal.
-- KEYS: 1 presence:{topic}, connections and JSON that begins with the version; 2 its :gone, connections that were
-- removed and the version that did it; 3 its :gone_at, the same connections by when.
-- ARGV: for how many seconds presences are kept, and removals; a list of connection, version and JSON, empty: gone.
local kept, gone_kept, changes = number(), number(), list()
local now = now_us()
local late = redis.call('ZRANGE', KEYS[3], '-inf', text(now - gone_kept * 1000000), 'BYSCORE', 'LIMIT', '0', '1000')
fill('HDEL', KEYS[2], late)
fill('ZREM', KEYS[3], late)
for i = 1, #changes, 3 do
  local connection, version, record = changes[i], tonumber(changes[i + 1]), changes[i + 2]
  local stored = string.match(redis.call('HGET', KEYS[1], connection) or '', '^{"version":(%d+)')
  local gone = redis.call('HGET', KEYS[2], connection)
  if version >= tonumber(stored or '0') and (not gone or version > tonumber(gone)) then
    if record == '' then
      redis.call('HDEL', KEYS[1], connection)
      redis.call('HSET', KEYS[2], connection, text(version))
      redis.call('ZADD', KEYS[3], text(now), connection)
    else
      redis.call('HSET', KEYS[1], connection, record)
      redis.call('HDEL', KEYS[2], connection)
      redis.call('ZREM', KEYS[3], connection)
    end
  end
end
redis.call('EXPIRE', KEYS[1], text(kept))
redis.call('EXPIRE', KEYS[2], text(gone_kept))
redis.call('EXPIRE', KEYS[3], text(gone_kept))
