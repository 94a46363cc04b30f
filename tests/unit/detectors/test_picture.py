from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from gridwatch.config import HealthConfig
from gridwatch.detectors.picture import PictureFault, PictureHealth
from gridwatch.detectors.picture_measures import measure
from gridwatch.detectors.rules import Moment
from gridwatch.domain import Image
from tests.unit.detectors.picture_faults import (
    CLEAN,
    FAULT_AT,
    FAULTS,
    FPS,
    HARMLESS,
    RECORDED,
    START,
    bus,
    delays,
    encoded,
    judge,
    lit,
    pictures,
    shifted,
    with_fault,
)

HOLD = {fault: getattr(HealthConfig(), f"{fault}_seconds") for fault in PictureFault}
ANOTHER_SCENE = {"turned by 5 degrees", "another scene"}
"""Told by nothing being as it was, not by finding the scene elsewhere: three times as long."""


@pytest.mark.parametrize("clip", [RECORDED, "road-dusk"])
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_once_after_its_hold_and_over_soon_after_it_is(name: str, clip: str) -> None:
    fault, spoil = FAULTS[name]
    said = judge(with_fault(clip, spoil))
    found = delays(said)
    assert found is not None, said
    told, raised, over = found
    expected = HOLD[fault] * (3 if name in ANOTHER_SCENE else 1)
    assert told == fault
    assert expected <= raised <= expected + 0.5
    assert 0 < over <= 3.5


@pytest.mark.parametrize("clip", CLEAN)
def test_a_clean_stream_played_over_and_over_has_no_fault(clip: str) -> None:
    assert judge(pictures(clip) * 4) == []


@pytest.mark.parametrize("clip", [RECORDED, "plaza-day"])
@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_no_fault_is_told_as_none(name: str, clip: str) -> None:
    assert judge(with_fault(clip, HARMLESS[name])) == []


def test_the_covered_lens_of_the_samples_is_found_within_its_truth() -> None:
    said = judge(pictures("covered-lens"))
    assert [(fault, began) for _, fault, began in said] == [("covered", True), ("covered", False)]
    assert 9.5 <= said[0][0] - HOLD[PictureFault.COVERED] <= 11.5
    assert 18.5 <= said[1][0] <= 21.0


def test_a_bus_that_passes_in_front_of_everything_is_neither_cover_nor_move() -> None:
    clip = pictures("road-day")
    passing = [bus(image, 0.95) if 80 <= i < 130 else image for i, image in enumerate(clip)]
    assert judge(passing) == []


def test_a_camera_shaken_by_the_wind_has_not_moved() -> None:
    clip = pictures(RECORDED)
    shaken = [shifted(image, 0.03 * np.sin(i)) if i > 40 else image for i, image in enumerate(clip)]
    assert judge(shaken) == []


def test_fading_light_over_minutes_is_followed() -> None:
    clip = pictures("plaza-day") * 8
    assert judge(lit(image, 1.0 - 0.8 * i / len(clip)) for i, image in enumerate(clip)) == []


def test_the_new_view_of_a_camera_that_stays_moved_becomes_its_view() -> None:
    clip = pictures("plaza-day")
    moved = [shifted(image, 0.2) for image in clip]
    said = judge([*clip, *moved * 22, *clip])
    assert [one[1:] for one in said] == [("moved", True), ("moved", False), ("moved", True)]
    assert said[1][0] - said[0][0] == pytest.approx(600, abs=1)


def test_a_covered_lens_stays_covered_however_long_it_takes() -> None:
    clip = pictures("plaza-day")
    _, spoil = FAULTS["covered by a hand"]
    assert spoil is not None
    assert [one[1:] for one in judge([*clip, *[spoil(clip[0])] * 4000])] == [("covered", True)]


def test_a_camera_that_turns_on_purpose_is_not_told_and_its_new_view_is_learned() -> None:
    clip = pictures("plaza-day")
    turned = [shifted(image, 0.3) for image in clip]
    settings = HealthConfig(moved_seconds=None)
    assert judge([*clip, *turned, *clip], settings) == []
    covered = [*clip, *turned, *[np.full_like(clip[0], 90)] * 30]
    assert [one[1] for one in judge(covered, settings)] == ["covered"]


@pytest.mark.parametrize("fault", list(PictureFault), ids=str)
def test_what_is_switched_off_is_not_told(fault: PictureFault) -> None:
    name = next(name for name, (one, _) in FAULTS.items() if one is fault)
    settings = HealthConfig.model_validate({f"{fault}_seconds": None})
    assert str(fault) not in {one[1] for one in judge(with_fault(RECORDED, FAULTS[name][1]), settings)}


QUALITIES = [{"crf": "28", "g": "20"}, {"crf": "28", "g": "80"}, {"crf": "36", "g": "20"}, {"crf": "36", "g": "80"}]


def still_scene(seconds: float, noise: float, fps: int = 10) -> list[Image]:
    """Nothing moves; the sensor has noise."""
    random = np.random.default_rng(1)
    base = pictures("plaza-day")[0][::2, ::2].astype(np.float32)
    shape = (*base.shape[:2], 1)
    return [
        np.clip(base + noise * random.standard_normal(shape, dtype=np.float32), 0, 255).astype(np.uint8)
        for _ in range(round(seconds * fps))
    ]


@pytest.mark.parametrize("quality", QUALITIES, ids=lambda one: "-".join(one.values()))
def test_a_still_scene_is_not_frozen_though_the_encoder_swallows_its_noise(
    tmp_path: Path, quality: dict[str, str]
) -> None:
    live = encoded(still_scene(40, noise=0.7), tmp_path / "still.mp4", 10, **quality)
    repeats = sum(bool((one == other).all()) for one, other in pairwise(live))
    assert repeats > 100  # else the test would prove nothing
    assert judge(live[::2]) == []


@pytest.mark.parametrize("quality", QUALITIES, ids=lambda one: "-".join(one.values()))
def test_a_frozen_sensor_behind_a_working_encoder_is_frozen(tmp_path: Path, quality: dict[str, str]) -> None:
    live = still_scene(5, noise=1.0)
    sent = encoded([*live, *[live[-1]] * 250], tmp_path / "frozen.mp4", 10, **quality)
    said = judge(sent[::2])
    assert [one[1:] for one in said] == [("frozen", True)]
    assert said[0][0] <= 5 + 12 + 8.5  # at the latest one key frame interval after the hold


def test_pictures_that_only_take_turns_are_frozen() -> None:
    one = pictures("plaza-day")[0]
    other = lit(one, 1.0, 3.0)  # as at a key frame, only more
    assert [change[1:] for change in judge([one, one, other, one, other] * 20)] == [("frozen", True)]


def test_a_clock_in_the_picture_or_somebody_far_away_shows_that_it_is_not_frozen() -> None:
    still = pictures("plaza-day")[0]
    images = []
    for i in range(200):
        image = still.copy()
        x = 100 + 12 * (i // FPS)
        image[20:44, x : x + 12] = 255
        images.append(image)
    assert judge(images) == []


def test_a_camera_known_to_be_silent_for_long_is_given_longer() -> None:
    clip = pictures(RECORDED)
    silent = [*clip[:50], *[clip[50]] * 50, *clip[51:100], *[clip[100]] * 90, *clip[101:120], *[clip[120]] * 250]
    assert [one[:2] for one in judge(silent)] == [
        (pytest.approx((50 + 49 + 50 + 90 + 19 + 36 * FPS) / FPS, abs=0.5), "frozen")
    ]


def test_pictures_only_at_key_frames_are_enough() -> None:
    every_4_seconds = with_fault(RECORDED, FAULTS["covered by a hand"][1])[:: 4 * FPS]
    long = [*pictures(RECORDED)[::17], *every_4_seconds]
    said = judge(long, fps=0.25)
    assert [one[1:] for one in said] == [("covered", True), ("covered", False)]


def test_nothing_is_held_over_a_time_without_pictures() -> None:
    clip = pictures(RECORDED)
    health = PictureHealth(HealthConfig())
    _, spoil = FAULTS["covered by a hand"]
    assert spoil is not None
    for i, image in enumerate(clip[:50]):
        health.look(image, Moment(pts=i / FPS, at=START))
    assert health.look(spoil(clip[50]), Moment(pts=10.0, at=START)) == ()
    assert health.look(spoil(clip[50]), Moment(pts=12.8, at=START)) == ()
    health.interrupt()
    assert health.look(spoil(clip[50]), Moment(pts=13.2, at=START)) == ()
    (change,) = health.look(spoil(clip[50]), Moment(pts=16.3, at=START + timedelta(seconds=16)))
    assert (change.fault, change.since.pts) == (PictureFault.COVERED, 13.2)


def test_another_picture_size_in_mid_stream_is_learned_anew() -> None:
    clip = pictures("plaza-day")[:80]
    small = [np.asarray(cv2.resize(one, (320, 180), interpolation=cv2.INTER_AREA), np.uint8) for one in clip]
    large = [np.asarray(cv2.resize(one, (1280, 720)), np.uint8) for one in small]  # the same samples, softer
    assert judge([*small, *large, *small]) == []
    assert [one[1] for one in judge([*large, *large])] == []


@pytest.mark.parametrize("size", [(16, 16), (48, 32), (180, 320), (90, 1280), (720, 40)])
def test_any_size_of_picture_can_be_measured(size: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (*size, 3), np.uint8) for _ in range(60)]
    assert judge(images) == []
    assert 0 <= measure(images[0]).light <= 1


def test_a_camera_that_starts_in_the_dark_or_on_a_wall_is_not_said_to_be_covered() -> None:
    assert {one[1] for one in judge([np.full((90, 160, 3), 120, np.uint8)] * 30)} == set()
    assert [one[1] for one in judge([np.zeros((90, 160, 3), np.uint8)] * 60)] == ["black"]


def test_the_same_pictures_give_the_same_faults() -> None:
    images = with_fault("road-day", FAULTS["moved by 20 %"][1])
    assert judge(images) == judge(images)
    assert judge(images)[0][0] > FAULT_AT


@pytest.mark.parametrize("spoil", ["covered by a hand", "blurred, sigma 6"])
def test_faults_are_seen_through_strong_noise(spoil: str) -> None:
    random = np.random.default_rng(5)
    fault, change = FAULTS[spoil]
    spoiled = with_fault("road-day", change)
    noisy = [np.clip(image + random.normal(0, 12, image.shape), 0, 255).astype(np.uint8) for image in spoiled]
    said = judge(noisy)
    found = delays(said)
    assert found is not None, said
    told, raised, _ = found
    assert told == fault
    assert HOLD[fault] <= raised <= HOLD[fault] + 1.0
