import cv2
import numpy as np
import pytest

from gridwatch.detectors.gate import GateReason, MotionGate
from gridwatch.domain import Image
from tests.unit.detectors.scenes import FPS, box_at, picture

EMPTY = picture()


def judge(gate: MotionGate, image: Image, i: int, *, tracked: bool = False, unsettled: bool = False) -> GateReason:
    return gate.judge(image, i / FPS, tracked=tracked, unsettled=unsettled)


def settled() -> MotionGate:
    """A gate that has looked at the empty scene for 20 s."""
    gate = MotionGate()
    for i in range(100):
        judge(gate, EMPTY, i)
    return gate


def test_the_first_picture_is_looked_at_and_a_still_scene_then_closes_the_gate() -> None:
    gate = MotionGate()
    reasons = [judge(gate, EMPTY, i) for i in range(15)]
    assert reasons[0] is GateReason.FIRST
    assert reasons[-1] is GateReason.CLOSED
    assert not reasons[-1].is_open


def test_a_still_scene_without_tracks_costs_at_most_one_look_in_ten_seconds_after_a_while() -> None:
    gate = MotionGate()
    reasons = [judge(gate, EMPTY, i) for i in range(400)]
    assert sum(reason.is_open for reason in reasons[200:]) <= 4
    assert GateReason.HEARTBEAT in reasons[200:]


@pytest.mark.parametrize("height", [0.06, 0.1, 0.3])
def test_a_person_as_small_as_the_detector_can_see_opens_it(height: float) -> None:
    gate = settled()
    person = box_at(0.5, 0.5, width=0.35 * height, height=height)
    assert judge(gate, picture([person]), 100) is GateReason.MOTION


def test_it_stays_open_for_two_seconds_after_motion() -> None:
    gate = settled()
    for i in range(100, 103):
        judge(gate, picture([box_at(0.3 + i / 1000, 0.5)]), i)
    reasons = [judge(gate, EMPTY, i) for i in range(103, 120)]
    assert GateReason.CLOSED not in reasons[:9]
    assert GateReason.CLOSED in reasons


def test_while_somebody_is_tracked_it_looks_every_two_seconds() -> None:
    gate = settled()
    reasons = [judge(gate, EMPTY, i, tracked=True) for i in range(100, 150)]
    assert sum(reason is GateReason.HEARTBEAT for reason in reasons) == 5
    gaps = np.diff([i for i, reason in enumerate(reasons) if reason.is_open])
    assert gaps.max() <= 2 * FPS


def test_it_stays_open_while_the_tracker_is_unsettled() -> None:
    gate = settled()
    reasons = [judge(gate, EMPTY, i, unsettled=True) for i in range(100, 120)]
    assert all(reason.is_open for reason in reasons)


def test_a_light_switch_starts_anew_stays_open_and_closes_again_within_seconds() -> None:
    gate = settled()
    dark = picture(light=20)
    reasons = [judge(gate, dark, i) for i in range(100, 120)]
    assert reasons[0] is GateReason.GLOBAL
    assert reasons[1] is GateReason.HOLD
    assert GateReason.CLOSED in reasons


def test_sensor_noise_keeps_it_closed() -> None:
    rng = np.random.default_rng(1)
    gate = MotionGate()
    reasons = []
    for i in range(100):
        noise = rng.normal(0, 5, EMPTY.shape)
        reasons.append(judge(gate, np.clip(EMPTY + noise, 0, 255).astype(np.uint8), i))
    assert GateReason.MOTION not in reasons[1:]


def test_motion_in_a_privacy_zone_counts_for_nothing() -> None:
    garden = ((0.2, 0.2), (0.6, 0.2), (0.6, 0.8), (0.2, 0.8))
    gate = MotionGate([garden])
    for i in range(100):
        judge(gate, EMPTY, i)
    assert judge(gate, picture([box_at(0.4, 0.6)]), 100) is not GateReason.MOTION
    assert judge(gate, picture([box_at(0.8, 0.6)]), 101) is GateReason.MOTION


def test_a_red_coat_as_grey_as_the_road_opens_it() -> None:
    gate = settled()
    assert np.ptp(cv2.cvtColor(picture([box_at(0.5, 0.5)]), cv2.COLOR_BGR2GRAY)) <= 13
    assert judge(gate, picture([box_at(0.5, 0.5)]), 100) is GateReason.MOTION


def test_a_camera_that_changes_its_picture_size_starts_anew() -> None:
    gate = settled()
    assert judge(gate, picture(width=640, height=480), 100) is GateReason.FIRST


def test_equal_pictures_give_equal_answers() -> None:
    def answers() -> list[GateReason]:
        gate = MotionGate()
        return [judge(gate, picture([box_at(i / 60, 0.5)] if 20 < i < 40 else []), i) for i in range(60)]

    assert answers() == answers()


def test_it_tells_how_much_of_a_place_moves() -> None:
    gate = settled()
    assert gate.share_moving(box_at(0.5, 0.5)) == 0
    person = box_at(0.5, 0.5, width=0.06, height=0.2)
    judge(gate, picture([person]), 100)
    assert gate.share_moving(person) > 0.9
    assert gate.share_moving(box_at(0.5, 0.5, width=0.12, height=0.4)) == pytest.approx(0.25, abs=0.05)
    assert gate.share_moving(box_at(0.8, 0.5)) == 0
    assert gate.share_moving(box_at(1.0, 1.0, width=0.0, height=0.0)) == 0


def test_what_comes_while_the_exposure_changes_is_told_from_the_light() -> None:
    gate = settled()
    car = box_at(0.5, 0.9, width=0.3, height=0.7)
    assert judge(gate, picture([car], light=60), 100) is GateReason.GLOBAL
    assert gate.share_moving(car) > 0.8
    assert gate.share_moving(box_at(0.15, 0.9)) < 0.2
