"""The server dies and comes back: nothing half done, and everybody goes on by themselves."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest

from gridwatch.domain import IncidentFilter, SystemClock
from gridwatch.store import Database, StoreUnavailable
from gridwatch.store.pool import Pool
from tests.integration.store.build import DISTRICT, incident, record
from tests.integration.store.servers import Server, server_folder

ALL = IncidentFilter(scope=DISTRICT)


@pytest.fixture
def server() -> Iterator[Server]:
    with server_folder() as directory:
        server = Server(directory)
        yield server
        server.running.close(5.0)


@pytest.fixture
async def database(server: Server, tmp_path: Path) -> AsyncIterator[Database]:
    store = Database(dsn=server.running.dsn, pool_size=4, clock=SystemClock(), evidence_dir=tmp_path)
    await store.migrate()
    await store.open()
    yield store
    await store.close()


async def test_a_server_killed_in_mid_batch_loses_that_batch_only(server: Server, database: Database) -> None:
    await record(database, incident("kept"))
    waiting = asyncio.create_task(database.events.wait(1, 60.0))

    async def die_half_way() -> None:
        async with database.recording() as recording:
            await recording.add_messages([incident("lost")])
            server.kill()

    with pytest.raises(StoreUnavailable):
        await die_half_way()
    with pytest.raises(StoreUnavailable):
        await database.archive.incidents(ALL, None, 10)
    assert not await database.directory.ready()
    server.start()
    assert [r.incident for r in await database.archive.incidents(ALL, None, 10)] == [incident("kept")]
    # The recorder was not told that it was committed, so it comes again.
    assert await record(database, incident("lost"), incident("kept")) == [incident("lost")]
    async with asyncio.timeout(20):
        assert await waiting == 2
    assert await database.directory.ready()


async def test_a_connection_that_breaks_is_unavailable_and_the_next_works(server: Server, database: Database) -> None:
    def break_all() -> None:
        with psycopg.connect(server.running.dsn, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name LIKE 'gridwatch%' AND pid <> pg_backend_pid()"
            )

    async def break_half_way() -> None:
        async with database.recording() as recording:
            await recording.add_messages([incident()])
            await asyncio.to_thread(break_all)

    with pytest.raises(StoreUnavailable):
        await break_half_way()
    assert await record(database, incident()) == [incident()]


async def test_a_server_that_hangs_with_its_connections_open_is_given_up(server: Server) -> None:
    pool = Pool(server.running.dsn, 2, answer_seconds=0.5)
    await pool.open()

    async def hang_half_way() -> None:
        async with pool.transaction("cannot record") as connection:
            await connection.execute(b"SELECT 1")
            server.hang()
            await connection.execute(b"SELECT 2")

    try:
        async with asyncio.timeout(20):
            with pytest.raises(StoreUnavailable, match="cannot record: the server said nothing"):
                await hang_half_way()
        server.go_on()
        assert await pool.row(b"SELECT 3 AS three") == {"three": 3}
    finally:
        server.go_on()
        await pool.close()


async def test_opening_without_a_server_is_unavailable(tmp_path: Path) -> None:
    database = Database(
        dsn=f"postgresql://postgres@/x?host={tmp_path}", pool_size=2, clock=SystemClock(), evidence_dir=tmp_path
    )
    with pytest.raises(StoreUnavailable):
        await database.open()
    with pytest.raises(StoreUnavailable):
        await database.directory.grids()


async def test_an_exhausted_pool_is_unavailable_rather_than_endless(server: Server, database: Database) -> None:
    async def hold(started: asyncio.Event, release: asyncio.Event) -> None:
        async with database.recording():
            started.set()
            await release.wait()

    release = asyncio.Event()
    started = [asyncio.Event() for _ in range(4)]
    holding = [asyncio.create_task(hold(one, release)) for one in started]
    for one in started:
        await one.wait()
    with pytest.raises(StoreUnavailable):
        await database.events.head()
    release.set()
    await asyncio.gather(*holding)
    assert await database.events.head() == 0
