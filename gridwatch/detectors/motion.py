"""Motion alone as a detector: whatever moves, without saying what it is."""

from collections.abc import Sequence
from typing import Final

from gridwatch.domain import Box, Detection, DetectorInfo, Image

MOTION: Final = "motion"
"""The class of everything that moves."""


class MotionOnly:
    """Marks a camera whose detections are what its motion gate sees move; of a picture by itself it says nothing."""

    @property
    def info(self) -> DetectorInfo:
        """It has no weights."""
        return DetectorInfo(name=MOTION, version="1", weights_sha256=None)

    @property
    def labels(self) -> tuple[str, ...]:
        """`motion`."""
        return (MOTION,)

    def detect(self, images: Sequence[Image]) -> list[tuple[Detection, ...]]:
        """Nothing: motion is between pictures."""
        return [()] * len(images)


def as_detections(moving: Sequence[Box]) -> tuple[Detection, ...]:
    """What moves, as detections; the score says nothing."""
    return tuple(Detection(box=box, label=MOTION, score=1.0) for box in moving)
