"""Other versions of a scene: the same things happen, to others, elsewhere, at other times.

A scene of the catalogue is made with a `Draw`. One without a seed changes nothing; one with a seed moves paths, times,
speeds and clothes a little, the same for the same seed. What is true of the version is computed from it like of any
scene; `is_clear` tells whether it is also beyond dispute.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from shapely.geometry import JOIN_STYLE, Polygon

from gridwatch.domain import IncidentKind, Point
from gridwatch.rig.scenes.model import Actor, Bag, Car, Colour, Line, Path, Person, Scene, SceneRule, View
from gridwatch.rig.scenes.props import Spot, walk
from gridwatch.rig.scenes.truth import TrueFrame, TrueIncident, frames_of, incidents_of

START: Final = 1.2
"""Seconds by which an actor comes earlier or later, at most."""
PLACE: Final = (0.025, 0.015)
"""By how much of the picture's width and height a stop on the ground is elsewhere, at most."""
PACE: Final = 0.15
"""Share by which speeds and waits are more or less, at most."""
_SEEDS: Final = 2**31
_DOUBT: Final = 0.01
"""By how much a zone may be larger or smaller, or a line longer or shorter, without another truth, in fractions..."""
_DOUBT_SECONDS: Final = 0.12
"""...and by which share the time that a rule asks for."""


class Draw:
    """Numbers for one version of a scene, in the order in which they are asked for."""

    def __init__(self, seed: Sequence[int] | None = None) -> None:
        """Without a seed every number is the usual one."""
        self._rng = None if seed is None else np.random.default_rng(seed)

    def near(self, usual: float, reach: float) -> float:
        """A number at most `reach` from `usual`, each as likely."""
        return usual if self._rng is None else usual + reach * float(self._rng.uniform(-1, 1))

    def seed(self, usual: int) -> int:
        """For what a scene draws by itself: noise, rain, the walls."""
        return usual if self._rng is None else int(self._rng.integers(_SEEDS))

    def walk(
        self, view: View, start: float, stops: list[Spot], speed: float = 1.4, waits: dict[int, float] | None = None,
        place: Spot = PLACE,
    ) -> Path:  # fmt: skip
        """`props.walk`, a little otherwise. Who is there from the first picture on (`start` below 0) still is."""
        if self._rng is None:
            return walk(view, start, stops, speed, waits)
        start = start if start < 0 else max(0.0, self.near(start, START))
        spots = [(self._inside(x, place[0]), self._inside(y, place[1])) for x, y in stops]
        pace = self.near(1.0, PACE)
        longer = {stop: self.near(seconds, PACE * seconds) for stop, seconds in (waits or {}).items()}
        return walk(view, start, spots, speed * pace, longer)

    def _inside(self, usual: float, reach: float) -> float:
        """Near `usual`; who comes in or goes out does so where the picture ends."""
        return self.near(usual, reach) if 0 <= usual <= 1 else usual

    def dressed(self, scene: Scene) -> Scene:
        """With other clothes, paint and heights."""
        if self._rng is None:
            return scene
        return replace(scene, actors={name: self._dress(actor) for name, actor in scene.actors.items()})

    def _dress(self, actor: Actor) -> Actor:
        match actor:
            case Person():
                return replace(
                    actor, coat=self._colour(actor.coat), trousers=self._colour(actor.trousers),
                    height=self.near(actor.height, 0.08),
                )  # fmt: skip
            case Car():
                return replace(actor, paint=self._colour(actor.paint), length=self.near(actor.length, 0.3))
            case Bag():
                return replace(actor, paint=self._colour(actor.paint))
            case _:
                return replace(actor, coat=self._colour(actor.coat))

    def _colour(self, usual: Colour) -> Colour:
        light = self.near(1.0, 0.2)
        blue, green, red = (round(min(235.0, max(20.0, self.near(level * light, 15.0)))) for level in usual)
        return blue, green, red


def is_clear(scene: Scene, usual: Scene) -> bool:
    """True when the incidents of `scene` are those of `usual`, also if zones, lines and times were a bit off."""
    wanted = _told(incidents_of(usual, frames_of(usual)))
    frames = frames_of(scene)
    return all(
        _told(_incidents(scene, frames, doubt, share)) == wanted
        for doubt, share in ((0.0, 0.0), (_DOUBT, -_DOUBT_SECONDS), (-_DOUBT, _DOUBT_SECONDS))
    )


def _incidents(scene: Scene, frames: Sequence[TrueFrame], doubt: float, share: float) -> list[TrueIncident]:
    """With zones grown and lines lengthened by `doubt`, and times longer by `share`."""
    zones = {name: _grown(zone, doubt) for name, zone in scene.zones.items()}
    lines = {name: _lengthened(line, doubt) for name, line in scene.lines.items()}
    rules = tuple(_slower(rule, share) for rule in scene.rules)
    return incidents_of(replace(scene, zones=zones, lines=lines, rules=rules), frames)


def _slower(rule: SceneRule, share: float) -> SceneRule:
    return replace(rule, seconds=rule.seconds * (1 + share))


def _grown(zone: tuple[Point, ...], by: float) -> tuple[Point, ...]:
    grown = Polygon([(corner.x, corner.y) for corner in zone]).buffer(by, join_style=JOIN_STYLE.mitre)
    return tuple(Point(x=x, y=y) for x, y in list(grown.exterior.coords)[:-1])


def _lengthened(line: Line, by: float) -> Line:
    dx, dy = line.end.x - line.start.x, line.end.y - line.start.y
    share = by / max(abs(dx), abs(dy))
    return Line(
        start=Point(x=line.start.x - share * dx, y=line.start.y - share * dy),
        end=Point(x=line.end.x + share * dx, y=line.end.y + share * dy),
    )


def _told(incidents: Sequence[TrueIncident]) -> Counter[tuple[str, tuple[str, ...]]]:
    """What is to be raised, and by whom; who is in a crowd at one moment or another does not matter."""
    return Counter((one.rule, () if one.kind is IncidentKind.CROWDING else one.actors) for one in incidents)
