"""Linking on a real database, with several recorders at once."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from gridwatch.cases import CaseLinker, Links, advance, case_id
from gridwatch.cases.fakes import MemoryLedger
from gridwatch.domain import (
    Case,
    CaseFilter,
    CaseStep,
    FakeClock,
    Incident,
    IncidentFilter,
    IncidentKind,
    PageKey,
    Position,
    Severity,
    SystemClock,
)
from gridwatch.store import Database
from tests.integration.store.build import (
    CATEGORY,
    DISTRICT,
    INSIDE,
    NORTH,
    SOUTH,
    START,
    fill_directory,
    incident,
)

IN_G2 = Position(lon=1.5, lat=0.5)
EVERY_CASE = CaseFilter(scope=DISTRICT)


async def record_and_link(database: Database, *incidents: Incident) -> Links:
    linker = CaseLinker([CATEGORY], database, FakeClock(START))
    async with database.recording() as recording:
        new = await recording.add_messages(incidents)
        return await linker.link(new, recording)


async def test_the_database_links_as_the_fake_does(database: Database) -> None:
    await fill_directory(database)
    batches = [
        [incident("a"), incident("b", at=timedelta(minutes=5), severity=Severity.CRITICAL)],
        [incident("c", position=IN_G2), incident("d", kind=IncidentKind.CROWDING)],
        [incident("e", at=timedelta(minutes=-20)), incident("f", at=timedelta(hours=5))],
    ]
    ledger = MemoryLedger()
    linker = CaseLinker([CATEGORY], database, FakeClock(START))
    for batch in batches:
        assert await record_and_link(database, *batch) == await linker.link(batch, ledger)
    stored = await database.cases.cases(EVERY_CASE, None, 100)

    def comparable(cases: list[Case]) -> list[Case]:
        return sorted((replace(c, incidents=tuple(sorted(c.incidents))) for c in cases), key=lambda c: c.number)

    assert comparable(stored) == comparable(list(ledger.cases.values()))
    assert len(stored) == 4


async def test_incidents_and_events_show_their_case(database: Database) -> None:
    await fill_directory(database)
    await record_and_link(database, incident(), incident(seq=1))
    everything = IncidentFilter(scope=DISTRICT)
    [now] = await database.archive.incidents(everything, None, 10)
    events = await database.events.events(0, 10, everything, 10)
    assert [now.case, *(e.case for e in events)] == [case_id(incident())] * 3


async def test_a_redelivered_incident_does_not_join_twice(database: Database) -> None:
    await fill_directory(database)
    assert await record_and_link(database, incident()) == Links(filed=1)
    assert await record_and_link(database, incident()) == Links()
    [case] = await database.cases.cases(EVERY_CASE, None, 10)
    assert case.incidents == (incident().id,)


async def test_two_recorders_at_once_open_one_case(database_dsn: str, tmp_path: Path) -> None:
    """Six recorders each bring the same two grids in opposite orders: one case a grid and kind, and no deadlock."""
    recorders = [Database(dsn=database_dsn, pool_size=2, clock=SystemClock(), evidence_dir=tmp_path) for _ in range(6)]
    for one in recorders:
        await one.open()
    try:
        await fill_directory(recorders[0])
        for one in recorders:
            await one.directory.load_grids()

        async def work(index: int) -> Links:
            places = (INSIDE, IN_G2) if index % 2 else (IN_G2, INSIDE)
            kinds = (IncidentKind.INTRUSION, IncidentKind.CROWDING)
            links = Links()
            for n in range(10):
                batch = [incident(f"{index}-{n}-{p}-{k}", position=p, kind=k) for p in places for k in kinds]
                links += await record_and_link(recorders[index], *batch)
            return links

        async with asyncio.timeout(60):
            done = await asyncio.gather(*(work(index) for index in range(6)))
        cases = await recorders[0].cases.cases(EVERY_CASE, None, 100)
    finally:
        for one in recorders:
            await one.close()
    assert sum(d.filed for d in done) == 4
    assert sorted(c.number for c in cases) == [f"g{g}-20260301-000{n}" for g in (1, 2) for n in (1, 2)]
    assert [len(c.incidents) for c in cases] == [60] * 4


async def test_a_step_is_saved_once(database: Database) -> None:
    await fill_directory(database)
    await record_and_link(database, incident())
    case = await database.cases.case(case_id(incident()))
    assert case is not None
    now = START + timedelta(minutes=2)
    moved = [
        replace(advance(case, to=CaseStep.DISPATCH, by=by, note="go", category=CATEGORY, now=now), unit="u1")
        for by in ("ann", "bob")
    ]
    saved = await asyncio.gather(*(database.cases.save_step(one, CaseStep.FILE) for one in moved))
    assert sorted(saved) == [False, True]
    assert await database.cases.case(case.id) == moved[saved.index(True)]


async def test_a_step_is_not_saved_over_a_case_that_went_round(database: Database) -> None:
    await fill_directory(database)
    await record_and_link(database, incident())
    case = await database.cases.case(case_id(incident()))
    assert case is not None

    async def take(case: Case, to: CaseStep) -> Case:
        after = advance(case, to=to, by="ann", note="n", category=CATEGORY, now=START)
        assert await database.cases.save_step(after, case.step)
        return after

    dispatched = await take(case, CaseStep.DISPATCH)
    stale = advance(dispatched, to=CaseStep.HANDLE, by="bob", note="", category=CATEGORY, now=START)
    again = await take(await take(await take(dispatched, CaseStep.HANDLE), CaseStep.REVIEW), CaseStep.DISPATCH)
    assert not await database.cases.save_step(stale, CaseStep.DISPATCH)
    assert await database.cases.case(case.id) == again


async def test_cases_are_filtered_by_scope_grid_step_and_lateness(database: Database) -> None:
    await fill_directory(database)
    await record_and_link(
        database, incident("a"), incident("b", site=SOUTH, camera="cam-2", position=IN_G2, at=timedelta(hours=1))
    )

    async def grids(**where: object) -> list[str]:
        found = await database.cases.cases(CaseFilter(**{"scope": DISTRICT, **where}), None, 10)  # type: ignore[arg-type]
        return [c.grid for c in found]

    assert await grids() == ["g2", "g1"]
    assert await grids(scope=NORTH) == ["g1"]
    assert await grids(scope=SOUTH) == ["g2"]
    assert await grids(grid="g1") == ["g1"]
    assert await grids(steps=(CaseStep.DISPATCH,)) == []
    assert await grids(steps=(CaseStep.DISPATCH, CaseStep.FILE)) == ["g2", "g1"]
    assert await grids(late_at=START + timedelta(minutes=10)) == ["g2", "g1"]
    assert await grids(late_at=START + timedelta(minutes=10, microseconds=-1)) == []
    first = await database.cases.cases(EVERY_CASE, None, 1)

    rest = await database.cases.cases(EVERY_CASE, PageKey(at=first[0].latest_at, id=first[0].id), 10)
    assert [c.grid for c in first + rest] == ["g2", "g1"]
