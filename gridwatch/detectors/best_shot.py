"""The best look at each object of the last moments: largest, sharpest, whole.

For a close-up beside the picture in which an incident is raised, when an earlier one shows who did it much better. Kept
as small parts of pictures, one an object, a few objects a camera; masked when one is asked for, before anybody gets it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from gridwatch.detectors.evidence import CutOut, EvidenceError, Snapshot, close_up, cut_out
from gridwatch.detectors.tracker import CONFIRMED_HITS
from gridwatch.domain import Box, Frame, Image, Track

WINDOW_SECONDS: Final = 3.0
"""How old a look may be."""
MOST: Final = 8
"""Objects a camera; beyond, those looked at longest ago go."""
BETTER: Final = 1.3
"""Times the quality of the picture that raises, from which another is worth showing."""
_WORTH: Final = 1.15
"""Times the quality of the look kept, from which a new one is worth keeping."""
_LEAST_HEIGHT: Final = 32
"""Pixels of an object below which no look shows more than another."""
_EDGE: Final = 0.004
_CUT: Final = 0.5
"""What an object at the picture's edge is worth: part of it is not there."""
_SIZE: Final = (32, 64)
"""Pixels at which sharpness is measured, so that it does not depend on size."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Shot:
    pts: float
    quality: float
    cut: CutOut


class BestShots:
    """Of one camera. Deterministic; not thread-safe."""

    def __init__(self, privacy: Sequence[Sequence[tuple[float, float]]]) -> None:
        """`privacy`: polygons in fractions, black in every picture."""
        self._privacy = privacy
        self._shots: dict[int, _Shot] = {}
        """By track id, the one looked at longest ago first."""

    def look(self, frame: Frame, pts: float, tracks: Sequence[Track], people: Sequence[Box]) -> None:
        """A frame in which the detector looked: `tracks` seen at `pts` are in it, `people` are all to mask."""
        for track in tracks:
            if track.hits < CONFIRMED_HITS or track.last_seen < pts:
                continue
            quality = quality_of(frame.image, track.box)
            kept = self._shots.pop(track.id, None)
            if kept is not None and pts - kept.pts <= WINDOW_SECONDS and quality < _WORTH * kept.quality:
                self._shots[track.id] = kept
            elif quality > 0:
                self._take(frame, pts, track, people, quality)
        while len(self._shots) > MOST:
            del self._shots[next(iter(self._shots))]

    def better(self, frame: Frame, pts: float, track: Track) -> Snapshot | None:
        """A masked close-up of `track` from the last WINDOW_SECONDS, much better than what `frame` shows of it.

        Raises EvidenceError when it cannot be encoded.
        """
        shot = self._shots.get(track.id)
        if shot is None or not 0 < pts - shot.pts <= WINDOW_SECONDS:
            return None
        if shot.quality < BETTER * quality_of(frame.image, track.box):
            return None
        return close_up(shot.cut, self._privacy)

    def forget(self) -> None:
        """Track ids mean nothing any more."""
        self._shots.clear()

    def _take(self, frame: Frame, pts: float, track: Track, people: Sequence[Box], quality: float) -> None:
        try:
            cut = cut_out(frame, track.box, people)
        except EvidenceError:  # a box without a pixel has no good look
            return
        self._shots[track.id] = _Shot(pts=pts, quality=quality, cut=cut)


def quality_of(image: Image, box: Box) -> float:
    """Root of the area in pixels times sharpness, halved for an object cut by the edge; 0 for one too small.

    Sharpness is the standard deviation of the Laplacian (Pech-Pacheco et al. 2000) of the box at a fixed size.
    """
    height, width = image.shape[:2]
    part = image[int(box.y1 * height) : int(box.y2 * height), int(box.x1 * width) : int(box.x2 * width)]
    if part.shape[0] < _LEAST_HEIGHT or part.shape[1] == 0:
        return 0.0
    grey = cv2.cvtColor(cv2.resize(part, _SIZE, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
    sharpness = float(np.std(cv2.Laplacian(grey, cv2.CV_32F)))
    is_cut = min(box.x1, box.y1) < _EDGE or max(box.x2, box.y2) > 1 - _EDGE
    return float(np.sqrt(part.shape[0] * part.shape[1])) * sharpness * (_CUT if is_cut else 1.0)
