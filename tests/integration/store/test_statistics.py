"""Counts: exact at any time, whether or not they are counted up yet, and also when they are by several at once."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from gridwatch.app.chores import Chores
from gridwatch.app.upkeep import UpkeepJob
from gridwatch.domain import IncidentKind, SystemClock
from gridwatch.store import Database
from gridwatch.store.statistics import Bucket, CountFilter, GridCount, KindSeries
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
    assert await count(replace(ALL, until=DAY + timedelta(days=2)), Bucket.DAY) == [
        KindSeries(kind=CROWDING, begin=DAY, counts=(1, 0)), KindSeries(kind=INTRUSION, begin=DAY, counts=(3, 1)),
    ]  # fmt: skip
    north = CountFilter(scope=NORTH, since=START, until=START + 3 * HOUR)
    assert await count(north, Bucket.HOUR) == [
        KindSeries(kind=CROWDING, begin=START, counts=(0, 1, 0)),
        KindSeries(kind=INTRUSION, begin=START, counts=(2, 0, 0)),
    ]
    crowds = CountFilter(scope=GATE, since=START, until=START + 24 * HOUR, kinds=[CROWDING])
    assert [sum(one.counts) for one in await count(crowds, Bucket.HOUR)] == [1]
    assert await database.statistics.by_grid(ALL) == [GridCount(grid="g1", incidents=4)]


@pytest.mark.parametrize(
    ("since", "until", "begin", "counts"),
    [
        (START, START + HOUR, START, (2,)),
        (START - timedelta(minutes=1), START + timedelta(minutes=1), START, (2,)),
        (START + timedelta(minutes=1), START + 2 * HOUR, START + HOUR, None),
        (START, START, START, None),
    ],
)
async def test_buckets_are_those_that_begin_in_the_time_asked_for(
    database: Database, since: datetime, until: datetime, begin: datetime, counts: tuple[int, ...] | None
) -> None:
    await fill(database)
    where = CountFilter(scope=NORTH, since=since, until=until, kinds=[INTRUSION])
    found = await database.statistics.by_time(where, Bucket.HOUR)
    assert found == ([] if counts is None else [KindSeries(kind=INTRUSION, begin=begin, counts=counts)])


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
    assert [one.counts for one in hours] == [(3,)]


async def test_the_job_of_a_recorder_counts_until_it_is_stopped(database: Database, database_dsn: str) -> None:
    await fill(database)
    stop = asyncio.Event()
    upkeep = UpkeepJob(database.statistics, database.observations, SystemClock(), period_seconds=0.01)
    job = asyncio.create_task(upkeep.run(stop, Chores()))
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
        assert sum(sum(one.counts) for one in counts) == 60
        await stores[0].statistics.count_up()
        assert sum(sum(one.counts) for one in await stores[0].statistics.by_time(ALL, Bucket.DAY)) == 60
    finally:
        for one in stores:
            await one.close()
