"""What each rule can be told."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from gridwatch.config.base import Fraction, Identifier, Section
from gridwatch.config.schedule import ScheduleSpan
from gridwatch.domain import IncidentKind, Severity


class HeightByPlace(Section):
    """A height in heights of the picture, between what it is at the picture's top and at its bottom."""

    top: Fraction
    bottom: Fraction

    def at(self, y: float) -> float:
        """For an object whose foot is at `y`, 0..1 from the top."""
        return self.top + (self.bottom - self.top) * y


def _same_everywhere(value: object) -> object:
    return {"top": value, "bottom": value} if isinstance(value, int | float) else value


Height = Annotated[HeightByPlace, BeforeValidator(_same_everywhere)]
"""`{top: 0.03, bottom: 0.3}`, or one number for the whole picture."""


class RuleBase(Section):
    """What every rule has."""

    id: Identifier
    severity: Severity = Severity.MAJOR
    classes: Annotated[tuple[str, ...], Field(min_length=1)] = ("person",)
    """Class names of the detector's label list."""
    min_score: Fraction = 0.4
    """A track must have reached this score once; weaker detections may continue it."""
    class_scores: dict[str, Fraction] = Field(default_factory=dict)
    """`min_score` of single classes."""
    anchor: Literal["bottom_center", "center"] = "bottom_center"
    """The point of a box that is in a zone or passes a line; `center` for cameras that look straight down."""
    min_height: Height | None = None
    """Lower boxes do not count."""
    max_height: Height | None = None
    """Higher ones neither."""
    schedule: Annotated[tuple[ScheduleSpan, ...], Field(min_length=1)] | None = None
    """When it is on duty, in the site's time zone; None: always. Off duty, nothing is or stays raised."""
    cooldown_seconds: Annotated[float, Field(ge=0)] = 0.0
    """After an incident is cleared, none is raised at its place for so long."""

    @model_validator(mode="after")
    def _base_fits(self) -> Self:
        unwatched = sorted(set(self.class_scores) - set(self.classes))
        if unwatched:
            raise ValueError(f"class_scores names {', '.join(unwatched)}, which classes does not")
        low, high = self.min_height, self.max_height
        if low is not None and high is not None and (low.top > high.top or low.bottom > high.bottom):
            raise ValueError("min_height must not exceed max_height, at the top nor at the bottom")
        return self


class VisitRule(RuleBase):
    """What rules have that follow each object by itself, one incident an object."""

    zone: Identifier
    clear_seconds: Annotated[float, Field(ge=0)] = 2.0
    """Cleared when its condition has not held, or it was unseen, this long."""
    update_seconds: Annotated[float, Field(gt=0)] = 10.0
    """Time between `updated` messages while it lasts."""
    inertia: Annotated[int, Field(ge=1, le=100)] = 1
    """Raised only when the condition held in this many pictures in a row in which the object was seen."""


class IntrusionRule(VisitRule):
    """Raised when an object is inside the zone for `dwell_seconds`; one incident per object."""

    kind: Literal[IncidentKind.INTRUSION]
    dwell_seconds: Annotated[float, Field(ge=0)] = 1.0


class LineCrossingRule(RuleBase):
    """Raised, and cleared at once, when an object's foot passes the line in a watched direction."""

    kind: Literal[IncidentKind.LINE_CROSSING]
    line: Identifier
    direction: Literal["left", "right", "any"] = "any"
    """The side it arrives on, looking from the line's start to its end (ONVIF LineDetector)."""
    margin: Annotated[float, Field(ge=0, le=0.2)] = 0.01
    """Hysteresis: it must leave the line by this fraction of the picture's height on both sides."""


class CrowdingRule(RuleBase):
    """Raised when at least `count` objects are in the zone for `seconds`."""

    kind: Literal[IncidentKind.CROWDING]
    zone: Identifier
    count: Annotated[int, Field(ge=2)]
    clear_count: Annotated[int, Field(ge=1)] | None = None
    """Cleared when fewer than this for `clear_seconds`; default `count`."""
    seconds: Annotated[float, Field(ge=0)] = 2.0
    clear_seconds: Annotated[float, Field(ge=0)] = 3.0
    update_seconds: Annotated[float, Field(gt=0)] = 10.0

    @model_validator(mode="after")
    def _falls_below_rise(self) -> Self:
        if self.clear_count is not None and self.clear_count > self.count:
            raise ValueError(f"clear_count {self.clear_count} must not exceed count {self.count}")
        return self


RuleConfig = Annotated[IntrusionRule | LineCrossingRule | CrowdingRule, Field(discriminator="kind")]
