"""Which grid a place is in, among 10 000."""

import random
import time
from collections.abc import Callable, Sequence

import shapely

from bench.figures import Figure
from gridwatch.domain import Grid, Position
from gridwatch.store import GridIndex

GRIDS = 10_000
_SIDE = 100
_SIZE = 0.005
"""Degrees: half a kilometre, as grids of some hundred households are."""


def grid_figures(places: int, rounds: int) -> Sequence[Figure]:
    """CPU time of one place, and against asking every grid whether its polygon covers the place."""
    grids = [_square(number) for number in range(GRIDS)]
    index = GridIndex(grids)
    polygons = [shapely.Polygon([(p.lon, p.lat) for p in one.rings[0]]) for one in grids]
    shapely.prepare(polygons)
    chance = random.Random(7)  # noqa: S311 - places, not secrets

    def somewhere() -> Position:
        return Position(lon=120 + chance.random() * _SIDE * _SIZE, lat=30 + chance.random() * _SIDE * _SIZE)

    def scan(place: Position) -> object:
        return shapely.covers(polygons, shapely.points(place.lon, place.lat)).argmax()

    tree, scanned = [], []
    for _ in range(rounds):
        asked = [somewhere() for _ in range(places)]  # others each time: the index remembers answers
        tree.append(_milliseconds(index.locate, asked))
        scanned.append(_milliseconds(scan, asked[: max(1, places // 100)]))
    ratios = [one / other for one, other in zip(tree, scanned, strict=True)]
    return [
        Figure.of("grid_locate_ms", tree, goal=0.1, unit="ms", note=f"CPU of one place among {GRIDS} grids"),
        Figure.of("grid_locate_vs_scan", ratios, note="against asking every grid"),
    ]


def _milliseconds(locate: Callable[[Position], object], places: Sequence[Position]) -> float:
    began = time.process_time()
    for place in places:
        locate(place)
    return (time.process_time() - began) / len(places) * 1000


def _square(number: int) -> Grid:
    west, south = 120 + number % _SIDE * _SIZE, 30 + number // _SIDE * _SIZE
    corners = ((0, 0), (1, 0), (1, 1), (0, 1), (0, 0))
    ring = tuple(Position(lon=west + x * _SIZE, lat=south + y * _SIZE) for x, y in corners)
    return Grid(code=f"310101{number:09}", name="", unit="u", people=(), rings=(ring,))
