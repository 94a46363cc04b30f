"""Painting shapes into a picture: supersampled, shaded, with a soft shadow."""

import math

import cv2
import numpy as np
import numpy.typing as npt

from gridwatch.domain.frame import Image
from gridwatch.rig.scenes.model import Colour, Light, View
from gridwatch.rig.scenes.solids import Shape
from gridwatch.rig.scenes.stage import Placed

Floats = npt.NDArray[np.float32]

OVERSAMPLE = 4
_MARGIN = 6
"""Pixels around an actor for blur."""
_LENS_BLUR = 0.45
"""Pixels."""
_BITS = 3
"""Fractional bits of the coordinates given to OpenCV."""


def paint(picture: Image, placed: Placed, view: View, light: Light) -> None:
    """Draw an actor and its shadow into `picture` (view.height x view.width), in place."""
    scale = view.metre(placed.foot.y) * view.height
    origin = np.array([placed.foot.x * view.width, placed.foot.y * view.height])
    _cast_shadow(picture, placed, scale, origin, 0.42 if light is Light.DAY else 0.3)
    outlines = [shape.points * scale + origin for shape in placed.shapes]
    window = _window(outlines, picture)
    if window is None:
        return
    x, y, width, height = window
    colour = np.zeros((height * OVERSAMPLE, width * OVERSAMPLE, 3), np.uint8)
    mask = np.zeros(colour.shape[:2], np.uint8)
    for shape, outline in zip(placed.shapes, outlines, strict=True):
        _fill(colour, mask, shape, (outline - (x, y)) * OVERSAMPLE, light)
    _blend(picture[y : y + height, x : x + width], colour, mask)


def _window(outlines: list[npt.NDArray[np.float64]], picture: Image) -> tuple[int, int, int, int] | None:
    """x, y, width, height of the pixels around `outlines` that lie in the picture; None when there are none."""
    points = np.concatenate(outlines)
    left, top = (max(0, math.floor(v) - _MARGIN) for v in points.min(axis=0))
    right = min(picture.shape[1], math.ceil(points[:, 0].max()) + _MARGIN)
    bottom = min(picture.shape[0], math.ceil(points[:, 1].max()) + _MARGIN)
    return (left, top, right - left, bottom - top) if right > left and bottom > top else None


def _polygon(canvas: Image, points: npt.NDArray[np.float64], colour: Colour | int) -> None:
    fixed = np.round(points * (1 << _BITS)).astype(np.int32)
    cv2.fillPoly(canvas, [fixed], colour, shift=_BITS)


def _fill(colour: Image, mask: Image, shape: Shape, points: npt.NDArray[np.float64], light: Light) -> None:
    base = shape.colour if light is Light.DAY or shape.glow else _tone(shape.colour, 0.42)
    _polygon(mask, points, 255)
    if not shape.round:
        _polygon(colour, points, base)
        return
    _polygon(colour, points, _tone(base, 0.62))
    middle = points.mean(axis=0)
    size = float(np.min(points.max(axis=0) - points.min(axis=0)))
    for share, shift, tone in ((0.74, 0.10, 0.9), (0.42, 0.16, 1.12)):
        _polygon(
            colour,
            middle + (points - middle) * (share, 0.5 + share / 2) - (size * shift, size * 0.04),
            _tone(base, tone),
        )


def _blend(target: Image, colour: Image, mask: Image) -> None:
    soft = cv2.GaussianBlur(colour, (0, 0), 0.45 * OVERSAMPLE)
    soft[mask == 0] = 0
    size = (target.shape[1], target.shape[0])
    alpha = _shrink(mask, size) / 255
    over = _shrink(soft, size)  # black outside the mask, so it is premultiplied
    target[...] = np.clip(target * (1 - alpha[..., None]) + over, 0, 255).astype(np.uint8)


def _shrink(canvas: cv2.typing.MatLike, size: tuple[int, int]) -> Floats:
    """`canvas` at `size` (width, height), a little out of focus."""
    small = cv2.resize(canvas, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(small, (0, 0), _LENS_BLUR), dtype=np.float32)


def _cast_shadow(
    picture: Image, placed: Placed, scale: float, origin: npt.NDArray[np.float64], strength: float
) -> None:
    outlines = [shape.shadow * scale + origin for shape in placed.shapes]
    window = _window(outlines, picture)
    if window is None:
        return
    x, y, width, height = window
    mask = np.zeros((height, width), np.uint8)
    for outline in outlines:
        _polygon(mask, outline - (x, y), 255)
    soft = cv2.GaussianBlur(mask, (0, 0), max(0.8, scale * 0.035)).astype(np.float32)[..., None] / 255
    target = picture[y : y + height, x : x + width]
    target[...] = (target * (1 - strength * soft)).astype(np.uint8)


def _tone(colour: Colour, factor: float) -> Colour:
    blue, green, red = (min(255, round(value * factor)) for value in colour)
    return blue, green, red
