"""Why something was missed, as far as boxes tell: not detected, its track broke, or the rule did not raise it."""

from dataclasses import dataclass, field
from typing import Final

from gridwatch.app.expected import Truth
from gridwatch.detectors import Analysis
from gridwatch.domain import Box

_SAME: Final = 0.3
"""Overlap from which a box is on the object that truth has there."""
_SEEN: Final = 0.25
"""Least score of a detection that counts: the tracker starts no track below."""
_BELIEVED: Final = 0.4
"""Score that rules ask for once, by default."""
_IN_SIGHT: Final = 0.5
"""Least share of an object in sight for it to count."""
_MOSTLY: Final = 0.6
"""Share of pictures in which an object must be detected for its misses not to be the detector's."""


def true_boxes(truth: Truth | None, pts: float) -> dict[str, Box]:
    """Where truth has everybody who is in sight in the picture nearest to second `pts`."""
    if truth is None or not truth.frames:
        return {}
    now = min(truth.frames, key=lambda frame: abs(frame.t - pts))
    return {name: _inside(box[:4]) for name, box in now.boxes.items() if box[4] >= _IN_SIGHT}


def _inside(corners: tuple[float, ...]) -> Box:
    x1, y1, x2, y2 = (min(1.0, max(0.0, value)) for value in corners)
    return Box(x1=x1, y1=y1, x2=x2, y2=y2)


@dataclass(kw_only=True, slots=True)
class Sightings:
    """How one object of the truth fared over a span of time. Not thread-safe."""

    name: str
    span: tuple[float, float]
    """Stream seconds, both ends included."""
    pictures: int = 0
    """In which it was in sight and the detector looked."""
    detected: int = 0
    """Of those, in which it was detected."""
    best_score: float = 0.0
    tracks: set[int] = field(default_factory=set)
    """That were on it."""

    def look(self, pts: float, box: Box | None, analysis: Analysis) -> None:
        """The next picture, in which truth has the object at `box`."""
        if box is None or not self.span[0] <= pts <= self.span[1]:
            return
        self.tracks.update(one.id for one in analysis.tracks if one.box.iou(box) >= _SAME)
        if analysis.detected:
            best = max((one.score for one in analysis.seen if one.box.iou(box) >= _SAME), default=0.0)
            self.pictures += 1
            self.detected += best >= _SEEN
            self.best_score = max(self.best_score, best)

    @property
    def verdict(self) -> str:
        """`detector`, `track` or `rule`: who lost it first."""
        if self.pictures and (self.detected < _MOSTLY * self.pictures or self.best_score < _BELIEVED):
            return "detector"
        return "track" if len(self.tracks) != 1 else "rule"

    def __str__(self) -> str:
        return (
            f"{self.name}: detected in {self.detected} of {self.pictures} pictures, at best {self.best_score:.2f}, "
            f"{len(self.tracks)} tracks -> {self.verdict}"
        )
