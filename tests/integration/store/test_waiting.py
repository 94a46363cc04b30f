"""Waiting for the live stream to move."""

import asyncio

import psycopg

from gridwatch.domain import SystemClock
from gridwatch.store import Database
from tests.integration.store.build import incident, record


async def test_a_waiter_wakes_when_something_is_committed(database: Database) -> None:
    waiting = [asyncio.create_task(database.events.wait(0, 30.0)) for _ in range(3)]
    assert await database.events.wait(0, 0.2) == 0
    began = SystemClock().monotonic()
    await record(database, incident())
    async with asyncio.timeout(10):
        assert await asyncio.gather(*waiting) == [1, 1, 1]
    # Far below the one second after which it would have looked by itself.
    assert SystemClock().monotonic() - began < 0.9


async def test_a_waiter_behind_the_head_is_told_at_once(database: Database) -> None:
    await record(database, incident("a"), incident("b"))
    async with asyncio.timeout(5):
        assert await database.events.wait(0, 30.0) == 2
        assert await database.events.wait(1, 30.0) == 2


async def test_a_batch_without_news_wakes_nobody(database: Database) -> None:
    await record(database, incident())
    assert await database.events.wait(0, 5.0) == 1
    waiting = asyncio.create_task(database.events.wait(1, 0.3))
    await record(database, incident())
    assert await waiting == 1


async def test_a_listener_that_was_cut_off_catches_up(database: Database, database_dsn: str) -> None:
    await record(database, incident("a"))
    assert await database.events.wait(0, 5.0) == 1
    with psycopg.connect(database_dsn, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'gridwatch-listener' AND datname = current_database()"
        )
    await record(database, incident("b"))
    async with asyncio.timeout(10):
        assert await database.events.wait(1, 30.0) == 2


async def test_closing_ends_the_listener(database: Database, database_dsn: str) -> None:
    await database.events.wait(0, 0.1)
    await database.close()
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "store-listener"]
