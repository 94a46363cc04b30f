"""Grids: 300 to 500 households with somebody responsible."""

from dataclasses import dataclass

from gridwatch.domain.geometry import Position


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Somebody named as responsible for a grid: a public duty roster, not a subject of surveillance."""

    name: str
    duty: str
    phone: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """An organisation that handles cases."""

    code: str
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """A polygon on the ground with a code, a responsible unit and people."""

    code: str
    name: str
    unit: str
    """Code of the responsible unit."""
    people: tuple[Person, ...]
    rings: tuple[tuple[Position, ...], ...]
    """Exterior ring first, then holes; each closed (first == last), WGS84."""
