"""Picture health on the way of a frame: before the gate, with or without rules, with evidence."""

from collections.abc import Sequence
from datetime import timedelta

import cv2
import numpy as np
import pytest

from gridwatch.config import HealthConfig
from gridwatch.detectors import Analysis, CameraAnalysis
from gridwatch.detectors.detector import Detector
from gridwatch.domain import Detection, Frame, Image, Incident, IncidentKind, Phase, Severity
from tests.unit.detectors.scenes import FPS, START, BlobDetector, camera, frame, picture

HEALTH = HealthConfig()
STREET = picture()
COVERED = np.full_like(STREET, 100)


class BrokenDetector(BlobDetector):
    """Fails while told to."""

    fails = False

    def detect(self, images: Sequence[Image]) -> list[tuple[Detection, ...]]:
        if self.fails:
            raise RuntimeError("the detector is broken")
        return super().detect(images)


def watching(
    detector: Detector | None = None, health: HealthConfig | None = HEALTH, **changes: object
) -> CameraAnalysis:
    return CameraAnalysis(camera(**changes), detector or BlobDetector(), health=health)


def noisy(image: Image, seed: int) -> Image:
    """As no two pictures of a sensor are the same."""
    noise = np.random.default_rng(seed).integers(-3, 4, image.shape[:2], np.int16)
    return np.clip(image.astype(np.int16) + noise[..., None], 0, 255).astype(np.uint8)


def frames(*shots: tuple[float, Image]) -> list[Frame]:
    """Each (seconds, picture) at 5 a second."""
    images = [image for seconds, image in shots for _ in range(round(seconds * FPS))]
    return [frame(i, noisy(image, i)) for i, image in enumerate(images)]


def run(analysis: CameraAnalysis, shown: Sequence[Frame]) -> list[Analysis]:
    return [analysis.analyse(one) for one in shown]


def incidents(results: Sequence[Analysis]) -> list[Incident]:
    return [one for result in results for one in result.incidents]


def test_a_camera_without_rules_tells_that_it_is_covered_with_one_masked_picture() -> None:
    detector = BlobDetector()
    results = run(watching(detector, rules=[]), frames((10, STREET), (5, COVERED), (5, STREET)))
    raised, over = incidents(results)
    assert (raised.kind, raised.rule, raised.severity) == (IncidentKind.CAMERA_TAMPER, "health.covered", Severity.MAJOR)
    assert raised.detector is not None
    assert raised.detector.name == "picture-health"
    assert raised.occurred_at == START + timedelta(seconds=10)
    assert raised.observed_at == START + timedelta(seconds=13)
    assert (over.phase, over.id, over.seq) == (Phase.CLEARED, raised.id, 1)
    assert 15 <= (over.observed_at - START).total_seconds() <= 18
    assert [evidence.masked for evidence in raised.evidence] == [True]
    assert [owner for result in results for owner, _ in result.snapshots] == [raised.id]
    assert detector.pictures == 1  # to mask whoever is in that picture
    assert not any(result.detected for result in results)


def test_heads_in_the_picture_of_a_camera_turned_upside_down_are_masked() -> None:
    street = np.random.default_rng(5).integers(30, 120, (45, 80, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    turned = street[::-1, ::-1].copy()
    turned[120:240, 320:360] = (40, 40, 250)  # somebody, 40 wide and 120 high, with a fine pattern
    turned[120:240:8, 320:360] = turned[121:240:8, 320:360] = turned[122:240:8, 320:360] = (40, 40, 185)
    results = run(watching(rules=[]), frames((10, street), (20, turned)))
    (raised,) = incidents(results)
    assert raised.rule == "health.moved"
    ((_, shot),) = [pair for result in results for pair in result.snapshots]
    shown = cv2.imdecode(np.frombuffer(shot.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    head, legs = (np.abs(np.diff(shown[y : y + 20, 332:348, 2].astype(int), axis=0)).mean() for y in (125, 205))
    assert legs > 5
    assert head < 0.2 * legs


def test_a_closed_gate_hides_nothing_from_picture_health() -> None:
    analysis = watching(rules=[{"id": "yard", "kind": "intrusion", "zone": "left"}])
    results = run(analysis, [frame(i, STREET) for i in range(100)])
    assert [one.rule for one in incidents(results)] == ["health.frozen"]
    assert sum(result.detected for result in results) < 20


def test_without_health_settings_nothing_is_told() -> None:
    assert incidents(run(watching(health=None, rules=[]), frames((10, STREET), (5, COVERED)))) == []


def test_what_is_open_at_the_end_is_cleared_once() -> None:
    analysis = watching(rules=[])
    (raised,) = incidents(run(analysis, frames((10, STREET), (5, COVERED))))
    (over,) = analysis.finish()
    assert (over.id, over.phase) == (raised.id, Phase.CLEARED)
    assert analysis.finish() == ()


def test_an_incident_is_not_lost_when_the_detector_fails_on_its_frame() -> None:
    detector = BrokenDetector()
    analysis = watching(detector, rules=[])
    shown = frames((10, STREET), (5, COVERED))
    assert incidents(run(analysis, shown[:60])) == []
    detector.fails = True
    with pytest.raises(RuntimeError):
        run(analysis, shown[60:70])
    detector.fails = False
    (raised,) = incidents(run(analysis, shown[70:]))
    assert raised.rule == "health.covered"


def test_a_reconnect_keeps_the_scene_and_the_open_incident() -> None:
    analysis = watching(rules=[])
    assert len(incidents(run(analysis, frames((10, STREET), (5, COVERED))))) == 1
    again = [frame(i, noisy(COVERED, i), connected=500) for i in range(25)]
    assert incidents(run(analysis, again)) == []
    back = [frame(25 + i, noisy(STREET, i), connected=500) for i in range(25)]
    assert [one.phase for one in incidents(run(analysis, back))] == [Phase.CLEARED]


def test_the_cameras_clock_set_back_does_not_put_an_end_before_its_beginning() -> None:
    analysis = watching(rules=[])
    (raised,) = incidents(run(analysis, frames((10, STREET), (5, COVERED))))
    shown = [frame(75 + i, noisy(STREET, i), connected=-3600) for i in range(25)]
    (over,) = incidents(run(analysis, shown))
    assert over.observed_at == raised.occurred_at


def test_the_same_frames_give_the_same_incidents() -> None:
    shown = frames((10, STREET), (5, COVERED), (5, STREET))
    first, second = (incidents(run(watching(rules=[]), shown)) for _ in range(2))
    assert first == second
