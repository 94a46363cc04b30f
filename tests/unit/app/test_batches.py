"""Batches: one alone goes at once, a storm is grouped, nothing waits longer than it may. And nothing waits twice."""

import asyncio
from datetime import UTC, datetime

import pytest

from gridwatch.app.batches import Batches, Inbox, Overloaded
from gridwatch.bus import Delivery

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


def delivery(payload: bytes, acknowledged: list[str], connection: int) -> Delivery:
    return Delivery(
        topic="t", payload=payload, content_type=None, retained=False, received_at=datetime(2026, 1, 1, tzinfo=UTC),
        ack=lambda: acknowledged.append(f"{payload.decode()} on {connection}"), connection=connection,
    )  # fmt: skip


async def inbox_with(*given: tuple[bytes, int], acknowledged: list[str], size: int = 10) -> Inbox:
    inbox = Inbox(size, asyncio.get_running_loop())
    for payload, connection in given:
        inbox.put(delivery(payload, acknowledged, connection), 0.0)
    return inbox


async def test_what_comes_again_takes_the_place_of_the_one_that_waits() -> None:
    acknowledged: list[str] = []
    inbox = await inbox_with((b"a", 1), (b"b", 1), (b"a", 2), (b"c", 2), (b"b", 3), acknowledged=acknowledged)
    for one in await Batches(inbox, size=3, linger=HOUR).next():
        one.ack()
    assert acknowledged == ["a on 2", "b on 3", "c on 2"]
    assert inbox.empty()


async def test_one_that_was_published_twice_is_acknowledged_twice() -> None:
    acknowledged: list[str] = []
    inbox = await inbox_with((b"a", 1), (b"a", 2), (b"a", 2), acknowledged=acknowledged)
    inbox.get_nowait().ack()
    assert acknowledged == ["a on 2", "a on 2"]


async def test_one_that_is_taken_and_comes_again_waits_again() -> None:
    inbox = await inbox_with((b"a", 1), acknowledged=[])
    assert inbox.get_nowait().payload == b"a"
    inbox.put(delivery(b"a", [], 2), 0.0)
    assert (await inbox.get()).connection == 2
    with pytest.raises(asyncio.QueueEmpty):
        inbox.get_nowait()


async def test_who_waits_for_a_message_gets_it_from_another_thread() -> None:
    inbox = await inbox_with(acknowledged=[])
    getting = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    await asyncio.to_thread(inbox.put, delivery(b"a", [], 1), 0.0)
    assert (await asyncio.wait_for(getting, 5)).payload == b"a"


async def test_a_full_inbox_makes_the_next_wait_but_not_what_is_there() -> None:
    inbox = await inbox_with((b"a", 1), (b"b", 1), acknowledged=[], size=2)
    with pytest.raises(Overloaded, match="2 messages wait"):
        inbox.put(delivery(b"c", [], 1), 0.0)
    inbox.put(delivery(b"b", [], 2), 0.0)
    putting = asyncio.create_task(asyncio.to_thread(inbox.put, delivery(b"c", [], 1), 30.0))
    await asyncio.sleep(0)
    assert inbox.get_nowait().payload == b"a"
    await asyncio.wait_for(putting, 5)
    assert [inbox.get_nowait().payload for _ in range(2)] == [b"b", b"c"]


async def test_closing_frees_who_waits_for_room() -> None:
    inbox = await inbox_with((b"a", 1), acknowledged=[], size=1)
    putting = asyncio.create_task(asyncio.to_thread(inbox.put, delivery(b"b", [], 1), 30.0))
    await asyncio.sleep(0)
    inbox.close()
    with pytest.raises(Overloaded):
        await asyncio.wait_for(putting, 5)
