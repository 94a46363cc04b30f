"""Grouping what waits, without holding up what comes alone."""

import asyncio
from typing import Generic, TypeVar

_Item = TypeVar("_Item")


class Batches(Generic[_Item]):
    """Takes batches from a queue. For one task of one event loop.

    What comes alone is a batch of its own at once. Where more waits already, things come fast: then the batch stays
    open for more, until `size` are in it or `linger` seconds have passed since it was begun.
    """

    def __init__(self, queue: asyncio.Queue[_Item], *, size: int, linger: float) -> None:
        self._queue = queue
        self._size = size
        self._linger = linger

    async def next(self) -> list[_Item]:
        """The next batch, in the order of the queue; waits for its first member. Cancelled, it loses what it took."""
        batch = [await self._queue.get()]
        deadline = asyncio.get_running_loop().time() + self._linger
        self._take(batch)
        if len(batch) == 1:
            return batch
        try:
            async with asyncio.timeout_at(deadline):
                while len(batch) < self._size:
                    batch.append(await self._queue.get())
                    self._take(batch)
        except TimeoutError:
            pass
        return batch

    def _take(self, batch: list[_Item]) -> None:
        while len(batch) < self._size and not self._queue.empty():
            batch.append(self._queue.get_nowait())
