"""What each rule can be told."""

import math
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from gridwatch.config.base import Fraction, Identifier, Section
from gridwatch.config.classes import expanded
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


def _leads_somewhere(value: object) -> object:
    """One message for whatever is neither, instead of one for each."""
    parts = [value] if isinstance(value, int | float) else value
    if isinstance(parts, list | tuple) and all(isinstance(one, int | float) for one in parts):
        numbers = [float(one) for one in parts]
        if len(numbers) == 1 and not isinstance(value, list | tuple) and 0 <= numbers[0] < 360:
            return numbers[0]
        if len(numbers) == 2 and math.isfinite(sum(numbers)) and any(numbers):
            return tuple(numbers)
    raise ValueError("give degrees from 0 to below 360, clockwise from the top, or a vector with length: [0.2, 0]")


Direction = Annotated[float | tuple[float, float], BeforeValidator(_leads_somewhere)]
"""Degrees clockwise from the top of the picture, or a vector in fractions of its width and height."""


class RuleBase(Section):
    """What every rule has."""

    id: Identifier
    severity: Severity = Severity.MAJOR
    classes: Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(expanded)] = ("person",)
    """Class names of the detector's label list, or groups of them: `vehicle`, `cycle`, `animal`, `bag`."""
    min_score: Fraction = 0.4
    """A track must have reached this score once, or weaker ones add up to it while it moves; those also continue it."""
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


class LoiteringRule(VisitRule):
    """Raised when an object has been in the zone for `seconds`, short absences included; one incident per object."""

    kind: Literal[IncidentKind.LOITERING]
    seconds: Annotated[float, Field(gt=0)] = 60.0
    class_seconds: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """`seconds` of single classes."""
    absence_seconds: Annotated[float, Field(ge=0)] = 5.0
    """Out of the zone or hidden for so long, it counts as having been there; for longer, its time starts anew."""
    clear_seconds: Annotated[float, Field(ge=0)] = 10.0

    @model_validator(mode="after")
    def _classes_are_watched(self) -> Self:
        unwatched = sorted(set(self.class_seconds) - set(self.classes))
        if unwatched:
            raise ValueError(f"class_seconds names {', '.join(unwatched)}, which classes does not")
        return self


class StoppedVehicleRule(VisitRule):
    """Raised when a vehicle that was seen to move has stood in the zone for `seconds`; one incident per vehicle."""

    kind: Literal[IncidentKind.STOPPED_VEHICLE]
    classes: Annotated[tuple[str, ...], Field(min_length=1)] = ("car", "truck", "bus", "motorcycle")
    seconds: Annotated[float, Field(gt=0)] = 120.0
    clear_seconds: Annotated[float, Field(ge=0)] = 10.0
    update_seconds: Annotated[float, Field(gt=0)] = 60.0


class WrongWayRule(VisitRule):
    """Raised when an object moves through the zone against its direction; one incident per object."""

    kind: Literal[IncidentKind.WRONG_WAY]
    classes: Annotated[tuple[str, ...], Field(min_length=1)] = ("car", "truck", "bus", "motorcycle")
    direction: Direction
    """The allowed one."""
    tolerance: Annotated[float, Field(ge=10, le=170)] = 120.0
    """Degrees from the direction within which movement is allowed."""
    distance: Annotated[float, Field(gt=0, le=20)] = 1.0
    """How far it must go the wrong way, in its own sizes (the longer side of its box)."""
    clear_seconds: Annotated[float, Field(ge=0)] = 5.0


class CrowdingRule(RuleBase):
    """Raised when `count` objects, or `density` of them on its `area_m2`, are in the zone for `seconds`."""

    kind: Literal[IncidentKind.CROWDING]
    zone: Identifier
    count: Annotated[int, Field(ge=2)] | None = None
    clear_count: Annotated[int, Field(ge=1)] | None = None
    """Cleared when fewer than this for `clear_seconds`; default `count`."""
    density: Annotated[float, Field(gt=0)] | None = None
    """Objects per square metre, instead of `count`."""
    clear_density: Annotated[float, Field(gt=0)] | None = None
    """Cleared below it; default `density`."""
    area_m2: Annotated[float, Field(gt=0)] | None = None
    """Square metres of ground in the zone, for `density`."""
    seconds: Annotated[float, Field(ge=0)] = 2.0
    clear_seconds: Annotated[float, Field(ge=0)] = 3.0
    update_seconds: Annotated[float, Field(gt=0)] = 10.0

    @model_validator(mode="after")
    def _one_measure(self) -> Self:
        if (self.count is None) == (self.density is None):
            raise ValueError("give exactly one of count or density")
        if (self.density is None) != (self.area_m2 is None):
            raise ValueError("density and area_m2 go together")
        if self.count is None and self.clear_count is not None:
            raise ValueError("clear_count goes with count; with density it is clear_density")
        if self.density is None and self.clear_density is not None:
            raise ValueError("clear_density goes with density; with count it is clear_count")
        for name, rise, fall in (
            ("count", self.count, self.clear_count),
            ("density", self.density, self.clear_density),
        ):
            if rise is not None and fall is not None and fall > rise:
                raise ValueError(f"clear_{name} {fall:g} must not exceed {name} {rise:g}")
        return self

    @property
    def rise(self) -> int:
        """So many objects or more raise it; a crowd is never fewer than two."""
        if self.density is None or self.area_m2 is None:
            return self.count or 2
        return max(2, math.ceil(self.density * self.area_m2 - 1e-9))

    @property
    def fall(self) -> int:
        """Fewer clear it."""
        if self.clear_density is not None and self.area_m2 is not None:
            return max(1, math.ceil(self.clear_density * self.area_m2 - 1e-9))
        return self.rise if self.clear_count is None else self.clear_count


class StillObjectRule(VisitRule):
    """What the rules have that watch what stands still, seen in the picture itself (docs/rules.md)."""

    update_seconds: Annotated[float, Field(gt=0)] = 60.0
    seconds: Annotated[float, Field(ge=0)] = 10.0
    """The thing has stood there, or been gone, this long."""
    min_area: Fraction = 0.0004
    """Of its box, as a share of the picture; smaller things do not count."""
    max_area: Fraction = 0.05
    """Larger ones neither: they are cars and furniture."""
    absorb_hours: Annotated[float, Field(gt=0, le=24 * 30)] = 12.0
    """After so long it belongs to the scene, and its incident is cleared."""

    @model_validator(mode="after")
    def _some_size_fits(self) -> Self:
        if self.min_area >= self.max_area:
            raise ValueError(f"min_area {self.min_area} must be less than max_area {self.max_area}")
        return self


class AbandonedObjectRule(StillObjectRule):
    """Raised when a thing stands in the zone that was not there, and whoever left it has gone."""

    kind: Literal[IncidentKind.ABANDONED_OBJECT]
    classes: Annotated[tuple[str, ...], Field(min_length=1)] = ("left_object",)
    seconds: Annotated[float, Field(ge=0)] = 30.0
    """30 s is what PETS 2006 takes for left luggage."""
    unattended_seconds: Annotated[float, Field(ge=0)] | None = None
    """Nobody has attended it for this long; None: `seconds`."""
    owner_distance: Annotated[float, Field(gt=0, le=10)] = 1.5
    """Who stays within so many heights of himself attends it. 1.5 are about 2.5 m."""


class RemovedObjectRule(StillObjectRule):
    """Raised when a thing that belonged to the scene is gone from the zone."""

    kind: Literal[IncidentKind.REMOVED_OBJECT]
    classes: Annotated[tuple[str, ...], Field(min_length=1)] = ("removed_object",)


class FireSmokeRule(RuleBase):
    """Raised when there is flame or smoke in the zone; one incident a zone. Experimental, but with a model of yours."""

    kind: Literal[IncidentKind.FIRE_SMOKE]
    severity: Severity = Severity.CRITICAL
    classes: Annotated[tuple[str, ...], Field(min_length=1)] = ("fire", "smoke")
    zone: Identifier
    seconds: Annotated[float, Field(ge=0)] = 3.0
    """Seen this long, breaks of up to a second apart."""
    clear_seconds: Annotated[float, Field(ge=0)] = 10.0
    """Cleared when nothing of it was seen for this long."""
    update_seconds: Annotated[float, Field(gt=0)] = 10.0
    by_colour: bool = True
    """Look for flames in the picture itself, by colour and flicker. False where a model of yours has the classes."""


RuleConfig = Annotated[
    IntrusionRule
    | LineCrossingRule
    | LoiteringRule
    | StoppedVehicleRule
    | WrongWayRule
    | CrowdingRule
    | AbandonedObjectRule
    | RemovedObjectRule
    | FireSmokeRule,
    Field(discriminator="kind"),
]
