"""Grids in time: what a grid was on the day of a case."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gridwatch.domain import AuditEntry, FakeClock, Grid
from gridwatch.store import Database
from tests.integration.store.build import (
    CAMERAS,
    GRIDS,
    INSIDE,
    SITES,
    START,
    UNITS,
    fill_directory,
    square,
)

BY = AuditEntry(at=START, account="ann", action="grids.import", subject="grids.geojson", reason="the new plan")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
async def database(database_dsn: str, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Database]:
    store = Database(dsn=database_dsn, pool_size=4, clock=clock, evidence_dir=tmp_path)
    await store.open()
    await fill_directory(store)
    yield store
    await store.close()


async def test_a_changed_grid_begins_a_new_version_and_one_that_left_ends(database: Database, clock: FakeClock) -> None:
    days: list[list[Grid]] = [list(GRIDS)]
    for grids in (
        [GRIDS[0], square("g2", 1, 0, size=2)],  # one changes
        [GRIDS[0]],  # and leaves
        [GRIDS[0], square("g2", 1, 0, size=2), square("g3", 5, 5)],  # and comes back, with another
        [replace(GRIDS[0], name="renamed"), square("g2", 1, 0, size=2), square("g3", 5, 5)],
    ):
        clock.advance(86400)
        await database.directory.import_grids(grids, BY)
        days.append(grids)
    for day, grids in enumerate(days):
        assert await database.directory.grids_at(START + timedelta(days=day, hours=1)) == grids
        assert await database.directory.grids_at(START + timedelta(days=day)) == grids
    assert await database.directory.grids_at(START - timedelta(seconds=1)) == []
    assert await database.directory.grids() == days[-1]
    [latest, *_] = await database.audit.entries(START, 10)
    assert latest.subject == "grids.geojson: 3 grids, 1 new or changed, 1 changed or gone"
    assert (latest.account, latest.reason) == ("ann", "the new plan")


async def test_the_same_grids_again_begin_nothing(database: Database, clock: FakeClock) -> None:
    clock.advance(86400)
    changes = await database.directory.import_grids(GRIDS, BY)
    assert (changes.begun, changes.ended) == (0, 0)
    await fill_directory(database)
    assert await database.directory.grids_at(START + timedelta(days=1)) == list(GRIDS)


async def test_two_imports_at_one_moment_are_put_one_after_the_other(database: Database, clock: FakeClock) -> None:
    for size in (2.0, 3.0):
        await database.directory.import_grids([square("g1", 0, 0, size=size)], BY)
    clock.advance(1)
    assert await database.directory.grids_at(clock.now()) == [square("g1", 0, 0, size=3.0)]


async def test_without_grids_the_directory_leaves_those_imported(database: Database) -> None:
    await database.directory.import_grids([square("g9", 0, 0)], BY)
    await database.sync_directory(SITES, CAMERAS, None, UNITS)
    assert [one.code for one in await database.directory.grids()] == ["g9"]


async def test_another_process_takes_up_what_was_imported(
    database: Database, database_dsn: str, tmp_path: Path
) -> None:
    other = Database(dsn=database_dsn, pool_size=2, clock=FakeClock(START), evidence_dir=tmp_path)
    await other.open()
    try:
        assert not await other.directory.follow_grids()
        await database.directory.import_grids([square("g9", 0, 0)], BY)
        assert await other.directory.follow_grids()
        found = other.locate(INSIDE)
        assert found is not None
        assert found.code == "g9"
    finally:
        await other.close()
