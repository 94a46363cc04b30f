"""Messages whose meaning is configured: paths, types, when one begins and ends."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gridwatch.domain import IncidentKind, Phase, Severity
from gridwatch.sources import Change, Unread
from tests.unit.sources.builders import MAPPED, NOON, Desk, read


def mapped(**changes: Any) -> dict[str, Any]:
    return {**MAPPED, "map": {**MAPPED["map"], **changes}}


def smoke(**state: Any) -> dict[str, Any]:
    return {"sensor": "s1", "at": "2026-03-04T11:59:00Z", "state": {"alarm": True, "level": 0.5, "heads": 2, **state}}


def test_paths_give_time_score_and_count_and_the_rest_is_configured() -> None:
    (told,) = read(MAPPED, smoke()).told

    assert (told.kind, told.severity, told.rule) == (IncidentKind.FIRE_SMOKE, Severity.CRITICAL, "smoke.detector")
    assert told.occurred_at == NOON - timedelta(minutes=1)
    assert (told.score, told.count, told.change) == (0.5, 2, Change.ON)


@pytest.mark.parametrize(
    "at", [(NOON - timedelta(minutes=1)).timestamp(), (NOON - timedelta(minutes=1)).timestamp() * 1000]
)
def test_times_may_be_seconds_or_milliseconds(at: float) -> None:
    assert read(MAPPED, {**smoke(), "at": at}).told[0].occurred_at == NOON - timedelta(minutes=1)


@pytest.mark.parametrize("at", ["yesterday", None, True, {}, 1e300, -1e300, "2020-01-01T00:00:00Z", "2099-01-01"])
def test_a_time_that_is_none_or_cannot_be_is_the_arrival(at: object) -> None:
    assert read(MAPPED, {**smoke(), "at": at}).told[0].occurred_at == NOON


@pytest.mark.parametrize("value", ["true", 1, None, [], {"alarm": True}])
def test_values_compare_with_their_type(value: object) -> None:
    assert read(MAPPED, smoke(alarm=value)).unread is Unread.UNKNOWN


@pytest.mark.parametrize(
    "changes",
    [{"level": "high"}, {"level": 2}, {"level": -1}, {"level": True}, {"heads": "2"}, {"heads": -1}, {"heads": 1e9}],
)
def test_wrong_types_and_ranges_are_malformed(changes: dict[str, Any]) -> None:
    assert read(MAPPED, smoke(**changes)).unread is Unread.MALFORMED


@pytest.mark.parametrize("subject", [None, [], {}, True, "x" * 201])
def test_a_subject_is_a_name_or_a_number(subject: object) -> None:
    assert read(MAPPED, {**smoke(), "sensor": subject}).unread is Unread.MALFORMED


@pytest.mark.parametrize(("value", "change"), [(61, Change.ON), (60, None), (10, None), (9, Change.OFF), ("61", None)])
def test_thresholds_with_a_gap_in_between(value: object, change: Change | None) -> None:
    source = mapped(raise_when={"path": "t.0.c", "above": 60}, clear_when={"path": "t.0.c", "below": 10}, subject=None)
    told = read(source, {"t": [{"c": value}]}).told
    assert [one.change for one in told] == ([] if change is None else [change])


def test_plain_text_is_the_whole_message(tmp_path: Path) -> None:
    contact = {
        "id": "door", "type": "topic", "topic": "door/state", "format": "text",
        "map": {"kind": "device_alarm", "rule": "contact", "camera": "gate-1",
                "raise_when": {"one_of": ["OPEN", "FORCED"]}, "clear_when": {"equals": "CLOSED"}},
    }  # fmt: skip
    desk = Desk(tmp_path, contact)
    for text in (b"OPEN\n", b"FORCED", b"CLOSED", b"CLOSED", b"OPEN", b"\xff", b"?"):
        desk.clock.advance(1)
        desk.hear("door", text)
    assert [one.phase for one in desk.put] == [Phase.RAISED, Phase.CLEARED, Phase.RAISED]
    assert desk.teller.tallies["door"].unread[Unread.MALFORMED] == 1


def test_subjects_on_one_camera_are_incidents_of_their_own(tmp_path: Path) -> None:
    desk = Desk(tmp_path, MAPPED)
    first, second = (desk.hear("smoke", {**smoke(), "sensor": name})[0] for name in ("s1", "s2"))
    (cleared,) = desk.hear("smoke", {**smoke(alarm=False), "sensor": "s2"})
    assert cleared.id == second.id != first.id


def test_a_message_may_name_its_camera() -> None:
    yard = {"id": "yard", "site": "harbour/north", "position": [1, 2]}
    source = mapped(camera=None, camera_path="where", cameras={"north": "gate-1", "7": yard})
    assert read(source, {**smoke(), "where": "north"}).told[0].where.camera == "gate-1"
    assert read(source, {**smoke(), "where": 7}).told[0].where.camera == "yard"
    assert read(source, {**smoke(), "where": "south"}).unread is Unread.UNBOUND
    assert read(source, smoke()).unread is Unread.MALFORMED


def test_what_nothing_clears_is_a_moment_or_lasts_until_it_is_silent(tmp_path: Path) -> None:
    desk = Desk(tmp_path, {**mapped(clear_when=None, lasts=True), "clear_after": "PT30S"})
    desk.hear("smoke", smoke())
    desk.clock.advance(29)
    desk.hear("smoke", smoke())
    desk.clock.advance(29)
    desk.teller.tick()
    assert [one.phase for one in desk.put] == [Phase.RAISED]
    desk.clock.advance(1)
    desk.teller.tick()
    assert [one.phase for one in desk.put] == [Phase.RAISED, Phase.CLEARED]
    assert read(mapped(clear_when=None), smoke()).told[0].change is Change.MOMENT


def test_fields_about_persons_are_counted_wherever_they_are() -> None:
    reading = read(MAPPED, {**smoke(), "who": [{"name": "John"}, {"deep": {"face_id": 7, "plateNumber": ""}}]})
    assert reading.identities == 2
    assert len(reading.told) == 1
