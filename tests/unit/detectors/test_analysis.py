import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import pytest

from gridwatch.detectors.analysis import Analysis, CameraAnalysis
from gridwatch.detectors.detector import ScriptedDetector
from gridwatch.domain import Box, Detection, Evidence, Image, Incident, IncidentKind, Phase, Point, Position
from tests.unit.detectors.scenes import FPS, BlobDetector, at, box_at, camera, frame, picture, seen

GREY = np.full((90, 160, 3), 100, np.uint8)
INSIDE, OUTSIDE = (0.3, 0.6), (0.8, 0.6)


def scripted(
    script: Sequence[Sequence[Detection]], connected: float = 0.0, **changes: Any
) -> tuple[CameraAnalysis, list[Analysis]]:
    analysis = CameraAnalysis(camera(gate=False, **changes), ScriptedDetector(script))
    return analysis, [analysis.analyse(frame(i, GREY, connected=connected)) for i in range(len(script))]


def incidents(results: Sequence[Analysis]) -> list[Incident]:
    return [one for result in results for one in result.incidents]


def phases(messages: Sequence[Incident]) -> list[str]:
    return [str(one.phase) for one in messages]


def test_an_incident_says_where_what_and_who_saw_it() -> None:
    analysis, results = scripted([[seen(*INSIDE)]] * 10)
    (raised,) = incidents(results)
    assert raised.kind is IncidentKind.INTRUSION
    assert raised.phase is Phase.RAISED
    assert (raised.camera, raised.rule, str(raised.site)) == ("cam-1", "yard", "district/sub/gate")
    assert raised.position == Position(lon=116.4, lat=39.9)
    assert raised.occurred_at == raised.observed_at == at(1.0)
    assert raised.detector is not None
    assert raised.detector.name == "scripted"
    assert raised.id.version == 7
    assert raised.boxes[0].box.foot == Point(x=pytest.approx(INSIDE[0]), y=pytest.approx(INSIDE[1]))
    assert (raised.count, raised.boxes[0].label) == (1, "person")
    assert analysis.finish()[0].id == raised.id


def test_the_same_frames_give_the_same_messages_and_bytes() -> None:
    script = [[seen(0.1 + 0.02 * i, 0.6), seen(0.4, 0.9)] for i in range(30)]
    one, other = scripted(script)[1], scripted(script)[1]
    assert one == other
    assert len(incidents(one)) > 1


def test_no_picture_stays_in_memory_once_it_is_analysed() -> None:
    analysis = CameraAnalysis(camera(gate=False), ScriptedDetector([[seen(*INSIDE)]] * 10))
    for i in range(10):
        image = GREY.copy()
        analysis.analyse(frame(i, image))
        kept = weakref.ref(image)
        del image
        assert kept() is None


def test_raised_incidents_carry_a_masked_picture_and_others_none() -> None:
    analysis, results = scripted([[seen(*INSIDE)]] * 10)
    (shot,) = [shot for result in results for shot in result.snapshots]
    (raised,) = incidents(results)
    assert shot[0] == raised.id
    assert raised.evidence == (shot[1].evidence,)
    assert isinstance(shot[1].evidence, Evidence)
    assert shot[1].evidence.masked
    assert analysis.finish()[0].evidence == ()


def test_weak_persons_and_persons_missed_in_the_raising_picture_are_masked_too() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (360, 640, 3)).astype(np.uint8)
    bystander, ghost = seen(0.8, 0.5, score=0.12), seen(0.8, 0.9)
    script = [[seen(*INSIDE), ghost]] * 5 + [[seen(*INSIDE), bystander]]
    analysis = CameraAnalysis(camera(gate=False), ScriptedDetector(script))
    results = [analysis.analyse(frame(i, noise)) for i in range(6)]
    (shot,) = results[-1].snapshots
    asked_for = analysis.picture(frame(5, noise), results[-1])
    assert asked_for.evidence.masked
    for jpeg in (shot[1].jpeg, asked_for.jpeg):
        taken = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
        for person in (bystander, ghost, seen(*INSIDE)):
            box = person.box
            head = taken[int(box.y1 * 360) + 3 : int((box.y1 + 0.25 * box.height) * 360), int(box.x1 * 640) + 3 :][
                :, : int(box.width * 640) - 6
            ]
            assert np.abs(cv2.Laplacian(head, cv2.CV_64F)).mean() < 25
        assert np.abs(cv2.Laplacian(taken[:60, :60], cv2.CV_64F)).mean() > 100


def test_a_line_crossing_is_raised_and_cleared_in_one_frame_with_one_picture() -> None:
    rule = {"id": "gate", "kind": "line_crossing", "line": "middle"}
    _, results = scripted([[seen(0.3 + 0.03 * i, 0.6)] for i in range(15)], rules=[rule])
    (busy,) = [result for result in results if result.incidents]
    assert phases(busy.incidents) == ["raised", "cleared"]
    assert len(busy.snapshots) == 1
    assert busy.incidents[0].evidence
    assert not busy.incidents[1].evidence


def test_detections_in_a_privacy_zone_are_ignored() -> None:
    garden = [[0.2, 0.2], [0.4, 0.2], [0.4, 0.8], [0.2, 0.8]]
    _, results = scripted([[seen(*INSIDE)]] * 10, privacy=[garden])
    assert incidents(results) == []
    assert [result.detections for result in results] == [0] * 10


def test_a_camera_without_rules_costs_no_detection() -> None:
    detector = ScriptedDetector([])
    result = CameraAnalysis(camera(rules=[]), detector).analyse(frame(0, GREY))
    assert result == Analysis(incidents=(), snapshots=(), detected=False, detections=0)
    assert detector.pictures == 0


def reconnecting(outage: float, after: Sequence[Sequence[Detection]]) -> list[Incident]:
    """Two seconds inside, `outage` seconds away, then `after` on a new connection."""
    script = [[seen(*INSIDE)]] * 10
    analysis = CameraAnalysis(camera(gate=False), ScriptedDetector([*script, *after]))
    results = [analysis.analyse(frame(i, GREY)) for i in range(10)]
    connected = 1.8 + outage
    results += [analysis.analyse(frame(i, GREY, connected=connected)) for i in range(len(after))]
    return incidents(results)


def test_a_reconnect_neither_repeats_an_incident_that_goes_on() -> None:
    messages = reconnecting(8.0, [[seen(*INSIDE)]] * 20)
    assert phases(messages) == ["raised"]


def test_nor_one_whose_object_walked_on_meanwhile() -> None:
    assert phases(reconnecting(8.0, [[seen(0.15, 0.9)]] * 20)) == ["raised"]


def test_nor_forgets_one_whose_object_has_gone() -> None:
    messages = reconnecting(8.0, [[]] * 20)
    assert phases(messages) == ["raised", "cleared"]
    assert messages[1].observed_at == at(9.8 + 1.8)


def test_after_a_long_outage_the_incident_ends_with_the_last_frame_and_another_begins() -> None:
    messages = reconnecting(120.0, [[seen(*INSIDE)]] * 10)
    assert phases(messages) == ["raised", "cleared", "raised"]
    assert messages[1].observed_at == at(1.8)
    assert messages[2].occurred_at == at(121.8 + 1.0)
    assert messages[0].id == messages[1].id != messages[2].id


def test_a_stall_within_a_connection_is_treated_as_an_outage() -> None:
    analysis = CameraAnalysis(camera(gate=False), ScriptedDetector([[seen(*INSIDE)]] * 20))
    results = [analysis.analyse(frame(i, GREY)) for i in range(10)]
    results += [analysis.analyse(frame(i, GREY, seconds=30 + i / FPS)) for i in range(10, 20)]
    assert phases(incidents(results)) == ["raised"]


def test_a_picture_of_another_shape_ends_what_was_open() -> None:
    analysis = CameraAnalysis(camera(gate=False), ScriptedDetector([[seen(*INSIDE)]] * 20))
    results = [analysis.analyse(frame(i, GREY)) for i in range(10)]
    square = np.full((90, 90, 3), 100, np.uint8)
    results += [analysis.analyse(frame(i, square)) for i in range(10, 20)]
    assert phases(incidents(results)) == ["raised", "cleared", "raised"]


def test_finishing_clears_once_and_before_the_first_frame_does_nothing() -> None:
    assert CameraAnalysis(camera(), ScriptedDetector([])).finish() == ()
    analysis, _ = scripted([[seen(*INSIDE)]] * 10)
    assert phases(analysis.finish()) == ["cleared"]
    assert analysis.finish() == ()


def test_a_failing_detector_leaves_the_camera_able_to_go_on() -> None:
    class Failing(ScriptedDetector):
        def detect(self, images: Sequence[Image]) -> list[tuple[Detection, ...]]:
            if self.pictures == 5:
                self.pictures += 1
                raise RuntimeError("device lost")
            return super().detect(images)

    analysis = CameraAnalysis(camera(gate=False), Failing([[seen(*INSIDE)]] * 20))
    results = []
    for i in range(20):
        try:
            results.append(analysis.analyse(frame(i, GREY)))
        except RuntimeError:
            assert i == 5
    assert phases(incidents(results)) == ["raised"]


# The gate against looking at every frame ---------------------------------------------------------------------------

Scene = Callable[[float], tuple[Sequence[Box], int]]
"""Seconds to who stands where, and how light it is."""


def comes_stays_and_goes(seconds: float) -> tuple[Sequence[Box], int]:
    """Walks in for 4 s, stands for 40 s, walks out."""
    if seconds < 5 or seconds > 55:
        return [], 90
    x = 0.95 - 0.17 * min(seconds - 5, 4) if seconds < 49 else 0.27 + 0.17 * (seconds - 49)
    return [box_at(min(0.96, x), 0.6)], 90


def a_crowd_gathers_and_stands(seconds: float) -> tuple[Sequence[Box], int]:
    people = [box_at(0.06 + 0.09 * n, 0.6) for n in range(5) if seconds > 3 + 4 * n]
    return (people if seconds < 60 else []), 90


def crosses_slowly(seconds: float) -> tuple[Sequence[Box], int]:
    """Two per cent of the width a second: hardly moves from one picture to the next."""
    return [box_at(0.3 + 0.02 * min(seconds, 20), 0.6, width=0.03, height=0.09)], 90


def the_light_goes_out_while_somebody_stands(seconds: float) -> tuple[Sequence[Box], int]:
    people = [box_at(0.9 - 0.15 * min(seconds - 4, 4), 0.6)] if 4 < seconds < 60 else []
    return people, 90 if seconds < 30 else 30


def appears_from_nothing(seconds: float) -> tuple[Sequence[Box], int]:
    """Out of a door: in one picture, far away, for six seconds."""
    return ([box_at(0.2, 0.4, width=0.02, height=0.06)] if 40 < seconds < 46 else []), 90


RULES = [
    {"id": "yard", "kind": "intrusion", "zone": "left"},
    {"id": "gate", "kind": "line_crossing", "line": "middle"},
    {"id": "square", "kind": "crowding", "zone": "left", "count": 4},
]
SCENES = [
    comes_stays_and_goes, a_crowd_gathers_and_stands, crosses_slowly, the_light_goes_out_while_somebody_stands,
    appears_from_nothing,
]  # fmt: skip


def watch(scene: Scene, *, gate: bool, seconds: float = 70.0) -> tuple[list[Incident], int]:
    detector = BlobDetector()
    analysis = CameraAnalysis(camera(gate=gate, rules=RULES), detector)
    messages: list[Incident] = []
    for i in range(int(seconds * FPS)):
        people, light = scene(i / FPS)
        messages += analysis.analyse(frame(i, picture(people, 320, 180, light))).incidents
    messages += analysis.finish()
    return messages, detector.pictures


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_the_gate_loses_no_incident_that_looking_at_every_frame_finds(scene: Scene) -> None:
    full, every = watch(scene, gate=False)
    gated, looked = watch(scene, gate=True)
    assert full
    assert looked < 0.8 * every

    def lives(messages: Sequence[Incident]) -> Counter[tuple[str, str]]:
        return Counter((one.rule, str(one.phase)) for one in messages if one.phase is not Phase.UPDATED)

    assert lives(gated) == lives(full)
    for phase in (Phase.RAISED, Phase.CLEARED):
        times = [
            sorted((one.rule, one.observed_at) for one in messages if one.phase is phase) for messages in (full, gated)
        ]
        for (_, expected), (_, found) in zip(*times, strict=True):
            assert abs((found - expected).total_seconds()) <= 2.0


def walk(label: str, score: float) -> list[Detection]:
    return [seen(0.05 + 0.02 * i, 0.6, label=label, score=score) for i in range(18)]


def moving_pictures(script: Sequence[Sequence[Detection]], **changes: Any) -> list[Incident]:
    """Pictures in which everything found moves, after two seconds of nothing."""
    pictures = [[], *[[]] * 9, *script]
    analysis = CameraAnalysis(camera(gate=False, **changes), ScriptedDetector(pictures))
    return incidents(
        [analysis.analyse(frame(i, picture([one.box for one in found]))) for i, found in enumerate(pictures)]
    )


YARD_OF_VEHICLES = {"rules": [{"id": "yard", "kind": "intrusion", "zone": "left", "classes": ["vehicle"]}]}


def test_a_car_never_certain_is_raised_when_it_moves_as_the_pixels_do() -> None:
    assert phases(moving_pictures([[one] for one in walk("car", 0.25)], **YARD_OF_VEHICLES))[:1] == ["raised"]


def test_a_car_is_not_lost_to_a_suitcase_in_the_same_place() -> None:
    script = [list(both) for both in zip(walk("suitcase", 0.35), walk("car", 0.25), strict=True)]
    assert phases(moving_pictures(script, **YARD_OF_VEHICLES))[:1] == ["raised"]


def test_a_person_who_looks_a_little_like_a_car_is_no_vehicle() -> None:
    script = [list(both) for both in zip(walk("person", 0.6), walk("car", 0.25), strict=True)]
    assert moving_pictures(script, **YARD_OF_VEHICLES) == []
