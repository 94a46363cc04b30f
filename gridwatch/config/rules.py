"""What each rule can be told."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gridwatch.config.base import Fraction, Identifier, Section
from gridwatch.domain import IncidentKind, Severity


class RuleBase(Section):
    """What every rule has."""

    id: Identifier
    severity: Severity = Severity.MAJOR
    classes: Annotated[tuple[str, ...], Field(min_length=1)] = ("person",)
    """Class names of the detector's label list."""
    min_score: Fraction = 0.4
    """A track must have reached this score once; weaker detections may continue it."""


class IntrusionRule(RuleBase):
    """Raised when an object's foot is inside the zone for `dwell_seconds`; one incident per object."""

    kind: Literal[IncidentKind.INTRUSION]
    zone: Identifier
    dwell_seconds: Annotated[float, Field(ge=0)] = 1.0
    clear_seconds: Annotated[float, Field(ge=0)] = 2.0
    """Cleared when it has been out of the zone, or unseen, this long."""
    update_seconds: Annotated[float, Field(gt=0)] = 10.0
    """Time between `updated` messages while it lasts."""


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
