"""What scenes are put together from: ways to walk, zones and lines from numbers, and colours (blue, green, red)."""

from itertools import pairwise

from gridwatch.domain import Point
from gridwatch.rig.scenes.model import Line, Path, View, Waypoint

Spot = tuple[float, float]
"""x and y as fractions; people enter and leave a little outside the picture."""

VEHICLES = ("car", "bus", "truck")

NAVY, WINE, SLATE, OLIVE, SAND, BLACK = (
    (80, 45, 35),
    (45, 35, 130),
    (90, 85, 80),
    (50, 75, 70),
    (120, 160, 180),
    (35, 33, 32),
)
TEAL, ROSE, WHITE = (130, 105, 40), (110, 90, 190), (205, 205, 200)
JEANS, CHARCOAL, KHAKI = (105, 75, 55), (48, 46, 45), (95, 125, 140)


def walk(
    view: View, start: float, stops: list[Spot], speed: float = 1.4, waits: dict[int, float] | None = None
) -> Path:
    """A path through `stops` at a steady speed from second `start`; waits[i] seconds at stop i."""
    places = [Point(x=x, y=y) for x, y in stops]
    t, path = start, [Waypoint(t=start, at=places[0])]
    for index, (a, b) in enumerate(pairwise(places), start=1):
        t += view.distance(a, b) / speed
        path.append(Waypoint(t=t, at=b))
        if waits and index in waits:
            t += waits[index]
            path.append(Waypoint(t=t, at=b))
    return tuple(path)


def beside(path: Path, dx: float) -> Path:
    """The same path `dx` picture widths to the right."""
    return tuple(Waypoint(t=point.t, at=Point(x=point.at.x + dx, y=point.at.y)) for point in path)


def zone(*corners: Spot) -> tuple[Point, ...]:
    """A zone from its corners."""
    return tuple(Point(x=x, y=y) for x, y in corners)


def line(start: Spot, end: Spot) -> Line:
    """A line from its ends."""
    return Line(start=Point(x=start[0], y=start[1]), end=Point(x=end[0], y=end[1]))
