"""Exports: the same rows in every format, by role, with a reason, in constant memory."""

import asyncio
import csv
import json
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pyarrow import parquet
from typer import Typer
from typer.testing import CliRunner, Result

from gridwatch.app.export_command import export
from gridwatch.app.export_request import Exported, ExportFormat, ExportRequest
from gridwatch.app.keeping_cli import export as command
from gridwatch.cases import CaseLinker
from gridwatch.config import Settings
from gridwatch.domain import Account, FakeClock, Phase, Role, SitePath, Unit, UsageError
from gridwatch.store import Database
from tests.fixtures.api import (
    CATEGORY,
    GRID,
    PASSWORD,
    PASSWORD_HASH,
    START,
    ApiWorld,
    make_evidence,
    make_grid,
    make_incident,
)
from tests.integration.app.conftest import MakeSettings

CLOCK = FakeClock(START + timedelta(days=30))
FIRST = make_incident().with_evidence(make_evidence("b" * 64))
SECOND = make_incident("demo/south", camera="cam-2", at=START + timedelta(days=1))
LATER = make_incident(at=START + timedelta(days=2))


@pytest.fixture
async def furnished(database: Database) -> Database:
    """Three incidents in three cases of one grid, and accounts."""
    sites = list(ApiWorld().store.site_records.values())
    await database.sync_directory(sites, [], [make_grid()], [Unit(code="u-1", name="Unit 1")])
    linker = CaseLinker([CATEGORY], database, CLOCK)
    async with database.recording() as recording:
        update = replace(FIRST, seq=1, phase=Phase.UPDATED, evidence=())
        await linker.link(await recording.add_messages([FIRST, update, SECOND, LATER]), recording)
    for name, role, site in (
        ("operator", Role.OPERATOR, "demo"), ("north", Role.OPERATOR, "demo/north"), ("officer", Role.OFFICER, "demo"),
    ):  # fmt: skip
        await database.accounts.save_account(
            Account(name=name, role=role, site=SitePath.parse(site), password_hash=PASSWORD_HASH)
        )
    return database


@pytest.fixture
def chosen(settings: MakeSettings, database_dsn: str) -> Settings:
    return settings("demo", dsn=database_dsn)


def request(out: Path, **changes: Any) -> ExportRequest:
    values: dict[str, Any] = {
        "what": Exported.INCIDENTS, "form": ExportFormat.CSV, "since": START, "until": START + timedelta(days=2),
        "site": None, "account": "operator", "password": PASSWORD, "reason": "the yearly report", "out": out,
    }  # fmt: skip
    return ExportRequest(**{**values, **changes})


async def write(settings: Settings, out: Path, **changes: Any) -> int:
    return (await export(settings, request(out, **changes), CLOCK, lambda _: None)).rows


@pytest.mark.usefixtures("furnished")
async def test_incidents_are_the_same_in_every_format(chosen: Settings, tmp_path: Path) -> None:
    out = {form: tmp_path / f"incidents.{form}" for form in ExportFormat}
    for form, path in out.items():
        assert await write(chosen, path, form=form) == 2
        assert path.stat().st_mode & 0o777 == 0o600
    with out[ExportFormat.CSV].open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["incident"] for row in rows] == [str(FIRST.id), str(SECOND.id)]
    first = rows[0]
    assert (first["occurred_at"], first["site"], first["messages"]) == ("2026-03-01T08:00:00Z", "demo/north/gate", "2")
    assert (first["evidence"], first["case"], first["grid"]) == ("b" * 64, f"{GRID}-20260301-0001", GRID)
    features = json.loads(out[ExportFormat.GEOJSON].read_text("utf-8"))["features"]
    assert features[0]["geometry"] == {"type": "Point", "coordinates": [116.4, 39.9]}
    typed = parquet.read_table(out[ExportFormat.PARQUET]).to_pylist()
    assert typed[0]["occurred_at"] == START
    for row, feature, record in zip(rows, features, typed, strict=True):
        assert feature["properties"]["evidence"] == record["evidence"]
        same = {"incident", "kind", "severity", "phase", "camera", "rule", "grid", "case", "messages", "count", "score"}
        assert {k: str(record[k]) for k in same} == {k: row[k] for k in same}
        assert {k: feature["properties"][k] for k in same} == {k: record[k] for k in same}


@pytest.mark.usefixtures("furnished")
async def test_cases_come_with_their_grids_and_times_and_without_names(chosen: Settings, tmp_path: Path) -> None:
    out = {form: tmp_path / f"cases.{form}" for form in ExportFormat}
    for form, path in out.items():
        assert await write(chosen, path, what=Exported.CASES, form=form, until=START + timedelta(days=9)) == 3
    text = out[ExportFormat.GEOJSON].read_text("utf-8")
    feature = json.loads(text)["features"][0]
    assert feature["geometry"]["type"] == "Polygon"
    assert feature["geometry"]["coordinates"][0][0] == [116.0, 39.0]
    about = feature["properties"]
    assert (about["incidents"], about["step"], about["steps"], about["closed_at"]) == (1, "file", 2, None)
    assert about["filed_at"]
    assert "Li" not in text, "the person responsible for the grid"
    assert "recorder" not in text, "who took a step"
    assert parquet.read_table(out[ExportFormat.PARQUET]).num_rows == 3
    assert len(out[ExportFormat.CSV].read_text("utf-8").splitlines()) == 4


async def test_the_audit_has_who_what_and_why_before_and_after(
    furnished: Database, chosen: Settings, tmp_path: Path
) -> None:
    await write(chosen, tmp_path / "x.csv", site="demo/east")
    done, began = await furnished.audit.entries(START, 2)
    assert (began.action, began.account, began.reason) == ("export", "operator", "the yearly report")
    subject = "incidents of demo/east, 2026-03-01T08:00:00+00:00 to 2026-03-03T08:00:00+00:00, as csv"
    assert began.subject == subject
    assert done.action == "export.done"
    assert done.subject.startswith(f"{subject}: 0 rows, ")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"reason": " "}, "give a reason"),
        ({"password": "wrong"}, "has this password"),
        ({"account": "officer"}, "the role officer may not export"),
        ({"account": "north", "site": "demo/east"}, "outside demo/north"),
        ({"site": "nowhere"}, "no site 'nowhere'"),
        ({"until": START}, "--until must be after --since"),
    ],
)
async def test_who_may_not_or_says_not_why_gets_nothing(
    furnished: Database, chosen: Settings, tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        await write(chosen, tmp_path / "x.csv", **changes)
    assert not list(tmp_path.glob("x.csv*"))
    assert [one.action for one in await furnished.audit.entries(START, 9)] == []


@pytest.mark.usefixtures("furnished")
async def test_an_account_gets_its_own_site(chosen: Settings, tmp_path: Path) -> None:
    assert await write(chosen, tmp_path / "x.csv", account="north") == 1


@pytest.mark.usefixtures("furnished")
async def test_a_file_that_cannot_be_written_leaves_nothing(chosen: Settings, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        await write(chosen, tmp_path / "missing" / "x.csv")
    (tmp_path / "taken").mkdir()
    with pytest.raises(UsageError, match="cannot be written"):
        await write(chosen, tmp_path / "taken")
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.usefixtures("furnished")
async def test_as_a_person_types_it(chosen: Settings, tmp_path: Path) -> None:
    app = Typer()
    app.command()(command)
    arguments = [
        "incidents", "--account", "operator", "--reason", "the yearly report", "--since", "2026-03-01", "--until",
        "2026-03-03", "--out", str(tmp_path / "x.csv"), "--config", str(chosen.path),
    ]  # fmt: skip
    done: Result = await asyncio.to_thread(CliRunner().invoke, app, arguments, input=PASSWORD + "\n")
    assert done.exit_code == 0, done.output
    assert "2 incidents, SHA-256 " in done.output


@pytest.mark.slow
async def test_memory_does_not_grow_with_the_number_of_rows(
    furnished: Database, database_dsn: str, chosen: Settings, tmp_path: Path
) -> None:
    def multiply(copies: int) -> None:
        with psycopg.connect(database_dsn) as connection:
            columns = [
                row[0]
                for row in connection.execute(
                    "SELECT column_name FROM information_schema.columns WHERE table_name = 'incident'"
                    " AND column_name <> 'incident_id'"
                )
            ]
            names = ", ".join(columns)
            statement = (
                f"INSERT INTO incident (incident_id, {names}) SELECT gen_random_uuid(), {names} FROM incident,"  # noqa: S608
                f" generate_series(1, {copies}) WHERE incident_id = '{FIRST.id}'"
            )
            connection.execute(statement.encode())

    peaks, period = [], {"since": datetime(2020, 1, 1, tzinfo=UTC), "until": datetime(2030, 1, 1, tzinfo=UTC)}
    for copies in (2_000, 6_000):
        await asyncio.to_thread(multiply, copies)
        for form in ExportFormat:
            tracemalloc.start()
            await write(chosen, tmp_path / "x", form=form, **period)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    few, many = peaks[:3], peaks[3:]
    assert [more < 1.3 * less for less, more in zip(few, many, strict=True)] == [True] * 3, peaks
