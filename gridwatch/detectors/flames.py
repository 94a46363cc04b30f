"""Flames by colour and flicker, as `fire` tracks. Experimental: strict, and blind to much (docs/rules.md).

Bright, from white through yellow to red, brighter than the place was before; at one place; never all gone and never
quiet: from picture to picture a share of it comes and goes. At five pictures a second nobody can count the 1 to 12
flickers a second of a flame, so disorder stands for frequency. Smoke is not looked for: a model must see it.

Colours after Chen, Wu and Chiou, "An early fire-detection method based on image processing" (ICIP 2004).
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np

from gridwatch.detectors.rules.base import Moment
from gridwatch.detectors.still_scene import Mask, Plane, shrink
from gridwatch.domain import Box, Detection, Image, Track

FIRE: Final = "fire"

_RED: Final = 180
_REDDER: Final = 50
"""By how much red must exceed blue."""
_WHITE: Final = 225
"""From here on in all colours: the core of a flame, too bright for the sensor."""
_BRIGHTER: Final = 25
"""Levels above what the place was before."""
_GAIN: Final = 0.02
"""Change of exposure from which it is taken out."""
_UPSET: Final = 0.1
"""Change of exposure at which nothing can be said."""
_FOLLOW_SECONDS: Final = 30.0
_PLACE_SECONDS: Final = 1.2
"""Time constant of where flame usually is: what walks past leaves nothing there."""
_PLACE: Final = 0.25
_WATCH_SECONDS: Final = 2.0
_LEAST_RECORDS: Final = 8
_LONGEST_STEP: Final = 0.6
"""Pictures further apart tell nothing of flicker."""
_CHURN: Final = (0.06, 1.2)
"""Share of the flame that comes or goes from one picture to the next: a lamp is quieter, a flashing light wilder."""
_SWING: Final = (0.04, 0.7)
"""Standard deviation of its area over the mean."""
_SPREAD: Final = 14.0
"""Standard deviation of red minus blue within it: a flag has one colour."""
_DRIFT: Final = 0.35
"""Sides of its place that its centre may move in _WATCH_SECONDS: who wears orange walks on."""
_GONE_SECONDS: Final = 1.5
_SURE: Final = 0.4


@dataclass(frozen=True, kw_only=True, slots=True)
class _Record:
    """A fire's place in one picture."""

    pts: float
    area: int
    churn: int
    spread: float
    x: float
    y: float
    """Its centre in pixels."""


@dataclass(kw_only=True, slots=True)
class _Place:
    """Where it may burn."""

    id: int
    box: tuple[int, int, int, int]
    """Left, top, right, bottom in pixels."""
    since: float
    seen: float
    records: deque[_Record] = field(default_factory=deque)
    hits: int = 0


class Flames:
    """One camera's fires. Not thread-safe; deterministic. About 1 MB at 320x180."""

    _before: Plane | None
    """The light that was there before."""
    _where: Plane
    """How often a pixel is hot, 0 to 255."""
    _hot_before: Mask
    _clock: float

    def __init__(self, min_area: float = 0.0004) -> None:
        """`min_area`: of a fire's place, as a share of the picture."""
        self._min_area = min_area
        self._before = None
        self._places: list[_Place] = []
        self._next_id = -1_000_000
        """Apart from those of still objects."""

    def look(
        self, image: Image, moment: Moment, seen: Sequence[Detection] | None, tracks: Sequence[Track]
    ) -> tuple[Track, ...]:
        """What burns, after the next picture. What lies within people, or is a small part of a vehicle, does not."""
        small = shrink(image)
        light = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)
        if self._before is None or self._before.shape != light.shape:
            self._begin(light, moment.pts)
            return ()
        elapsed, self._clock = max(0.0, moment.pts - self._clock), moment.pts
        gain = float(np.median((light[::4, ::4] + 4.0) / (self._before[::4, ::4] + 4.0)))
        if abs(gain - 1.0) > _GAIN:
            self._before *= gain
        hot = self._hot(small, light, self._before)
        churn = np.bitwise_xor(hot, self._hot_before)
        self._hot_before = hot
        share = 1.0 - float(np.exp(-elapsed / _FOLLOW_SECONDS))
        cv2.accumulateWeighted(light, self._before, share, cv2.bitwise_not(cv2.dilate(hot, _WIDE)))
        if elapsed > _LONGEST_STEP or abs(gain - 1.0) > _UPSET:
            for place in self._places:
                place.records.clear()
            return ()
        cv2.accumulateWeighted(hot, self._where, 1.0 - float(np.exp(-elapsed / _PLACE_SECONDS)))
        if not self._places and cv2.countNonZero(hot) == 0:
            return ()
        self._follow(small, hot, churn, moment.pts)
        taken: tuple[Detection | Track, ...] = (*(seen or ()), *tracks)
        return tuple(one for place in self._places if (one := self._told(place, moment.pts, taken)) is not None)

    def _begin(self, light: Mask, pts: float) -> None:
        self._before = light.astype(np.float32)
        self._where = np.zeros(light.shape, np.float32)
        self._hot_before = np.zeros(light.shape, np.uint8)
        self._clock = pts
        self._places = []

    def _hot(self, small: Image, light: Mask, before: Plane) -> Mask:
        blue, green, red = cv2.split(small)
        flame = (red >= _RED) & (cv2.subtract(red, blue) >= _REDDER) & (red >= green)
        white = cv2.min(cv2.min(blue, green), red) >= _WHITE
        # The brightest around it: a bright thing that shakes is nothing new.
        brighter = cv2.subtract(light, cv2.dilate(cv2.convertScaleAbs(before), _WIDE)) >= _BRIGHTER
        return np.where((flame | white) & brighter, 255, 0).astype(np.uint8)

    def _follow(self, small: Image, hot: Mask, churn: Mask, pts: float) -> None:
        often = np.where(self._where > _PLACE * 255, 255, 0).astype(np.uint8)
        where = cv2.morphologyEx(often, cv2.MORPH_CLOSE, _WIDE)
        _, _, stats, _ = cv2.connectedComponentsWithStats(where, connectivity=8)
        for x, y, width, height, area in stats[1:].tolist():
            if area < self._min_area * hot.size:
                continue
            box = (x, y, x + width, y + height)
            place = self._place_at(box, pts)
            inside = (slice(y, y + height), slice(x, x + width))
            burning = hot[inside] > 0
            rows, columns = np.nonzero(burning)
            redder = cv2.subtract(small[inside][..., 2], small[inside][..., 0])[burning]
            if redder.size == 0:
                rows, columns, redder = np.array([height / 2]), np.array([width / 2]), np.zeros(1)
            place.records.append(
                _Record(
                    pts=pts, area=int(np.count_nonzero(burning)), churn=cv2.countNonZero(churn[inside]),
                    spread=float(redder.std()), x=x + float(columns.mean()), y=y + float(rows.mean()),
                )
            )  # fmt: skip
            while pts - place.records[0].pts > _WATCH_SECONDS:
                place.records.popleft()
        self._places = [one for one in self._places if pts - one.seen <= _GONE_SECONDS]

    def _place_at(self, box: tuple[int, int, int, int], pts: float) -> _Place:
        for place in self._places:
            if place.seen < pts and _touches(place.box, box):
                place.box, place.seen = box, pts
                return place
        self._next_id -= 1
        place = _Place(id=self._next_id, box=box, since=pts, seen=pts)
        self._places.append(place)
        return place

    def _told(self, place: _Place, pts: float, taken: Sequence[Detection | Track]) -> Track | None:
        height, width = self._where.shape
        x1, y1, x2, y2 = place.box
        box = Box(x1=x1 / width, y1=y1 / height, x2=x2 / width, y2=y2 / height)
        side = max(x2 - x1, y2 - y1)
        is_taken = any(_owns(one, box) for one in taken)
        score = 0.0 if is_taken or _drift(place.records) > _DRIFT * side else _score(place.records)
        if score >= _SURE and place.seen == pts:
            place.hits += 1
        if place.hits == 0 or score < _SURE:
            return None
        return Track(
            id=place.id, label=FIRE, box=box, score=score, best_score=score, first_seen=place.since,
            last_seen=place.seen, hits=place.hits,
        )  # fmt: skip


_WIDE: Final = np.ones((5, 5), np.uint8)


def _score(records: deque[_Record]) -> float:
    """0 where it is no flame, 0.4 to 1 where it is: more with more disorder and more colours."""
    if len(records) < _LEAST_RECORDS:
        return 0.0
    areas = np.array([one.area for one in records], np.float64)
    mean = float(areas.mean())
    if mean < 1.0 or float(np.mean(areas >= 0.25 * mean)) < 0.9:
        return 0.0
    churn = float(np.mean([one.churn for one in records])) / mean
    swing, spread = float(areas.std()) / mean, float(np.median([one.spread for one in records]))
    if not (_CHURN[0] <= churn <= _CHURN[1] and _SWING[0] <= swing <= _SWING[1] and spread >= _SPREAD):
        return 0.0
    return min(1.0, _SURE + 0.5 * min(1.0, churn / 0.5) + 0.1 * min(1.0, spread / 60.0))


def _drift(records: deque[_Record]) -> float:
    """Pixels between where it was in the older and in the newer half of the records."""
    points = np.array([(one.x, one.y) for one in records], np.float64).reshape(-1, 2)
    half = len(points) // 2
    return float(np.hypot(*(points[half:].mean(axis=0) - points[:half].mean(axis=0)))) if half else 0.0


def _touches(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


_VEHICLES: Final = frozenset({"car", "truck", "bus", "motorcycle", "train", "bicycle"})


def _owns(one: Detection | Track, fire: Box) -> bool:
    """True when the fire is a jacket or a lamp of `one`."""
    width = min(one.box.x2, fire.x2) - max(one.box.x1, fire.x1)
    height = min(one.box.y2, fire.y2) - max(one.box.y1, fire.y1)
    if one.score < 0.4 or width <= 0 or height <= 0 or width * height < 0.7 * fire.area:
        return False
    return one.label == "person" or (one.label in _VEHICLES and fire.area < 0.3 * one.box.area)
