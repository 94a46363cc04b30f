from dataclasses import replace

import cv2
import numpy as np
import pytest

from gridwatch.detectors.best_shot import BETTER, MOST, WINDOW_SECONDS, BestShots, quality_of
from gridwatch.detectors.evidence import close_up, cut_out
from gridwatch.domain import Box, Frame, Image, Track
from tests.unit.detectors.scenes import box_at, frame, tracked

SHARP, FUZZY = 0.0, 3.0
NEAR = box_at(0.5, 0.9, width=0.12, height=0.6)


def scene(fuzz: float, box: Box = NEAR) -> Image:
    """A textured object on grey; with `fuzz`, out of focus or in motion."""
    image = np.full((360, 640, 3), 90, np.uint8)
    x1, y1, x2, y2 = (round(v) for v in (box.x1 * 640, box.y1 * 360, box.x2 * 640, box.y2 * 360))
    noise = np.random.default_rng(3).integers(0, 256, (max(1, y2 - y1), max(1, x2 - x1), 3))
    image[y1:y2, x1:x2] = noise[: 360 - y1, : 640 - x1].astype(np.uint8)
    return image if fuzz == 0 else np.asarray(cv2.GaussianBlur(image, (0, 0), fuzz), np.uint8)


def seen(shots: BestShots, index: int, fuzz: float, box: Box = NEAR, number: int = 1) -> Frame:
    """Look at the object in the frame of that number."""
    taken = frame(index, scene(fuzz, box))
    shots.look(taken, taken.pts, [at(taken, box, number)], [box])
    return taken


def at(taken: Frame, box: Box = NEAR, number: int = 1) -> Track:
    return replace(tracked(taken.pts, (0.5, 0.9), number), box=box)


def test_quality_is_of_the_largest_sharpest_and_whole() -> None:
    small, cut = box_at(0.5, 0.9, 0.06, 0.3), Box(x1=0.0, y1=0.3, x2=0.12, y2=0.9)
    sharp = quality_of(scene(SHARP), NEAR)
    assert sharp > 2 * quality_of(scene(FUZZY), NEAR)
    assert sharp > 1.15 * quality_of(scene(SHARP, small), small)
    assert quality_of(scene(SHARP, cut), cut) < 0.7 * sharp
    assert quality_of(scene(SHARP), box_at(0.5, 0.9, 0.02, 0.05)) == 0.0
    assert quality_of(scene(SHARP), Box(x1=1.0, y1=0.2, x2=1.0, y2=0.8)) == 0.0


def test_a_much_better_look_of_a_moment_ago_is_shown() -> None:
    shots = BestShots(())
    best = seen(shots, 0, SHARP)
    now = seen(shots, 5, FUZZY)
    shown = shots.better(now, now.pts, at(now))
    assert shown is not None
    assert shown.evidence.captured_at == best.captured_at
    assert shown.evidence.masked
    assert (shown.evidence.width, shown.evidence.height) == (154, 360)


@pytest.mark.parametrize(("first", "now", "later"), [(FUZZY, SHARP, 1), (SHARP, SHARP, 1), (SHARP, FUZZY, 16)])
def test_a_look_that_is_worse_hardly_better_or_too_old_is_not(first: float, now: float, later: int) -> None:
    shots = BestShots(())
    seen(shots, 0, first)
    latest = seen(shots, later, now)
    assert later / 5 > WINDOW_SECONDS or later == 1
    assert shots.better(latest, latest.pts, at(latest)) is None


def test_of_looks_too_old_the_next_is_taken_though_it_is_worse() -> None:
    shots = BestShots(())
    seen(shots, 0, SHARP)
    middle = seen(shots, 16, 1.0)
    now = seen(shots, 20, FUZZY)
    shown = shots.better(now, now.pts, at(now))
    assert shown is not None
    assert shown.evidence.captured_at == middle.captured_at
    assert BETTER > 1


def test_objects_are_told_apart_forgotten_and_bounded() -> None:
    shots = BestShots(())
    for number in range(MOST + 3):
        seen(shots, 0, SHARP, number=number)
    now = frame(5, scene(FUZZY))
    kept = [n for n in range(MOST + 3) if shots.better(now, now.pts, at(now, number=n)) is not None]
    assert kept == list(range(3, MOST + 3))
    shots.forget()
    assert shots.better(now, now.pts, at(now, number=5)) is None


def test_a_close_up_masks_heads_and_privacy_zones_where_they_are_in_it() -> None:
    image = np.random.default_rng(2).integers(0, 256, (360, 640, 3)).astype(np.uint8)
    other = box_at(0.62, 0.95, width=0.1, height=0.5)
    zone = ((0.40, 0.80), (0.46, 0.80), (0.46, 1.0), (0.40, 1.0))
    shown = close_up(cut_out(frame(0, image), NEAR, [NEAR, other]), [zone])
    picture = np.asarray(cv2.imdecode(np.frombuffer(shown.jpeg, np.uint8), cv2.IMREAD_GRAYSCALE), np.uint8)
    left, width, height = (0.5 - 0.12) * 640, 0.24 * 640, 360.0

    def part(box: Box) -> Image:
        x1, x2 = (round((v * 640 - left) / width * picture.shape[1]) for v in (box.x1, box.x2))
        y1, y2 = (round(v * 360 / height * picture.shape[0]) for v in (box.y1, box.y2))
        return picture[y1:y2, max(0, x1) : x2]

    def energy(box: Box) -> float:
        return float(np.abs(cv2.Laplacian(part(box), cv2.CV_64F)).mean())

    legs = energy(Box(x1=0.47, y1=0.7, x2=0.55, y2=0.85))
    assert energy(Box(x1=0.45, y1=0.31, x2=0.55, y2=0.5)) < 0.1 * legs
    assert energy(Box(x1=0.58, y1=0.46, x2=0.61, y2=0.6)) < 0.1 * legs
    assert part(Box(x1=0.405, y1=0.82, x2=0.455, y2=0.98)).max() <= 4
