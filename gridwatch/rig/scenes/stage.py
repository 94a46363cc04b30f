"""Where every actor is at a time, and the coloured shapes it is drawn from.

Shapes and boxes come from the same numbers, so the truth is what is painted, not an estimate of it.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from gridwatch.domain import Box, Point
from gridwatch.rig.scenes.animals import dog_solids
from gridwatch.rig.scenes.model import Actor, Bag, Car, Dog, Path, Person, View
from gridwatch.rig.scenes.people import person_solids
from gridwatch.rig.scenes.solids import Pose, Shape, project
from gridwatch.rig.scenes.things import bag_solids, car_solids

LOOK_AROUND = 0.15
"""Seconds before and after over which speed and heading are measured: smooths the corners of a path."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """An actor in one frame."""

    name: str
    actor: Actor
    foot: Point
    """Where it touches the ground, in fractions."""
    shapes: tuple[Shape, ...]
    """In metres from `foot`, x to the right, y down; far ones first."""
    box: Box
    """Around all shapes, in fractions, not cut at the picture's edge."""


def position(path: Path, t: float) -> Point | None:
    """Where on its path an actor is at second `t`; None before its first and after its last waypoint."""
    if not path[0].t <= t <= path[-1].t:
        return None
    times = [point.t for point in path]
    return Point(
        x=float(np.interp(t, times, [point.at.x for point in path])),
        y=float(np.interp(t, times, [point.at.y for point in path])),
    )


def place(name: str, actor: Actor, t: float, view: View) -> Placed | None:
    """The actor at second `t`, or None while it is not on the stage."""
    foot = position(actor.path, t)
    if foot is None:
        return None
    pose = _pose(actor.path, t, view)
    tilt = view.tilt(foot.y)
    match actor:
        case Person():
            solids = person_solids(actor, pose)
        case Car():
            solids = car_solids(actor, pose)
        case Bag():
            solids = bag_solids(actor)
        case Dog():
            solids = dog_solids(actor, pose)
    shapes = project(solids, tilt)
    return Placed(name=name, actor=actor, foot=foot, shapes=shapes, box=_bounds(shapes, foot, view))


def _bounds(shapes: tuple[Shape, ...], foot: Point, view: View) -> Box:
    points = np.concatenate([shape.points for shape in shapes]) * view.metre(foot.y)
    (x1, y1), (x2, y2) = points.min(axis=0), points.max(axis=0)
    return Box(
        x1=foot.x + float(x1) / view.aspect, y1=foot.y + float(y1),
        x2=foot.x + float(x2) / view.aspect, y2=foot.y + float(y2),
    )  # fmt: skip


def _pose(path: Path, t: float, view: View) -> Pose:
    """Heading and speed around `t`; somebody standing keeps facing where they came from."""
    before = position(path, max(path[0].t, t - LOOK_AROUND))
    after = position(path, min(path[-1].t, t + LOOK_AROUND))
    if before is None or after is None:  # cannot be: both are clamped into the path
        raise AssertionError("a pose is asked for while the actor is off the stage")
    span = min(path[-1].t, t + LOOK_AROUND) - max(path[0].t, t - LOOK_AROUND)
    moved = view.distance(before, after)
    heading = _direction(before, after, view) if moved > 1e-6 else _last_heading(path, t, view)
    return Pose(heading=heading, speed=moved / span if span > 0 else 0.0, walked=_walked(path, t, view), t=t)


def _direction(a: Point, b: Point, view: View) -> float:
    (ax, ad), (bx, bd) = view.ground(a), view.ground(b)
    return math.atan2(bd - ad, bx - ax)


def _last_heading(path: Path, t: float, view: View) -> float:
    legs = [(a, b) for a, b in pairwise(path) if a.at != b.at]
    if not legs:
        return 0.0
    past = [leg for leg in legs if leg[0].t <= t]
    a, b = past[-1] if past else legs[0]
    return _direction(a.at, b.at, view)


def _walked(path: Path, t: float, view: View) -> float:
    """Metres along the path up to second `t`: the phase of the gait."""
    total = 0.0
    for a, b in pairwise(path):
        if b.t <= t:
            total += view.distance(a.at, b.at)
        elif a.t < t:
            here = position(path, t)
            total += view.distance(a.at, here) if here else 0.0
    return total
