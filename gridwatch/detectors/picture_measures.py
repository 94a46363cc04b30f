"""What can be said of one picture in a fraction of a millisecond: light, detail, structure. Pure."""

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from gridwatch.domain import Image

Plane = npt.NDArray[np.float32]

COLUMNS: Final = 160
"""Samples across at the most; a structure of less than 1/160 of the width is not seen here."""
_ROWS: Final = 45
"""So many rows are read whole: being out of focus shows in the finest detail only."""
_TOGETHER: Final = 4
"""Adjacent rows that are read as one."""
_CELL: Final = 20
"""Samples of the small picture in a side of a cell."""
_EDGE: Final = 24.0
"""Sobel magnitude from which something is an edge and not noise: a step of 6 levels..."""
_NOISE_EDGE: Final = 3.5
"""...and so many standard deviations of the sensor's noise, of which 1.15 are left in the magnitude after the blur."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measures:
    """One picture in numbers. The arrays are this object's own; cells are rows and columns of about 20 samples."""

    samples: npt.NDArray[np.uint8]
    """Single pixels (green) on a regular grid, with all their noise."""
    mean: float
    """Of the samples, 0..255."""
    dark: float
    """Share of samples below 40."""
    light: float
    """Share of samples above 245."""
    fine: Plane
    """Energy of the finest detail over that of coarser structure, by cell: falls out of focus, not with the light."""
    cosine: Plane
    sine: Plane
    """Twice the angle of the edge at each sample, 0 where there is none. Twice, so that light on dark and dark on
    light are one edge: infrared turns many around."""
    edges: Plane
    """Share of samples on an edge, by cell."""


def measure(image: Image) -> Measures:
    """Measure a BGR picture at least 16 pixels wide and high. Well under a millisecond at 1280x720."""
    green = image[:, :, 1]
    step = -(-image.shape[1] // (2 * COLUMNS))
    twice = np.ascontiguousarray(green[::step, ::step])
    samples = np.ascontiguousarray(twice[::2, ::2])
    light = cv2.calcHist([samples], [0], None, [256], [0, 256]).ravel()
    small = cv2.blur(twice, (3, 3))[::2, ::2]
    second, together = _second(green)
    noise = _noise(second)
    least = max(_EDGE, _NOISE_EDGE * noise * math.sqrt(together))
    power, cosine, sine, edge = _orientation(np.ascontiguousarray(small), least)
    rows, columns = max(1, round(samples.shape[0] / _CELL)), max(1, round(samples.shape[1] / _CELL))
    coarse = _cells(power, (columns, rows))
    return Measures(
        samples=samples, mean=float(samples.mean()), dark=float(light[:40].sum()) / samples.size,
        light=float(light[246:].sum()) / samples.size, fine=_fine(second, noise, (columns, rows)) / (coarse + _EDGE),
        cosine=cosine, sine=sine, edges=_cells(edge, (columns, rows)),
    )  # fmt: skip


def cells_of(values: Plane, like: Plane) -> Plane:
    """Means of `values` over the cells of `like`."""
    return _cells(values, (like.shape[1], like.shape[0]))


def _cells(values: Plane, size: tuple[int, int]) -> Plane:
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)


def _second(green: npt.NDArray[np.uint8]) -> tuple[Plane, int]:
    """The second difference along some rows, each the mean of so many adjacent ones.

    Strong noise is as fine as the detail that a lens out of focus loses; a mean of four has a quarter of its power.
    """
    height = green.shape[0]
    apart = max(1, height // _ROWS)
    together = min(_TOGETHER, apart)
    ends = height - height % apart
    mean = np.asarray(green[:ends:apart], np.float32)
    for below in range(1, together):
        cv2.accumulate(np.ascontiguousarray(green[below:ends:apart]), mean)
    return np.asarray(cv2.filter2D(mean, cv2.CV_32F, _SECOND / np.float32(together)), np.float32), together


def _noise(second: Plane) -> float:
    """Standard deviation of the noise in `second`'s rows: in most places the second difference is nothing else.

    The median of its absolute value over 0.6745, and over the kernel's norm (Immerkaer 1996, along rows).
    """
    return float(np.median(np.abs(second[::2, ::3]))) / (0.6745 * math.sqrt(6.0))


def _fine(second: Plane, noise: float, cells: tuple[int, int]) -> Plane:
    """Mean square of the second difference without the noise's part: the variance of a Laplacian in one direction."""
    energy = _cells(np.asarray(cv2.multiply(second, second), np.float32), cells)
    return np.asarray(np.maximum(energy - 6.0 * noise * noise, 0.0), np.float32)


_SECOND: Final = np.array([[1, 0, -2, 0, 1]], np.float32)


def _orientation(small: npt.NDArray[np.uint8], least: float) -> tuple[Plane, Plane, Plane, Plane]:
    """Power of the gradient, cosine and sine of twice the angle at edges, 0 elsewhere, and 1 at edges."""
    dx = cv2.Sobel(small, cv2.CV_32F, 1, 0)
    dy = cv2.Sobel(small, cv2.CV_32F, 0, 1)
    xx, yy = cv2.multiply(dx, dx), cv2.multiply(dy, dy)
    power = cv2.add(xx, yy)
    _, edge = cv2.threshold(power, least * least, 1.0, cv2.THRESH_BINARY)
    scale = cv2.divide(edge, np.maximum(power, 1.0))
    cosine = cv2.multiply(cv2.subtract(xx, yy), scale)
    sine = cv2.multiply(cv2.multiply(dx, dy), scale, scale=2.0)
    planes = (power, cosine, sine, edge)
    return tuple(np.asarray(one, np.float32) for one in planes)  # type: ignore[return-value]
