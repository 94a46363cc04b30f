"""What a camera saw in a minute, in numbers."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gridwatch.domain.site import SitePath

OBSERVED: Final = timedelta(minutes=1)
"""What an observation is of."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassCount:
    """Things of a class that were tracked. How many, never who."""

    label: str
    most: int
    """At one time."""
    sightings: int
    """Summed over the pictures detected in; over their number, the usual count."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """One camera in one minute, as its worker saw it; (camera, minute) is unique but for a restart of the worker."""

    camera: str
    site: SitePath
    minute: datetime
    """When it began, UTC, seconds zero."""
    frames: int
    """Frames decoded."""
    analysed: int
    """Frames handed to analysis."""
    detected: int
    """Frames the detector looked at."""
    dropped: int
    """Frames dropped because analysis was late."""
    moving: float
    """Share of the minute in which something moved, 0..1, in steps of the period of health reports."""
    fps: float
    """Frames decoded a second."""
    classes: tuple[ClassCount, ...]
    """By label; what was not there is left out."""
