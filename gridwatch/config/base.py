"""What every section of the configuration is made of."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from shapely.geometry import Polygon

IDENTIFIER = r"^[a-z0-9][a-z0-9_.-]{0,62}$"
"""Safe as a topic level, a URL segment and a file name; excludes the `-` of a missing level."""

Identifier = Annotated[str, Field(pattern=IDENTIFIER)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
PicturePoint = tuple[Fraction, Fraction]
LonLat = tuple[Annotated[float, Field(ge=-180, le=180)], Annotated[float, Field(ge=-90, le=90)]]


def _simple_polygon(points: tuple[PicturePoint, ...]) -> tuple[PicturePoint, ...]:
    polygon = Polygon(points)
    if not polygon.is_valid or polygon.area <= 0:
        raise ValueError("the polygon crosses itself or has no area; list its corners in order around the edge")
    return points


ZonePolygon = Annotated[tuple[PicturePoint, ...], Field(min_length=3), AfterValidator(_simple_polygon)]
"""Corners as fractions of width and height, in order, not closed."""


class Section(BaseModel):
    """Base of every section."""

    # What was given may hold a password, so that no error repeats it.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def require_unique(ids: list[str], what: str) -> None:
    """Raise ValueError naming the first of `ids` that is there twice."""
    seen: set[str] = set()
    for one in ids:
        if one in seen:
            raise ValueError(f"{what} {one!r} is defined twice")
        seen.add(one)
