"""Scenes of the rules about people. What must raise nothing walks through every one of them too."""

from dataclasses import replace

from gridwatch.domain import IncidentKind
from gridwatch.rig.scenes.draw import Draw
from gridwatch.rig.scenes.model import Dog, Person, Place, Scene, SceneRule, View
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
    WHITE,
    WINE,
    line,
    zone,
)  # fmt: skip

VIEW = View(width=640, height=360)

LAWN = zone((0.64, 0.565), (1.0, 0.565), (1.0, 1.0), (0.712, 1.0))
SQUARE = zone((0.08, 0.50), (0.52, 0.50), (0.55, 0.86), (0.05, 0.86))


def _plaza(draw: Draw, name: str, seconds: float, seed: int) -> Scene:
    return Scene(name=name, seconds=seconds, place=Place.PLAZA, view=VIEW, seed=draw.seed(seed))


def intrusion(draw: Draw) -> Scene:
    """Two walk over the lawn; others pass along its edge, and a dog runs across it."""
    return replace(
        _plaza(draw, "intrusion", 30, 101),
        actors={
            "trespasser-1": Person(
                path=draw.walk(VIEW, 3.0, [(0.50, 1.12), (0.60, 0.90), (0.84, 0.76), (0.95, 0.53), (1.04, 0.46)]),
                coat=NAVY, trousers=JEANS, height=1.8,
            ),
            "trespasser-2": Person(
                path=draw.walk(VIEW, 15.0, [(1.04, 0.70), (0.80, 0.84), (0.52, 0.90), (0.40, 1.14)], waits={1: 4.0}),
                coat=WINE, trousers=CHARCOAL, height=1.68, coat_length=0.6, hair=(30, 50, 80),
            ),
            "along-the-edge": Person(
                path=draw.walk(VIEW, 0.5, [(0.57, 0.47), (0.59, 0.66), (0.62, 0.98), (0.63, 1.16)], 1.2),
                coat=OLIVE, trousers=BLACK,
            ),
            "behind": Person(
                path=draw.walk(VIEW, 8.0, [(-0.03, 0.47), (1.03, 0.48)], 1.5), coat=SAND, trousers=KHAKI,
            ),
            "dog": Dog(
                path=draw.walk(
                    VIEW, 11.0, [(1.05, 0.80), (0.78, 0.72), (0.58, 0.62), (0.30, 0.56), (-0.05, 0.60)], 3.0,
                ),
            ),
        },
        zones={"lawn": LAWN},
        rules=(SceneRule(id="lawn", kind=IncidentKind.INTRUSION, zone="lawn", seconds=1.0),),
    )  # fmt: skip


def line_crossing(draw: Draw) -> Scene:
    """Some pass the gate the watched way; others the other way, around its end, or turn back before it."""
    return replace(
        _plaza(draw, "line-crossing", 30, 102),
        actors={
            "in-1": Person(path=draw.walk(VIEW, 1.0, [(-0.03, 0.70), (1.03, 0.72)], 1.6), coat=TEAL, trousers=JEANS),
            "in-2": Person(
                path=draw.walk(VIEW, 12.0, [(-0.03, 0.84), (1.03, 0.86)], 1.5), coat=NAVY, trousers=BLACK, height=1.82,
            ),
            "in-3": Person(
                path=draw.walk(VIEW, 19.0, [(-0.03, 0.62), (0.70, 0.64), (1.03, 0.60)], 1.8),
                coat=ROSE, trousers=CHARCOAL, height=1.66, coat_length=0.5, hair=(40, 70, 110),
            ),
            "out": Person(path=draw.walk(VIEW, 7.0, [(1.03, 0.78), (-0.03, 0.76)], 1.6), coat=SLATE, trousers=KHAKI),
            "around": Person(path=draw.walk(VIEW, 3.0, [(-0.03, 0.47), (1.03, 0.47)], 1.6), coat=WHITE, trousers=JEANS),
            "turns-back": Person(
                path=draw.walk(VIEW, 14.0, [(-0.03, 0.74), (0.34, 0.74), (-0.03, 0.66)], 1.4, waits={1: 2.0}),
                coat=WINE, trousers=CHARCOAL,
            ),
            "dog": Dog(path=draw.walk(VIEW, 9.0, [(-0.05, 0.90), (1.05, 0.90)], 3.0)),
        },
        lines={"gate": line((0.48, 0.53), (0.48, 0.96))},
        rules=(SceneRule(id="gate", kind=IncidentKind.LINE_CROSSING, line="gate", direction="left"),),
    )  # fmt: skip


def loitering(draw: Draw) -> Scene:
    """Two stay on the square, one strolling and one standing; others cross it, or wait for less than the time."""
    return replace(
        _plaza(draw, "loitering", 46, 103),
        actors={
            "stroller": Person(
                path=draw.walk(
                    VIEW, 1.0,
                    [(-0.03, 0.60), (0.16, 0.60), (0.40, 0.66), (0.24, 0.78), (0.14, 0.66), (0.36, 0.58), (0.20, 0.72),
                     (0.30, 0.62), (0.54, 0.47), (1.04, 0.46)],
                    0.9, waits={1: 2.0, 3: 3.0, 5: 2.0},
                ),
                coat=NAVY, trousers=CHARCOAL,
            ),
            "stander": Person(
                path=draw.walk(VIEW, 14.0, [(0.30, 1.12), (0.44, 0.80), (0.60, 1.14)], waits={1: 20.0}),
                coat=WINE, trousers=JEANS, height=1.7, coat_length=0.6,
            ),
            "crosses": Person(path=draw.walk(VIEW, 4.0, [(-0.03, 0.54), (1.03, 0.54)], 1.5), coat=SAND, trousers=BLACK),
            "waits-briefly": Person(
                path=draw.walk(VIEW, 22.0, [(-0.03, 0.68), (0.12, 0.70), (-0.03, 0.80)], waits={1: 5.0}),
                coat=OLIVE, trousers=KHAKI,
            ),
            "outside": Person(
                path=draw.walk(VIEW, 2.0, [(1.04, 0.56), (0.76, 0.58), (1.04, 0.62)], waits={1: 32.0}),
                coat=ROSE, trousers=JEANS, height=1.66, hair=(40, 70, 110),
            ),
        },
        zones={"square": SQUARE},
        rules=(
            SceneRule(id="square", kind=IncidentKind.LOITERING, zone="square", seconds=15.0),
        ),
    )  # fmt: skip


def crowding(draw: Draw) -> Scene:
    """Two talk, a third comes and goes, and later four stand together; two more stand outside the square."""
    return replace(
        _plaza(draw, "crowding", 42, 104),
        actors={
            "talker-1": Person(
                path=draw.walk(VIEW, -4.0, [(-0.03, 0.60), (0.16, 0.58), (0.17, 0.66), (-0.03, 0.50)], waits={2: 33.0}),
                coat=NAVY, trousers=JEANS, height=1.8,
            ),
            "talker-2": Person(
                path=draw.walk(VIEW, -3.0, [(-0.03, 0.84), (0.25, 0.82), (0.26, 0.74), (-0.03, 0.84)], waits={2: 33.0}),
                coat=WINE, trousers=CHARCOAL, coat_length=0.7, height=1.68, hair=(30, 50, 80),
            ),
            "asks-the-way": Person(
                path=draw.walk(VIEW, 3.0, [(0.44, 1.12), (0.38, 0.78), (0.56, 1.14)], waits={1: 4.0}),
                coat=SLATE, trousers=BLACK,
            ),
            "joins-1": Person(
                path=draw.walk(
                    VIEW, 13.0, [(1.03, 0.48), (0.60, 0.48), (0.37, 0.54), (0.36, 0.64), (0.60, 0.46), (1.03, 0.44)],
                    waits={3: 12.0},
                ),
                coat=TEAL, trousers=KHAKI,
            ),
            "joins-2": Person(
                path=draw.walk(VIEW, 16.0, [(0.60, 1.12), (0.46, 0.76), (0.64, 1.14)], waits={1: 12.0}),
                coat=ROSE, trousers=CHARCOAL, height=1.65, coat_length=0.4, hair=(40, 70, 110),
            ),
            "outside-1": Person(
                path=draw.walk(VIEW, -4.0, [(1.03, 0.62), (0.70, 0.60), (1.03, 0.54)], waits={1: 36.0}),
                coat=OLIVE, trousers=JEANS,
            ),
            "outside-2": Person(
                path=draw.walk(VIEW, -4.0, [(1.03, 0.70), (0.78, 0.68), (1.03, 0.80)], waits={1: 36.0}),
                coat=SAND, trousers=CHARCOAL, height=1.7,
            ),
        },
        zones={"square": SQUARE},
        rules=(SceneRule(id="square", kind=IncidentKind.CROWDING, zone="square", count=4, seconds=3.0),),
    )  # fmt: skip
