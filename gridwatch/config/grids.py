"""Grids from GeoJSON (RFC 7946): who is responsible for which piece of ground."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from shapely.geometry import Polygon
from shapely.validation import explain_validity

from gridwatch.config.base import LonLat
from gridwatch.config.document import Document, plain_message, read_document, validation_problems
from gridwatch.config.problems import ConfigError, Location, Problem, nearest
from gridwatch.domain import Grid, Person, Position

_Ring = Annotated[tuple[LonLat, ...], Field(min_length=4)]


class _Foreign(BaseModel):
    """GeoJSON allows members of other people; they are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Person(_Foreign):
    name: str
    duty: str = ""
    phone: str = ""


class _Properties(_Foreign):
    code: Annotated[str, Field(min_length=1)]
    name: str = ""
    unit: str
    people: tuple[_Person, ...] = ()


class _Polygon(_Foreign):
    type: Literal["Polygon"]
    coordinates: Annotated[tuple[_Ring, ...], Field(min_length=1)]


class _Feature(_Foreign):
    type: Literal["Feature"]
    properties: _Properties
    geometry: _Polygon


class _Collection(_Foreign):
    type: Literal["FeatureCollection"]
    features: tuple[_Feature, ...]


def read_grids(path: Path, units: set[str]) -> tuple[Grid, ...]:
    """Read a FeatureCollection of Polygons with properties code, name, unit and people.

    `units` are the codes a grid may name. Raises ConfigError with every problem: missing members, coordinates out of
    range, open or crossing rings, a code given twice, an unknown unit.
    """
    document = read_document(path, variables=False)
    try:
        collection = _Collection.model_validate(document.data)
    except ValidationError as exc:
        problems = validation_problems(document, exc, lambda error, _: plain_message(error))
        raise ConfigError(problems) from exc
    problems = list(_check(document, collection, units))
    if problems:
        raise ConfigError(problems)
    return tuple(_to_domain(feature) for feature in collection.features)


def _check(document: Document, collection: _Collection, units: set[str]) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for index, feature in enumerate(collection.features):
        here: Location = ("features", index)
        code = feature.properties.code
        if code in seen:
            yield document.problem((*here, "properties", "code"), f"grid {code!r} is already feature {seen[code]}")
        seen.setdefault(code, index)
        if feature.properties.unit not in units:
            message = f"no unit {feature.properties.unit!r} in the deployment{nearest(feature.properties.unit, units)}"
            yield document.problem((*here, "properties", "unit"), message)
        rings = feature.geometry.coordinates
        for number, ring in enumerate(rings):
            if ring[0] != ring[-1]:
                message = f"the ring of grid {code!r} is open; its last point must repeat its first"
                yield document.problem((*here, "geometry", "coordinates", number), message)
        polygon = Polygon(rings[0], rings[1:])
        if not polygon.is_valid:
            message = f"the polygon of grid {code!r} is not valid: {explain_validity(polygon)}"
            yield document.problem((*here, "geometry", "coordinates"), message)


def _to_domain(feature: _Feature) -> Grid:
    properties = feature.properties
    return Grid(
        code=properties.code,
        name=properties.name or properties.code,
        unit=properties.unit,
        people=tuple(Person(name=p.name, duty=p.duty, phone=p.phone) for p in properties.people),
        rings=tuple(tuple(Position(lon=lon, lat=lat) for lon, lat in ring) for ring in feature.geometry.coordinates),
    )
