-- Who is in a room. KEYS of the room. ARGV: none. Answers {members_rev or '', members as ids and JSON}.
return { redis.call('HGET', KEYS[1], 'members_rev') or '', redis.call('HGETALL', KEYS[3]) }
