"""Migrations undone: on data, refused where they would lose it, and by one process at a time."""

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from gridwatch.domain import FakeClock, Incident, SystemClock
from gridwatch.store import Database, MigrationError, StoreUnavailable
from gridwatch.store.migrate import Direction, Migration, migrate, packaged_migrations, plan
from tests.integration.store.build import fill_directory, incident, picture, record

CLOCK = FakeClock()
ONE = Migration(name="0001_one", sql="CREATE TABLE one (id int)", down="DROP TABLE one")
TWO = Migration(
    name="0002_two", sql="CREATE TABLE two (id int)",
    down="-- loses numbers: SELECT EXISTS (SELECT FROM two)\nDROP TABLE two",
)  # fmt: skip
NO_WAY_BACK = Migration(name="0002_bridge", sql="SELECT 1")
SCHEMA = """
SELECT 'column', table_name, column_name, data_type || ' ' || is_nullable || ' ' || coalesce(column_default, '')
FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
UNION ALL SELECT 'function', proname, '', prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = pg_proc.oid AND d.deptype = 'e')
UNION ALL SELECT 'trigger', tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger
    WHERE NOT tgisinternal AND NOT starts_with(tgrelid::regclass::text, '_timescaledb')
UNION ALL SELECT 'options', relname, '', reloptions::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
    AND reloptions IS NOT NULL
UNION ALL SELECT 'view', viewname, '', regexp_replace(definition, '[0-9]+', 'N', 'g') FROM pg_views
    WHERE schemaname = 'public'
ORDER BY 1, 2, 3, 4
"""


def asked(dsn: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(query.encode()).fetchall()


NUMBERS = [one.number for one in packaged_migrations()]


async def schemas_downwards(dsn: str) -> list[list[tuple[object, ...]]]:
    """Of the newest, and after each step down to nothing."""
    schemas = [asked(dsn, SCHEMA)]
    for number in reversed([0, *NUMBERS[:-1]]):
        await migrate(dsn, CLOCK, to=number)
        schemas.append(asked(dsn, SCHEMA))
    assert {row[1] for row in schemas[-1]} == {"migration"}
    return schemas


async def test_every_packaged_migration_can_be_undone_one_by_one_and_done_again(empty_database_dsn: str) -> None:
    await migrate(empty_database_dsn, CLOCK)
    schemas = await schemas_downwards(empty_database_dsn)
    # What differs on TimescaleDB comes with the newest: below it the way up has plain tables there.
    timescale = asked(empty_database_dsn, "SELECT FROM pg_extension WHERE extname = 'timescaledb'")
    for number, schema in zip(NUMBERS[:-1], reversed(schemas[1:-1]), strict=True):
        await migrate(empty_database_dsn, CLOCK, to=number)
        assert timescale or asked(empty_database_dsn, SCHEMA) == schema, number
    await migrate(empty_database_dsn, CLOCK, to=NUMBERS[-1])
    assert await migrate(empty_database_dsn, CLOCK) == [], "the newest is the newest, by its number too"
    assert await schemas_downwards(empty_database_dsn) == schemas


async def test_data_stays_through_down_and_up(database: Database, database_dsn: str) -> None:
    await fill_directory(database)
    sent = [incident(f"one-{n}", evidence=[picture()]) for n in range(3)]
    await record(database, *sent)
    before = asked(database_dsn, "SELECT incident_id, seq, cursor FROM incident_message ORDER BY cursor")
    assert len(before) == 3
    for number in (1, None):
        await migrate(database_dsn, CLOCK, to=number, allow_loss=True)
        assert asked(database_dsn, "SELECT incident_id, seq, cursor FROM incident_message ORDER BY cursor") == before
        assert len(asked(database_dsn, "SELECT * FROM incident")) == 3
    assert await recorded(database, *sent, incident("new")) == [incident("new")]


async def recorded(database: Database, *incidents: Incident) -> list[Incident]:
    """Tried again where the store says so, as recorders do: a job that TimescaleDB just got may be compressing."""
    while True:
        with suppress(StoreUnavailable):
            return await record(database, *incidents)


async def test_going_down_to_where_data_is_lost_is_refused_and_nothing_is_done(empty_database_dsn: str) -> None:
    await migrate(empty_database_dsn, CLOCK, (ONE, TWO))
    with psycopg.connect(empty_database_dsn) as connection:
        connection.execute("INSERT INTO two VALUES (2)")
    with pytest.raises(MigrationError, match="undoing 0002_two would lose numbers, nothing was done"):
        await migrate(empty_database_dsn, CLOCK, (ONE, TWO), to=0)
    assert asked(empty_database_dsn, "SELECT id FROM two") == [(2,)]
    assert await migrate(empty_database_dsn, CLOCK, (ONE, TWO), to=1, allow_loss=True) == ["0002_two"]
    assert asked(empty_database_dsn, "SELECT to_regclass('two')") == [(None,)]
    assert await migrate(empty_database_dsn, CLOCK, (ONE, TWO), to=1) == []


@pytest.mark.parametrize("lost", ["incidents", "the directory"])
async def test_the_first_migration_is_not_undone_over_what_is_stored(
    database: Database, database_dsn: str, lost: str
) -> None:
    await (fill_directory(database) if lost == "the directory" else record(database, incident()))
    with pytest.raises(MigrationError, match=f"0001_initial would lose {lost}"):
        await migrate(database_dsn, CLOCK, to=0)


async def test_without_a_way_back_it_is_refused(empty_database_dsn: str) -> None:
    await migrate(empty_database_dsn, CLOCK, (ONE, NO_WAY_BACK))
    with pytest.raises(MigrationError, match="0002_bridge cannot be undone"):
        await migrate(empty_database_dsn, CLOCK, (ONE, NO_WAY_BACK), to=1)


async def test_a_number_that_is_none_is_refused(empty_database_dsn: str) -> None:
    with pytest.raises(MigrationError, match="there is no migration 0007: the newest is 0002_two"):
        await migrate(empty_database_dsn, CLOCK, (ONE, TWO), to=7)


async def test_a_plan_shows_the_sql_and_changes_nothing(empty_database_dsn: str) -> None:
    steps = await plan(empty_database_dsn, (ONE, TWO))
    assert [(s.direction, s.sql) for s in steps if s.name in {"0001_one", "0002_two"}] == [
        (Direction.UP, ONE.sql), (Direction.UP, TWO.sql),
    ]  # fmt: skip
    assert asked(empty_database_dsn, "SELECT to_regclass('migration'), to_regclass('one')") == [(None, None)]
    await migrate(empty_database_dsn, CLOCK, (ONE, TWO))
    assert await plan(empty_database_dsn, (ONE, TWO)) == []
    assert [(s.name, s.direction, s.sql) for s in await plan(empty_database_dsn, (ONE, TWO), to=1)] == [
        ("0002_two", Direction.DOWN, TWO.down)
    ]


def test_processes_that_start_at_once_do_not_race(empty_database_dsn: str, tmp_path: Path) -> None:
    """Real processes, as of a recorder and an API that start together."""
    config = tmp_path / "gridwatch.yaml"
    services = {"data_dir": str(tmp_path), "database": {"dsn": empty_database_dsn}}
    config.write_text(json.dumps({"version": 1, "district": {"id": "d", "name": "D"}, "services": services}))
    command = [sys.executable, "-m", "gridwatch", "migrate", "--config", str(config)]
    starters = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [(one.communicate(timeout=60), one.returncode) for one in starters]
    assert [code for _, code in said] == [0, 0], said
    assert sorted(out.startswith("done: 0001_initial") for (out, _), _ in said) == [False, True], said
    assert any(out.strip() == "nothing to do" for (out, _), _ in said)


async def test_undoing_leaves_a_database_that_the_program_opens_again(database_dsn: str, tmp_path: Path) -> None:
    await migrate(database_dsn, CLOCK, to=1, allow_loss=True)
    database = Database(dsn=database_dsn, pool_size=1, clock=SystemClock(), evidence_dir=tmp_path)
    assert await database.migrate()
    await database.open()
    try:
        assert await record(database, incident()) == [incident()]
    finally:
        await database.close()
