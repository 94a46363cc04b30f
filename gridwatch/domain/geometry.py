"""Places in a picture (fractions, 0..1, origin top left) and on the ground (WGS84)."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """A place in a picture; x to the right, y down, both 0..1."""

    x: float
    y: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """An axis-aligned rectangle in a picture, 0 <= x1 <= x2 <= 1 and likewise y."""

    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def width(self) -> float:
        """Fraction of the picture's width."""
        return self.x2 - self.x1

    @property
    def height(self) -> float:
        """Fraction of the picture's height."""
        return self.y2 - self.y1

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """x1, y1, x2, y2."""
        return self.x1, self.y1, self.x2, self.y2

    @property
    def area(self) -> float:
        """Fraction of the picture's area."""
        return max(0.0, self.width) * max(0.0, self.height)

    @property
    def foot(self) -> Point:
        """Bottom centre: where a standing object touches the ground."""
        return Point(x=(self.x1 + self.x2) / 2, y=self.y2)

    @property
    def centre(self) -> Point:
        """Middle of the box."""
        return Point(x=(self.x1 + self.x2) / 2, y=(self.y1 + self.y2) / 2)

    def iou(self, other: "Box") -> float:
        """Intersection over union, 0..1; 0 where both are empty."""
        width = min(self.x2, other.x2) - max(self.x1, other.x1)
        height = min(self.y2, other.y2) - max(self.y1, other.y1)
        if width <= 0 or height <= 0:
            return 0.0
        shared = width * height
        return shared / (self.area + other.area - shared)


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """A place on the ground, WGS84 degrees, in GeoJSON order: longitude first."""

    lon: float
    lat: float
