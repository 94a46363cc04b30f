"""GeoJSON to grids, with a finding for everything that does not read."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import shapely
from shapely.geometry.base import BaseGeometry
from shapely.validation import explain_validity

from gridwatch.domain import Grid, Person, Position, UsageError

UNIT_GRID_CODE = re.compile(r"^[0-9]{15}$")
"""County 6, street 3, community 3, serial 3 digits (Beijing's standard of unit grids)."""
_FAR_DEGREES = 5.0
"""A grid this far from its district, which is near it once its coordinates change places, has them the wrong way."""


class Problem(StrEnum):
    """What can be wrong with grids."""

    SHAPE = "shape"  # not a Feature with a Polygon, or a property is missing
    CODE = "code"  # not 15 digits
    TWICE = "twice"  # a code or a place that another feature has
    UNIT = "unit"  # no such unit in the deployment
    RING = "ring"  # open, too short, crossing itself, without area
    ORDER = "order"  # latitude before longitude
    OVERLAP = "overlap"  # ground that two grids claim
    GAP = "gap"  # ground between grids, or of the district, that none has


MENDABLE = frozenset({Problem.OVERLAP, Problem.GAP})
"""What an import may take all the same, when somebody says so: every place still has one grid at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something wrong, and where."""

    problem: Problem
    features: tuple[int, ...]
    """Numbers of the features concerned, from 0 as in the file."""
    codes: tuple[str, ...]
    message: str
    place: tuple[float, float] | None = None
    """Longitude, latitude of a point in it, where that is known."""
    ground: BaseGeometry | None = None
    """The ground in question, for the picture."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Feature:
    """A grid that reads, with its polygon."""

    index: int
    grid: Grid
    polygon: shapely.Polygon


def read_features(path: Path, findings: list[Finding], district: Position | None = None) -> list[Feature]:
    """The features that are polygons with a code; whatever is wrong with the others is added to `findings`.

    `district` tells latitude first from longitude first where both are possible. Raises UsageError for a file that is
    no FeatureCollection.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    except json.JSONDecodeError as error:
        raise UsageError(f"{path}:{error.lineno}: is not JSON: {error.msg}") from error
    features = data.get("features") if isinstance(data, dict) else None
    if not isinstance(features, list) or data.get("type") != "FeatureCollection":
        raise UsageError(f"{path}: is not a GeoJSON FeatureCollection")
    found = []
    for index, one in enumerate(features):
        feature = _feature(index, one, findings, district)
        if feature is not None:
            found.append(feature)
    return found


def _feature(index: int, one: object, findings: list[Finding], district: Position | None) -> Feature | None:
    properties = _member(one, "properties")
    code = str(properties.get("code") or "")

    def wrong(problem: Problem, message: str, place: tuple[float, float] | None = None) -> None:
        findings.append(Finding(problem=problem, features=(index,), codes=(code,), message=message, place=place))

    missing = [name for name in ("code", "unit") if not isinstance(properties.get(name), str) or not properties[name]]
    if missing:
        wrong(Problem.SHAPE, f"the property {' and '.join(missing)} is missing, or no text")
        return None
    if not UNIT_GRID_CODE.match(code):
        wrong(Problem.CODE, f"the code {code!r} is not 15 digits: county 6, street 3, community 3, serial 3")
    rings = _rings(_member(one, "geometry"))
    if rings is None:
        kind = _member(one, "geometry").get("type", "nothing")
        wrong(Problem.SHAPE, f"its geometry is {kind}, not a Polygon of rings of [longitude, latitude]")
        return None
    if (order := _misordered(rings, district)) is not None:
        wrong(Problem.ORDER, order, rings[0][0])
        return None
    polygon, message = _polygon(rings)
    if polygon is None:
        wrong(Problem.RING, message, rings[0][0])
        return None
    return Feature(index=index, grid=_grid(properties, rings), polygon=polygon)


def _member(one: object, name: str) -> Mapping[str, object]:
    value = one.get(name) if isinstance(one, dict) else None
    return value if isinstance(value, dict) else {}


def _rings(geometry: Mapping[str, object]) -> list[list[tuple[float, float]]] | None:
    coordinates = geometry.get("coordinates")
    if geometry.get("type") != "Polygon" or not isinstance(coordinates, list) or not coordinates:
        return None
    try:
        rings = [[(float(point[0]), float(point[1])) for point in ring] for ring in coordinates]
    except (TypeError, ValueError, LookupError):
        return None
    if not all(rings) or not all(math.isfinite(value) for ring in rings for point in ring for value in point):
        return None
    return rings


def _polygon(rings: Sequence[Sequence[tuple[float, float]]]) -> tuple[shapely.Polygon | None, str]:
    """The polygon, or None and why there is none."""
    for number, ring in enumerate(rings):
        if len(ring) < 4 or ring[0] != ring[-1]:
            return None, f"ring {number} is open or too short: four points or more, the last as the first"
    polygon = shapely.Polygon(rings[0], rings[1:])
    if not polygon.is_valid:
        return None, f"the polygon is not valid: {explain_validity(polygon)}"
    return (polygon, "") if polygon.area > 0 else (None, "the polygon has no area")


def _misordered(rings: Sequence[Sequence[tuple[float, float]]], district: Position | None) -> str | None:
    points = [point for ring in rings for point in ring]
    if any(abs(lat) > 90 for _, lat in points):
        if all(abs(lon) <= 90 and abs(lat) <= 180 for lon, lat in points):
            return "latitude comes before longitude: a latitude is never beyond 90; change them"
        return "coordinates are out of range: longitudes are -180 to 180, latitudes -90 to 90, in degrees"
    if any(abs(lon) > 180 for lon, _ in points):
        return "coordinates are out of range: longitudes are -180 to 180, latitudes -90 to 90, in degrees"
    if district is None:
        return None
    lon, lat = points[0]
    as_is = math.hypot(lon - district.lon, lat - district.lat)
    changed = math.hypot(lat - district.lon, lon - district.lat)
    if as_is > _FAR_DEGREES > changed:
        return f"latitude comes before longitude: as it is, it lies {as_is:.0f} degrees from the district; change them"
    return None


def _grid(properties: Mapping[str, object], rings: Sequence[Sequence[tuple[float, float]]]) -> Grid:
    return Grid(
        code=str(properties["code"]), name=str(properties.get("name") or properties["code"]),
        unit=str(properties["unit"]), people=tuple(_people(properties.get("people"))),
        rings=tuple(tuple(Position(lon=lon, lat=lat) for lon, lat in ring) for ring in rings),
    )  # fmt: skip


def _people(given: object) -> Iterator[Person]:
    for one in given if isinstance(given, list) else ():
        if isinstance(one, dict) and one.get("name"):
            yield Person(name=str(one["name"]), duty=str(one.get("duty", "")), phone=str(one.get("phone", "")))
