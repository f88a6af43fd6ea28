"""What the tests of the `realtime` package stand on: real nodes, a real Redis, tokens, and patience."""
