"""Is it a thing, a hole where a thing was, or light? Asked of a part of a picture that changed and stands still. Pure.

* A thing has an outline: along the edge of the changed part, the picture now differs from one side to the other. Where
  a thing was taken away it is what is usual that had the outline, and the picture now goes on across it.
  (Region similarity and contour methods as compared by San Miguel and Martinez, AVSS 2008.)
* A camera that sinks on its mast, a sign in the wind: the same is there, some pixels beside.
* Light and shadow leave the structure of the ground: what was there is still there, brighter or darker.
"""

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from gridwatch.detectors.still_scene import Mask
from gridwatch.domain import Box, Image

_MARGIN: Final = 8
"""Pixels around a blob that are looked at with it."""
_SHIFT: Final = 4
_THREE, _FIVE, _SEVEN, _NINE = (np.ones((side, side), np.uint8) for side in (3, 5, 7, 9))


@dataclass(frozen=True, kw_only=True, slots=True)
class Blob:
    """Connected pixels."""

    rows: slice
    columns: slice
    mask: Mask
    """Of that window."""
    area: int
    """Pixels."""

    @property
    def window(self) -> tuple[slice, slice]:
        """Index of an array of the whole picture."""
        return self.rows, self.columns

    @property
    def side(self) -> int:
        """The longer side of its window."""
        return int(max(self.rows.stop - self.rows.start, self.columns.stop - self.columns.start))

    @property
    def grown(self) -> Mask:
        """Its mask, three pixels wider within its window."""
        return np.asarray(cv2.dilate(self.mask, _SEVEN), np.uint8)

    def box(self, shape: tuple[int, ...]) -> Box:
        """Its window in fractions of a picture of that shape."""
        height, width = shape[:2]
        return Box(
            x1=self.columns.start / width, y1=self.rows.start / height,
            x2=self.columns.stop / width, y2=self.rows.stop / height,
        )  # fmt: skip

    def share(self, mask: npt.NDArray[np.uint8]) -> float:
        """Share of its pixels that are set in `mask`, which is of the whole picture."""
        return cv2.countNonZero(cv2.bitwise_and(mask[self.window], self.mask)) / self.area

    def colour(self, image: Image) -> npt.NDArray[np.float32]:
        """Its mean colour."""
        return np.array(cv2.mean(image[self.window], self.mask)[:3], np.float32)

    def gap(self, other: "Blob") -> float:
        """Pixels between two windows, in sides of the larger; 0 where they touch."""
        dx = max(0, self.columns.start - other.columns.stop, other.columns.start - self.columns.stop)
        dy = max(0, self.rows.start - other.rows.stop, other.rows.start - self.rows.stop)
        return float(max(dx, dy)) / max(self.side, other.side)

    def iou(self, other: "Blob") -> float:
        """Intersection over union of the pixels."""
        top, bottom = max(self.rows.start, other.rows.start), min(self.rows.stop, other.rows.stop)
        left, right = max(self.columns.start, other.columns.start), min(self.columns.stop, other.columns.stop)
        if top >= bottom or left >= right:
            return 0.0
        one, two = (
            blob.mask[top - blob.rows.start : bottom - blob.rows.start,
                      left - blob.columns.start : right - blob.columns.start]
            for blob in (self, other)
        )  # fmt: skip
        shared = int(cv2.countNonZero(cv2.bitwise_and(one, two)))
        return shared / (self.area + other.area - shared)


def union(one: Blob, other: Blob) -> Blob:
    """Both as one, cracks closed."""
    rows = slice(min(one.rows.start, other.rows.start), max(one.rows.stop, other.rows.stop))
    columns = slice(min(one.columns.start, other.columns.start), max(one.columns.stop, other.columns.stop))
    mask = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.uint8)
    for blob in (one, other):
        top, left = blob.rows.start - rows.start, blob.columns.start - columns.start
        part = mask[top : top + blob.mask.shape[0], left : left + blob.mask.shape[1]]
        np.maximum(part, blob.mask, out=part)
    mask = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, _FIVE), np.uint8)
    return Blob(rows=rows, columns=columns, mask=mask, area=cv2.countNonZero(mask))


def find_blobs(still: Mask, least: int) -> list[Blob]:
    """Those of at least `least` pixels, holes and cracks closed, top left first."""
    whole = cv2.morphologyEx(still, cv2.MORPH_OPEN, _THREE)
    whole = cv2.morphologyEx(whole, cv2.MORPH_CLOSE, _FIVE)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(whole, connectivity=8)
    found = []
    for number, (x, y, width, height, area) in enumerate(stats[1:].tolist(), 1):
        if area >= least:
            rows, columns = slice(y, y + height), slice(x, x + width)
            mask = np.where(labels[rows, columns] == number, 255, 0).astype(np.uint8)
            found.append(Blob(rows=rows, columns=columns, mask=mask, area=area))
    return found


def outline(image: Image, blob: Blob) -> float:
    """How much the two sides of a blob's edge differ in `image`, in levels, plus how steep it is there."""
    patch, mask = around(image, blob)
    inside = cv2.subtract(mask, cv2.erode(mask, _SEVEN))
    outside = cv2.subtract(cv2.dilate(mask, _NINE), cv2.dilate(mask, _THREE))
    edge = cv2.subtract(cv2.dilate(mask, _THREE), cv2.erode(mask, _THREE)) > 0
    apart = np.abs(_mean_near(patch, inside) - _mean_near(patch, outside)).max(axis=2)
    grey = patch.max(axis=2).astype(np.float32)
    steep = cv2.magnitude(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)) / 4.0
    return float(apart[edge].mean()) + float(steep[edge].mean())


def is_light(now: Image, usual: Image, blob: Blob, tolerance: float) -> bool:
    """True when `now` is `usual` under another light: the same colours and the same structure."""
    after, mask = around(now, blob)
    before, _ = around(usual, blob)
    places = cv2.erode(mask, _THREE) > 0
    if np.count_nonzero(places) < 12:
        places = mask > 0
    a, b = after[places].astype(np.float32) + 2.0, before[places].astype(np.float32) + 2.0
    ratio = a / b
    by_colour = np.median(ratio, axis=0)
    if by_colour.max() > 1.3 * by_colour.min():
        return False
    grey = float(by_colour.mean())
    if not 0.3 <= grey <= 3.0:
        return False
    # How much of what changed is told by one gain for the whole blob.
    left = np.abs(a - b * by_colour).max(axis=1)
    told = float(np.mean(left <= tolerance * max(1.0, grey) * 0.6))
    if told < 0.85:
        return False
    # A plain thing on plain ground is told by a gain too: but its edge is its own, and steeper than a shadow's.
    structure = float(b.std(axis=0).max())
    if structure > 8.0:
        alike = np.corrcoef(a.mean(axis=1), b.mean(axis=1))[0, 1]
        return bool(alike > 0.7)
    return 0.45 <= grey <= 2.0


def is_shifted(now: Image, usual: Image, blob: Blob, tolerance: float) -> bool:
    """True when a blob shows what was usual up to four pixels beside it."""
    patch, mask = around(now, blob, 2)
    place, _ = around(usual, blob, 2 + _SHIFT)
    if min(place.shape[0] - patch.shape[0], place.shape[1] - patch.shape[1]) <= 0:
        return False
    wide = np.repeat(cv2.dilate(mask, _THREE)[..., None] // 255, 3, axis=2)
    apart = cv2.matchTemplate(place, patch, cv2.TM_SQDIFF, mask=wide)
    best = float(np.sqrt(max(0.0, float(apart.min())) / max(1, int(wide.sum()))))
    return best <= 0.6 * tolerance


def around(image: npt.NDArray[Any], blob: Blob, margin: int = _MARGIN) -> tuple[npt.NDArray[Any], Mask]:
    """The part of a picture, or of any array like it, with a blob and so many pixels more, and the blob in it."""
    height, width = image.shape[:2]
    top, bottom = max(0, blob.rows.start - margin), min(height, blob.rows.stop + margin)
    left, right = max(0, blob.columns.start - margin), min(width, blob.columns.stop + margin)
    mask = np.zeros((bottom - top, right - left), np.uint8)
    mask[blob.rows.start - top : blob.rows.stop - top, blob.columns.start - left : blob.columns.stop - left] = blob.mask
    return image[top:bottom, left:right], mask


def _mean_near(patch: Image, places: cv2.typing.MatLike) -> npt.NDArray[np.float32]:
    """The mean colour of `places` within four pixels of each pixel; 0 where there are none."""
    weight = (places > 0).astype(np.float32)
    total = cv2.boxFilter(patch * weight[..., None], cv2.CV_32F, (9, 9), normalize=False)
    count = cv2.boxFilter(weight, cv2.CV_32F, (9, 9), normalize=False)
    return np.asarray(total / np.maximum(count, 1.0)[..., None], np.float32)
