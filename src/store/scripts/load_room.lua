-- A room's record, at one moment. KEYS of the room. ARGV: none.
-- Answers the four lists of store_room; the first is empty where no such room lives.
return read_room()
