"""The scenes that samples/ is made of. Speeds are metres per second; people walk at about 1.4."""

from gridwatch.domain import IncidentKind, Point
from gridwatch.rig.scenes.model import (
    Actor,
    Bag,
    Car,
    Cover,
    Light,
    Path,
    Person,
    Place,
    Scene,
    SceneRule,
    View,
    Waypoint,
)  # fmt: skip
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
    walk,
    zone,
)  # fmt: skip

PLAZA_VIEW = View()
ROAD_VIEW = View(focal=3.0, slope=0.15)

FAR_LANE, NEAR_LANE = 0.49, 0.59


def _drive(start: float, lane: float, speed: float = 6.0) -> Path:
    ends = [(-0.16, lane), (1.16, lane)]
    return walk(ROAD_VIEW, start, ends if lane == NEAR_LANE else ends[::-1], speed)


def _talkers(view: View) -> dict[str, Actor]:
    """Four who meet on the square."""
    return {
        "talker-1": Person(
            path=walk(view, -2.0, [(-0.03, 0.62), (0.17, 0.60), (-0.03, 0.46)], waits={1: 18.5}),
            coat=NAVY, trousers=JEANS, height=1.8,
        ),
        "talker-2": Person(
            path=walk(view, 0.5, [(0.33, 1.12), (0.29, 0.75), (0.52, 0.47), (1.04, 0.45)], waits={1: 15.0}),
            coat=WINE, trousers=CHARCOAL, coat_length=0.7, height=1.68, hair=(30, 50, 80),
        ),
        "talker-3": Person(
            path=walk(view, -3.0, [(0.70, 0.44), (0.37, 0.58), (0.44, 0.40), (1.04, 0.40)], waits={1: 17.5}),
            coat=SLATE, trousers=JEANS,
        ),
        "talker-4": Person(
            path=walk(view, 1.0, [(0.60, 0.52), (0.45, 0.70), (0.62, 1.12)], waits={1: 13.0}),
            coat=TEAL, trousers=BLACK, height=1.71,
        ),
    }  # fmt: skip


def _plaza_day() -> Scene:
    view = PLAZA_VIEW
    return Scene(
        name="plaza-day", seconds=30, place=Place.PLAZA, seed=11,
        actors={
            **_talkers(view),
            "trespasser-1": Person(
                path=walk(view, 0.0, [(0.55, 1.02), (0.62, 0.84), (0.84, 0.74), (0.93, 0.50), (1.04, 0.46)]),
                coat=OLIVE, trousers=CHARCOAL, height=1.77,
            ),
            "trespasser-2": Person(
                path=walk(view, 12.0, [(1.04, 0.66), (0.82, 0.82), (0.56, 0.86), (0.40, 1.12)], waits={1: 3.0}),
                coat=ROSE, trousers=JEANS, height=1.65, coat_length=0.4, hair=(40, 70, 110),
            ),
            "passer": Person(path=walk(view, 3.0, [(-0.03, 0.46), (1.03, 0.47)], 1.6), coat=WHITE, trousers=KHAKI),
        },
        zones={
            "lawn": zone((0.64, 0.565), (1.0, 0.565), (1.0, 1.0), (0.712, 1.0)),
            "square": zone((0.08, 0.50), (0.52, 0.50), (0.55, 0.86), (0.05, 0.86)),
        },
        rules=(
            SceneRule(id="lawn-intrusion", kind=IncidentKind.INTRUSION, zone="lawn", seconds=1.0),
            SceneRule(id="square-crowd", kind=IncidentKind.CROWDING, zone="square", count=3, seconds=2.0),
        ),
    )  # fmt: skip


def _pavement_walkers(view: View) -> dict[str, Actor]:
    return {
        "walker-1": Person(path=walk(view, -2.0, [(-0.03, 0.76), (1.03, 0.79)]), coat=NAVY, trousers=CHARCOAL),
        "walker-2": Person(
            path=walk(view, 4.0, [(1.03, 0.86), (-0.03, 0.84)], 1.3), coat=SAND, trousers=JEANS, coat_length=0.8,
            hair=(35, 60, 95), height=1.66,
        ),
        "walker-3": Person(path=walk(view, 9.0, [(-0.03, 0.88), (1.03, 0.83)]), coat=WINE, trousers=BLACK, height=1.8),
    }  # fmt: skip


_ROAD_LINES = {
    "road": line((0.5, 0.39), (0.5, 0.655)),
    "pavement": line((0.45, 0.67), (0.45, 0.96)),
    "kerb": line((0.55, 0.645), (0.95, 0.645)),
}

_ROAD_RULES = (
    SceneRule(id="road-traffic", kind=IncidentKind.LINE_CROSSING, line="road", labels=VEHICLES),
    SceneRule(id="pavement-count", kind=IncidentKind.LINE_CROSSING, line="pavement"),
    SceneRule(id="stepped-on-road", kind=IncidentKind.LINE_CROSSING, line="kerb", direction="left"),
)


def _road_day() -> Scene:
    return Scene(
        name="road-day", seconds=30, place=Place.ROAD, view=ROAD_VIEW, seed=21,
        actors={
            **_pavement_walkers(ROAD_VIEW),
            "crosser": Person(
                path=walk(ROAD_VIEW, 16.0, [(1.03, 0.72), (0.74, 0.70), (0.70, 0.38), (0.30, 0.37)], 1.7),
                coat=OLIVE, trousers=CHARCOAL,
            ),
            "car-1": Car(path=_drive(0.5, NEAR_LANE), paint=(50, 45, 150)),
            "car-2": Car(path=_drive(4.0, FAR_LANE, 5.5), paint=(200, 200, 205)),
            "car-3": Car(path=_drive(8.0, NEAR_LANE, 5.5), paint=(70, 55, 45)),
            "car-4": Car(path=_drive(12.0, FAR_LANE), paint=(150, 95, 45)),
            "car-5": Car(path=_drive(24.5, NEAR_LANE), paint=(215, 215, 215)),
        },
        lines=_ROAD_LINES, rules=_ROAD_RULES,
    )  # fmt: skip


def _road_dusk() -> Scene:
    return Scene(
        name="road-dusk", seconds=24, place=Place.ROAD, view=ROAD_VIEW, seed=31, light=Light.DUSK,
        actors={
            **_pavement_walkers(ROAD_VIEW),
            "car-1": Car(path=_drive(1.5, FAR_LANE, 5.5), paint=(60, 50, 165)),
            "car-2": Car(path=_drive(6.0, NEAR_LANE, 5.5), paint=(205, 205, 205)),
            "car-3": Car(path=_drive(12.0, FAR_LANE, 5.0), paint=(170, 170, 175)),
            "car-4": Car(path=_drive(17.0, NEAR_LANE, 5.5), paint=(160, 100, 55)),
        },
        lines=_ROAD_LINES, rules=_ROAD_RULES[:2],
    )  # fmt: skip


def _left_bag() -> Scene:
    view = PLAZA_VIEW
    owner = walk(view, -1.0, [(-0.03, 0.72), (0.36, 0.70), (0.62, 0.66), (1.04, 0.58)], waits={1: 2.5})
    carried = beside(owner[:2], -0.035)
    return Scene(
        name="left-bag", seconds=32, place=Place.PLAZA, seed=41,
        actors={
            "owner": Person(path=owner, coat=SLATE, trousers=JEANS, height=1.78),
            "bag": Bag(path=(*carried, Waypoint(t=60.0, at=carried[-1].at))),
            "passer-1": Person(path=walk(view, 3.0, [(1.03, 0.53), (-0.03, 0.50)]), coat=TEAL, trousers=CHARCOAL),
            "passer-2": Person(
                path=walk(view, 14.0, [(0.66, 1.12), (0.62, 0.74), (1.03, 0.60)]), coat=ROSE,
                trousers=BLACK, height=1.67, coat_length=0.5, hair=(40, 70, 110),
            ),
        },
        zones={"square": zone((0.08, 0.50), (0.55, 0.50), (0.58, 0.90), (0.04, 0.90))},
        rules=(
            SceneRule(
                id="left-luggage", kind=IncidentKind.ABANDONED_OBJECT, zone="square",
                labels=("suitcase", "handbag", "backpack"), seconds=8.0,
            ),
        ),
    )  # fmt: skip


def _stopped_car() -> Scene:
    halt = 0.6
    stop = [
        (-1.0, -0.16), (1.0, 0.28), (2.0, 0.44), (3.0, 0.53), (4.0, 0.565), (24.0, 0.565), (25.0, 0.60), (26.0, 0.69),
        (28.0, 1.16),
    ]  # fmt: skip
    return Scene(
        name="stopped-car", seconds=30, place=Place.ROAD, view=ROAD_VIEW, seed=51,
        actors={
            "stopper": Car(path=tuple(Waypoint(t=t, at=Point(x=x, y=halt)) for t, x in stop), paint=(55, 50, 150)),
            "car-1": Car(path=_drive(6.0, FAR_LANE), paint=(200, 200, 205)),
            "car-2": Car(path=_drive(15.0, FAR_LANE), paint=(150, 95, 45)),
            "walker": Person(path=walk(ROAD_VIEW, 2.0, [(1.03, 0.82), (-0.03, 0.80)]), coat=NAVY, trousers=JEANS),
        },
        zones={"no-stopping": zone((0.30, 0.53), (0.90, 0.53), (0.90, 0.625), (0.30, 0.625))},
        rules=(
            SceneRule(
                id="no-stopping", kind=IncidentKind.STOPPED_VEHICLE, zone="no-stopping", labels=VEHICLES, seconds=8.0,
            ),
        ),
    )  # fmt: skip


def _covered_lens() -> Scene:
    return Scene(
        name="covered-lens", seconds=26, place=Place.ROAD, view=ROAD_VIEW, seed=61,
        actors={
            **_pavement_walkers(ROAD_VIEW),
            "car-1": Car(path=_drive(2.0, NEAR_LANE), paint=(70, 55, 45)),
            "car-2": Car(path=_drive(20.5, FAR_LANE), paint=(200, 200, 205)),
        },
        cover=Cover(start=9.0, end=19.0),
        rules=(SceneRule(id="health.covered", kind=IncidentKind.CAMERA_TAMPER, seconds=2.0),),
    )  # fmt: skip


def builtin_scenes() -> dict[str, Scene]:
    """The scenes of samples/, by name."""
    made = (_plaza_day(), _road_day(), _road_dusk(), _left_bag(), _stopped_car(), _covered_lens())
    return {scene.name: scene for scene in made}
