"""Frigate's events: which object is which incident, where, when, and what is left out."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gridwatch.domain import IncidentKind, Phase, Severity
from gridwatch.sources import Change, Unread
from tests.unit.sources.builders import FRIGATE, NOON, Desk, frigate, read


def heard(**changes: Any) -> Any:
    (told,) = read(FRIGATE, frigate("update", 2, **changes)).told
    return told


def test_an_object_in_a_zone_is_the_incident_of_its_rule_at_the_bound_camera() -> None:
    told = heard()

    assert (told.where.camera, str(told.where.site), told.where.position.lon) == ("gate-1", "harbour/north", 121.47)
    assert (told.kind, told.severity, told.rule) == (IncidentKind.INTRUSION, Severity.MAJOR, "lobby.inside")
    assert told.occurred_at == NOON - timedelta(seconds=5)
    assert told.observed_at == NOON - timedelta(seconds=3)
    assert told.score == 0.95


def test_boxes_are_fractions_of_the_detect_picture_and_left_out_where_its_size_is_unknown() -> None:
    (box,) = heard().boxes
    assert (box.box.x1, box.box.y1, box.box.x2, box.box.y2, box.label) == (0.1, 0.1, 0.5, 1.0, "person")
    assert read({**FRIGATE, "pictures": {}}, frigate()).told[0].boxes == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"entered_zones": ["street"]}, {"top_score": 0.5}, {"label": "dog"}, {"false_positive": True},
        {"label": "car", "camera": "yard"},
    ],
)  # fmt: skip
def test_what_no_rule_means_is_nothing(changes: dict[str, Any]) -> None:
    reading = read(FRIGATE, frigate(**changes))
    assert reading.told == ()
    assert reading.unread is Unread.UNKNOWN


def test_a_camera_that_is_not_bound_is_said() -> None:
    reading = read(FRIGATE, frigate(camera="garage"))
    assert (reading.unread, reading.told) == (Unread.UNBOUND, ())


def test_a_place_of_its_own_is_a_camera_too() -> None:
    (told,) = read(FRIGATE, frigate(camera="yard")).told
    assert (told.where.camera, told.where.position.lon) == ("yard", 121.5)


@pytest.mark.parametrize("start", [1.0, NOON.timestamp() - 3 * 86400, NOON.timestamp() + 60])
def test_a_time_that_cannot_be_is_the_arrival(start: float) -> None:
    told = heard(start_time=start, frame_time=start)
    assert told.occurred_at == told.observed_at == NOON


def test_a_clock_that_is_a_moment_ahead_is_cut_to_arrival() -> None:
    assert heard(frame_time=NOON.timestamp() + 1.5).observed_at == NOON


@pytest.mark.parametrize(
    "changes",
    [
        {"id": None}, {"id": "x" * 300}, {"camera": 7}, {"label": []}, {"top_score": "high"}, {"top_score": 7},
        {"top_score": None}, {"entered_zones": "steps"}, {"entered_zones": [1]}, {"box": [1, 2, 3]},
        {"box": [5, 5, 1, 1]}, {"box": ["a", 1, 2, 3]},
    ],
)  # fmt: skip
def test_wrong_types_are_malformed(changes: dict[str, Any]) -> None:
    reading = read(FRIGATE, frigate(**changes))
    assert (reading.unread, reading.told) == (Unread.MALFORMED, ())


@pytest.mark.parametrize("message", [{}, [], None, "new", {"type": "new"}, {"type": "old", "after": {}}, b"{", b"\xff"])
def test_what_is_no_message_of_frigate_is_malformed(message: object) -> None:
    assert read(FRIGATE, message).unread is Unread.MALFORMED


def test_names_plates_and_pictures_are_counted_and_left() -> None:
    reading = read(
        FRIGATE,
        frigate(
            sub_label=["John Smith", 0.8], recognized_license_plate=["ABC12345", 0.9], attributes={"face": 0.6},
            current_attributes=[{"label": "face", "box": [1, 2, 3, 4], "score": 0.6}], thumbnail="aGVhZA==",
            snapshot={"attributes": [{"label": "license_plate"}]},
        ),
    )  # fmt: skip
    assert reading.identities == 6
    assert all(word not in repr(reading) for word in ("John", "ABC12345", "face", "aGVhZA", "plate"))


def test_one_object_is_one_incident_from_new_to_end(tmp_path: Path) -> None:
    desk = Desk(tmp_path, FRIGATE)
    desk.hear("lobby", frigate("new", 0, entered_zones=["street"]))  # not there yet
    desk.hear("lobby", frigate("update", 2))
    desk.clock.advance(10)
    desk.hear("lobby", frigate("update", 12, top_score=0.97))
    desk.clock.advance(10)
    desk.hear("lobby", frigate("end", 20))

    assert [(one.phase, one.seq) for one in desk.put] == [(Phase.RAISED, 0), (Phase.UPDATED, 1), (Phase.CLEARED, 2)]
    assert len({one.id for one in desk.put}) == 1
    assert desk.put[0].detector is not None
    assert desk.put[0].detector.name == "frigate:lobby"
    assert desk.put[1].score == 0.97


def test_another_object_is_another_incident_and_ends_by_itself(tmp_path: Path) -> None:
    desk = Desk(tmp_path, FRIGATE)
    desk.hear("lobby", frigate())
    (second,) = desk.hear("lobby", frigate(id="other"))
    (cleared,) = desk.hear("lobby", frigate("end", 4, id="other"))
    assert cleared.id == second.id != desk.put[0].id


def test_an_end_whose_beginning_was_missed_is_raised_and_cleared(tmp_path: Path) -> None:
    desk = Desk(tmp_path, FRIGATE)
    assert [one.phase for one in desk.hear("lobby", frigate("end", 3))] == [Phase.RAISED, Phase.CLEARED]
    assert desk.hear("lobby", frigate("end", 3)) == ()


def test_a_change_reads_as_frigate_means_it() -> None:
    changes = [read(FRIGATE, frigate(kind, 1)).told[0].change for kind in ("new", "update", "end")]
    assert changes == [Change.ON, Change.ON, Change.OFF]
