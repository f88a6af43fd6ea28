"""Waiting for what must happen, instead of sleeping and hoping."""

import asyncio

# How long anything may take before a test calls it missing. Generous: the machine may be busy.
PATIENCE_S = 20


class Heard:
    """All that was heard on one channel, in order; a test asks for the first thing that fits, past or future."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.items: list = []
        self._changed = asyncio.Event()

    def add(self, item) -> None:
        self.items.append(item)
        self._changed.set()

    def mark(self) -> int:
        """The place from which a later `until` should look."""
        return len(self.items)

    async def until(self, what: str, fits, start: int = 0, seconds: float = PATIENCE_S):
        async def first():
            seen = start
            while True:
                self._changed.clear()
                while seen < len(self.items):
                    seen += 1
                    if fits(self.items[seen - 1]):
                        return self.items[seen - 1]
                await self._changed.wait()

        try:
            return await asyncio.wait_for(first(), seconds)
        except asyncio.TimeoutError:
            last = "\n  ".join(repr(item)[:300] for item in self.items[start:][-8:])
            raise AssertionError(f"{self.name}: no {what} within {seconds} s; heard last:\n  {last}") from None
