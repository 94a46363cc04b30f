"""Whether grids fit together: each code and place once, no ground twice, none left out."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import shapely
from shapely import STRtree
from shapely.geometry.base import BaseGeometry

from gridwatch.app.grids.reading import Feature, Finding, Problem

_METRES = 111_320.0
"""Of a degree of latitude; of longitude it is that times the cosine of the latitude (a sphere is near enough here)."""

_SNAP = 1e-7
"""Degrees, a centimetre: through a crack that narrow between two grids no gap is joined to the outside."""


def check_features(
    features: Sequence[Feature], units: frozenset[str] | None, boundary: BaseGeometry | None, tolerance: float
) -> Iterator[Finding]:
    """What is wrong among features that read. `units` None: not asked. `boundary`: all of it should have a grid.

    Overlaps and gaps up to `tolerance` square metres pass: borders drawn twice never agree to the last digit.
    """
    seen: dict[str, int] = {}
    for one in features:
        code = one.grid.code
        if code in seen:
            yield _finding(Problem.TWICE, [one], f"feature {seen[code]} has the code {code} already")
        seen.setdefault(code, one.index)
        if units is not None and one.grid.unit not in units:
            yield _finding(Problem.UNIT, [one], f"no unit {one.grid.unit!r} in the deployment")
    yield from _overlaps(features, tolerance)
    yield from _gaps(features, boundary, tolerance)


def square_metres(ground: BaseGeometry) -> float:
    """The area of degrees on the ground, to a few per cent."""
    if ground.is_empty:
        return 0.0
    latitude = (ground.bounds[1] + ground.bounds[3]) / 2
    return float(ground.area) * _METRES**2 * math.cos(math.radians(latitude))


def _overlaps(features: Sequence[Feature], tolerance: float) -> Iterator[Finding]:
    polygons = _polygons(features)
    left, right = STRtree(polygons).query(polygons, predicate="intersects")
    for a, b in sorted((int(a), int(b)) for a, b in zip(left, right, strict=True) if a < b):
        pair = [features[a], features[b]]
        shared = _areas(shapely.intersection(polygons[a], polygons[b]))
        size = square_metres(shared)
        if size <= tolerance:
            continue
        if shapely.equals(polygons[a], polygons[b]):
            yield _finding(Problem.TWICE, pair, "both are the same ground", shared)
        else:
            yield _finding(Problem.OVERLAP, pair, f"{size:,.0f} m2 belong to both", shared)


def _gaps(features: Sequence[Feature], boundary: BaseGeometry | None, tolerance: float) -> Iterator[Finding]:
    covered = shapely.union_all(_polygons(features), grid_size=_SNAP)
    if boundary is not None:
        outside = "of the district have no grid"
        holes = _parts(_areas(shapely.difference(boundary, covered, grid_size=_SNAP)))
    else:
        outside = "between grids have none"
        holes = [shapely.Polygon(ring) for part in _parts(covered) for ring in part.interiors]
    tree = STRtree(_polygons(features))
    for hole in holes:
        size = square_metres(hole)
        if size > tolerance:
            beside = [features[int(n)] for n in sorted(tree.query(hole, predicate="intersects"))]
            yield _finding(Problem.GAP, beside[:6], f"{size:,.0f} m2 {outside}", hole)


def _polygons(features: Sequence[Feature]) -> "np.ndarray[tuple[int], np.dtype[np.object_]]":
    found = np.empty(len(features), dtype=object)
    found[:] = [one.polygon for one in features]
    return found


def _areas(ground: BaseGeometry) -> BaseGeometry:
    """Without the points and lines where borders only touch."""
    return shapely.union_all(_parts(ground))


def _parts(ground: BaseGeometry) -> list[shapely.Polygon]:
    return [one for one in shapely.get_parts(ground) if isinstance(one, shapely.Polygon) and not one.is_empty]


def _finding(
    problem: Problem, concerned: Sequence[Feature], message: str, ground: BaseGeometry | None = None
) -> Finding:
    inside = (ground if ground is not None else concerned[0].polygon).representative_point()
    return Finding(
        problem=problem, features=tuple(one.index for one in concerned),
        codes=tuple(one.grid.code for one in concerned), message=message, place=(inside.x, inside.y),
        ground=ground if ground is not None else concerned[0].polygon,
    )  # fmt: skip
