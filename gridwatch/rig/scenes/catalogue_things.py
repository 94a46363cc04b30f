"""Scenes of the rules about things and the picture itself, and one in which nothing is to be raised."""

from dataclasses import replace

from gridwatch.domain import IncidentKind, Point
from gridwatch.rig.scenes.catalogue_people import LAWN, SQUARE, VIEW
from gridwatch.rig.scenes.catalogue_vehicles import FAR, NEAR, drive
from gridwatch.rig.scenes.catalogue_vehicles import VIEW as ROAD_VIEW
from gridwatch.rig.scenes.draw import PLACE, START, Draw
from gridwatch.rig.scenes.model import (
    Bag,
    Car,
    Cover,
    Dog,
    Fire,
    Path,
    Person,
    Place,
    Scene,
    SceneRule,
    Spell,
    Waypoint,
)
from gridwatch.rig.scenes.props import (
    BLACK,
    CHARCOAL,
    JEANS,
    KHAKI,
    NAVY,
    OLIVE,
    ROSE,
    SAND,
    SLATE,
    TEAL,
    VEHICLES,
    WHITE,
    WINE,
    beside,
    line,
    zone,
)  # fmt: skip

_LATE = 200.0
"""A second that no scene reaches."""
YARD = zone((0.06, 0.48), (0.58, 0.48), (0.60, 0.92), (0.03, 0.92))
CLOUDS = ((0.0, 1.0), (3.0, 1.0), (6.0, 0.68), (9.0, 0.72), (12.0, 1.0), (16.0, 1.08), (19.0, 0.8), (22.0, 1.0))


def _stands(path: Path) -> Path:
    """`path`, and then for ever where it ends."""
    return (*path, Waypoint(t=_LATE, at=path[-1].at))


def _plaza(draw: Draw, name: str, seconds: float, seed: int) -> Scene:
    return Scene(name=name, seconds=seconds, place=Place.PLAZA, view=VIEW, seed=draw.seed(seed))


def abandoned_object(draw: Draw) -> Scene:
    """A suitcase is left behind. Another one's owner stays beside it, and somebody sets a third down for a moment."""
    owner = draw.walk(VIEW, -1.0, [(-0.03, 0.72), (0.34, 0.70), (0.62, 0.64), (1.04, 0.56)], waits={1: 2.5})
    keeper = draw.walk(VIEW, 4.0, [(1.04, 0.66), (0.79, 0.67), (0.80, 0.74)])
    short = draw.walk(VIEW, 20.0, [(0.55, 1.14), (0.46, 0.84), (0.24, 1.14)], waits={1: 6.0})
    return replace(
        _plaza(draw, "abandoned-object", 40, 301),
        actors={
            "owner": Person(path=owner, coat=SLATE, trousers=JEANS, height=1.78),
            "left-bag": Bag(path=_stands(beside(owner[:2], -0.035))),
            "keeper": Person(path=_stands(keeper), coat=NAVY, trousers=CHARCOAL),
            "kept-bag": Bag(path=_stands(beside(keeper, 0.04)), paint=(120, 70, 30)),
            "sets-down": Person(path=short, coat=WINE, trousers=BLACK, height=1.7),
            "set-down-bag": Bag(path=beside(short, 0.035), paint=(60, 110, 60)),
            "passer": Person(path=draw.walk(VIEW, 10.0, [(1.03, 0.52), (-0.03, 0.50)]), coat=TEAL, trousers=CHARCOAL),
        },
        zones={"square": zone((0.06, 0.48), (0.95, 0.48), (0.95, 0.92), (0.03, 0.92))},
        rules=(
            SceneRule(
                id="left-luggage", kind=IncidentKind.ABANDONED_OBJECT, zone="square", seconds=10.0,
            ),
        ),
    )  # fmt: skip


def removed_object(draw: Draw) -> Scene:
    """A crate is carried off. Somebody stands before the other one for a while, which takes nothing away."""
    thief = draw.walk(VIEW, 12.0, [(-0.03, 0.78), (0.27, 0.735), (0.40, 1.14)], waits={1: 1.5})
    crate = (Waypoint(t=-1.0, at=Point(x=0.30, y=0.72)), Waypoint(t=thief[2].t, at=Point(x=0.30, y=0.72)))
    carried = (Waypoint(t=thief[2].t + 0.4, at=Point(x=0.305, y=0.745)), *beside(thief[3:], 0.04))
    still = (Waypoint(t=-1.0, at=Point(x=0.50, y=0.62)), Waypoint(t=_LATE, at=Point(x=0.50, y=0.62)))
    return replace(
        _plaza(draw, "removed-object", 34, 302),
        actors={
            "crate": Bag(path=(*crate, *carried), paint=(40, 110, 170), height=0.75),
            "other-crate": Bag(path=still, paint=(60, 90, 60), height=0.75),
            "taker": Person(path=thief, coat=OLIVE, trousers=JEANS, height=1.8),
            "stands-before": Person(
                path=draw.walk(VIEW, 1.0, [(1.03, 0.66), (0.505, 0.66), (1.03, 0.72)], waits={1: 5.0}),
                coat=NAVY, trousers=BLACK,
            ),
            "passer": Person(path=draw.walk(VIEW, 20.0, [(1.03, 0.52), (-0.03, 0.50)]), coat=SAND, trousers=CHARCOAL),
        },
        zones={"yard": YARD},
        rules=(SceneRule(id="yard", kind=IncidentKind.REMOVED_OBJECT, zone="yard", seconds=5.0),),
    )  # fmt: skip


def fire_smoke(draw: Draw) -> Scene:
    """A fire breaks out on the square. Somebody in an orange jacket passes before it does, and clouds come and go."""
    start = draw.near(14.0, START)
    return replace(
        _plaza(draw, "fire-smoke", 30, 303),
        actors={
            "orange-jacket": Person(
                path=draw.walk(VIEW, 0.5, [(-0.03, 0.66), (1.03, 0.68)], 1.6), coat=(20, 110, 235), trousers=CHARCOAL,
            ),
            "passer": Person(path=draw.walk(VIEW, 8.0, [(1.03, 0.52), (-0.03, 0.50)]), coat=SLATE, trousers=JEANS),
        },
        fire=Fire(at=Point(x=draw.near(0.30, PLACE[0]), y=draw.near(0.70, PLACE[1])), start=start, end=start + 13.0),
        sky=((0.0, 1.0), (3.0, 0.75), (7.0, 1.0)),
        zones={"square": SQUARE},
        rules=(SceneRule(id="square", kind=IncidentKind.FIRE_SMOKE, zone="square", seconds=3.0),),
    )  # fmt: skip


def camera_tamper(draw: Draw) -> Scene:
    """The lens is covered, and later out of focus. Clouds and a car close by are neither."""
    covered, blurred = draw.near(15.0, START), draw.near(33.0, START)
    return Scene(
        name="camera-tamper", seconds=50, place=Place.ROAD, view=ROAD_VIEW, seed=draw.seed(304),
        actors={
            "walker-1": Person(
                path=draw.walk(ROAD_VIEW, 0.0, [(-0.03, 0.78), (1.03, 0.80)]), coat=NAVY, trousers=CHARCOAL,
            ),
            "walker-2": Person(
                path=draw.walk(ROAD_VIEW, 22.0, [(1.03, 0.86), (-0.03, 0.84)]),
                coat=SAND, trousers=JEANS, height=1.66,
            ),
            "car-1": Car(path=drive(draw, 2.0, NEAR), paint=(70, 55, 45)),
            "car-2": Car(path=drive(draw, 26.0, FAR), paint=(200, 200, 205)),
        },
        sky=((0.0, 1.0), (4.0, 0.6), (8.0, 1.0), (11.0, 1.1), (13.0, 1.0)),
        cover=Cover(start=covered, end=covered + 10.0), defocus=Spell(start=blurred, end=blurred + 12.0),
        rules=(
            SceneRule(id="health.covered", kind=IncidentKind.CAMERA_TAMPER, seconds=3.0),
            SceneRule(id="health.blurred", kind=IncidentKind.CAMERA_TAMPER, seconds=4.0),
        ),
    )  # fmt: skip


def uneventful(draw: Draw) -> Scene:
    """Every rule is watched and none is broken: people pass outside, two meet, a dog runs, clouds come and go."""
    keeper = draw.walk(VIEW, -6.0, [(-0.03, 0.60), (0.21, 0.62), (0.22, 0.70)])
    return replace(
        _plaza(draw, "uneventful", 34, 305),
        actors={
            "keeper": Person(path=_stands(keeper), coat=NAVY, trousers=CHARCOAL),
            "kept-bag": Bag(path=_stands(beside(keeper, 0.04)), paint=(120, 70, 30)),
            "meets": Person(
                path=draw.walk(VIEW, 6.0, [(0.40, 1.12), (0.36, 0.74), (0.55, 1.14)], waits={1: 8.0}), coat=WINE,
                trousers=JEANS, height=1.7, coat_length=0.5,
            ),
            "along-the-edge": Person(
                path=draw.walk(VIEW, 2.0, [(0.57, 0.47), (0.59, 0.66), (0.62, 0.98), (0.63, 1.16)], 1.2), coat=OLIVE,
                trousers=BLACK,
            ),
            "behind": Person(
                path=draw.walk(VIEW, 10.0, [(1.03, 0.46), (-0.03, 0.47)], 1.5), coat=WHITE, trousers=KHAKI,
            ),
            "orange-jacket": Person(
                path=draw.walk(VIEW, 20.0, [(-0.03, 0.47), (1.03, 0.47)], 1.5), coat=(20, 110, 235), trousers=CHARCOAL,
            ),
            "dog": Dog(
                path=draw.walk(
                    VIEW, 14.0, [(1.05, 0.80), (0.78, 0.74), (0.58, 0.62), (0.30, 0.56), (-0.05, 0.60)], 3.0,
                ),
            ),
            "late": Person(path=draw.walk(VIEW, 24.0, [(0.57, 1.14), (0.60, 0.47)], 1.4), coat=ROSE, trousers=CHARCOAL),
        },
        sky=CLOUDS,
        zones={"lawn": LAWN, "square": SQUARE, "yard": YARD},
        lines={"edge": line((0.66, 0.56), (0.74, 1.0))},
        rules=(
            SceneRule(id="lawn", kind=IncidentKind.INTRUSION, zone="lawn", seconds=1.0),
            SceneRule(id="edge", kind=IncidentKind.LINE_CROSSING, line="edge"),
            SceneRule(id="lawn-loitering", kind=IncidentKind.LOITERING, zone="lawn", seconds=8.0),
            SceneRule(id="square-crowd", kind=IncidentKind.CROWDING, zone="square", count=4, seconds=2.0),
            SceneRule(id="no-stopping", kind=IncidentKind.STOPPED_VEHICLE, zone="square", labels=VEHICLES, seconds=5.0),
            SceneRule(id="wrong-way", kind=IncidentKind.WRONG_WAY, zone="square", labels=VEHICLES, way=(1.0, 0.0),
                      seconds=1.0),
            SceneRule(id="left-luggage", kind=IncidentKind.ABANDONED_OBJECT, zone="yard", seconds=10.0),
            SceneRule(id="taken", kind=IncidentKind.REMOVED_OBJECT, zone="yard", seconds=5.0),
            SceneRule(id="fire", kind=IncidentKind.FIRE_SMOKE, zone="square", seconds=3.0),
            SceneRule(id="health.covered", kind=IncidentKind.CAMERA_TAMPER, seconds=3.0),
        ),
    )  # fmt: skip
