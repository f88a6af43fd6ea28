-- Cluster only: notes that a topic's stream is about to be written to.
-- KEYS: 1 broadcasts:{tenant}. ARGV: the stream, how many there may be, for how many seconds.
-- Answers the streams that have to be removed for it.
local stream, max, kept = argument(), number(), number()
return enlist_stream(KEYS[1], stream, max, kept)
