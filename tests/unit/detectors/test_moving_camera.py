from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
import pytest

from gridwatch.detectors.analysis import CameraAnalysis
from gridwatch.detectors.detector import ScriptedDetector
from gridwatch.domain import Incident, Position, PositionFix, PositionTrack
from tests.unit.detectors.scenes import at, camera, frame, seen

GREY = np.full((90, 160, 3), 100, np.uint8)
INSIDE, OUTSIDE = (0.3, 0.6), (0.8, 0.6)


def drive() -> PositionTrack:
    """East at a fix a second, as long as the scene lasts."""
    track = PositionTrack(max_age=timedelta(seconds=3))
    for second in range(10):
        place = Position(lon=round(116.5 + 0.0001 * second, 7), lat=39.9)
        track, _ = track.adding(PositionFix(at=at(second), position=place))
    return track


def follow(position_at: Callable[[datetime], Position]) -> list[Incident]:
    """Somebody is inside for three seconds, away for three, and inside again."""
    script = [[seen(*foot)] for foot in (*[INSIDE] * 15, *[OUTSIDE] * 15, *[INSIDE] * 20)]
    rule = {
        "id": "yard",
        "kind": "intrusion",
        "zone": "left",
        "dwell_seconds": 0.5,
        "clear_seconds": 1,
        "update_seconds": 0.5,
    }
    analysis = CameraAnalysis(camera(gate=False, rules=[rule]), ScriptedDetector(script), position_at)
    messages = [one for i in range(len(script)) for one in analysis.analyse(frame(i, GREY)).incidents]
    return [*messages, *analysis.finish()]


def on_track(moment: datetime) -> Position:
    place = drive().position_at(moment)
    assert place is not None
    return place


def test_an_incident_of_a_moving_camera_takes_the_position_at_its_time_for_life() -> None:
    messages = follow(on_track)
    by_incident = {one.id: [other for other in messages if other.id == one.id] for one in messages}
    assert len(by_incident) == 2
    for life in by_incident.values():
        assert len(life) > 2
        assert {one.position for one in life} == {on_track(life[0].occurred_at)}
    first, second = (life[0].position for life in by_incident.values())
    assert first != second
    assert first.lon == pytest.approx(116.5 + 0.0001 * (messages[0].occurred_at - at(0)).total_seconds())


def test_the_track_is_asked_once_an_incident_and_for_the_time_it_occurred() -> None:
    asked: list[datetime] = []

    def position_at(moment: datetime) -> Position:
        asked.append(moment)
        return on_track(moment)

    messages = follow(position_at)
    assert asked == [one.occurred_at for one in messages if one.seq == 0]


def test_the_same_frames_and_positions_give_the_same_messages() -> None:
    assert follow(on_track) == follow(on_track)
