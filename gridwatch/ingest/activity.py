"""Whether anything moves, told from the sizes of packets and two small pictures, and what analysis says back.

A P picture holds what changed since the one before it: of a still scene it holds noise, and its size keeps to a level
that depends on the encoder, the light and the bit rate wanted. `SizeWatch` learns that level and says when sizes leave
it. It is meant to be early, not sure: what it cannot see (small and far, or under a rate control that trades quality
for size) the next keyframe shows, and packets kept since the last one make sure that nothing is lost meanwhile.
"""

import math
import threading
from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass, replace
from typing import Final

import cv2

from gridwatch.domain import Frame, Image

WINDOW_SECONDS: Final = 20.0
"""How far back the level reaches; shorter than a motion gate remembers motion, so that it is learnt from stillness."""
LAG_SECONDS: Final = 3.0
"""How old a picture is when it becomes part of the level: motion that begins must not hide itself."""
_MOST: Final = 512
"""P pictures of the window at most, whatever the rate."""
_LEAST: Final = 15
"""P pictures without which there is no level yet."""
_AFTER_KEY_SECONDS: Final = 0.25
"""P pictures so soon after a keyframe tell nothing: they repair what coarser intra coding left."""
_OVERHEAD_BYTES: Final = 64
"""Added to each size: below a hundred bytes or so, which is nothing but headers, a ratio means nothing."""
_SPREAD_FLOOR: Final = 0.08
"""Least spread of the logarithm of sizes: 8 %."""
_Z_90: Final = 1.2816
"""Standard normal quantile of 90 %."""
_DRIFT: Final = 1.0
_CLIP: Final = 4.0
_ALARM: Final = 8.0
"""CUSUM (Page 1954) of sizes in spreads above the level: less than `_DRIFT` is forgotten, `_CLIP` keeps one picture
(an unmarked I picture, a burst of noise) from raising it alone, so at least three in succession do."""
_DOUBT_MOST: Final = 8.0
_DOUBT_HALF_LIFE: Final = 300.0
"""Each false alarm doubles what the next one takes, up to `_DOUBT_MOST` times, and half of that is forgotten in so many
seconds: a rate control that wanders would wake its camera all the time."""

SMALL_WIDTH: Final = 320
"""Pixels wide, at most, at which two pictures are compared."""
_DIFFERENCE: Final = 10
"""Levels that a pixel must differ by in one colour. Scaling and blur average noise away; what coarse intra coding (x264
at CRF 28) leaves stays below it."""
_AREA: Final = 0.00015
"""Share of the picture that must differ. Both are below what opens a motion gate (14 levels, 0.03 %)."""


def differ(one: Image, other: Image) -> bool:
    """True when something has changed between two small pictures of a camera."""
    if one.shape != other.shape:
        return True
    blue, green, red = cv2.split(cv2.absdiff(one, other))
    most = cv2.max(cv2.max(blue, green), red)
    _, differs = cv2.threshold(most, _DIFFERENCE - 1, 1, cv2.THRESH_BINARY)
    return bool(cv2.countNonZero(differs) >= _AREA * differs.size)


class SizeWatch:
    """The running level of one stream's P pictures, scale-free. Deterministic. Not thread-safe.

    Level and spread are the median and the distance from it to the 90 % quantile (of normally distributed logarithms,
    1.28 standard deviations) over WINDOW_SECONDS that ended LAG_SECONDS ago: two outliers in ten pictures, such as
    every keyframe's aftermath or the layers of a hierarchical GOP, belong to the spread. Pictures that rise are learnt
    like all others, so a new level (night, another bit rate) is usual after half a window.
    """

    def __init__(self) -> None:
        self._new: deque[tuple[float, float]] = deque()
        """Time and value of pictures that are not part of the level yet."""
        self._recent: deque[tuple[float, float]] = deque()
        self._sorted: list[float] = []
        self._sum = 0.0
        self._doubt = 1.0
        self._doubted_at = 0.0
        self._key_at = float("-inf")

    @property
    def is_ready(self) -> bool:
        """True once there is a level."""
        return len(self._sorted) >= _LEAST

    def key(self, time: float) -> None:
        """A keyframe came, at stream time `time`."""
        self._key_at = time

    def moves(self, size: int, time: float) -> bool:
        """True when the P picture of `size` bytes at stream time `time` makes it likely that something moves."""
        if 0.0 <= time - self._key_at < _AFTER_KEY_SECONDS:
            return False
        value = math.log(size + _OVERHEAD_BYTES)
        alarm = self.is_ready and self._exceeds(value, time)
        self._learn(value, time)
        return alarm

    def was_wrong(self, time: float) -> None:
        """The latest alarm was a false one, as is known at stream time `time`."""
        self._doubt, self._doubted_at = min(_DOUBT_MOST, 2.0 * self._doubt_at(time)), time

    def _doubt_at(self, time: float) -> float:
        halvings = max(0.0, time - self._doubted_at) / _DOUBT_HALF_LIFE
        return max(1.0, self._doubt * math.exp2(-halvings))

    def _exceeds(self, value: float, time: float) -> bool:
        last = len(self._sorted) - 1
        level = self._sorted[last // 2]
        spread = max(_SPREAD_FLOOR, (self._sorted[round(last * 0.9)] - level) / _Z_90)
        self._sum = max(0.0, self._sum + min(_CLIP, (value - level) / spread) - _DRIFT)
        if self._sum < _ALARM * self._doubt_at(time):
            return False
        self._sum = 0.0
        return True

    def _learn(self, value: float, time: float) -> None:
        self._new.append((time, value))
        while len(self._new) > _MOST or not 0.0 <= time - self._new[0][0] < LAG_SECONDS:
            self._recent.append(self._new.popleft())
            insort(self._sorted, self._recent[-1][1])
        while self._recent and self._is_past(time):
            del self._sorted[bisect_left(self._sorted, self._recent.popleft()[1])]

    def _is_past(self, time: float) -> bool:
        return len(self._recent) > _MOST or not 0.0 <= time - self._recent[0][0] <= WINDOW_SECONDS


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What analysis said of the latest frame it has finished."""

    index: int
    """Of that frame; all before it are finished or dropped."""
    idle: bool
    """True when pictures may be left out until something moves."""


class Attention:
    """The way back from the analysis of one camera to its reader: whether it needs every picture. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._look: Look | None = None

    def looked(self, frame: Frame, *, idle: bool) -> None:
        """Analysis of `frame` is over. `idle`: nothing moves in it or did lately, nothing is tracked, nothing open."""
        with self._changed:
            self._look = Look(index=frame.index, idle=idle)
            self._changed.notify_all()

    def rouse(self) -> None:
        """Somebody wants to see what is there: no picture is left out until analysis says so of a later frame."""
        with self._changed:
            if self._look is not None:
                self._look = replace(self._look, idle=False)
                self._changed.notify_all()

    def latest(self) -> Look | None:
        """The latest; None before the first."""
        # Asked for with every packet, and reading one reference needs no lock.
        return self._look

    def wait(self, index: int, seconds: float) -> bool:
        """Wait until frame `index` is finished; False when it was not after `seconds`."""
        with self._changed:
            return self._changed.wait_for(lambda: self._look is not None and self._look.index >= index, seconds)

    def forget(self) -> None:
        """A new connection begins."""
        with self._changed:
            self._look = None
