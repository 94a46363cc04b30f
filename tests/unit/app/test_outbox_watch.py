from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gridwatch.app.outbox_watch import (
    DAMAGED_RULE,
    EXPIRE_PERIOD,
    FULL_RULE,
    UNWRITABLE_RULE,
    OutboxJudge,
    OutboxWatch,
)
from gridwatch.app.sink import IncidentSink
from gridwatch.bus import Importance, Outbox, OutboxError, OutboxState, OutboxStats, OutgoingMessage, decode_incident
from gridwatch.config.model import CameraConfig, CameraSource
from gridwatch.domain import FakeClock, Incident, IncidentKind, Phase

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
AGE = timedelta(days=14)
CAMERA = CameraConfig(id="gate", site="harbour", position=(121, 31), source=CameraSource(rtsp="rtsp://192.0.2.1/"))
WELL = OutboxStats(
    count=0, bytes=0, oldest_age=0.0, refused_updates=0, refused_evidence=0, refused_full=0, set_aside=0, expired=0,
    damaged=0, is_full=False, max_bytes=1_000_000,
)  # fmt: skip


def said(incidents: Sequence[Incident]) -> list[tuple[str, str, int]]:
    return [(one.rule, str(one.phase), one.count) for one in incidents]


def test_a_full_outbox_is_one_incident_until_there_is_room() -> None:
    judge = OutboxJudge(CAMERA, AGE)
    full = replace(WELL, is_full=True, refused_updates=7)
    assert judge.step(WELL, 0, NOON) == ()
    (raised,) = judge.step(full, 0, NOON)
    assert (raised.rule, raised.kind, raised.severity, raised.count) == (
        FULL_RULE, IncidentKind.DEVICE_ALARM, "critical", 7,
    )  # fmt: skip
    assert judge.step(full, 0, NOON) == ()
    assert judge.state() is OutboxState.FULL
    (cleared,) = judge.step(replace(full, is_full=False), 0, NOON)
    assert (cleared.id, cleared.phase) == (raised.id, Phase.CLEARED)
    assert judge.state() is OutboxState.OK


def test_what_waits_for_too_long_is_said_too() -> None:
    judge = OutboxJudge(CAMERA, AGE)
    old = replace(WELL, count=3, oldest_age=AGE.total_seconds() + 1)
    assert said(judge.step(old, 0, NOON)) == [(FULL_RULE, "raised", 1)]


def test_damage_is_raised_and_cleared_at_once_each_time() -> None:
    judge = OutboxJudge(CAMERA, AGE)
    for damaged, more in ((2, 2), (5, 3)):
        told = said(judge.step(replace(WELL, damaged=damaged), 0, NOON))
        assert told == [(DAMAGED_RULE, "raised", more), (DAMAGED_RULE, "cleared", more)]
        assert judge.step(replace(WELL, damaged=damaged), 0, NOON) == ()


def test_a_disk_that_takes_nothing_is_said_and_is_worse_than_full() -> None:
    judge = OutboxJudge(CAMERA, AGE)
    judge.step(replace(WELL, is_full=True), 0, NOON)
    assert said(judge.step(None, 4, NOON)) == [(UNWRITABLE_RULE, "raised", 4)]
    assert judge.state() is OutboxState.UNWRITABLE
    assert said(judge.step(WELL, 0, NOON)) == [(UNWRITABLE_RULE, "cleared", 4), (FULL_RULE, "cleared", 1)]


def test_what_an_earlier_run_left_open_is_gone_on_with() -> None:
    (left,) = OutboxJudge(CAMERA, AGE).step(replace(WELL, is_full=True), 0, NOON)
    judge = OutboxJudge(CAMERA, AGE, [left])
    assert judge.state() is OutboxState.FULL
    (cleared,) = judge.step(WELL, 0, NOON)
    assert (cleared.id, cleared.seq) == (left.id, 1)


class Bell:
    def wake(self) -> None:
        pass


def rules(outbox: Outbox) -> list[tuple[str, Phase]]:
    found = [
        decode_incident(entry.message.topic, entry.message.payload, entry.message.content_type)
        for entry in outbox.peek(10_000) if "/incident/" in entry.message.topic
    ]  # fmt: skip
    return [(one.rule, one.phase) for one in found]


def test_the_alarm_of_a_full_outbox_fits_into_it(tmp_path: Path) -> None:
    """Filled to the last byte that incidents may take, it still has room for saying so and that it is over."""
    told: list[tuple[OutboxState, int]] = []
    with Outbox(tmp_path / "o.db", 1_000_000, FakeClock()) as outbox:
        sink = IncidentSink(outbox, Bell(), ["gate"])
        watch = OutboxWatch(
            outbox, sink, OutboxJudge(CAMERA, AGE), "gate", lambda state, lost: told.append((state, lost)), FakeClock()
        )
        watch.look()
        filler = OutgoingMessage(topic="t/" + "x" * 98, payload=bytes(9700), content_type="x")
        outbox.append([filler] * 98)
        outbox.append([replace(filler, importance=Importance.UPDATE)])
        assert 1_000_000 * 0.98 - outbox.stats().bytes < 1000
        watch.look()
        assert rules(outbox) == [(FULL_RULE, Phase.RAISED)]
        assert sink.held == 0
        outbox.forget([entry.id for entry in outbox.peek(70)])
        watch.look()
        assert rules(outbox) == [(FULL_RULE, Phase.RAISED), (FULL_RULE, Phase.CLEARED)]
    assert told == [(OutboxState.OK, 0), (OutboxState.FULL, 1), (OutboxState.OK, 1)]


def test_old_updates_and_pictures_expire_and_incidents_do_not(tmp_path: Path) -> None:
    clock = FakeClock()
    with Outbox(tmp_path / "o.db", 1_000_000, clock, max_age=AGE) as outbox:
        sink = IncidentSink(outbox, Bell(), ["gate"])
        watch = OutboxWatch(outbox, sink, OutboxJudge(CAMERA, AGE), "gate", lambda *_: None, clock)
        for importance in Importance:
            outbox.append([OutgoingMessage(topic="t", payload=b"1", content_type="x", importance=importance)])
        clock.advance(AGE.total_seconds() - 1)
        outbox.append([OutgoingMessage(topic="t", payload=b"2", content_type="x", importance=Importance.UPDATE)])
        watch.look()
        assert outbox.stats().count == len(Importance) + 1
        clock.advance(EXPIRE_PERIOD + 1)
        watch.look()
        left = [(entry.message.payload, entry.message.importance) for entry in outbox.peek(3)]
        assert left == [(b"1", Importance.ALARM), (b"1", Importance.INCIDENT), (b"2", Importance.UPDATE)]
        assert outbox.stats().expired == 2
        assert rules(outbox) == [(FULL_RULE, Phase.RAISED)]


class BrokenOutbox:
    def stats(self) -> OutboxStats:
        raise OutboxError("the disk is gone")

    def expire(self) -> int:
        raise OutboxError("the disk is gone")


class Held:
    held = 3

    def __init__(self) -> None:
        self.retries = 0
        self.said: list[Incident] = []

    def retry(self) -> None:
        self.retries += 1

    def put(self, camera: str, incidents: Sequence[Incident]) -> None:
        self.said += incidents


def test_an_outbox_that_cannot_even_be_asked_is_told_in_the_nodes_state(capsys: pytest.CaptureFixture[str]) -> None:
    told: list[OutboxState] = []
    held = Held()
    watch = OutboxWatch(
        BrokenOutbox(), held, OutboxJudge(CAMERA, AGE), "gate", lambda state, _: told.append(state), FakeClock()
    )
    watch.look()
    watch.look()
    assert told == [OutboxState.UNWRITABLE] * 2
    assert said(held.said) == [(UNWRITABLE_RULE, "raised", 3)]
    assert held.retries == 2
    assert "the disk is gone" in capsys.readouterr().out
