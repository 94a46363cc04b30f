"""The motion-and-region method that the bench compares with does what it is described to do."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from bench.figures import Figure
from bench.pipeline.regions import Motion, RegionPipeline
from gridwatch.domain import Box, Image
from tests.unit.detectors.scenes import BlobDetector, picture

SIZE = (1280, 720)
PERSON = Box(x1=0.4, y1=0.4, x2=0.43, y2=0.52)


class Crops(BlobDetector):
    """Remembers the crops."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[tuple[int, ...]] = []

    def detect(self, images: Sequence[Image]) -> list[tuple[object, ...]]:  # type: ignore[override]
        self.sizes += [image.shape for image in images]
        return super().detect(images)  # type: ignore[return-value]


def yuv(people: Sequence[Box], light: int = 180) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(picture(people, *SIZE, light=light), cv2.COLOR_BGR2YUV_I420), np.uint8)


def settled(crops: Crops) -> RegionPipeline:
    pipeline = RegionPipeline(crops, SIZE)  # type: ignore[arg-type]
    empty = yuv([])
    for _ in range(60):
        pipeline.look(empty)
    assert pipeline.regions == 0
    return pipeline


def walk(pipeline: RegionPipeline, people: Sequence[Box], steps: int) -> None:
    for step in range(steps):
        by = 0.01 * step
        pipeline.look(yuv([Box(x1=one.x1 + by, y1=one.y1, x2=one.x2 + by, y2=one.y2) for one in people]))


def test_who_moves_is_detected_in_one_square_region_of_320_pixels_and_then_tracked_in_it() -> None:
    crops = Crops()
    pipeline = settled(crops)
    walk(pipeline, [PERSON], 10)
    assert set(crops.sizes) == {(320, 320, 3)}
    assert 10 <= pipeline.regions <= 12
    ((_, box, _),) = pipeline._tracks
    assert box.iou(Box(x1=0.49, y1=0.4, x2=0.52, y2=0.52)) > 0.6


def test_two_who_are_near_share_a_region_and_two_who_are_far_apart_do_not() -> None:
    near, far = Box(x1=0.46, y1=0.4, x2=0.49, y2=0.52), Box(x1=0.8, y1=0.7, x2=0.83, y2=0.82)
    counts = []
    for other in (near, far):
        pipeline = settled(Crops())
        walk(pipeline, [PERSON, other], 8)
        counts.append(pipeline.regions)
    assert counts[0] <= 10
    assert counts[1] >= 15


def test_one_seen_in_two_regions_is_one() -> None:
    pipeline = settled(Crops())
    walk(pipeline, [PERSON, Box(x1=0.55, y1=0.4, x2=0.58, y2=0.52), Box(x1=0.7, y1=0.4, x2=0.73, y2=0.52)], 8)
    assert len(pipeline._tracks) == 3


def test_a_change_of_nearly_all_of_the_picture_calibrates_anew() -> None:
    motion = Motion(SIZE)
    for _ in range(60):
        motion.boxes(yuv([])[:720])
    assert not motion.calibrating
    motion.boxes(255 - yuv([])[:720])
    assert motion.calibrating


@pytest.mark.parametrize(("median", "at_least", "met"), [(2, True, True), (1.9, True, False), (2, False, True),
                                                         (2.1, False, False)])  # fmt: skip
def test_a_goal_is_kept_from_the_side_it_is_meant_for(median: float, *, at_least: bool, met: bool) -> None:
    assert Figure.of("x", [median], goal=2.0, at_least=at_least).is_met is met
