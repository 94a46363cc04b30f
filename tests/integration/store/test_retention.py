"""Deleting what is over its time, and nothing else."""

import asyncio
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from gridwatch.app.retention import RetentionJob
from gridwatch.cases import CaseLinker
from gridwatch.domain import (
    AuditEntry,
    Case,
    CaseFilter,
    FakeClock,
    Hold,
    Incident,
    IncidentFilter,
    IncidentKind,
    RetentionPolicy,
    SitePath,
)
from gridwatch.store import Database, RetentionRefused
from tests.integration.store.build import (
    CATEGORY,
    DISTRICT,
    GATE,
    NORTH,
    SOUTH,
    START,
    fill_directory,
    incident,
    picture,
    record,
)

EVERYTHING = IncidentFilter(scope=DISTRICT)
HAND = AuditEntry(at=START, account="ann", action="", subject="", reason="the purpose is met")


def policy(
    floor: int = 30, ceiling: int = 90, *, site: SitePath = DISTRICT, kinds: Sequence[IncidentKind] = (),
    name: str = "retention",
) -> RetentionPolicy:  # fmt: skip
    return RetentionPolicy(
        name=name, site=site, kinds=tuple(kinds), floor=timedelta(days=floor), ceiling=timedelta(days=ceiling)
    )  # fmt: skip


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
async def database(database_dsn: str, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Database]:
    store = Database(dsn=database_dsn, pool_size=4, clock=clock, evidence_dir=tmp_path / "evidence")
    await store.open()
    await fill_directory(store)
    yield store
    await store.close()


async def run(database: Database, clock: FakeClock, *policies: RetentionPolicy) -> int:
    """The job as its day comes; how many incidents it deleted."""
    job = RetentionJob(database.retention, policies or (policy(),), clock)
    done = await job.run_now(asyncio.Event())
    assert done is not None
    return done.incidents


async def link(database: Database, clock: FakeClock, *incidents: Incident) -> Case:
    linker = CaseLinker([CATEGORY], database, clock)
    async with database.recording() as recording:
        await linker.link(await recording.add_messages(incidents), recording)
    return (await database.cases.cases(CaseFilter(scope=DISTRICT), None, 10))[0]


async def kept(database: Database) -> set[UUID]:
    return {one.incident.id for one in await database.archive.incidents(EVERYTHING, None, 1000)}


def files(tmp_path: Path) -> set[str]:
    return {path.name for path in (tmp_path / "evidence").rglob("*") if path.is_file()}


def hold(until: timedelta, *, on: UUID | None = None, case: UUID | None = None, at: datetime = START) -> Hold:
    return Hold(
        id=uuid.uuid4(), incident=on, case=case, site=GATE, reason="a complaint", person="Inspector Wang",
        placed_by="ann", placed_at=at, until=START + until,
    )  # fmt: skip


async def test_what_is_older_than_its_ceiling_goes_with_messages_evidence_and_files(
    database: Database, clock: FakeClock, tmp_path: Path
) -> None:
    old = incident("old", evidence=[picture(b"old")])
    young = incident("young", at=timedelta(days=1), evidence=[picture(b"young")])
    case = await link(database, clock, old, incident("old", seq=1))
    await record(database, young)
    for data in (b"old", b"young"):
        assert await database.store_evidence(old.id, sha256(data).hexdigest(), data)
    clock.advance(90 * 86400 - 1)
    assert await run(database, clock) == 0
    clock.advance(1 + 1)  # the update came a second after
    assert await run(database, clock) == 1
    assert await kept(database) == {young.id}
    assert await database.archive.history(old.id) == []
    assert await database.archive.evidence_of(old.id) == []
    assert files(tmp_path) == {sha256(b"young").hexdigest()}
    # The case stays whole, and knows how many incidents it had.
    assert await database.cases.case(case.id) == case
    assert old.id in case.incidents
    told, said = (await database.audit.entries(START, 10))[1::-1]
    assert (told.action, told.account, told.reason) == ("retention.delete", "retention", "older than its ceiling")
    assert told.subject == (
        "retention (d, every kind): 1 incidents of 2026-03-01T08:00:00+00:00 to 2026-03-01T08:00:00+00:00, 2 messages, "
        "1 evidence"
    )
    assert (said.action, said.subject) == ("retention.delete_files", "1 files")


async def test_an_incident_that_still_goes_on_is_not_over_its_time(database: Database, clock: FakeClock) -> None:
    await record(database, incident("long"), incident("long", seq=80 * 86400))
    clock.advance(100 * 86400)
    assert await run(database, clock) == 0
    clock.advance(70 * 86400)
    assert await run(database, clock) == 1


async def test_nothing_below_the_floor_goes_by_hand_either(database: Database, clock: FakeClock) -> None:
    await record(database, incident())
    clock.advance(29 * 86400)
    job = RetentionJob(database.retention, [policy()], clock)
    stop = asyncio.Event()
    with pytest.raises(RetentionRefused, match="30 days at least; 29 days are refused"):
        await job.run_now(stop, HAND, timedelta(days=29))
    with pytest.raises(RetentionRefused):
        await database.retention.preview([policy()], timedelta(days=29))
    assert len(await kept(database)) == 1
    clock.advance(86400)
    done = await job.run_now(stop, HAND, timedelta(days=30))
    assert done is not None
    assert done.incidents == 1
    [entry] = await database.audit.entries(START, 10)
    assert (entry.account, entry.reason) == ("ann", "the purpose is met")


async def test_the_first_policy_that_fits_counts(database: Database, clock: FakeClock) -> None:
    policies = (
        policy(floor=60, ceiling=365, site=NORTH, kinds=[IncidentKind.CROWDING], name="crowds"),
        policy(ceiling=40, site=NORTH, name="north"),
        policy(ceiling=35, kinds=[IncidentKind.CROWDING], name="any crowd"),
        policy(),
    )
    crowd = incident("crowd", kind=IncidentKind.CROWDING)
    far_crowd = incident("far crowd", kind=IncidentKind.CROWDING, site=SOUTH)
    other, far = incident("other"), incident("far", site=SOUTH)
    await record(database, crowd, far_crowd, other, far)
    left = []
    for day in (34, 35, 40, 90, 364, 365):
        clock.advance((day - (clock.now() - START).days) * 86400)
        await run(database, clock, *policies)
        left.append(await kept(database))
    assert left == [
        {crowd.id, far_crowd.id, other.id, far.id}, {crowd.id, other.id, far.id}, {crowd.id, far.id}, {crowd.id},
        {crowd.id}, set(),
    ]  # fmt: skip


async def test_a_hold_keeps_an_incident_and_its_evidence_until_its_end(
    database: Database, clock: FakeClock, tmp_path: Path
) -> None:
    held = incident("held", evidence=[picture(b"held")])
    await record(database, held, incident("free"))
    await database.store_evidence(held.id, sha256(b"held").hexdigest(), b"held")
    assert await database.holds.place(hold(timedelta(days=200), on=held.id))
    clock.advance(199 * 86400)
    [outlook] = await database.retention.preview([policy()])
    assert (outlook.incidents, outlook.held) == (1, 1)
    assert await run(database, clock) == 1
    assert await kept(database) == {held.id}
    assert await database.archive.evidence(held.id, sha256(b"held").hexdigest())
    clock.advance(86400)
    assert await run(database, clock) == 1
    assert files(tmp_path) == set()


async def test_a_hold_on_a_case_keeps_its_incidents_until_it_is_released(database: Database, clock: FakeClock) -> None:
    case = await link(database, clock, incident("one"), incident("two", at=timedelta(minutes=1)))
    placed = hold(timedelta(days=400), case=case.id)
    assert await database.holds.place(placed)
    clock.advance(200 * 86400)
    assert await run(database, clock) == 0
    released = await database.holds.release(placed.id, "bob", "settled")
    assert released is not None
    assert not released.holds_at(clock.now())
    assert await database.holds.release(placed.id, "bob", "again") is None
    assert await run(database, clock) == 2
    actions = [(one.action, one.account, one.reason) for one in await database.audit.entries(START, 10)]
    assert actions[1:] == [
        ("hold.release", "bob", "settled"),
        ("hold.place", "ann", "a complaint (for Inspector Wang, until 2027-04-05T08:00:00+00:00)"),
    ]


async def test_what_is_not_there_cannot_be_held(database: Database) -> None:
    assert not await database.holds.place(hold(timedelta(days=1), on=uuid.uuid4()))
    assert await database.holds.holds(DISTRICT, None, 10) == []
    assert await database.audit.entries(START, 10) == []


async def test_a_file_stays_while_another_incident_names_it(
    database: Database, clock: FakeClock, tmp_path: Path
) -> None:
    shared = [picture(b"shared")]
    old, young = incident("old", evidence=shared), incident("young", at=timedelta(days=9), evidence=shared)
    await record(database, old, young)
    await database.store_evidence(old.id, shared[0].sha256, b"shared")
    clock.advance(95 * 86400)
    assert await run(database, clock) == 1
    assert await database.archive.evidence(young.id, shared[0].sha256)
    clock.advance(5 * 86400)
    assert await run(database, clock) == 1
    assert files(tmp_path) == set()


async def test_bytes_whose_incident_never_comes_go_after_a_while(
    database: Database, clock: FakeClock, tmp_path: Path
) -> None:
    await database.store_evidence(uuid.uuid4(), sha256(b"alone").hexdigest(), b"alone")
    clock.advance(7 * 86400)
    late = incident("late", at=timedelta(days=7), evidence=[picture(b"late")])
    await database.store_evidence(late.id, sha256(b"late").hexdigest(), b"late")
    await record(database, late)
    clock.advance(22 * 86400)
    await run(database, clock, policy(20), policy(30))
    assert len(files(tmp_path)) == 2, "it may be of what the longest floor is for"
    clock.advance(86400)
    job = RetentionJob(database.retention, [policy(20), policy(30)], clock)
    done = await job.run_now(asyncio.Event())
    assert done is not None
    assert (done.unnamed, done.files) == (1, 1)
    assert files(tmp_path) == {sha256(b"late").hexdigest()}
    told = [(one.account, one.action, one.subject) for one in await database.audit.entries(START, 10)]
    assert ("retention", "retention.unnamed", "1 files of no incident, 30 days old") in told
    assert ("retention", "retention.delete_files", "1 files") in told


async def test_files_that_a_restored_database_does_not_know_are_taken_up_and_go(
    database: Database, clock: FakeClock, tmp_path: Path
) -> None:
    known = incident("known", evidence=[picture(b"known")])
    await record(database, known)
    await database.store_evidence(known.id, sha256(b"known").hexdigest(), b"known")
    await database.files.put(sha256(b"newer").hexdigest(), b"newer")
    assert await database.retention.adopt() == 1
    assert await database.retention.adopt() == 0
    clock.advance(31 * 86400)
    await run(database, clock)
    assert files(tmp_path) == {sha256(b"known").hexdigest()}


async def test_bytes_that_come_again_are_not_deleted_under_the_recorder(
    database: Database, clock: FakeClock, tmp_path: Path
) -> None:
    """Its row was deleted, its file is doomed, and the same bytes come with a new incident whose row is yet to come."""
    again = [picture(b"again")]
    await record(database, incident("old", evidence=again))
    await database.store_evidence(incident("old").id, again[0].sha256, b"again")
    clock.advance(100 * 86400)
    assert await database.retention.remove([policy()], 0, None, HAND)
    await database.store_evidence(uuid.uuid4(), again[0].sha256, b"again")
    assert await database.retention.remove_files(HAND) is None
    assert files(tmp_path) == {again[0].sha256}


async def test_bytes_that_came_just_before_their_row_was_deleted_wait_for_their_incident(
    database: Database, clock: FakeClock, tmp_path: Path
) -> None:
    again = [picture(b"again")]
    await record(database, incident("old", evidence=again))
    clock.advance(100 * 86400)
    new = incident("new", at=timedelta(days=100), evidence=again)
    await database.store_evidence(new.id, again[0].sha256, b"again")
    assert await database.retention.remove([policy()], 0, None, HAND)
    assert await database.retention.remove_files(HAND) is None
    await record(database, new)
    clock.advance(3600)
    assert await database.retention.remove_files(HAND) == 0
    assert files(tmp_path) == {again[0].sha256}
    assert await database.archive.evidence(new.id, again[0].sha256)


async def test_an_incident_that_is_being_written_to_is_passed_over(database: Database, clock: FakeClock) -> None:
    busy, idle = incident("busy"), incident("idle", at=timedelta(hours=1))
    await record(database, busy, idle)
    clock.advance(100 * 86400)
    async with database.recording() as recording:
        await recording.add_messages([incident("busy", seq=1)])
        assert await run(database, clock) == 1
    assert await kept(database) == {busy.id}


async def test_one_of_several_processes_runs_it_once_a_day(database: Database, clock: FakeClock) -> None:
    job = RetentionJob(database.retention, [policy()], clock)
    stop = asyncio.Event()
    async with database.retention.exclusive() as mine:
        assert mine
        assert await job.run_if_due(stop) is None
        assert await job.run_now(stop) is None
    assert await job.run_if_due(stop) is not None
    clock.advance(86399)
    assert await job.run_if_due(stop) is None
    clock.advance(1)
    assert await job.run_if_due(stop) is not None


KILLED = """
import asyncio, os, signal, sys
from datetime import datetime, timedelta
from pathlib import Path
from gridwatch.app.retention import RetentionJob
from gridwatch.domain import FakeClock, RetentionPolicy, SitePath
from gridwatch.store import Database, EvidenceFiles
from gridwatch.store.retention import RetentionStore

dsn, folder, when, now = sys.argv[1:]

class Dying(EvidenceFiles):
    done = 0
    async def delete(self, sha256):
        if when == "before" and Dying.done == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        await super().delete(sha256)
        Dying.done += 1
        if when == "after" and Dying.done == 2:
            os.kill(os.getpid(), signal.SIGKILL)

class DyingAtOnce(RetentionStore):
    async def remove_files(self, by):
        if when == "rows":
            os.kill(os.getpid(), signal.SIGKILL)
        return await super().remove_files(by)

async def main():
    clock = FakeClock(datetime.fromisoformat(now))
    database = Database(dsn=dsn, pool_size=2, clock=clock, evidence_dir=Path(folder))
    await database.open()
    store = DyingAtOnce(database._pool, Dying(Path(folder)), clock)
    kept = dict(name="retention", site=SitePath(district="d"), kinds=())
    policy = RetentionPolicy(**kept, floor=timedelta(days=30), ceiling=timedelta(days=90))
    await RetentionJob(store, [policy], clock).run_now(asyncio.Event())

asyncio.run(main())
"""


@pytest.mark.parametrize("when", ["rows", "before", "after"])
async def test_killed_anywhere_it_leaves_neither_a_row_without_a_file_nor_a_file_for_ever(
    database: Database, clock: FakeClock, database_dsn: str, tmp_path: Path, when: str
) -> None:
    contents = [f"picture {number}".encode() for number in range(4)]
    made = [
        incident(f"n{number}", at=timedelta(days=50 * (number == 3)), evidence=[picture(data)])
        for number, data in enumerate(contents)
    ]
    await record(database, *made)
    for one, data in zip(made, contents, strict=True):
        await database.store_evidence(one.id, sha256(data).hexdigest(), data)
    clock.advance(100 * 86400)
    arguments = [database_dsn, str(tmp_path / "evidence"), when, clock.now().isoformat()]
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", KILLED, *arguments], check=False, capture_output=True, timeout=60,
        env=dict(os.environ),
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    with psycopg.connect(database_dsn) as connection:
        named = {row[0] for row in connection.execute("SELECT sha256 FROM evidence")}
    assert named == {sha256(contents[3]).hexdigest()}
    assert named < files(tmp_path), "files that nobody names are left"
    assert await run(database, clock) == 0
    assert files(tmp_path) == named
