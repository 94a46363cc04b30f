"""What a synthetic scene is: a camera over flat ground, actors with paths, and the rules watched on it.

Places are fractions of the picture (0..1, origin top left); a path says where an actor touches the ground. Actors are
props: their names stand for nobody.
"""

import math
from dataclasses import dataclass, field, replace
from enum import StrEnum

from gridwatch.domain import IncidentKind, Point

QUALITY = 28
"""x264 constant rate factor of a good encoder: people stay as detectable as uncompressed."""

Colour = tuple[int, int, int]
"""Blue, green, red, each 0..255."""


class Light(StrEnum):
    """Time of day of a scene."""

    DAY = "day"  # overcast noon with a soft sun
    DUSK = "dusk"  # street lamps, lit windows, head and tail lights, more sensor noise


class Variant(StrEnum):
    """A condition under which a scene is shown; what happens is the same in all."""

    DAY = "day"  # overcast noon, clean picture
    DUSK = "dusk"  # street lamps and lit windows
    RAIN = "rain"  # streaks, a wet dark ground, less contrast
    NOISE = "noise"  # a sensor at its highest gain
    SHAKE = "shake"  # a mast in the wind
    COMPRESSION = "compression"  # a starved encoder: blocks, and colours that smear


class Place(StrEnum):
    """Which backdrop is painted."""

    PLAZA = "plaza"  # paved square with a lawn in front of a building
    ROAD = "road"  # two lanes with pavements in front of a building


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """A level pinhole camera over flat ground, so one number per picture row gives the scale.

    At row y the ground is `1 / (slope * (y - horizon))` picture heights' worth of metres: see `metre`.
    """

    width: int = 960
    height: int = 540
    horizon: float = 0.05
    """Row where the ground would vanish; paths must stay below it."""
    slope: float = 0.165
    """1 / height of the camera in metres (level pinhole: pixels per metre grow linearly below the horizon)."""
    focal: float = 1.5
    """Focal length in picture heights; how fast depth shrinks towards the horizon."""

    @property
    def aspect(self) -> float:
        """Width over height."""
        return self.width / self.height

    def metre(self, y: float) -> float:
        """Length of one metre standing at row `y`, as a fraction of the picture's height."""
        return self.slope * (y - self.horizon)

    def tilt(self, y: float) -> float:
        """Rows (in metres at `y`) by which a point one metre farther away is drawn higher."""
        return (y - self.horizon) / self.focal

    def ground(self, place: Point) -> tuple[float, float]:
        """Metres to the right of the axis and metres away from the camera of a place on the ground."""
        metre = self.metre(place.y)
        return (place.x - 0.5) * self.aspect / metre, self.focal / metre

    def distance(self, a: Point, b: Point) -> float:
        """Metres between two places on the ground."""
        (ax, ad), (bx, bd) = self.ground(a), self.ground(b)
        return math.hypot(ax - bx, ad - bd)


@dataclass(frozen=True, kw_only=True, slots=True)
class Waypoint:
    """Where an actor touches the ground at a time (seconds from the start of the scene)."""

    t: float
    at: Point


Path = tuple[Waypoint, ...]
"""At least one waypoint, times rising; the actor moves straight between them and is away before and after."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Somebody walking or standing."""

    path: Path
    height: float = 1.74
    """Metres."""
    coat: Colour = (60, 50, 45)
    trousers: Colour = (75, 60, 50)
    hair: Colour = (25, 30, 40)
    skin: Colour = (130, 160, 200)
    coat_length: float = 0.0
    """0 a jacket, 1 a coat down to the knees."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Car:
    """A car; `path` is the middle of its near wheels' line on the ground."""

    path: Path
    paint: Colour = (50, 50, 160)
    length: float = 4.3
    """Metres."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bag:
    """A suitcase; move it with the path of who carries it, then let it stand."""

    path: Path
    paint: Colour = (40, 40, 150)
    height: float = 0.62
    """Metres, without the handle."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dog:
    """A dog of the size of a retriever."""

    path: Path
    coat: Colour = (60, 95, 135)
    height: float = 0.62
    """Metres at the shoulder."""


Actor = Person | Car | Bag | Dog

LABELS: dict[type, str] = {Person: "person", Car: "car", Bag: "suitcase", Dog: "dog"}
"""Class name of each actor in the detector's label list."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fire:
    """An open fire with its smoke, standing on the ground."""

    at: Point
    start: float
    """Second of the first flame."""
    end: float
    """Second at which flames and smoke are gone."""
    grow: float = 2.0
    """Seconds until it has its full height."""
    height: float = 1.3
    """Metres of flame; the smoke rises three times as high."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cover:
    """Something dark pushed over the lens from the right."""

    start: float
    """Second at which it enters the picture."""
    end: float
    """Second at which it has left again."""
    slide: float = 0.6
    """Seconds it takes to come and to go."""

    def share(self, t: float) -> float:
        """How much of the picture's width it covers at second `t`, 0..1."""
        return max(0.0, min(1.0, (t - self.start) / self.slide, (self.end - t) / self.slide))


@dataclass(frozen=True, kw_only=True, slots=True)
class Spell:
    """From one second to another."""

    start: float
    end: float

    def holds(self, t: float) -> bool:
        """True from `start` on and before `end`."""
        return self.start <= t < self.end


@dataclass(frozen=True, kw_only=True, slots=True)
class Conditions:
    """What stands between a scene and its picture, beside the light."""

    rain: bool = False
    grain: float = 0.0
    """Standard deviation of sensor noise in grey levels, beyond what the light brings."""
    shake: float = 0.0
    """How far the picture swings to each side, in picture heights."""
    quality: int = QUALITY
    """x264 constant rate factor."""


CONDITIONS = {
    Variant.DAY: Conditions(),
    Variant.DUSK: Conditions(),
    Variant.RAIN: Conditions(rain=True),
    Variant.NOISE: Conditions(grain=12.0),
    Variant.SHAKE: Conditions(shake=0.006),
    Variant.COMPRESSION: Conditions(quality=40),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A directed line on the picture; objects pass to its left or its right, looking from `start` to `end`."""

    start: Point
    end: Point


_PATIENT = {
    IncidentKind.LOITERING, IncidentKind.CROWDING, IncidentKind.STOPPED_VEHICLE, IncidentKind.ABANDONED_OBJECT,
}  # fmt: skip
"""Kinds that are told by how long somebody or something stays, in full view: the threshold is known to a second."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SceneRule:
    """What is watched on a scene; the words mean what they mean in the configuration."""

    id: str
    kind: IncidentKind
    zone: str | None = None
    line: str | None = None
    labels: tuple[str, ...] = ("person",)
    direction: str = "any"
    """Of a line: `left`, `right` or `any`, the side an object arrives on."""
    way: tuple[float, float] | None = None
    """Of wrong way: where traffic may go, right and down on the picture, in picture heights."""
    count: int = 1
    """Of crowding: how many at least."""
    seconds: float = 0.0
    """How long the condition must hold before an incident is due. Of wrong way: what its own length takes it."""

    @property
    def tolerance(self) -> float:
        """Seconds by which a found incident may differ from when it is due."""
        return 1.0 if self.kind in _PATIENT else 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """One clip: everything in it follows from this and nothing else."""

    name: str
    seconds: float
    place: Place
    view: View = field(default_factory=View)
    fps: int = 10
    seed: int = 1
    light: Light = Light.DAY
    conditions: Conditions = Conditions()
    actors: dict[str, Actor] = field(default_factory=dict)
    fire: Fire | None = None
    cover: Cover | None = None
    defocus: Spell | None = None
    """When the lens is out of focus."""
    sky: tuple[tuple[float, float], ...] = ()
    """(second, brightness as a share of the usual): clouds; straight in between."""
    zones: dict[str, tuple[Point, ...]] = field(default_factory=dict)
    lines: dict[str, Line] = field(default_factory=dict)
    rules: tuple[SceneRule, ...] = ()

    def under(self, variant: Variant) -> "Scene":
        """The same scene under `variant`, named after both."""
        light = Light.DUSK if variant is Variant.DUSK else self.light
        return replace(self, name=f"{self.name}-{variant}", light=light, conditions=CONDITIONS[variant])

    @property
    def frames(self) -> int:
        """How many pictures it has."""
        return round(self.seconds * self.fps)
