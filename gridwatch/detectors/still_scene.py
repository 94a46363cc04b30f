"""What of a scene has changed and then stood still: two backgrounds of different rates and a clock for each pixel.

The slow one is what the camera usually shows. Where a picture differs from it, the quick one takes the new look, and as
long as that stays, `age` counts how long. All times are stream time, so pictures may come at any rate. A change of
exposure or white balance is taken out first; a difference of one pixel's place (shaking) is none.

Porikli, "Detection of temporarily static regions by processing video at different frame rates" (AVSS 2007), with a
clock in place of the two rates' ratio.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from gridwatch.domain import Box, Image

Plane = npt.NDArray[np.float32]
Mask = npt.NDArray[np.uint8]
"""0 or 255."""

WIDTH: Final = 320
STABLE_SECONDS: Final = 2.0
"""A new look that lasted this long stands still."""
_FOLLOW_SECONDS: Final = 20.0
"""Time constant of the slow background where nothing has changed: dusk, not a bag."""
_SETTLE_SECONDS: Final = 2.0
"""Time constant with which the new look of a place is refined."""
_BRIEF_SECONDS: Final = 0.8
"""A look that lasted less is movement: the next one replaces it at once."""
_OCCLUDED_SECONDS: Final = 8.0
"""How long something else may be in front of a new look before that takes its place."""
_LONGEST_STEP: Final = 10.0
"""Seconds of one step that count: a gate that sleeps shows a picture every eight."""
_WHOLE: Final = 0.35
"""Share of the picture that, changed and then still, is another light or another view and not a thing."""
_GAIN_DEAD: Final = 0.02
"""Change of the gain that the slow background can follow by itself."""
_PEOPLED_SECONDS: Final = 20.0
_UPSET_GAIN: Final = 0.1
_UPSET_CELLS: Final = 0.5
"""Share of the cells of the picture in which something changed from one picture to the next: light, not people."""
_AROUND: Final = np.ones((3, 3), np.uint8)
_LEAST_DIFFERENCE: Final = 15.0
_MOST_DIFFERENCE: Final = 40.0
_STAYS: Final = 0.6


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What a picture says of every pixel. The arrays live until the next picture."""

    small: Image
    """The picture, 320 pixels wide."""
    changed: Mask
    """Differs from what the camera usually shows."""
    still: Mask
    """Changed, and once looking the same for STABLE_SECONDS; something else may be in front of it."""
    tolerance: float
    """Levels within which two looks are the same."""
    restarted: bool
    """True when the whole picture changed and is now what the camera usually shows."""


class StillScene:
    """One camera's backgrounds. Not thread-safe; deterministic. About 2.2 MB at 320x180."""

    usual: Plane
    """The slow background."""
    age: Plane
    """Seconds that the new look of a pixel was seen."""
    since: npt.NDArray[np.float64]
    """Stream time of the new look's first picture."""
    moved: npt.NDArray[np.float64]
    """Stream time at which something last moved there."""
    cover: Mask
    """Where people and vehicles are."""
    peopled: Plane
    """Share of the last _PEOPLED_SECONDS or so in which somebody's box lay over what is usual: he may be part of it."""
    taint: Mask
    """Where what is usual was learned from a person or a vehicle."""
    gain: npt.NDArray[np.float32]
    """What the light has become since the last picture, for each colour."""
    began: float
    """Stream time of the first picture it goes by."""
    upsets: deque[float]
    """Stream times at which the light of the whole picture changed at once, the latest of them."""
    _recent: Plane
    """The quick background: the new look."""
    _other: Plane
    """Seconds that something else was in front of the new look."""
    _before: Image
    _changed_before: Mask
    _low: Image
    _high: Image
    _noise: float

    def __init__(self) -> None:
        self._small: Image | None = None
        self._clock = 0.0

    def look(self, image: Image, pts: float, covered: Sequence[Box]) -> Look | None:
        """The next picture, not before the last, with people and vehicles in `covered`.

        None for the first picture of a size, and while the whole picture is in upheaval.
        """
        small = shrink(image)
        if self._small is None or self._small.shape != small.shape:
            self._begin(small, pts, covered)
            return None
        elapsed, self._clock = min(_LONGEST_STEP, max(0.0, pts - self._clock)), pts
        self._follow_light(small)
        noise = float(np.median(cv2.absdiff(small[::4, ::4, 1], self._small[::4, ::4, 1])))
        self._noise += (noise - self._noise) * (1.0 - float(np.exp(-elapsed / 5.0)))
        tolerance = min(_MOST_DIFFERENCE, _LEAST_DIFFERENCE + 5.0 * self._noise)
        self._before, self._small = self._small, small
        changed = self._changed(small, tolerance)
        if np.abs(self.gain - 1.0).max() > _UPSET_GAIN or _spread(changed, self._changed_before) > _UPSET_CELLS:
            self.upsets.append(pts)
        self._changed_before = changed
        self.cover = _fill(covered, changed.shape)
        self._age_pixels(small, changed, tolerance, elapsed)
        unseen = cv2.bitwise_and(self.cover, cv2.bitwise_not(changed)) // 255
        cv2.accumulateWeighted(unseen, self.peopled, 1.0 - float(np.exp(-elapsed / _PEOPLED_SECONDS)))
        restarted = False
        if cv2.countNonZero(changed) > _WHOLE * changed.size:
            if not self._is_another_view(changed):
                self._refresh()
                return None
            restarted = True
        self._follow(small, changed, elapsed)
        still = np.where((changed > 0) & (self.age >= STABLE_SECONDS), 255, 0).astype(np.uint8)
        return Look(small=small, changed=changed, still=still, tolerance=tolerance, restarted=restarted)

    def stir(self, rows: slice, columns: slice, mask: Mask) -> float:
        """Levels by which a blob differs from the picture before, shaking left out: hardly at all, for a thing."""
        if self._small is None:
            return 0.0
        beyond = _beyond(self._small[rows, columns], *_range(self._before[rows, columns]))
        return float(cv2.mean(beyond, mask)[0])

    def absorb(self, places: npt.NDArray[np.bool_], *, tainted: bool) -> None:
        """What is seen at `places` is from now on what the camera usually shows.

        `tainted`: it is a person or a vehicle, which may leave without anything being removed.
        """
        self.usual[places] = self._recent[places]
        self.age[places] = 0.0
        self.taint[places] = 255 if tainted else 0
        self._refresh()

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of what is compared; (1, 1) before the first picture."""
        return (1, 1) if self._small is None else (self._small.shape[0], self._small.shape[1])

    def imagine_behind(self, rows: slice, columns: slice, mask: Mask) -> None:
        """Of a thing that stands there only its surroundings are usual: fill its place from them."""
        if self._small is None:
            return
        whole = np.zeros(self.shape, np.uint8)
        whole[rows, columns] = mask
        grown = cv2.dilate(whole, _AROUND)
        ring = cv2.subtract(cv2.dilate(whole, np.ones((9, 9), np.uint8)), grown)
        self.usual[grown > 0] = cv2.mean(self._small, ring)[:3]
        self.age[whole > 0] = STABLE_SECONDS
        self._refresh()

    def restart(self) -> None:
        """All of the latest picture is what the camera usually shows."""
        if self._small is not None:
            self._begin(self._small, self._clock, ())

    def _begin(self, small: Image, pts: float, covered: Sequence[Box]) -> None:
        shape = small.shape[:2]
        self._small, self._before, self._clock = small, small, pts
        self.began = pts
        self._noise = 1.0
        self.usual = small.astype(np.float32)
        self._recent = self.usual.copy()
        self.age = np.zeros(shape, np.float32)
        self.since = np.full(shape, pts, np.float64)
        self.peopled = np.zeros(shape, np.float32)
        self.moved = np.full(shape, float("-inf"), np.float64)
        self._other = np.zeros(shape, np.float32)
        self.cover = _fill(covered, shape)
        self.taint = self.cover.copy()
        self.gain = np.ones(3, np.float32)
        self._changed_before = np.zeros(shape, np.uint8)
        self.upsets = deque(maxlen=32)
        self._refresh()

    def _follow_light(self, small: Image) -> None:
        """Give the backgrounds the exposure and white balance of `small`: the median gain of all pixels, by colour."""
        now = small[::4, ::4].reshape(-1, 3).astype(np.float32) + 4.0
        usual = self.usual[::4, ::4].reshape(-1, 3) + 4.0
        gain = np.clip(np.median(now / usual, axis=0), 0.25, 4.0).astype(np.float32)
        self.gain = gain if np.abs(gain - 1.0).max() > _GAIN_DEAD else np.ones(3, np.float32)
        if self.gain is gain:
            self.usual *= gain
            self._recent *= gain
            self._refresh()

    def _changed(self, small: Image, tolerance: float) -> Mask:
        """Hysteresis: what stands still stays changed down to less, or noise would eat it away."""
        beyond = _beyond(small, self._low, self._high)
        kept = (self.age >= STABLE_SECONDS) & (beyond > _STAYS * tolerance)
        return np.where((beyond > tolerance) | kept, 255, 0).astype(np.uint8)

    def _age_pixels(self, small: Image, changed: Mask, tolerance: float, elapsed: float) -> None:
        fits = _beyond(small, *_range(cv2.convertScaleAbs(self._recent))) <= tolerance
        is_changed = changed > 0
        same = is_changed & fits
        other = is_changed & ~fits
        fresh = other & ((self.age < _BRIEF_SECONDS) | (self._other > _OCCLUDED_SECONDS))
        back = np.maximum(np.minimum(self.age, STABLE_SECONDS) - 2.0 * elapsed, 0.0)
        self.age = np.where(is_changed, self.age + same * np.float32(elapsed), back).astype(np.float32)
        self._other += np.where(other, np.float32(elapsed), np.float32(-elapsed))
        np.maximum(self._other, 0.0, out=self._other)
        self.age[fresh] = self._other[fresh] = 0.0
        self.since[fresh | (same & (self.age <= elapsed))] = self._clock
        np.copyto(self._recent, small, where=fresh[..., None])
        share = 1.0 - float(np.exp(-elapsed / _SETTLE_SECONDS))
        cv2.accumulateWeighted(small, self._recent, share, same.view(np.uint8))
        self.moved[is_changed & (self.age < _BRIEF_SECONDS)] = self._clock

    def _is_another_view(self, changed: Mask) -> bool:
        settled = int(np.count_nonzero((changed > 0) & (self.age >= _BRIEF_SECONDS)))
        return settled > 0.6 * cv2.countNonZero(changed)

    def _follow(self, small: Image, changed: Mask, elapsed: float) -> None:
        share = 1.0 - float(np.exp(-elapsed / _FOLLOW_SECONDS))
        cv2.accumulateWeighted(small, self.usual, share, cv2.bitwise_not(changed))
        self._refresh()

    def _refresh(self) -> None:
        self._low, self._high = _range(cv2.convertScaleAbs(self.usual))


def shrink(image: Image) -> Image:
    """320 pixels wide, each the mean of what it covers: single pixels would bring their noise."""
    height = max(1, round(image.shape[0] * WIDTH / image.shape[1]))
    if image.shape[1] >= 4 * WIDTH:
        image = np.asarray(cv2.resize(image, (2 * WIDTH, 2 * height), interpolation=cv2.INTER_LINEAR), np.uint8)
    small = cv2.resize(image, (WIDTH, height), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.blur(small, (3, 3)), np.uint8)


def _range(image: cv2.typing.MatLike) -> tuple[Image, Image]:
    """The least and the most of each colour around each pixel."""
    return np.asarray(cv2.erode(image, _AROUND), np.uint8), np.asarray(cv2.dilate(image, _AROUND), np.uint8)


def _beyond(small: Image, low: Image, high: Image) -> npt.NDArray[np.uint8]:
    """How many levels the colour that is furthest out is outside of low..high; 0 inside."""
    outside = cv2.max(cv2.subtract(small, high), cv2.subtract(low, small))
    blue, green, red = cv2.split(outside)
    return np.asarray(cv2.max(cv2.max(blue, green), red), np.uint8)


def _spread(now: Mask, before: Mask) -> float:
    """Share of the cells of a picture of which more than 2 % changed since the one before."""
    fresh = cv2.subtract(now, before)
    cells = cv2.resize(fresh, (16, 9), interpolation=cv2.INTER_AREA)
    return float(np.mean(cells > 0.02 * 255))


def _fill(boxes: Sequence[Box], shape: tuple[int, ...]) -> Mask:
    mask = np.zeros(shape[:2], np.uint8)
    for box in boxes:
        rows, columns = window(box, mask.shape)
        mask[rows, columns] = 255
    return mask


def window(box: Box, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of a box given in fractions."""
    height, width = shape[:2]
    return (
        slice(int(box.y1 * height), min(height, int(np.ceil(box.y2 * height)))),
        slice(int(box.x1 * width), min(width, int(np.ceil(box.x2 * width)))),
    )
