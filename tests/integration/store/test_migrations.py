"""Migrations: once, in order, by one starter at a time, all or none."""

import asyncio
from pathlib import Path

import psycopg
import pytest

from gridwatch.domain import FakeClock, SystemClock
from gridwatch.store import Database, MigrationError, StoreError, StoreUnavailable
from gridwatch.store.migrate import Migration, migrate, packaged_migrations

CLOCK = FakeClock()


def make(name: str, sql: str) -> Migration:
    return Migration(name=name, sql=sql)


ONE = make("0001_one", "CREATE TABLE one (id int)")
TWO = make("0002_two", "CREATE TABLE two (id int); INSERT INTO two VALUES (2)")


def tables(dsn: str) -> set[str]:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    return {row[0] for row in rows}


async def test_the_packaged_migrations_apply_to_an_empty_database_once(empty_database_dsn: str) -> None:
    # A native TimescaleDB also gets its variant file.
    names = [m.name for m in packaged_migrations()]
    assert names
    assert (await migrate(empty_database_dsn, CLOCK))[: len(names)] == names
    assert await migrate(empty_database_dsn, CLOCK) == []
    assert {"incident_message", "incident", "cases", "audit", "migration"} <= tables(empty_database_dsn)


async def test_only_what_is_new_is_applied(empty_database_dsn: str) -> None:
    assert (await migrate(empty_database_dsn, CLOCK, (ONE,)))[0] == "0001_one"
    assert await migrate(empty_database_dsn, CLOCK, (ONE, TWO)) == ["0002_two"]
    assert {"one", "two"} <= tables(empty_database_dsn)


async def test_starters_do_not_race(empty_database_dsn: str) -> None:
    done = await asyncio.gather(*(migrate(empty_database_dsn, CLOCK) for _ in range(4)))
    assert sum(bool(applied) for applied in done) == 1


async def test_a_changed_migration_is_refused(empty_database_dsn: str) -> None:
    await migrate(empty_database_dsn, CLOCK, (ONE,))
    with pytest.raises(MigrationError, match="0001_one was applied with other contents"):
        await migrate(empty_database_dsn, CLOCK, (make("0001_one", "SELECT 1"), TWO))
    assert "two" not in tables(empty_database_dsn)


async def test_the_database_of_a_newer_program_is_refused(empty_database_dsn: str) -> None:
    await migrate(empty_database_dsn, CLOCK, (ONE, TWO))
    with pytest.raises(MigrationError, match=r"0002_two.*newer"):
        await migrate(empty_database_dsn, CLOCK, (ONE,))


async def test_a_migration_below_an_applied_one_is_refused(empty_database_dsn: str) -> None:
    await migrate(empty_database_dsn, CLOCK, (TWO,))
    with pytest.raises(MigrationError, match="0001_one is missing"):
        await migrate(empty_database_dsn, CLOCK, (ONE, TWO))


async def test_a_migration_that_fails_leaves_nothing_of_any(empty_database_dsn: str) -> None:
    with pytest.raises(MigrationError, match=r"0002_bad .up. failed, nothing was done"):
        await migrate(empty_database_dsn, CLOCK, (ONE, make("0002_bad", "CREATE TABLE bad (id int); SELECT 1/0")))
    assert not {"one", "bad"} & tables(empty_database_dsn)


async def test_without_a_server_it_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        await migrate(f"postgresql://nobody@/none?host={tmp_path}", CLOCK)


async def test_a_dsn_that_does_not_read_is_refused_without_showing_its_password(tmp_path: Path) -> None:
    database = Database(
        dsn="postgresql://u:secret@h:port:5/x y", pool_size=2, clock=SystemClock(), evidence_dir=tmp_path
    )
    for attempt in (database.open, database.migrate):
        with pytest.raises(StoreError) as caught:
            await attempt()
        assert "secret" not in str(caught.value)


async def test_opening_without_migrating_says_so(empty_database_dsn: str, tmp_path: Path) -> None:
    database = Database(dsn=empty_database_dsn, pool_size=2, clock=SystemClock(), evidence_dir=tmp_path)
    with pytest.raises(StoreError, match="grid"):
        await database.open()
