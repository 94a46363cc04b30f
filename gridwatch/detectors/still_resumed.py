"""Things that an earlier run told were left or taken: still so, as long as their place looks as it first did.

What the scene looked like before is not known after a restart, so a bag that stands there is scenery to the new run.
But its place changes when the bag is taken, and until then the incident goes on. A thing that was taken, or brought
back, while nobody looked leaves a place that does not change: its incident stays open until something does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from gridwatch.detectors.rules.base import Moment
from gridwatch.domain import Box, Image, IncidentBox, Track

_SIDE: Final = 24
"""Samples across a place and down it."""
_MARGIN: Final = 0.15
"""Share of the box by which a place reaches over it: boxes are drawn tightly, edges tell most."""
_CHANGED: Final = 14.0
"""Mean difference of levels, apart from the light, from which a place looks different; noise gives 2 to 5."""
_GONE_SECONDS: Final = 2.0
"""Different for so long, with nobody before it, it has changed for good."""
_FOLLOW: Final = 0.01
"""Share of a picture by which its look is followed: dusk, not a hand that takes it."""
_FIRST_ID: Final = -(2**61)
"""Far from the ids of trackers and of what is found in pixels."""
_HITS: Final = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class _Thing:
    """One place."""

    id: int
    shown: IncidentBox
    look: npt.NDArray[np.float32] | None = None
    """None until it was seen with nobody before it."""
    seen: float = 0.0
    """Stream time when it last looked so, or when somebody was before it."""
    gone: bool = False


class ResumedThings:
    """The places of one camera. Not thread-safe; deterministic; stream time only."""

    def __init__(self, boxes: Sequence[IncidentBox]) -> None:
        """`boxes` of the incidents' latest messages."""
        self._things = [_Thing(id=_FIRST_ID - number, shown=one) for number, one in enumerate(boxes)]

    def look(self, image: Image, moment: Moment, tracks: Sequence[Track]) -> tuple[Track, ...]:
        """Tracks of what is still so. `tracks`: whoever may stand before it."""
        self._things = [after for one in self._things if not (after := self._followed(one, image, moment, tracks)).gone]
        return tuple(
            Track(
                id=one.id, label=one.shown.label, box=one.shown.box, score=one.shown.score,
                best_score=1.0, first_seen=0.0, last_seen=one.seen, hits=_HITS,
            )
            for one in self._things
        )  # fmt: skip

    def _followed(self, one: _Thing, image: Image, moment: Moment, tracks: Sequence[Track]) -> _Thing:
        box = one.shown.box
        if any(_overlap(track.box, box) for track in tracks):
            return replace(one, seen=moment.pts)
        now = _sample(image, box)
        if one.look is None:
            return replace(one, look=now, seen=moment.pts)
        if float(np.abs(now - one.look).mean()) < _CHANGED:
            return replace(one, look=one.look + np.float32(_FOLLOW) * (now - one.look), seen=moment.pts)
        return replace(one, gone=moment.is_after(one.seen, _GONE_SECONDS))


def _overlap(a: Box, b: Box) -> bool:
    return a.x1 < b.x2 and b.x1 < a.x2 and a.y1 < b.y2 and b.y1 < a.y2


def _sample(image: Image, box: Box) -> npt.NDArray[np.float32]:
    """The place in grey, without its mean: the light may change."""
    height, width = image.shape[:2]
    left, right = (box.x1 - _MARGIN * box.width) * width, (box.x2 + _MARGIN * box.width) * width
    top, bottom = (box.y1 - _MARGIN * box.height) * height, (box.y2 + _MARGIN * box.height) * height
    x1, y1 = max(0, int(left)), max(0, int(top))
    x2, y2 = min(width, max(int(right), x1 + 2)), min(height, max(int(bottom), y1 + 2))
    grey = cv2.cvtColor(image[min(y1, height - 2) : y2, min(x1, width - 2) : x2], cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray(small - small.mean(), np.float32)
