"""What only a native TimescaleDB shows (`GRIDWATCH_TEST_DSN`): its jobs, at work while we are."""

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from gridwatch.app.retention import RetentionJob
from gridwatch.domain import Hold, Incident, Observation, Phase, RetentionPolicy, SystemClock
from gridwatch.store import Database, StoreUnavailable
from gridwatch.store.migrate import TIMESCALE, migrate, packaged_migrations
from gridwatch.store.statistics import Bucket, CountFilter
from tests.integration.store.build import DISTRICT, GATE, START, fill_directory, incident, record
from tests.waiting import wait_until

NOW = SystemClock().now()
DAY = timedelta(days=1)
POLICY = RetentionPolicy(name="all", site=DISTRICT, kinds=(), floor=timedelta(days=30), ceiling=timedelta(days=60))
JOBS = {
    ("policy_compression", "audit", "30 days"),
    ("policy_compression", "camera_health_change", "30 days"),
    ("policy_compression", "incident_message", "7 days"),
    ("policy_compression", "observation", "7 days"),
    ("policy_refresh_continuous_aggregate", "district_days", None),
    ("policy_refresh_continuous_aggregate", "grid_days", "28 days"),
    ("policy_refresh_continuous_aggregate", "grid_hours", "28 days"),
    ("policy_refresh_continuous_aggregate", "grid_totals", None),
    ("policy_refresh_continuous_aggregate", "site_days", "28 days"),
    ("policy_refresh_continuous_aggregate", "site_hours", "28 days"),
    ("policy_refresh_continuous_aggregate", "substation_hours", None),
    ("policy_retention", "camera_health_change", "90 days"),
    ("policy_retention", "observation", "90 days"),
}
REGISTERED = """
SELECT j.proc_name, coalesce(a.view_name, j.hypertable_name),
    coalesce(j.config->>'compress_after', j.config->>'drop_after', j.config->>'start_offset')
FROM timescaledb_information.jobs j
LEFT JOIN timescaledb_information.continuous_aggregates a ON a.materialization_hypertable_name = j.hypertable_name
WHERE j.hypertable_name IS NOT NULL
"""
CHUNKS = """
SELECT is_compressed FROM timescaledb_information.chunks WHERE hypertable_name = 'incident_message' ORDER BY range_start
"""

MATERIALISED = """
SELECT format('SELECT sum(incidents) FROM %I.%I', materialization_hypertable_schema, materialization_hypertable_name)
FROM timescaledb_information.continuous_aggregates WHERE view_name = 'site_hours'
"""
SUCCEEDED = """
SELECT count(*) FROM timescaledb_information.job_stats
WHERE hypertable_name IS NOT NULL AND last_run_status = 'Success'
"""


@pytest.fixture
def server(database_dsn: str) -> Iterator[psycopg.Connection]:
    """To look at the database with; skips where it is not TimescaleDB."""
    with psycopg.connect(database_dsn, autocommit=True) as connection:
        if not connection.execute("SELECT FROM pg_extension WHERE extname = 'timescaledb'").fetchall():
            pytest.skip("needs a TimescaleDB server")
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def days_ago(days: int, name: str = "", seq: int = 0) -> Incident:
    return incident(name or f"{days} days ago", at=NOW - days * DAY - START, seq=seq)


def insist(server: psycopg.Connection, statement: bytes, *parameters: object) -> None:
    """Until the server is not at the same by itself."""
    while True:
        with suppress(psycopg.errors.LockNotAvailable):
            server.execute(statement, parameters)
            return


def run_jobs(server: psycopg.Connection, kind: str) -> None:
    """Now."""
    jobs = "SELECT job_id FROM timescaledb_information.jobs WHERE proc_name = %s ORDER BY job_id"
    for (job,) in server.execute(jobs, [kind]).fetchall():
        insist(server, b"CALL run_job(%s)", job)


async def counted(database: Database) -> list[list[int]]:
    """By hour, by day and by grid, over a year."""
    where = CountFilter(scope=DISTRICT, since=NOW - 365 * DAY, until=NOW + DAY)
    by_time = [await database.statistics.by_time(where, bucket) for bucket in Bucket]
    grids = await database.statistics.by_grid(where)
    return [[sum(one.counts) for one in found] for found in by_time] + [[one.incidents for one in grids]]


def test_every_policy_is_registered(server: psycopg.Connection) -> None:
    assert set(server.execute(REGISTERED).fetchall()) == JOBS


async def test_jobs_compress_refresh_and_drop_what_is_due(database: Database, server: psycopg.Connection) -> None:
    await fill_directory(database)
    await record(database, *(days_ago(days) for days in (0, 14, 22)))
    minutes = [
        Observation(
            camera="cam-1", site=GATE, minute=(NOW - days * DAY).replace(second=0, microsecond=0), frames=900,
            analysed=1, detected=0, dropped=0, moving=0.0, fps=15.0, classes=(),
        )
        for days in (1, 80, 100)
    ]  # fmt: skip
    await database.observations.save(minutes)
    for kind in ("policy_compression", "policy_retention", "policy_refresh_continuous_aggregate"):
        run_jobs(server, kind)
    assert server.execute(CHUNKS).fetchall() == [(True,), (True,), (False,)]
    assert await database.observations.observations("cam-1", NOW - 365 * DAY, NOW) == [minutes[1], minutes[0]]
    assert await counted(database) == [[3], [3], [3]]
    [(count,)] = server.execute(MATERIALISED).fetchall()
    assert server.execute(count.encode()).fetchone() == (2,), "all but this hour"


@pytest.mark.usefixtures("server")
async def test_the_server_runs_them_by_itself(empty_database_dsn: str) -> None:
    await migrate(empty_database_dsn, SystemClock())
    with psycopg.connect(empty_database_dsn, autocommit=True) as there:
        wait_until(lambda: there.execute(SUCCEEDED).fetchone() == (len(JOBS),), 60.0)


async def test_what_comes_late_is_recorded_and_counted_in_compressed_chunks(
    database: Database, server: psycopg.Connection
) -> None:
    first = days_ago(20, "first")
    await fill_directory(database)
    await record(database, first)
    for kind in ("policy_compression", "policy_refresh_continuous_aggregate"):
        run_jobs(server, kind)
    update, late = days_ago(20, "first", seq=1), days_ago(20, "late")
    assert await record(database, first, update, late) == [update, late]
    assert await record(database, first, update, late) == []
    assert [one.incident.seq for one in await database.archive.history(first.id)] == [0, 1]
    run_jobs(server, "policy_refresh_continuous_aggregate")
    assert await counted(database) == [[2], [2], [2]]
    run_jobs(server, "policy_compression")
    assert server.execute(CHUNKS).fetchall() == [(True,)]


async def test_a_chunk_goes_when_retention_has_emptied_it_and_what_it_counted_stays(
    database: Database, server: psycopg.Connection
) -> None:
    job = RetentionJob(database.retention, [POLICY], SystemClock())
    await fill_directory(database)
    await record(database, *(days_ago(days) for days in (0, 50, 90, 100)))
    hold = Hold(
        id=uuid.uuid4(), incident=days_ago(90).id, case=None, site=GATE, reason="complaint", person="Inspector Wang",
        placed_by="ann", placed_at=NOW, until=NOW + DAY,
    )  # fmt: skip
    assert await database.holds.place(hold)
    for view in (
        "site_hours",
        "site_days",
        "grid_days",
        "grid_hours",
        "substation_hours",
        "district_days",
        "grid_totals",
    ):
        insist(server, b"CALL refresh_continuous_aggregate(%s, NULL, NULL)", view)
    run_jobs(server, "policy_compression")
    removed = await job.run_now(asyncio.Event())
    assert removed is not None
    assert removed.messages == 1
    assert server.execute(CHUNKS).fetchall() == [(True,), (True,), (False,)], "that of 100 days ago has gone"
    assert await counted(database) == [[4], [4], [4]]
    run_jobs(server, "policy_refresh_continuous_aggregate")
    assert await counted(database) == [[4], [4], [4]]
    said = [one.action for one in await database.audit.entries(NOW - DAY, 100)]
    assert said == ["retention.delete", "hold.place"]


async def test_a_chunk_that_is_written_to_or_read_is_not_waited_for(
    database: Database, database_dsn: str, server: psycopg.Connection
) -> None:
    await record(database, days_ago(100))
    server.execute("DELETE FROM incident_message")
    with psycopg.connect(database_dsn) as reader:
        reader.execute("SELECT FROM incident_message")
        assert await database.retention.forget_chunks([POLICY]) == 0
    assert await database.retention.forget_chunks([POLICY]) == 1
    assert server.execute(CHUNKS).fetchall() == []


async def test_a_database_that_was_plain_keeps_its_counts(
    empty_database_dsn: str, server: psycopg.Connection, tmp_path: Path
) -> None:
    await migrate(empty_database_dsn, SystemClock(), packaged_migrations())
    database = Database(dsn=empty_database_dsn, pool_size=2, clock=SystemClock(), evidence_dir=tmp_path)
    await database.open()
    try:
        await fill_directory(database)
        await record(database, *(days_ago(days) for days in range(300)))
        assert await database.statistics.count_up() == 300
        assert await migrate(empty_database_dsn, SystemClock()) == [TIMESCALE]
        assert await counted(database) == [[300], [300], [300]]
        with psycopg.connect(empty_database_dsn, autocommit=True) as there:
            run_jobs(there, "policy_refresh_continuous_aggregate")
        assert await counted(database) == [[300], [300], [300]]
    finally:
        await database.close()


async def test_recorders_go_on_while_their_chunk_is_compressed(
    database: Database, database_dsn: str, server: psycopg.Connection, tmp_path: Path
) -> None:
    """Late messages by three at once: what a job is in the way of is tried again, and nothing is lost or doubled."""
    await record(database, days_ago(20, "first"))
    stop = asyncio.Event()

    async def compress() -> int:
        turns = 0
        async with await psycopg.AsyncConnection.connect(database_dsn, autocommit=True) as job:
            while not stop.is_set():
                with suppress(psycopg.OperationalError):
                    await job.execute("SELECT compress_chunk(c) FROM show_chunks('incident_message') AS c")
                    turns += 1
        return turns

    async def write(number: int) -> None:
        store = Database(dsn=database_dsn, pool_size=1, clock=SystemClock(), evidence_dir=tmp_path)
        await store.open()
        try:
            for batch in range(20):
                one = days_ago(20, f"{number}-{batch}")
                await recorded(store, one, replace(one, seq=1, phase=Phase.CLEARED))
        finally:
            await store.close()

    compressing = asyncio.create_task(compress())
    try:
        async with asyncio.timeout(100):
            await asyncio.gather(*(write(number) for number in range(3)))
    finally:
        stop.set()
    assert await compressing > 0
    cursors = server.execute("SELECT cursor FROM incident_message ORDER BY cursor").fetchall()
    assert [cursor for (cursor,) in cursors] == list(range(1, 122))
    assert server.execute("SELECT count(*), count(DISTINCT incident_id) FROM incident").fetchone() == (61, 61)


async def recorded(database: Database, *incidents: Incident) -> None:
    """As by a recorder: what is worth trying again is tried again."""
    while True:
        with suppress(StoreUnavailable):
            await record(database, *incidents)
            return
