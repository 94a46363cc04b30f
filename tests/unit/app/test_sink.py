from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from gridwatch.app.sink import IncidentSink
from gridwatch.bus import (
    EvidenceTopic,
    Importance,
    IncidentTopic,
    OnvifMirror,
    OnvifTopic,
    Outbox,
    OutboxError,
    parse_topic,
)
from gridwatch.detectors import Analysis, Snapshot
from gridwatch.detectors.evidence import snapshot
from gridwatch.domain import (
    FakeClock,
    Frame,
    Incident,
    IncidentKind,
    Phase,
    Position,
    Severity,
    SitePath,
    incident_id,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FRAME = Frame(
    camera="square", index=0, pts=0.0, captured_at=NOON, arrived_at=NOON, image=np.zeros((48, 64, 3), np.uint8)
)
PICTURE = snapshot(FRAME, [], [], ())
RAISED = Incident(
    id=incident_id(NOON, "x"), kind=IncidentKind.INTRUSION, severity=Severity.MAJOR, phase=Phase.RAISED, seq=0,
    site=SitePath.parse("harbour/east"), camera="square", rule="fence", position=Position(lon=121.5, lat=31.2),
    occurred_at=NOON, observed_at=NOON, boxes=(), score=0.5, count=1, evidence=(), detector=None,
)  # fmt: skip
CLEARED = replace(RAISED, phase=Phase.CLEARED, seq=1)


class Bell:
    def __init__(self) -> None:
        self.rung = 0

    def wake(self) -> None:
        self.rung += 1


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with Outbox(tmp_path / "outbox", 1_000_000, FakeClock()) as one:
        yield one


def analysis(*incidents: Incident, pictures: tuple[Snapshot, ...] = ()) -> Analysis:
    shots = tuple((RAISED.id, one) for one in pictures)
    return Analysis(incidents=incidents, snapshots=shots, detected=True, detections=3)


def topics(outbox: Outbox) -> list[type]:
    return [type(parse_topic(entry.message.topic)) for entry in outbox.peek(10)]


def test_incidents_are_on_disk_before_the_sender_is_woken(outbox: Outbox) -> None:
    bell = Bell()
    sink = IncidentSink(outbox, bell, ["square"])
    sink.on_analysis(FRAME, analysis(RAISED, CLEARED))
    assert topics(outbox) == [IncidentTopic, IncidentTopic]
    assert bell.rung == 1
    assert sink.tallies["square"].incidents == 1


def test_frames_without_incidents_wake_nobody_and_are_counted(outbox: Outbox) -> None:
    bell = Bell()
    sink = IncidentSink(outbox, bell, ["square"])
    sink.on_analysis(FRAME, analysis())
    assert bell.rung == 0
    assert (sink.tallies["square"].detected, sink.tallies["square"].detections) == (1, 3)


def test_a_picture_that_may_not_leave_does_not_hold_back_its_incident(outbox: Outbox) -> None:
    sink = IncidentSink(outbox, Bell(), ["square"])
    sink.on_analysis(FRAME, analysis(RAISED, pictures=(PICTURE,)))  # the incident does not name that picture
    assert topics(outbox) == [IncidentTopic]


def test_a_picture_follows_the_incident_that_names_it(outbox: Outbox) -> None:
    sink = IncidentSink(outbox, Bell(), ["square"])
    sink.on_analysis(FRAME, analysis(RAISED.with_evidence(PICTURE.evidence), pictures=(PICTURE,)))
    assert topics(outbox) == [IncidentTopic, EvidenceTopic]


def test_what_is_open_is_known_to_the_next_run_and_when_it_was_last_watched(outbox: Outbox) -> None:
    sink = IncidentSink(outbox, Bell(), ["square"])
    sink.on_analysis(FRAME, analysis(RAISED))
    for seconds in (1, 6, 8):
        later = replace(FRAME, arrived_at=NOON + timedelta(seconds=seconds))
        sink.on_analysis(later, replace(analysis(), has_open=True))
    (still_open,) = outbox.open_incidents()
    assert still_open.latest == RAISED
    assert still_open.seen_at == NOON + timedelta(seconds=6)
    sink.put("square", [CLEARED])
    assert outbox.open_incidents() == ()


def test_what_the_disk_does_not_take_is_held_unsent_and_stored_in_order_when_it_does(outbox: Outbox) -> None:
    bell = Bell()
    sink = IncidentSink(outbox, bell, ["square"])
    outbox.close()  # as a disk that takes nothing
    sink.on_analysis(FRAME, analysis(RAISED.with_evidence(PICTURE.evidence), pictures=(PICTURE,)))
    sink.retry()
    assert (sink.held, bell.rung, sink.tallies["square"].incidents) == (2, 0, 0)
    outbox.open()
    sink.put("square", [CLEARED])  # waits its turn, although there is room now
    assert sink.held == 3
    sink.retry()
    assert topics(outbox) == [IncidentTopic, EvidenceTopic, IncidentTopic]
    assert (sink.held, bell.rung, sink.tallies["square"].incidents, sink.tallies["square"].lost) == (0, 2, 1, 0)
    assert outbox.open_incidents() == ()


def test_what_is_held_is_bounded_and_pictures_go_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    limit = 200_000
    outbox = Outbox(tmp_path / "outbox", 50_000_000, FakeClock())
    sink = IncidentSink(outbox, Bell(), ["square"], held_bytes=limit)
    one = RAISED.with_evidence(PICTURE.evidence)
    calls = 0
    while not sink.tallies["square"].lost:
        sink.on_analysis(FRAME, analysis(one, pictures=(PICTURE,)))
        calls += 1
    with outbox:
        sink.retry()
        stored = outbox.peek(100_000)
    kinds = [type(parse_topic(entry.message.topic)) for entry in stored]
    assert kinds.count(IncidentTopic) == calls - 1
    assert 0 < kinds.count(EvidenceTopic) < calls - 1
    assert limit * 0.9 < sum(len(entry.message.payload) for entry in stored) <= limit
    assert "incidents_lost" in capsys.readouterr().out


def test_what_finds_no_room_until_the_end_is_counted_as_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Outbox(tmp_path / "small", 100, FakeClock()) as full:
        bell = Bell()
        sink = IncidentSink(full, bell, ["square"])
        sink.on_analysis(FRAME, analysis(RAISED))
        sink.close(0.5)
    assert sink.tallies["square"].lost == 1
    assert sink.tallies["square"].incidents == 0
    assert bell.rung == 0
    assert "incidents_lost" in capsys.readouterr().out


def test_the_mirror_is_stored_with_its_incidents_or_not_at_all(outbox: Outbox, tmp_path: Path) -> None:
    sink = IncidentSink(outbox, Bell(), ["square"], mirror=OnvifMirror())
    outbox.close()
    sink.put("square", [RAISED])  # held
    sink.retry()
    with pytest.raises(OutboxError):
        outbox.peek(1)
    outbox.open()
    sink.retry()
    sink.put("square", [CLEARED])
    assert topics(outbox) == [IncidentTopic, OnvifTopic, IncidentTopic, OnvifTopic]


def test_the_mirror_of_word_that_the_outbox_is_full_is_as_urgent_as_the_word(outbox: Outbox) -> None:
    sink = IncidentSink(outbox, Bell(), ["square"], mirror=OnvifMirror())
    sink.put("square", [replace(RAISED, rule="health.outbox-full")])
    assert [entry.message.importance for entry in outbox.peek(10)] == [Importance.ALARM] * 2
