"""Solids in metres and how they become coloured shapes on the picture plane.

Axes of a solid: x to the right, d away from the camera, z up, origin where the actor touches the ground.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from gridwatch.rig.scenes.model import Colour

Floats = npt.NDArray[np.float64]

_CIRCLE = np.array([(math.cos(a), math.sin(a)) for a in np.linspace(0, 2 * math.pi, 16, endpoint=False)])


@dataclass(frozen=True, kw_only=True, slots=True)
class Pose:
    """How an actor stands at a moment."""

    heading: float
    """Radians; 0 to the right, pi/2 away from the camera."""
    speed: float
    """Metres per second."""
    walked: float
    """Metres since the start of its path."""
    t: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Blob:
    """The convex hull of balls: a limb, a head, a foot."""

    colour: Colour
    centres: tuple[tuple[float, float, float], ...]
    """x, d, z of each ball."""
    radii: tuple[float, ...]
    order: float = 0.0
    """Metres it is taken to be nearer than it is, for layers such as a coat over trousers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Face:
    """A flat polygon."""

    colour: Colour
    corners: tuple[tuple[float, float, float], ...]
    order: float = 0.0
    glow: bool = False
    """A lamp: keeps its colour at dusk."""


Solid = Blob | Face


@dataclass(frozen=True, slots=True)
class Shape:
    """A polygon on the picture plane, float64 (N, 2) in metres from the foot, x right, y down."""

    points: Floats
    colour: Colour
    round: bool
    """True: shaded as something round. False: flat."""
    shadow: Floats
    """The same, cast on the ground by the sun."""
    glow: bool = False


SUN = (0.45, 0.25)
"""Metres right and away by which the shadow of a point one metre high is shifted."""


def project(solids: list[Solid], tilt: float) -> tuple[Shape, ...]:
    """Shapes of `solids`, far ones first. `tilt`: rows in metres by which one metre farther away is drawn higher."""
    ordered = sorted(solids, key=_depth, reverse=True)
    return tuple(_shape(solid, tilt) for solid in ordered)


def _depth(solid: Solid) -> float:
    points = solid.centres if isinstance(solid, Blob) else solid.corners
    return sum(point[1] for point in points) / len(points) - solid.order


def _shape(solid: Solid, tilt: float) -> Shape:
    if isinstance(solid, Face):
        return Shape(_flat(solid.corners, tilt), solid.colour, False, _cast(solid.corners, tilt), solid.glow)
    flat, cast = _flat(solid.centres, tilt), _cast(solid.centres, tilt)
    return Shape(_hull(flat, solid.radii, 1.0), solid.colour, True, _hull(cast, solid.radii, max(tilt, 0.3)))


def _hull(centres: Floats, radii: tuple[float, ...], squash: float) -> Floats:
    rings = [centre + _CIRCLE * (radius, radius * squash) for centre, radius in zip(centres, radii, strict=True)]
    hull = cv2.convexHull(np.concatenate(rings).astype(np.float32))
    return np.asarray(hull.reshape(-1, 2), dtype=np.float64)


def _flat(points: tuple[tuple[float, float, float], ...], tilt: float) -> Floats:
    return np.array([(x, -z - d * tilt) for x, d, z in points])


def _cast(points: tuple[tuple[float, float, float], ...], tilt: float) -> Floats:
    return np.array([(x + z * SUN[0], -(d + z * SUN[1]) * tilt) for x, d, z in points])
