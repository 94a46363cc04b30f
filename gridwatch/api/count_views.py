"""Counts of incidents and observations of cameras as JSON."""

from typing import Self

from pydantic import ConfigDict, Field

from gridwatch.api.views import Utc, View
from gridwatch.domain import IncidentKind, Observation
from gridwatch.store.statistics import Bucket


class KindCountsView(View):
    """Incidents of a kind, bucket after bucket."""

    kind: IncidentKind
    counts: list[int] = Field(description="One for each bucket from `begin` on, zeros too.")


class CountsView(View):
    """Incidents at a site and below it, by time and kind."""

    site: str
    bucket: Bucket
    begin: Utc = Field(description="Of the first bucket; buckets begin at full hours and days of UTC.")
    items: list[KindCountsView] = Field(description="By kind; one without incidents is left out.")


class GridCountView(View):
    """Incidents in a grid."""

    grid: str = Field(description="Its code; its outline is in `/v1/grids`.")
    incidents: int


class GridCountsView(View):
    """Incidents at a site and below it, by grid, over whole days."""

    site: str
    begin: Utc = Field(description="Of the first day, of UTC.")
    items: list[GridCountView] = Field(description="By code; a grid without incidents is left out.")


class ClassCountView(View):
    """Things of a class that were tracked. How many, never who."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    label: str
    most: int = Field(description="At one time.")
    sightings: int = Field(description="Summed over the pictures detected in; over `detected`, the usual count.")


class ObservationView(View):
    """One camera in one minute."""

    minute: Utc
    site: str
    frames: int
    analysed: int
    detected: int
    dropped: int
    moving: float = Field(description="Share of the minute in which something moved, 0 to 1.")
    fps: float
    classes: list[ClassCountView]

    @classmethod
    def of(cls, one: Observation) -> Self:
        """`one` as JSON."""
        return cls(
            minute=one.minute, site=str(one.site), frames=one.frames, analysed=one.analysed, detected=one.detected,
            dropped=one.dropped, moving=one.moving, fps=one.fps,
            classes=[ClassCountView.model_validate(kind) for kind in one.classes],
        )  # fmt: skip
