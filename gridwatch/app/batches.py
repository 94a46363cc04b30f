"""What waits for the database: each message once, and grouped without holding up what comes alone."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Generic, TypeVar

from gridwatch.bus import Delivery

_Item = TypeVar("_Item")


class Inbox(asyncio.Queue[Delivery]):
    """A queue in which a message that comes again takes the place of the one that waits. For one event loop.

    A broker gives everything again that was not acknowledged when a connection broke, and an acknowledgement for a
    connection that is gone does nothing. Were both kept, every reconnect would make the queue longer; once it takes
    longer to work through than a connection lasts, nothing would be acknowledged any more. The one that waits is not
    just dropped either: a broker that lost its session does not give it again.
    """

    def _init(self, maxsize: int) -> None:  # noqa: ARG002 - as asyncio calls it
        self._queue: OrderedDict[tuple[str, str | None, bytes], list[Delivery]] = OrderedDict()

    def _put(self, item: Delivery) -> None:
        waiting = self._queue.setdefault((item.topic, item.content_type, item.payload), [])
        if waiting and waiting[-1].connection != item.connection:
            waiting.clear()
        waiting.append(item)  # a publisher may have sent it twice, and each wants its acknowledgement

    def _get(self) -> Delivery:
        _, waiting = self._queue.popitem(last=False)
        return waiting[0] if len(waiting) == 1 else replace(waiting[0], ack=lambda: _acknowledge(waiting))


def _acknowledge(deliveries: Sequence[Delivery]) -> None:
    for one in deliveries:
        one.ack()


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
