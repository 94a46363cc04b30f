"""Crops around motion find what is too small in the whole picture, and see each object once."""

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from gridwatch.detectors.analysis import CameraAnalysis
from gridwatch.detectors.closer import look_closer
from gridwatch.domain import Box, Detection, Image, Phase
from tests.unit.detectors.scenes import BlobDetector, camera, frame, picture

SIZE = (1280, 720)
SMALL = Box(x1=0.3, y1=0.5, x2=0.308, y2=0.54)


class Shortsighted(BlobDetector):
    """Finds what is at least 12 pixels high where a picture is 416 wide, as a network would."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[tuple[int, int]] = []

    def detect(self, images: Sequence[Image]) -> list[tuple[Detection, ...]]:
        self.sizes += [(image.shape[1], image.shape[0]) for image in images]
        shrunk = [np.asarray(cv2.resize(one, (416, 416 * one.shape[0] // one.shape[1])), np.uint8) for one in images]
        found = super().detect(shrunk)
        return [
            tuple(one for one in seen if one.box.height * image.shape[0] >= 12)
            for image, seen in zip(shrunk, found, strict=True)
        ]


def scene(*people: Box) -> Image:
    return picture(people, *SIZE)


def test_a_small_one_that_moves_is_found_where_it_is() -> None:
    detector = Shortsighted()
    assert look_closer(detector, scene(SMALL), [SMALL], 0) == ()
    (found,) = look_closer(detector, scene(SMALL), [SMALL], 1)
    assert found.box.iou(SMALL) > 0.6
    assert detector.sizes == [SIZE, SIZE, (288, 288)]


def test_without_motion_the_picture_is_looked_at_once() -> None:
    detector = Shortsighted()
    look_closer(detector, scene(SMALL), [], 4)
    assert detector.sizes == [SIZE]


def test_one_found_in_the_picture_and_in_crops_is_one() -> None:
    large = Box(x1=0.5, y1=0.4, x2=0.54, y2=0.6)
    near = Box(x1=0.56, y1=0.45, x2=0.57, y2=0.5)
    found = look_closer(Shortsighted(), scene(large, near), [large, near], 4)
    assert len(found) == 2


def test_near_ones_share_a_crop_and_no_more_than_asked_for_are_made() -> None:
    far = [Box(x1=x, y1=0.5, x2=x + 0.008, y2=0.54) for x in (0.1, 0.4, 0.7)]
    near = Box(x1=0.12, y1=0.5, x2=0.128, y2=0.54)
    detector = Shortsighted()
    assert len(look_closer(detector, scene(*far, near), [*far, near], 2)) == 3
    assert len(detector.sizes) == 3


@pytest.mark.parametrize("corner", [Box(x1=0, y1=0, x2=0.008, y2=0.04), Box(x1=0.992, y1=0.96, x2=1, y2=1)])
def test_at_the_pictures_edge_a_crop_stays_inside_and_keeps_what_touches_it(corner: Box) -> None:
    (found,) = look_closer(Shortsighted(), scene(corner), [corner], 1)
    assert found.box.iou(corner) > 0.6


def test_what_the_crop_cuts_off_is_left_out() -> None:
    tall = Box(x1=0.3, y1=0.1, x2=0.302, y2=0.9)  # of which a hand moves
    hand = Box(x1=0.3, y1=0.5, x2=0.31, y2=0.52)
    assert all(one.box.height > 0.7 for one in look_closer(Shortsighted(), scene(tall), [hand], 1))


def test_what_fills_the_picture_needs_no_crop() -> None:
    detector = Shortsighted()
    look_closer(detector, scene(), [Box(x1=0.1, y1=0.1, x2=0.9, y2=0.9)], 4)
    assert detector.sizes == [SIZE]


@pytest.mark.parametrize(("looks", "raised"), [(0, 0), (2, 1)])
def test_a_camera_that_asks_for_closer_looks_raises_what_others_miss(looks: int, raised: int) -> None:
    analysis = CameraAnalysis(camera(closer_looks=looks), Shortsighted())
    walk = [scene()] * 10 + [scene(Box(x1=0.1 + 0.004 * i, y1=0.5, x2=0.108 + 0.004 * i, y2=0.54)) for i in range(30)]
    said = [one for index, image in enumerate(walk) for one in analysis.analyse(frame(index, image)).incidents]
    assert sum(one.phase is Phase.RAISED for one in said) == raised
