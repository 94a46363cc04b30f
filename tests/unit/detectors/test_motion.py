"""Motion as a detector: boxes of the gate, tracks, rules, and evidence that is masked all the same."""

from typing import Any

import numpy as np
import pytest

from gridwatch.detectors.analysis import CameraAnalysis
from gridwatch.detectors.gate import MotionGate
from gridwatch.detectors.motion import MotionOnly
from gridwatch.domain import Box, Image, Incident, Phase
from tests.unit.detectors.scenes import FPS, BlobDetector, box_at, camera, frame, picture

RULE = {"id": "yard", "kind": "intrusion", "zone": "left", "classes": ["motion"]}


def moving(after: list[Image]) -> list[Box]:
    gate = MotionGate()
    for index, image in enumerate([picture()] * 50 + after):
        gate.judge(image, index / FPS, tracked=False, unsettled=False)
    return gate.moving()


@pytest.mark.parametrize("box", [
    box_at(0.5, 0.6), box_at(0.5, 0.5, 0.03, 0.08), Box(x1=0, y1=0, x2=0.1, y2=0.2),
    Box(x1=0.95, y1=0.7, x2=1, y2=1), Box(x1=0, y1=0.5, x2=0.02, y2=0.6),
])  # fmt: skip
def test_what_moves_is_boxed_to_a_few_pixels(box: Box) -> None:
    (found,) = moving([picture([box])])
    for side in ("x1", "y1", "x2", "y2"):
        assert getattr(found, side) == pytest.approx(getattr(box, side), abs=0.015)


def test_two_that_move_apart_are_two_and_a_still_picture_none() -> None:
    assert len(moving([picture([box_at(0.3, 0.5), box_at(0.7, 0.5)])])) == 2
    assert moving([picture()]) == []


def test_a_change_of_the_whole_picture_is_no_object() -> None:
    assert moving([picture(light=160)]) == []


def play(images: list[Image], **changes: Any) -> tuple[CameraAnalysis, BlobDetector, list[Incident]]:
    blobs = BlobDetector()
    analysis = CameraAnalysis(camera(rules=[RULE], **changes), MotionOnly(), people=blobs)
    results = [analysis.analyse(frame(index, image)) for index, image in enumerate(images)]
    assert all(len(shot.jpeg) > 0 for result in results for _, shot in result.snapshots)
    return analysis, blobs, [one for result in results for one in result.incidents]


@pytest.mark.parametrize("gate", [True, False])
def test_a_walker_is_an_intruder_without_any_model_and_leaving_clears_it(*, gate: bool) -> None:
    walk = [picture([box_at(0.05 + 0.02 * i, 0.6)]) for i in range(45)]
    analysis, _, messages = play([picture()] * 25 + walk + [picture()] * 25, gate=gate)
    assert [one.phase for one in messages] == [Phase.RAISED, Phase.CLEARED]
    raised = messages[0]
    assert raised.boxes[0].label == "motion"
    assert raised.detector is not None
    assert (raised.detector.name, raised.detector.weights_sha256) == ("motion", None)
    assert analysis.finish() == ()


def test_heads_are_looked_for_in_the_evidence_and_nowhere_else() -> None:
    walk = [picture([box_at(0.05 + 0.02 * i, 0.6)]) for i in range(20)]
    _, blobs, messages = play([picture()] * 25 + walk)
    assert [one.phase for one in messages] == [Phase.RAISED]
    assert blobs.pictures == 1


def test_a_still_scene_raises_nothing() -> None:
    noise = np.random.default_rng(2)
    still = [np.clip(picture() + noise.normal(0, 3, (360, 640, 1)), 0, 255).astype(np.uint8) for _ in range(60)]
    assert play(still)[2] == []
