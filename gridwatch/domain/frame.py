"""One decoded picture and what was seen in it."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from gridwatch.domain.geometry import Box

Image = npt.NDArray[np.uint8]
"""BGR, uint8, shape (height, width, 3), C-contiguous."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One decoded picture with its stream time and its wall-clock times."""

    camera: str
    index: int
    """Count of analysed frames of this camera since its reader connected, from 0."""
    pts: float
    """Stream time in seconds since the reader connected; never steps back within a connection."""
    captured_at: datetime
    """Wall clock at the camera (RTCP sender report) when trusted, else `arrived_at`; UTC."""
    arrived_at: datetime
    """Wall clock here when the packet arrived, UTC. Equal to `captured_at` for recorded files."""
    image: Image
    quiet: float = 0.0
    """Seconds of stream time before this frame in which frames were left out because nothing moved: no gap, but
    stillness."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Detection:
    """A box, a class and a score in one frame."""

    box: Box
    label: str
    """Class name as the model's label list has it, e.g. `person`."""
    score: float
    """Confidence, 0..1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Track:
    """Detections joined over frames on one camera. The id means nothing on any other camera or day."""

    id: int
    label: str
    box: Box
    score: float
    """Score of the latest detection joined to it."""
    best_score: float
    """Highest score of any detection joined to it."""
    first_seen: float
    """Stream time in seconds of its first detection."""
    last_seen: float
    """Stream time in seconds of its latest detection; older than the frame while it coasts."""
    hits: int
    """How many detections have been joined."""
    borne_out: float = 0.0
    """Confidence, 0..1, that weak detections add up to where they move as the picture's pixels do; 0 for what never
    moved."""
    behind: int | None = None
    """Id of the track that hid it until its first detection, when it came out from behind one."""
    past: tuple[tuple[float, Box], ...] = ()
    """Stream times and places of its detections before this one, where it is shown for the first time only now: it was
    taken for scenery until it moved."""
