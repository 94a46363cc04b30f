"""Small objects: the whole picture, and crops around what moves at the camera's own resolution.

A network sees 416 pixels of width, in which people of a twentieth of the picture's height are a dozen pixels. A crop of
288 pixels is enlarged instead. What it costs and brings is measured in docs/detectors.md.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from gridwatch.detectors.detector import Detector
from gridwatch.detectors.tracker import kin_of
from gridwatch.domain import Box, Detection, Image

_LEAST: Final = 288
"""Pixels of a crop's side; smaller ones show less of what is around an object, and no more of it."""
_AROUND: Final = 1.6
"""Sides of a crop over those of what moves in it."""
_MOST: Final = 0.9
"""Of the picture's shorter side: a larger crop shows what the whole picture shows."""
_EDGE: Final = 0.01
"""Of a crop: what touches its edge is cut off, and left to the whole picture and to other crops."""
_SAME_IOU: Final = 0.5


def look_closer(detector: Detector, image: Image, moving: Sequence[Box], most: int) -> tuple[Detection, ...]:
    """What the picture shows, with up to `most` crops around `moving`; best score first, each object once."""
    height, width = image.shape[:2]
    places = _places(moving, width, height, most)
    crops = [np.ascontiguousarray(image[y : y + side, x : x + side]) for x, y, side in places]
    whole, *close = detector.detect([image, *crops])
    found = list(whole)
    for (x, y, side), seen in zip(places, close, strict=True):
        place = Box(x1=x / width, y1=y / height, x2=(x + side) / width, y2=(y + side) / height)
        found += [replace(one, box=_in_picture(one.box, place)) for one in seen if not _is_cut(one.box, place)]
    return _one_each(found) if places else whole


def _places(moving: Sequence[Box], width: int, height: int, most: int) -> list[tuple[int, int, int]]:
    """Left, top and side in pixels of square crops: around the largest of what moves, and what else is in them."""
    left = sorted(moving, key=lambda box: (-box.area, box.x1, box.y1))
    places: list[tuple[int, int, int]] = []
    while left and len(places) < most:
        box = left.pop(0)
        side = round(max(_LEAST, _AROUND * max(box.width * width, box.height * height)))
        if side > _MOST * min(width, height):
            continue
        x = round(min(max(0.0, box.centre.x * width - side / 2), width - side))
        y = round(min(max(0.0, box.centre.y * height - side / 2), height - side))
        places.append((x, y, side))
        left = [one for one in left if not (
            x <= one.x1 * width and one.x2 * width <= x + side and y <= one.y1 * height and one.y2 * height <= y + side
        )]  # fmt: skip
    return places


def _in_picture(box: Box, place: Box) -> Box:
    return Box(
        x1=min(1.0, place.x1 + box.x1 * place.width), y1=min(1.0, place.y1 + box.y1 * place.height),
        x2=min(1.0, place.x1 + box.x2 * place.width), y2=min(1.0, place.y1 + box.y2 * place.height),
    )  # fmt: skip


def _is_cut(box: Box, place: Box) -> bool:
    """True where it touches an edge of the crop that is not one of the picture."""
    return (
        (box.x1 < _EDGE and place.x1 > 0) or (box.y1 < _EDGE and place.y1 > 0)
        or (box.x2 > 1 - _EDGE and place.x2 < 1) or (box.y2 > 1 - _EDGE and place.y2 < 1)
    )  # fmt: skip


def _one_each(found: Sequence[Detection]) -> tuple[Detection, ...]:
    kept: list[Detection] = []
    for one in sorted(found, key=lambda one: -one.score):
        kin = kin_of(one.label)
        if not any(kin_of(other.label) == kin and other.box.iou(one.box) > _SAME_IOU for other in kept):
            kept.append(one)
    return tuple(kept)
