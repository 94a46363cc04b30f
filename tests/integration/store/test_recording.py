"""Messages in: once each, in commit order, the current state right whatever order they come in."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from gridwatch.domain import EventRecord, Incident, IncidentFilter, Phase, SystemClock
from gridwatch.store import Database, StoreError, StoreUnavailable
from tests.integration.store.build import (
    CAMERAS,
    DISTRICT,
    GATE,
    GRIDS,
    INSIDE,
    NORTH,
    OUTSIDE,
    SITES,
    SOUTH,
    UNITS,
    fill_directory,
    incident,
    picture,
    record,
)

ALL = IncidentFilter(scope=DISTRICT)


async def test_a_message_comes_back_as_it_was(database: Database) -> None:
    await fill_directory(database)
    sent = incident(evidence=[picture()])
    assert await record(database, sent) == [sent]
    [event] = await database.events.events(0, 10, ALL, 10)
    assert event == EventRecord(cursor=1, incident=sent, grid="g1", case=None)
    assert [r.incident for r in await database.archive.incidents(ALL, None, 10)] == [sent]
    assert await database.archive.history(sent.id) == [event]


async def test_only_new_messages_are_returned_in_the_order_given(database: Database) -> None:
    first, second, third = incident("b"), incident("a"), incident("a", seq=1)
    assert await record(database, first, second, first) == [first, second]
    assert await record(database, third, second, first) == [third]
    assert await database.events.head() == 3
    assert await database.figures.message_ids() == {(i.id, i.seq) for i in (first, second, third)}


async def test_an_update_that_arrives_late_does_not_reopen_a_cleared_incident(database: Database) -> None:
    await record(database, incident(), incident(seq=3, phase=Phase.CLEARED))
    await record(database, incident(seq=2))
    [now] = await database.archive.incidents(ALL, None, 10)
    assert (now.incident.phase, now.incident.seq) == (Phase.CLEARED, 3)
    # Nor one that wrongly follows it.
    await record(database, incident(seq=4))
    [now] = await database.archive.incidents(ALL, None, 10)
    assert now.incident.phase is Phase.CLEARED
    history = await database.archive.history(incident().id)
    assert [e.incident.seq for e in history] == [0, 2, 3, 4]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
async def test_the_highest_seq_is_the_state_in_any_order(database: Database, order: tuple[int, ...]) -> None:
    for seq in order:
        assert await record(database, incident(seq=seq)) == [incident(seq=seq)]
    [now] = await database.archive.incidents(ALL, None, 10)
    assert now.incident == incident(seq=2)


async def test_a_batch_that_fails_leaves_nothing(database: Database) -> None:
    async def fail() -> None:
        async with database.recording() as recording:
            await recording.add_messages([incident()])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await database.events.head() == 0
    assert await database.archive.incidents(ALL, None, 10) == []
    assert await record(database, incident()) == [incident()]


async def test_a_message_that_moves_its_incident_in_time_is_left_out_and_named(database: Database) -> None:
    await record(database, incident())
    moved = replace(incident(seq=1), occurred_at=incident().occurred_at + timedelta(hours=1))
    async with database.recording() as recording:
        assert await recording.add_messages([moved, incident(seq=2)]) == [incident(seq=2)]
        assert recording.contradicting == [moved]
    # And it may not hide as a duplicate of one that is there.
    assert [e.incident.seq for e in await database.archive.history(incident().id)] == [0, 2]


async def test_messages_of_a_batch_that_disagree_on_when_their_incident_occurred_are_not_both_kept(database) -> None:
    first = incident()
    moved = replace(incident(seq=1), occurred_at=first.occurred_at + timedelta(hours=1))
    async with database.recording() as recording:
        assert await recording.add_messages([first, moved]) == [moved]
        assert recording.contradicting == [first]
    [now] = await database.archive.incidents(ALL, None, 10)
    assert now.incident == moved


async def test_a_message_of_another_site_does_not_touch_the_incident(database: Database) -> None:
    """Who may publish at one site cannot end what another raised, though they know its id and time."""
    raised, forged = incident(), incident(seq=1, phase=Phase.CLEARED, site=SOUTH)
    await record(database, raised)
    async with database.recording() as recording:
        assert await recording.add_messages([forged]) == []
        assert recording.contradicting == [forged]
    [now] = await database.archive.incidents(ALL, None, 10)
    assert now.incident == raised


@pytest.mark.parametrize(
    "forged",
    [
        incident(seq=5, site=SOUTH),
        incident(seq=5, site=replace(GATE, checkpoint="other")),
        incident(seq=5, camera="cam-2"),
        replace(incident(seq=5), occurred_at=incident().occurred_at + timedelta(hours=1)),
    ],
    ids=["another substation", "another checkpoint", "another camera", "another time"],
)
async def test_a_wrong_message_does_not_hide_a_right_one_of_its_batch(database: Database, forged: Incident) -> None:
    await record(database, incident())
    async with database.recording() as recording:
        assert await recording.add_messages([incident(seq=1), forged]) == [incident(seq=1)]
        assert recording.contradicting == [forged]
    [now] = await database.archive.incidents(ALL, None, 10)
    assert now.incident == incident(seq=1)


async def test_a_site_above_may_speak_for_those_below(database: Database) -> None:
    await record(database, incident())
    above = [incident(seq=1, site=NORTH), incident(seq=2, phase=Phase.CLEARED, site=DISTRICT)]
    assert await record(database, *above) == above
    [now] = await database.archive.incidents(ALL, None, 10)
    assert (now.incident.phase, now.incident.site) == (Phase.CLEARED, GATE)


async def test_a_camera_that_moved_ends_what_it_raised_at_its_old_site(database: Database) -> None:
    await fill_directory(database)
    cleared = incident(seq=1, phase=Phase.CLEARED, site=SOUTH)
    await record(database, incident())
    assert await record(database, cleared) == []
    moved = [replace(one, site=SOUTH) if one.id == "cam-1" else one for one in CAMERAS]
    await database.sync_directory(SITES, moved, GRIDS, UNITS)
    assert await record(database, cleared) == [cleared]
    [now] = await database.archive.incidents(ALL, None, 10)
    assert (now.incident.phase, now.incident.site) == (Phase.CLEARED, GATE)


async def test_cleared_counts_though_a_later_message_came_before_it(database: Database) -> None:
    cleared = incident(seq=3, phase=Phase.CLEARED)
    await record(database, incident(), incident(seq=4))
    assert await record(database, cleared) == [cleared]
    [now] = await database.archive.incidents(ALL, None, 10)
    assert now.incident == cleared


async def test_a_message_that_is_there_does_not_come_again_in_another_phase(database: Database) -> None:
    await record(database, incident(), incident(seq=1))
    assert await record(database, incident(seq=1, phase=Phase.CLEARED)) == []
    [now] = await database.archive.incidents(ALL, None, 10)
    assert now.incident == incident(seq=1)


async def test_a_recorder_that_had_to_wait_keeps_what_the_other_did_not(database: Database, database_dsn: str) -> None:
    """It saw the incident as it was before the other's message."""
    await record(database, incident(), incident("new", at=timedelta(seconds=1)))
    first, second = incident(seq=1), incident(seq=2)
    async with database.recording() as recording:
        assert await recording.add_messages([first]) == [first]
        waiting = asyncio.create_task(record(database, first, second))
        async with asyncio.timeout(10), await psycopg.AsyncConnection.connect(database_dsn, autocommit=True) as looking:
            waits = b"SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            while await (await looking.execute(waits)).fetchone() is None:
                await asyncio.sleep(0.01)
    assert await waiting == [second]
    assert [e.incident.seq for e in await database.archive.history(first.id)] == [0, 1, 2]


async def test_text_that_copy_arrays_and_json_must_quote_comes_back_as_it_was(database: Database) -> None:
    nasty = 'a "b" \\ {c},\td\ne \x1e NULL \\N 网'
    box = replace(incident().boxes[0], label=nasty)
    sent = [replace(incident(f"nasty-{n}"), rule=rule, boxes=(box,)) for n, rule in enumerate((nasty, "NULL", ""))]
    await record(database, *sent)
    assert [e.incident for e in await database.events.events(0, 10, ALL, 10)] == sent
    found = {r.incident.id: r.incident for r in await database.archive.incidents(ALL, None, 10)}
    assert found == {one.id: one for one in sent}


async def test_a_message_the_database_cannot_hold_is_a_store_error_not_an_outage(database: Database) -> None:
    with pytest.raises(StoreError) as caught:
        await record(database, replace(incident(), rule="nul\0"))
    assert not isinstance(caught.value, StoreUnavailable)
    assert await record(database, incident()) == [incident()]


async def test_places_get_the_grid_that_holds_them(database: Database) -> None:
    await fill_directory(database)
    await record(database, incident("in", position=INSIDE), incident("out", position=OUTSIDE))
    events = await database.events.events(0, 10, ALL, 10)
    assert [e.grid for e in events] == ["g1", None]


async def test_concurrent_recorders_give_a_reader_every_message_once_and_in_order(database_dsn, tmp_path) -> None:
    """Four recorders, 200 messages each, in overlapping batches; a reader pages along the head it is told."""
    writers = [Database(dsn=database_dsn, pool_size=2, clock=SystemClock(), evidence_dir=tmp_path) for _ in range(4)]
    reader = Database(dsn=database_dsn, pool_size=2, clock=SystemClock(), evidence_dir=tmp_path)
    for one in (*writers, reader):
        await one.open()
    shared = [incident(f"shared-{n}", seq=s) for n in range(10) for s in range(2)]
    own = {w: [incident(f"{w}-{n}", at=timedelta(seconds=n)) for n in range(180)] for w in range(4)}
    total = 4 * 180 + len(shared)
    returned: list[object] = []

    async def write(index: int) -> None:
        mine = own[index]
        for start in range(0, 180, 9):
            # Every recorder also gets the shared ones, in its own order: a redelivery to another recorder.
            again = shared[start // 9 : start // 9 + 1] if index % 2 else shared[19 - start // 9 : 20 - start // 9]
            returned.extend(await record(writers[index], *again, *mine[start : start + 9]))

    async def read() -> list[EventRecord]:
        seen: list[EventRecord] = []
        cursor = 0
        while len(seen) < total:
            head = await reader.events.wait(cursor, 5.0)
            page = await reader.events.events(cursor, head, ALL, 50)
            seen += page
            cursor = page[-1].cursor if page else head
        return seen

    try:
        async with asyncio.timeout(60):
            reading = asyncio.create_task(read())
            await asyncio.gather(*(write(index) for index in range(4)))
            seen = await reading
    finally:
        for one in (*writers, reader):
            await one.close()
    assert [e.cursor for e in seen] == list(range(1, total + 1))
    assert len({(e.incident.id, e.incident.seq) for e in seen}) == total
    assert len(returned) == total
    for index in range(4):
        ids = [i.id for i in own[index]]
        assert [e.incident.id for e in seen if e.incident.id in set(ids)] == ids
