"""Wrong way: an object moves through a zone against its direction. One incident per object.

Its heading is the way from the last place that was `distance` from where it is now. So a box that trembles has none,
and one that turns round has another as soon as it has gone back that far.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from gridwatch.config.rules import WrongWayRule
from gridwatch.detectors.rules.base import Moment, Resumed, RuleStep, Zone, anchor, size
from gridwatch.detectors.rules.thoughts import Thought
from gridwatch.detectors.rules.visits import Judgement, Visit, Visits
from gridwatch.domain import Box, Point, Track

_STEPS: Final = 8.0
"""Places remembered within one distance."""
_MEMORY: Final = 15.0
"""Seconds after which a place is forgotten; slower movement has no heading."""
_PAUSE: Final = 1.5
"""Seconds without a step after which it stands."""
_HYSTERESIS: Final = 20.0
"""Degrees nearer to the direction that it must be to go the right way again."""
_GAP: Final = 2.0
"""Seconds out of the zone or unseen after which its way starts anew."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Way:
    """Where one has been, in heights of the picture."""

    track: int
    trail: tuple[tuple[float, Point], ...]
    """(stream time, place), oldest first."""
    wrong: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class WrongWay:
    """The rule and who is in the zone."""

    settings: WrongWayRule
    zone: Zone
    visits: Visits[_Way]
    allowed: float
    """Degrees clockwise from the top of the picture."""

    @classmethod
    def new(cls, settings: WrongWayRule, zone: Zone, aspect: float) -> "WrongWay":
        """Having seen nothing. `aspect`: width of the picture over its height."""
        given = settings.direction
        allowed = given if isinstance(given, float) else heading(given[0] * aspect, given[1])
        visits: Visits[_Way] = Visits(settings=settings, aspect=aspect, gap=_GAP)
        return cls(settings=settings, zone=zone, visits=visits, allowed=allowed)

    def step(self, moment: Moment, tracks: Sequence[Track]) -> RuleStep:
        """Whoever goes against the direction."""
        step = self.visits.step(moment, tracks, self._judge, lambda _: 0.0)
        return RuleStep(rule=replace(self, visits=step.visits), events=step.events, suppressed=step.suppressed)

    def finish(self, moment: Moment) -> RuleStep:
        """Clear whatever is open."""
        step = self.visits.finish(moment)
        return RuleStep(rule=replace(self, visits=step.visits), events=step.events)

    def resume(self, resumed: Sequence[Resumed]) -> "WrongWay":
        """With these open; they go on when the object does."""
        return replace(self, visits=self.visits.resume(resumed, recall=_recalled))

    def explain(self, moment: Moment, tracks: Sequence[Track]) -> tuple[Thought, ...]:
        """Who heads where."""
        return self.visits.explain(moment, tracks, lambda _: 0.0, self._describe)

    def _describe(self, track: Track, visit: Visit[_Way] | None) -> tuple[str, str]:
        place = anchor(self.settings, track.box)
        if not self.zone.contains(place):
            return f"outside {self.settings.zone}", "wrong for"
        here = Point(x=place.x * self.visits.aspect, y=place.y)
        far = self.settings.distance * size(track.box, self.visits.aspect)
        memory = None if visit is None else visit.memory
        degrees = None if memory is None else _heading_over(memory.trail, here, far)
        if degrees is None:
            return f"in {self.settings.zone}, has not gone {self.settings.distance:g} of its sizes yet", "wrong for"
        off = abs((degrees - self.allowed + 180.0) % 360.0 - 180.0)
        text = f"heads {degrees:.0f} deg, {off:.0f} off {self.allowed:.0f}, {self.settings.tolerance:g} allowed"
        return text, "wrong for"

    def _judge(self, memory: _Way | None, track: Track, moment: Moment) -> Judgement[_Way]:
        place = anchor(self.settings, track.box)
        if not self.zone.contains(place):
            return Judgement(holds=False, memory=_Way(track=track.id, trail=(), wrong=False))
        here = Point(x=place.x * self.visits.aspect, y=place.y)
        far = self.settings.distance * size(track.box, self.visits.aspect)
        trail = self._trail(memory, track, moment, here, far)
        wrong = memory is not None and memory.wrong
        degrees = _heading_over(trail, here, far)
        if degrees is not None:
            off = abs((degrees - self.allowed + 180.0) % 360.0 - 180.0)
            wrong = off > self.settings.tolerance - (_HYSTERESIS if wrong else 0.0)
        moves = not moment.is_after(trail[-1][0], _PAUSE)
        way = _Way(track=track.id, trail=trail, wrong=wrong)
        return Judgement(holds=wrong and moves, memory=way, follow=True)

    def _trail(
        self, memory: _Way | None, track: Track, moment: Moment, here: Point, far: float
    ) -> tuple[tuple[float, Point], ...]:
        # A track that was found again may begin elsewhere: the way in between was not seen, and gives no heading.
        if memory is None or memory.track != track.id or not memory.trail:
            return ((moment.pts, here),)
        trail = memory.trail
        if math.dist((trail[-1][1].x, trail[-1][1].y), (here.x, here.y)) >= far / _STEPS:
            trail = (*trail, (moment.pts, here))
        return tuple(one for one in trail[:-1] if not moment.is_after(one[0], _MEMORY)) + trail[-1:]


def heading(dx: float, dy: float) -> float:
    """Degrees clockwise from up, 0..360; `dx` to the right, `dy` down, in one unit."""
    return math.degrees(math.atan2(dx, -dy)) % 360.0


def _heading_over(trail: Sequence[tuple[float, Point]], here: Point, far: float) -> float | None:
    """Of the way from the last place at least `far` away; None without one."""
    for _, place in reversed(trail):
        if math.dist((place.x, place.y), (here.x, here.y)) >= far:
            return heading(here.x - place.x, here.y - place.y)
    return None


def _recalled(_: Box) -> _Way:
    return _Way(track=0, trail=(), wrong=True)
