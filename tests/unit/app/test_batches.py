"""Batches: one alone goes at once, a storm is grouped, nothing waits longer than it may."""

import asyncio

from gridwatch.app.batches import Batches

HOUR = 3600.0


def filled(*items: int) -> asyncio.Queue[int]:
    queue: asyncio.Queue[int] = asyncio.Queue()
    for one in items:
        queue.put_nowait(one)
    return queue


async def test_what_comes_alone_is_not_held() -> None:
    async with asyncio.timeout(5):
        assert await Batches(filled(1), size=10, linger=HOUR).next() == [1]


async def test_a_batch_waits_for_its_first_member() -> None:
    queue = filled()
    getting = asyncio.create_task(Batches(queue, size=10, linger=HOUR).next())
    await asyncio.sleep(0)
    assert not getting.done()
    queue.put_nowait(7)
    assert await asyncio.wait_for(getting, 5) == [7]


async def test_a_full_batch_does_not_wait_and_the_rest_is_the_next() -> None:
    batches = Batches(filled(*range(6)), size=4, linger=HOUR)
    async with asyncio.timeout(5):
        assert await batches.next() == [0, 1, 2, 3]


async def test_where_more_waits_the_batch_stays_open_until_it_is_full() -> None:
    queue = filled(0, 1)
    getting = asyncio.create_task(Batches(queue, size=4, linger=HOUR).next())
    for items in ((2,), (3, 4)):
        await asyncio.sleep(0)
        assert not getting.done()
        for item in items:
            queue.put_nowait(item)
    assert await asyncio.wait_for(getting, 5) == [0, 1, 2, 3]
    assert queue.get_nowait() == 4


async def test_a_batch_that_does_not_fill_goes_when_its_time_is_over() -> None:
    loop = asyncio.get_running_loop()
    queue = filled(0, 1)
    began = loop.time()
    batch = await Batches(queue, size=200, linger=0.05).next()
    assert batch == [0, 1]
    assert loop.time() - began >= 0.05
