"""A year of retention, day by day, against a list kept by hand: leap day, summer time, ending holds, moving floors."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from gridwatch.app.hold_command import end_of
from gridwatch.app.retention import RetentionJob
from gridwatch.domain import (
    FakeClock,
    Hold,
    Incident,
    IncidentFilter,
    IncidentKind,
    PageKey,
    RetentionPolicy,
    SitePath,
)
from gridwatch.store import Database
from tests.integration.store import build
from tests.integration.store.build import DISTRICT, GATE, NORTH, SOUTH, fill_directory, picture, record

BEGAN = datetime(2027, 10, 1, 4, tzinfo=UTC)
DAYS = 400
KINDS = (IncidentKind.INTRUSION, IncidentKind.CROWDING, IncidentKind.CAMERA_OFFLINE)


def policies(day: int) -> tuple[RetentionPolicy, ...]:
    """From day 200 on the north keeps longer, and on day 300 everything is kept for less."""

    def one(name: str, site: SitePath, floor: int, ceiling: int, *kinds: IncidentKind) -> RetentionPolicy:
        limits = {"floor": timedelta(days=floor), "ceiling": timedelta(days=ceiling)}
        return RetentionPolicy(name=name, site=site, kinds=kinds, **limits)

    north = one("north", NORTH, 30, 60) if day < 200 else one("north", NORTH, 100, 120)
    rest = one("rest", DISTRICT, 30, 90) if day < 300 else one("rest", DISTRICT, 30, 45)
    return (one("offline", DISTRICT, 30, 31, IncidentKind.CAMERA_OFFLINE), north, rest)


def ceiling_of(incident: Incident, day: int) -> timedelta:
    offline, north, rest = policies(day)
    if incident.kind is IncidentKind.CAMERA_OFFLINE:
        return offline.ceiling
    return (north if NORTH.contains(incident.site) else rest).ceiling


def incident_of(day: int) -> Incident:
    """At noon of a day; kinds and sites take turns."""
    at = BEGAN + timedelta(days=day, hours=8) - build.START
    content = [picture(f"day {day}".encode())] if day % 4 == 0 else []
    return build.incident(
        f"day-{day}", at=at, kind=KINDS[day % 3], site=(GATE, SOUTH)[day % 2], evidence=content
    )  # fmt: skip


def hold_on(one: Incident, until: str) -> Hold:
    return Hold(
        id=uuid.uuid4(), incident=one.id, case=None, site=one.site, reason="a complaint", person="the procurator",
        placed_by="ann", placed_at=one.occurred_at, until=end_of(until, "Europe/Berlin"),
    )  # fmt: skip


HOLDS = {
    20: "2028-02-29",  # the leap day, to its end
    40: "2028-03-26",  # the day summer time begins: its end is 22:00 UTC
    140: "2028-10-29",  # the day it ends: 23:00 UTC
    150: "2028-04-01",  # over before its incident is: of no effect
    200: "2030-01-01",
}  # fmt: skip


@pytest.mark.slow
async def test_a_year_deletes_on_every_day_what_is_over_its_time_and_nothing_else(
    database_dsn: str, tmp_path: Path
) -> None:
    clock = FakeClock(BEGAN)
    database = Database(dsn=database_dsn, pool_size=3, clock=clock, evidence_dir=tmp_path / "evidence")
    await database.open()
    try:
        await fill_directory(database)
        expected: dict[uuid.UUID, Incident] = {}
        holds: dict[uuid.UUID, Hold] = {}
        for day in range(DAYS):
            one = incident_of(day)
            await record(database, one)
            for evidence in one.evidence:
                assert await database.store_evidence(one.id, evidence.sha256, f"day {day}".encode())
            expected[one.id] = one
            if day in HOLDS:
                holds[one.id] = hold_on(one, HOLDS[day])
                assert await database.holds.place(holds[one.id])
            clock.advance(86400)
            now = clock.now()
            await RetentionJob(database.retention, policies(day), clock).run_if_due(asyncio.Event())
            expected = {
                name: one
                for name, one in expected.items()
                if one.occurred_at > now - ceiling_of(one, day) or (name in holds and holds[name].holds_at(now))
            }
            assert await kept(database) == set(expected), f"on day {day}, {now}"
        named = {e.sha256 for one in expected.values() for e in one.evidence}
        assert {path.name for path in (tmp_path / "evidence").rglob("*") if path.is_file()} == named
        assert sha256(b"day 200").hexdigest() in named
        told = await database.audit.entries(BEGAN, 10_000)
        deleted = sum(int(one.subject.split("): ")[1].split()[0]) for one in told if one.action == "retention.delete")
        assert deleted == DAYS - len(expected)
    finally:
        await database.close()


async def kept(database: Database) -> set[uuid.UUID]:
    found: set[uuid.UUID] = set()
    after: PageKey | None = None
    while page := await database.archive.incidents(IncidentFilter(scope=DISTRICT), after, 500):
        found |= {one.incident.id for one in page}
        after = PageKey(at=page[-1].incident.occurred_at, id=page[-1].incident.id)
    return found
