-- Notes that a node was seen. KEYS: 1 nodes. ARGV: node. Answers 1 if it was not known, else 0.
return redis.call('ZADD', KEYS[1], text(now_us()), argument())
