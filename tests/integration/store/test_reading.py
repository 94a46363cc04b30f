"""Reading back: directory, pages, scopes, accounts, audit, evidence, health, figures."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest

from gridwatch.domain import (
    Account,
    AuditEntry,
    CameraHealth,
    CameraState,
    IncidentFilter,
    IncidentKind,
    IncidentRecord,
    PageKey,
    Phase,
    Role,
    Severity,
    SitePath,
)
from gridwatch.store import Database, EvidenceAltered, IncidentCount, StoreError
from tests.integration.store.build import (
    CAMERAS,
    DISTRICT,
    GATE,
    GRIDS,
    INSIDE,
    NORTH,
    SITES,
    SOUTH,
    START,
    UNITS,
    fill_directory,
    incident,
    picture,
    record,
    square,
)

HEALTH = CameraHealth(
    camera="cam-1", site=GATE, state=CameraState.UP, reason="", since=START, observed_at=START, frames=10, analysed=5,
    dropped=1, detected=2, detections=3, incidents=1, fps=24.5,
)  # fmt: skip


async def test_the_directory_comes_back_by_scope_and_in_order(database: Database) -> None:
    await fill_directory(database)
    assert await database.directory.sites(DISTRICT) == list(SITES)
    assert [s.path for s in await database.directory.sites(NORTH)] == [NORTH, GATE]
    assert [c.id for c in await database.directory.cameras(DISTRICT)] == ["cam-0", "cam-1", "cam-2"]
    assert [c.id for c in await database.directory.cameras(GATE)] == ["cam-1"]
    assert await database.directory.cameras(SitePath(district="elsewhere")) == []
    assert await database.directory.grids() == list(GRIDS)


async def test_a_site_whose_name_begins_like_another_is_not_below_it(database: Database) -> None:
    await record(database, incident(site=SitePath(district="d", substation="north-2")))
    assert await database.archive.incidents(IncidentFilter(scope=NORTH), None, 10) == []


async def test_what_is_no_longer_listed_disappears_and_comes_back(database: Database) -> None:
    await fill_directory(database)
    await database.sync_directory(SITES[:1], CAMERAS[:1], GRIDS[:1], UNITS)
    assert [s.path for s in await database.directory.sites(DISTRICT)] == [DISTRICT]
    assert [c.id for c in await database.directory.cameras(DISTRICT)] == ["cam-1"]
    assert [g.code for g in await database.directory.grids()] == ["g1"]
    moved = [replace(CAMERAS[0], site=SOUTH, name="renamed"), *CAMERAS[1:]]
    await database.sync_directory(SITES, moved, GRIDS, UNITS)
    cameras = await database.directory.cameras(SOUTH)
    assert [(c.id, c.name) for c in cameras] == [("cam-1", "renamed"), ("cam-2", "cam-2")]


async def test_an_empty_directory_is_fine(database: Database) -> None:
    await fill_directory(database)
    await database.sync_directory([], [], [], [])
    assert await database.directory.cameras(DISTRICT) == []
    assert database.locate(INSIDE) is None


async def test_a_grid_of_an_unknown_unit_is_refused_and_nothing_changes(database: Database) -> None:
    await fill_directory(database)
    with pytest.raises(StoreError, match="unit"):
        await database.sync_directory([], [], [replace(square("g9", 5, 5), unit="nobody")], UNITS)
    assert await database.directory.grids() == list(GRIDS)
    assert len(await database.directory.sites(DISTRICT)) == len(SITES)


async def test_a_grid_with_a_hole_keeps_it(database: Database) -> None:
    ring = square("ring", 0, 0, hole=0.5)
    await database.sync_directory(SITES, CAMERAS, [ring], UNITS)
    assert await database.directory.grids() == [ring]
    assert database.locate(INSIDE) is None


async def test_the_latest_health_is_kept_and_an_older_report_changes_nothing(database: Database) -> None:
    await fill_directory(database)
    later = replace(HEALTH, state=CameraState.STALLED, reason="no frame", observed_at=START + timedelta(seconds=5))
    await database.save_health(HEALTH)
    await database.save_health(later)
    await database.save_health(HEALTH)
    health = {c.id: c.health for c in await database.directory.cameras(DISTRICT)}
    assert health == {"cam-0": None, "cam-1": later, "cam-2": None}


async def page_through(database: Database, where: IncidentFilter, size: int) -> list[IncidentRecord]:
    found: list[IncidentRecord] = []
    key = None
    while page := await database.archive.incidents(where, key, size):
        found += page
        key = PageKey(at=page[-1].incident.occurred_at, id=page[-1].incident.id)
    return found


async def test_pages_neither_skip_nor_repeat_where_times_are_equal(database: Database) -> None:
    sent = [incident(f"{n}", at=timedelta(seconds=n // 5)) for n in range(23)]
    await record(database, *sent)
    everything = IncidentFilter(scope=DISTRICT)
    expected = sorted((i.id for i in sent), key=lambda id_: id_.int, reverse=True)
    assert [r.incident.id for r in await page_through(database, everything, 100)] == expected
    for size in (1, 3, 5, 22):
        assert [r.incident.id for r in await page_through(database, everything, size)] == expected
    # One that arrives between two pages, newer than the key, does not shift what follows.
    first = await database.archive.incidents(everything, None, 10)
    await record(database, incident("new", at=timedelta(hours=1)))
    key = PageKey(at=first[-1].incident.occurred_at, id=first[-1].incident.id)
    rest = await database.archive.incidents(everything, key, 100)
    assert [r.incident.id for r in first + rest] == expected


@pytest.mark.parametrize(
    ("where", "names"),
    [
        (IncidentFilter(scope=DISTRICT), "abcd"),
        (IncidentFilter(scope=NORTH), "acd"),
        (IncidentFilter(scope=GATE), "ac"),
        (IncidentFilter(scope=SOUTH), "b"),
        (IncidentFilter(scope=SitePath(district="e")), ""),
        (IncidentFilter(scope=DISTRICT, kinds=(IncidentKind.CROWDING,)), "b"),
        (IncidentFilter(scope=DISTRICT, kinds=(IncidentKind.CROWDING, IncidentKind.INTRUSION)), "abcd"),
        (IncidentFilter(scope=NORTH, severities=(Severity.CRITICAL,)), "c"),
        (IncidentFilter(scope=NORTH, camera="cam-9"), "d"),
        (IncidentFilter(scope=DISTRICT, since=START + timedelta(minutes=2)), "cd"),
        (IncidentFilter(scope=DISTRICT, until=START + timedelta(minutes=2)), "ab"),
    ],
)
async def test_filters_mean_the_same_for_states_and_for_events(
    database: Database, where: IncidentFilter, names: str
) -> None:
    sent = {
        "a": incident("a"),
        "b": incident("b", at=timedelta(minutes=1), site=SOUTH, kind=IncidentKind.CROWDING),
        "c": incident("c", at=timedelta(minutes=2), severity=Severity.CRITICAL),
        "d": incident("d", at=timedelta(minutes=3), site=NORTH, camera="cam-9"),
    }
    await record(database, *sent.values())
    expected = [sent[name] for name in names]
    assert [r.incident for r in await database.archive.incidents(where, None, 10)] == expected[::-1]
    assert [e.incident for e in await database.events.events(0, 10, where, 10)] == expected


async def test_events_are_cut_by_cursor_and_limit(database: Database) -> None:
    await record(database, *(incident(f"{n}") for n in range(6)))
    where = IncidentFilter(scope=DISTRICT)
    assert [e.cursor for e in await database.events.events(1, 5, where, 3)] == [2, 3, 4]
    assert [e.cursor for e in await database.events.events(4, 5, where, 3)] == [5]
    assert await database.archive.history(UUID(int=0)) == []


async def test_a_subscriber_who_was_away_for_long_misses_nothing(database: Database, database_dsn: str) -> None:
    for name, head in (("a", 0), ("b", 9_999), ("c", 60_000), ("d", 1_000_000)):
        with psycopg.connect(database_dsn, autocommit=True) as connection:
            connection.execute("UPDATE stream_head SET cursor = %s", (head,))
        await record(database, incident(name))
    where = IncidentFilter(scope=DISTRICT)
    assert [e.cursor for e in await database.events.events(0, 1_000_001, where, 10)] == [1, 10_000, 60_001, 1_000_001]
    assert [e.cursor for e in await database.events.events(1, 1_000_000, where, 10)] == [10_000, 60_001]
    assert [e.cursor for e in await database.events.events(1, 1_000_001, where, 2)] == [10_000, 60_001]


async def test_a_record_carries_the_evidence_of_all_its_messages(database: Database) -> None:
    one, two = picture(b"one"), picture(b"two")
    await record(database, incident(evidence=[one]), incident(seq=1, evidence=[one, two]))
    await record(database, incident(seq=2, phase=Phase.CLEARED))
    [now] = await database.archive.incidents(IncidentFilter(scope=DISTRICT), None, 10)
    assert set(now.incident.evidence) == {one, two}


@pytest.mark.parametrize("bytes_first", [True, False])
async def test_evidence_is_served_once_bytes_and_incident_are_both_there(database: Database, bytes_first: bool) -> None:
    sent, data = incident(evidence=[picture()]), b"picture"
    sha256 = picture().sha256
    assert await database.archive.evidence(sent.id, sha256) is None
    if bytes_first:
        assert await database.store_evidence(sent.id, sha256, data)
    else:
        await record(database, sent)
    assert await database.archive.evidence(sent.id, sha256) is None
    await record(database, sent)
    assert await database.store_evidence(sent.id, sha256, data)
    assert await database.archive.evidence(sent.id, sha256) == (picture(), data)
    assert await database.archive.evidence(incident("other").id, sha256) is None


async def test_evidence_changed_on_the_disk_is_not_served(database: Database) -> None:
    sent = incident(evidence=[picture()])
    await record(database, sent)
    await database.store_evidence(sent.id, picture().sha256, b"picture")
    database.files.path(picture().sha256).write_bytes(b"forged!")
    with pytest.raises(EvidenceAltered):
        await database.archive.evidence(sent.id, picture().sha256)


async def test_evidence_that_does_not_have_its_hash_is_quarantined(database: Database, database_dsn: str) -> None:
    assert not await database.store_evidence(incident().id, picture().sha256, b"forged")
    with psycopg.connect(database_dsn) as connection:
        [(topic, payload)] = connection.execute("SELECT topic, payload FROM quarantine").fetchall()
    assert topic == f"evidence/{incident().id}"
    assert payload == b"forged"


async def test_figures_count_by_camera_and_kind(database: Database) -> None:
    await record(
        database, incident("a"), incident("a", seq=1), incident("b"), incident("c", kind=IncidentKind.CROWDING)
    )
    summary = await database.figures.summary()
    assert summary.incidents == (
        IncidentCount(camera="cam-1", kind=IncidentKind.CROWDING, incidents=1, in_cases=0),
        IncidentCount(camera="cam-1", kind=IncidentKind.INTRUSION, incidents=2, in_cases=0),
    )
    assert summary.cases == ()
    assert await database.figures.message_ids(after=3) == {(incident("c").id, 0)}


async def test_accounts_and_sessions(database: Database) -> None:
    ann = Account(name="ann", role=Role.OPERATOR, site=NORTH, password_hash="hash")
    accounts = database.accounts
    assert await accounts.account("ann") is None
    await accounts.save_account(ann)
    await accounts.save_account(changed := replace(ann, role=Role.AUDITOR, site=GATE))
    assert await accounts.account("ann") == changed
    soon = START + timedelta(hours=1)
    await accounts.open_session("t1", "ann", soon)
    assert await accounts.session("t1", START) == changed
    assert await accounts.session("t1", soon) is None
    assert await accounts.session("t2", START) is None
    await accounts.close_session("t1")
    await accounts.close_session("t1")
    assert await accounts.session("t1", START) is None
    with pytest.raises(StoreError):
        await accounts.open_session("t3", "nobody", soon)


async def test_the_audit_comes_back_newest_first(database: Database) -> None:
    entries = [
        AuditEntry(at=START + timedelta(seconds=n // 2), account="ann", action="login", subject=str(n), reason="")
        for n in range(4)
    ]
    for entry in entries:
        await database.audit.record(entry)
    assert await database.audit.entries(START, 10) == entries[::-1]
    assert await database.audit.entries(START, 1) == entries[3:]
    assert await database.audit.entries(START + timedelta(seconds=1), 10) == entries[:1:-1]


@pytest.mark.parametrize(
    "statement", ["UPDATE audit SET reason = 'x'", "DELETE FROM audit", "TRUNCATE audit", "TRUNCATE audit CASCADE"]
)
async def test_nobody_changes_the_audit(database: Database, database_dsn: str, statement: str) -> None:
    entry = AuditEntry(at=START, account="ann", action="evidence.view", subject="x", reason="case 1")
    await database.audit.record(entry)
    with psycopg.connect(database_dsn) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.encode())
    assert await database.audit.entries(START, 10) == [entry]


async def test_ready_says_whether_the_database_answers(database: Database) -> None:
    assert await database.directory.ready()
    await database.close()
    assert not await database.directory.ready()
