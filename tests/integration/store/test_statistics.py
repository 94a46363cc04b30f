"""Counts: exact at any time, whether or not they are counted up yet, and also when they are by several at once."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from gridwatch.app.upkeep import UpkeepJob
from gridwatch.domain import IncidentKind, SystemClock
from gridwatch.store import Database
from gridwatch.store.statistics import Bucket, CountFilter, GridCount, KindCount
from tests.integration.store.build import (
    DISTRICT,
    GATE,
    NORTH,
    OUTSIDE,
    SOUTH,
    START,
    fill_directory,
    incident,
    record,
)

DAY = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ALL = CountFilter(scope=DISTRICT, since=DAY, until=DAY + timedelta(days=30))
CROWDING, INTRUSION = IncidentKind.CROWDING, IncidentKind.INTRUSION


async def fill(database: Database) -> None:
    await fill_directory(database)
    await record(
        database, incident("a"), incident("a", seq=1), incident("b", at=timedelta(minutes=59)),
        incident("c", at=HOUR, kind=CROWDING), incident("d", at=timedelta(days=1), site=SOUTH, camera="cam-2"),
        incident("e", at=2 * HOUR, site=SOUTH, position=OUTSIDE),
    )  # fmt: skip


async def check(database: Database) -> None:
    count = database.statistics.by_time
    assert await count(ALL, Bucket.DAY) == [
        KindCount(begin=DAY, kind=CROWDING, incidents=1), KindCount(begin=DAY, kind=INTRUSION, incidents=3),
        KindCount(begin=DAY + timedelta(days=1), kind=INTRUSION, incidents=1),
    ]  # fmt: skip
    north = CountFilter(scope=NORTH, since=START, until=START + 24 * HOUR)
    assert await count(north, Bucket.HOUR) == [
        KindCount(begin=START, kind=INTRUSION, incidents=2), KindCount(begin=START + HOUR, kind=CROWDING, incidents=1),
    ]  # fmt: skip
    crowds = CountFilter(scope=GATE, since=START, until=START + 24 * HOUR, kinds=[CROWDING])
    assert [one.incidents for one in await count(crowds, Bucket.HOUR)] == [1]
    before = CountFilter(scope=GATE, since=START, until=START + HOUR)
    assert [one.incidents for one in await count(before, Bucket.HOUR)] == [2]
    assert await database.statistics.by_grid(ALL) == [GridCount(grid="g1", incidents=4)]


async def test_counts_are_right_before_while_and_after_they_are_counted_up(
    database: Database, database_dsn: str
) -> None:
    await fill(database)
    await check(database)
    with psycopg.connect(database_dsn, autocommit=True) as connection:
        # The first two of six messages: the rest is added as it is read.
        connection.execute("SELECT count_incidents(2)")
    await check(database)
    assert await database.statistics.count_up() in {4, 0}  # 0 on TimescaleDB, which counts by itself
    await check(database)
    assert await database.statistics.count_up() == 0


async def test_a_late_incident_is_added_to_the_hour_it_occurred_in(database: Database) -> None:
    await fill(database)
    await database.statistics.count_up()
    await record(database, incident("late", at=timedelta(minutes=1)))
    hours = await database.statistics.by_time(
        CountFilter(scope=NORTH, since=START, until=START + HOUR), Bucket.HOUR
    )  # fmt: skip
    assert [one.incidents for one in hours] == [3]


async def test_the_job_of_a_recorder_counts_until_it_is_stopped(database: Database, database_dsn: str) -> None:
    await fill(database)
    stop = asyncio.Event()
    upkeep = UpkeepJob(database.statistics, database.observations, SystemClock(), period_seconds=0.01)
    job = asyncio.create_task(upkeep.run(stop))
    with psycopg.connect(database_dsn, autocommit=True) as connection:
        if "plpgsql" not in str(connection.execute("SELECT pg_get_functiondef('count_incidents'::regproc)").fetchone()):
            pytest.skip("TimescaleDB counts by itself")
        async with asyncio.timeout(20):
            for expected in (6, 7):
                while connection.execute("SELECT cursor FROM counted").fetchone() != (expected,):
                    await asyncio.sleep(0.01)
                if expected == 6:
                    await record(database, incident("more", at=HOUR))
            stop.set()
            await job


async def test_recorders_that_count_at_once_count_each_incident_once(database_dsn: str, tmp_path: Path) -> None:
    stores = [Database(dsn=database_dsn, pool_size=2, clock=SystemClock(), evidence_dir=tmp_path) for _ in range(3)]
    for one in stores:
        await one.open()

    async def write(number: int) -> None:
        for n in range(20):
            await record(stores[number], incident(f"{number}-{n}", at=timedelta(minutes=n)))
            await stores[(number + 1) % 3].statistics.count_up()

    try:
        async with asyncio.timeout(60):
            await asyncio.gather(*(write(number) for number in range(3)))
        counts = await stores[0].statistics.by_time(ALL, Bucket.HOUR)
        assert sum(one.incidents for one in counts) == 60
        await stores[0].statistics.count_up()
        assert sum(one.incidents for one in await stores[0].statistics.by_time(ALL, Bucket.DAY)) == 60
    finally:
        for one in stores:
            await one.close()
