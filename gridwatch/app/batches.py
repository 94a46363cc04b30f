"""What waits for the database: each message once, and grouped without holding up what comes alone."""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Generic, Protocol, TypeVar

from gridwatch.bus import Delivery

_Item = TypeVar("_Item")
_Taken_co = TypeVar("_Taken_co", covariant=True)


class Overloaded(Exception):  # noqa: N818  (names what is wrong)
    """Too much waits for too long; the subscriber renews its connection and the broker gives the message again."""


class Waiting(Protocol[_Taken_co]):
    """Where batches are taken from: what of `asyncio.Queue` they need."""

    async def get(self) -> _Taken_co:
        """The oldest; waits for one."""

    def get_nowait(self) -> _Taken_co:
        """The oldest. Raises QueueEmpty."""

    def empty(self) -> bool:
        """Whether nothing waits."""


class Inbox:
    """From the network's thread to an event loop: a bounded queue in which a message waits once.

    A broker gives everything again that was not acknowledged when a connection broke, and an acknowledgement for a
    connection that is gone does nothing. Were both kept, every reconnect would make the queue longer; once it takes
    longer to work through than a connection lasts, nothing would be acknowledged any more. The one that waits is not
    just dropped either: a broker that lost its session does not give it again.

    A full queue makes the network's thread wait, and so the broker. Its receive maximum should do that, but Mosquitto
    2.0.11 was seen to send all it had once a part was acknowledged.
    """

    def __init__(self, size: int, loop: asyncio.AbstractEventLoop) -> None:
        self._size = size
        self._loop = loop
        self._arrived = asyncio.Event()
        self._room = threading.Condition()
        # Guarded by _room.
        self._waiting: OrderedDict[tuple[str, str | None, bytes], list[Delivery]] = OrderedDict()
        self._closed = False

    def put(self, item: Delivery, patience: float) -> None:
        """Add it. For any other thread than the loop's. Raises Overloaded after `patience` seconds without room."""
        key = (item.topic, item.content_type, item.payload)
        with self._room:
            roomy = self._room.wait_for(
                lambda: self._closed or key in self._waiting or len(self._waiting) < self._size, patience
            )
            if self._closed or not roomy:
                raise Overloaded(f"{len(self._waiting)} messages wait for the database")
            same = self._waiting.setdefault(key, [])
            if same and same[-1].connection != item.connection:
                same.clear()
            same.append(item)  # a publisher may have sent it twice, and each wants its acknowledgement
        self._loop.call_soon_threadsafe(self._arrived.set)

    def close(self) -> None:
        """Take nothing more; whoever waits for room is told so."""
        with self._room:
            self._closed = True
            self._room.notify_all()

    async def get(self) -> Delivery:
        """The oldest; waits for one."""
        while self.empty():
            self._arrived.clear()
            if self.empty():
                await self._arrived.wait()
        return self.get_nowait()

    def get_nowait(self) -> Delivery:
        """The oldest. Raises QueueEmpty."""
        with self._room:
            if not self._waiting:
                raise asyncio.QueueEmpty
            _, same = self._waiting.popitem(last=False)
            self._room.notify_all()
        return same[0] if len(same) == 1 else replace(same[0], ack=lambda: _acknowledge(same))

    def empty(self) -> bool:
        """Whether nothing waits."""
        with self._room:
            return not self._waiting


def _acknowledge(deliveries: Sequence[Delivery]) -> None:
    for one in deliveries:
        one.ack()


class Batches(Generic[_Item]):
    """Takes batches from a queue. For one task of one event loop.

    What comes alone is a batch of its own at once. Where more waits already, things come fast: then the batch stays
    open for more, until `size` are in it or `linger` seconds have passed since it was begun.
    """

    def __init__(self, queue: Waiting[_Item], *, size: int, linger: float) -> None:
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
