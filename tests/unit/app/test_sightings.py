from dataclasses import replace

import pytest

from gridwatch.app.expected import Truth, TruthFrame
from gridwatch.app.sightings import Sightings, true_boxes
from gridwatch.detectors import Analysis
from gridwatch.domain import Track
from tests.unit.detectors.scenes import box_at, seen, tracked

HERE = box_at(0.3, 0.6)


def looked(*tracks: Track, found: bool = True, detected: bool = True) -> Analysis:
    return Analysis(
        incidents=(), snapshots=(), detected=detected, detections=0, seen=(seen(0.3, 0.6),) if found else (),
        tracks=tracks,
    )  # fmt: skip


def fared(*pictures: Analysis) -> Sightings:
    one = Sightings(name="walker", span=(1.0, 3.0))
    for number, analysis in enumerate(pictures):
        one.look(1.0 + number / 5, HERE, analysis)
    return one


def test_what_is_not_detected_is_the_detectors() -> None:
    assert fared(*[looked(found=False)] * 3, looked()).verdict == "detector"


@pytest.mark.parametrize("numbers", [(), (1, 1, 2, 2)])
def test_what_is_detected_and_has_no_track_or_several_is_the_trackers(numbers: tuple[int, ...]) -> None:
    pictures = [looked(tracked(1.0, (0.3, 0.6), number)) for number in numbers] or [looked()] * 4
    one = fared(*pictures)
    assert one.verdict == "track"
    assert str(one) == f"walker: detected in 4 of 4 pictures, at best 0.80, {len(set(numbers))} tracks -> track"


def test_what_is_detected_too_weakly_for_any_rule_is_the_detectors() -> None:
    weak = replace(looked(tracked(1.0, (0.3, 0.6))), seen=(seen(0.3, 0.6, score=0.35),))
    assert fared(weak, weak, weak).verdict == "detector"


def test_what_is_detected_on_one_track_is_the_rules() -> None:
    assert fared(*[looked(tracked(1.0, (0.3, 0.6)))] * 4).verdict == "rule"


def test_pictures_the_gate_kept_back_say_nothing_against_the_detector() -> None:
    still = looked(tracked(1.0, (0.3, 0.6)), found=False, detected=False)
    assert fared(looked(tracked(1.0, (0.3, 0.6))), still, still, still).verdict == "rule"


def test_only_the_span_and_only_who_is_in_sight_counts() -> None:
    truth = Truth(
        incidents=(), frames=(TruthFrame(t=0.5, boxes={"a": (*HERE.corners, 0.9), "b": (*HERE.corners, 0.2)}),)
    )
    assert true_boxes(truth, 0.6) == {"a": HERE}
    assert true_boxes(None, 0.6) == {}
    one = Sightings(name="a", span=(1.0, 2.0))
    one.look(0.9, HERE, looked())
    one.look(2.1, HERE, looked())
    one.look(1.5, None, looked())
    assert one.pictures == 0
