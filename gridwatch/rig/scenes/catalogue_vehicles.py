"""Scenes of the rules about vehicles."""

from dataclasses import replace

from gridwatch.domain import IncidentKind, Point
from gridwatch.rig.scenes.draw import PACE, PLACE, START, Draw
from gridwatch.rig.scenes.model import Car, Path, Person, Place, Scene, SceneRule, View, Waypoint
from gridwatch.rig.scenes.props import CHARCOAL, JEANS, NAVY, SAND, VEHICLES, WINE, zone

VIEW = View(width=640, height=360, focal=3.0, slope=0.15)
FAR, NEAR = 0.49, 0.60
"""Rows of the lanes: traffic in the far one goes to the left, in the near one to the right."""
IN_LANE = (0.0, 0.004)
"""How far a version of a scene may move a car, which stays in its lane."""


def _road(draw: Draw, name: str, seconds: float, seed: int) -> Scene:
    return Scene(name=name, seconds=seconds, place=Place.ROAD, view=VIEW, seed=draw.seed(seed))


def drive(draw: Draw, start: float, lane: float, speed: float = 6.0, *, wrong: bool = False) -> Path:
    """From one edge of the picture to the other."""
    ends = [(-0.16, lane), (1.16, lane)]
    return draw.walk(VIEW, start, ends if (lane == NEAR) != wrong else ends[::-1], speed, place=IN_LANE)


def _halt(draw: Draw, start: float, lane: float, x: float, seconds: float) -> Path:
    """Drive in from `start` on, brake to a stand at `x` for `seconds`, and drive off."""
    sign, edge = (1, -0.16) if lane == NEAR else (-1, 1.16)
    start, lane, x = draw.near(start, START), draw.near(lane, IN_LANE[1]), draw.near(x, PLACE[0])
    seconds = draw.near(seconds, PACE * seconds)
    way = abs(x - edge)
    metres = VIEW.distance(Point(x=edge, y=lane), Point(x=x, y=lane))
    brake = metres / 4.0
    legs = [(0.0, 0.0), (0.35, 0.52), (0.6, 0.79), (0.82, 0.94), (1.0, 1.0)]
    stops = [Waypoint(t=start + share * brake, at=Point(x=edge + sign * gone * way, y=lane)) for share, gone in legs]
    off = start + brake + seconds
    leaving = [(0.0, 0.0), (1.0, 0.04), (2.0, 0.14), (3.0, 0.32), (6.0, 1.3)]
    return (*stops, *(Waypoint(t=off + t, at=Point(x=x + sign * gone, y=lane)) for t, gone in leaving))


def stopped_vehicle(draw: Draw) -> Scene:
    """One stops where none may; another waits for less than the time, and one is parked there from the beginning."""
    parked = Point(x=0.18, y=0.445)
    return replace(
        _road(draw, "stopped-vehicle", 44, 201),
        actors={
            "parked": Car(
                path=(Waypoint(t=-1.0, at=Point(x=0.182, y=0.445)), Waypoint(t=-0.9, at=parked),
                      Waypoint(t=90.0, at=parked)),
                paint=(105, 60, 40),
            ),
            "stopper": Car(path=_halt(draw, 4.0, NEAR, 0.55, 24.0), paint=(50, 45, 150)),
            "waits-briefly": Car(path=_halt(draw, 24.0, FAR, 0.78, 5.0), paint=(205, 205, 205)),
            "passes-1": Car(path=drive(draw, 1.0, FAR), paint=(70, 55, 45)),
            "passes-2": Car(path=drive(draw, 13.0, FAR, 5.5), paint=(150, 95, 45)),
            "walker": Person(path=draw.walk(VIEW, 6.0, [(1.03, 0.84), (-0.03, 0.82)]), coat=NAVY, trousers=JEANS),
        },
        zones={"no-stopping": zone((0.06, 0.425), (0.94, 0.425), (0.94, 0.628), (0.06, 0.628))},
        rules=(
            SceneRule(
                id="no-stopping", kind=IncidentKind.STOPPED_VEHICLE, zone="no-stopping", labels=VEHICLES, seconds=10.0,
            ),
        ),
    )  # fmt: skip


def wrong_way(draw: Draw) -> Scene:
    """Two drive against the traffic of their lane; everybody else with it. People walk both ways."""
    return replace(
        _road(draw, "wrong-way", 36, 202),
        actors={
            "right-1": Car(path=drive(draw, 0.5, NEAR), paint=(70, 55, 45)),
            "right-2": Car(path=drive(draw, 4.0, FAR, 5.5), paint=(200, 200, 205)),
            "wrong-1": Car(path=drive(draw, 9.5, NEAR, 4.5, wrong=True), paint=(50, 45, 150)),
            "right-3": Car(path=drive(draw, 17.0, NEAR, 5.0), paint=(150, 95, 45)),
            "wrong-2": Car(path=drive(draw, 23.0, FAR, 5.0, wrong=True), paint=(215, 215, 215)),
            "right-4": Car(path=drive(draw, 30.0, FAR, 6.0), paint=(105, 60, 40)),
            "walker-1": Person(path=draw.walk(VIEW, 2.0, [(1.03, 0.78), (-0.03, 0.80)]), coat=WINE, trousers=CHARCOAL),
            "walker-2": Person(path=draw.walk(VIEW, 12.0, [(-0.03, 0.86), (1.03, 0.84)]), coat=SAND, trousers=JEANS),
        },
        zones={
            "eastbound": zone((0.08, 0.545), (0.92, 0.545), (0.92, 0.63), (0.08, 0.63)),
            "westbound": zone((0.08, 0.43), (0.92, 0.43), (0.92, 0.53), (0.08, 0.53)),
        },
        rules=(
            SceneRule(id="eastbound", kind=IncidentKind.WRONG_WAY, zone="eastbound", labels=VEHICLES, way=(1.0, 0.0),
                      seconds=1.0),
            SceneRule(id="westbound", kind=IncidentKind.WRONG_WAY, zone="westbound", labels=VEHICLES, way=(-1.0, 0.0),
                      seconds=1.0),
        ),
    )  # fmt: skip
