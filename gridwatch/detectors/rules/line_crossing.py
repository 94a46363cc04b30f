"""Line crossing: an object's foot passes a directed line in a watched direction. Each passage is one incident."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from gridwatch.config.model import LineConfig
from gridwatch.config.rules import LineCrossingRule
from gridwatch.detectors.rules.base import (
    Episode,
    Moment,
    Resumed,
    RuleEvent,
    RuleStep,
    anchor,
    as_box,
    history,
    is_believed,
    is_cooling,
    is_seen,
    is_watched,
)
from gridwatch.detectors.rules.thoughts import Stance, Thought, unbelieved
from gridwatch.domain import Point, Track

Side = Literal["left", "right"]

_REARM_MARGINS: Final = 3.0
"""After a passage, the next one needs this many margins beyond the line..."""
_REARM_HEIGHTS: Final = 0.2
"""...or this share of the object's height, whichever is more: the box of somebody who stands there trembles with it."""
_FORGET_SECONDS: Final = 5.0
"""A track unheard of for this long is over."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """The line in heights of the picture, so that lengths mean the same in both directions."""

    start: Point
    end: Point
    aspect: float

    @classmethod
    def of(cls, line: LineConfig, aspect: float) -> "Segment":
        """From the configuration; `aspect` is width over height."""
        return cls(
            start=Point(x=line.start[0] * aspect, y=line.start[1]),
            end=Point(x=line.end[0] * aspect, y=line.end[1]),
            aspect=aspect,
        )

    def offset(self, place: Point) -> float:
        """Signed distance in heights of the picture: positive right of the line, looking from start to end.

        With y pointing down, right is where the cross product of the line and the way to the place is positive.
        """
        dx, dy = self.end.x - self.start.x, self.end.y - self.start.y
        x, y = place.x * self.aspect - self.start.x, place.y - self.start.y
        return (dx * y - dy * x) / math.hypot(dx, dy)

    def is_passed(self, before: Point, after: Point) -> bool:
        """True when the way from `before` to `after`, on different sides, goes through the line and not around it."""
        a, b = self.offset(before), self.offset(after)
        share = a / (a - b)
        x = (before.x + share * (after.x - before.x)) * self.aspect - self.start.x
        y = before.y + share * (after.y - before.y) - self.start.y
        dx, dy = self.end.x - self.start.x, self.end.y - self.start.y
        return 0.0 <= (x * dx + y * dy) / (dx * dx + dy * dy) <= 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Walker:
    """What is remembered of one track."""

    track: int
    seen: float
    foot: Point
    side: Side | None
    """Where it was last for certain; None while it has only been near the line."""
    armed: bool
    """False after a passage until it has gone well away from the line."""
    through: bool
    """Whether it last changed sides through the line rather than around its ends."""
    waiting: datetime | None = None
    """When it passed, until the rule believes in it and says so."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LineCrossing:
    """The rule and who is near."""

    settings: LineCrossingRule
    segment: Segment
    walkers: tuple[_Walker, ...] = ()

    def step(self, moment: Moment, tracks: Sequence[Track]) -> RuleStep:
        """Follow everybody; coasting tracks wait, for nobody passes a line unseen until seen beyond it."""
        remembered = {walker.track: walker for walker in self.walkers}
        events: list[RuleEvent] = []
        suppressed = 0
        for track in tracks:
            if not is_watched(self.settings, track) or not is_seen(track, moment):
                continue
            walker = self._followed(remembered.get(track.id), track, moment)
            if walker.waiting is not None and is_believed(self.settings, track):
                if is_cooling(moment, track.box, self.segment.aspect):
                    suppressed += moment.on_duty
                elif moment.on_duty:
                    events += self._tell(walker.waiting, track, moment)
                walker = replace(walker, waiting=None)
            remembered[track.id] = walker
        kept = tuple(w for w in remembered.values() if moment.pts - w.seen <= _FORGET_SECONDS)
        return RuleStep(rule=replace(self, walkers=kept), events=tuple(events), suppressed=suppressed)

    def finish(self, moment: Moment) -> RuleStep:  # noqa: ARG002 -- the port's signature
        """Nothing is ever open."""
        return RuleStep(rule=replace(self, walkers=()), events=())

    def resume(self, resumed: Sequence[Resumed]) -> "LineCrossing":  # noqa: ARG002 -- the port's signature
        """Nothing is ever open."""
        return self

    def explain(self, moment: Moment, tracks: Sequence[Track]) -> tuple[Thought, ...]:
        """On which side everybody is, and whether a passage would count."""
        walkers = {walker.track: walker for walker in self.walkers}
        return tuple(self._explain(moment, track, walkers.get(track.id)) for track in tracks)

    def _explain(self, moment: Moment, track: Track, walker: _Walker | None) -> Thought:
        settings = self.settings
        doubt = unbelieved(settings, track)
        if doubt is not None:
            return doubt
        offset = self.segment.offset(anchor(settings, track.box))
        here = "right" if offset > 0 else "left"
        text = f"{abs(offset):.3f} {here} of {settings.line}"
        if walker is None or walker.side is None:
            return Thought(
                rule=settings.id, subject=track.id, stance=Stance.NO,
                text=f"{text}, too near to know its side: more than {settings.margin:g} tells",
            )  # fmt: skip
        text += f", last surely {walker.side}"
        if not walker.armed:
            text += "; has just passed, must go further off to count again"
        if not is_seen(track, moment):
            text += "; unseen now"
        passes = walker.side != here
        if not passes:
            return Thought(rule=settings.id, subject=track.id, stance=Stance.NO, text=text)
        counts = walker.through and settings.direction in ("any", here)
        if not walker.through:
            text += "; went around its end"
        elif not counts:
            text += f"; arriving {here} is not watched"
        return Thought(
            rule=settings.id, subject=track.id, stance=Stance.NEARS if counts else Stance.NO, text=text,
            value=abs(offset), threshold=settings.margin,
        )  # fmt: skip

    def _followed(self, walker: _Walker | None, track: Track, moment: Moment) -> _Walker:
        now = self._follow(walker, *next(places := history(track, moment)))
        for then, when in places:
            now = self._follow(now, then, when)
        return now

    def _follow(self, walker: _Walker | None, track: Track, moment: Moment) -> _Walker:
        foot = anchor(self.settings, track.box)
        offset = self.segment.offset(foot)
        here: Side = "right" if offset > 0 else "left"
        far = max(_REARM_MARGINS * self.settings.margin, _REARM_HEIGHTS * track.box.height)
        if walker is None:
            side = here if abs(offset) > self.settings.margin else None
            return _Walker(track=track.id, seen=moment.pts, foot=foot, side=side, armed=True, through=False)
        through = walker.through
        if (self.segment.offset(walker.foot) > 0) != (offset > 0):
            through = self.segment.is_passed(walker.foot, foot)
        moved = replace(walker, seen=moment.pts, foot=foot, through=through)
        if walker.side is None or walker.side == here:
            side = here if abs(offset) > self.settings.margin else walker.side
            return replace(moved, side=side, armed=walker.armed or abs(offset) >= far)
        if abs(offset) <= (self.settings.margin if walker.armed else far):
            return moved
        passage = walker.waiting
        if through and self.settings.direction in ("any", here):
            passage = moment.at
        return replace(moved, side=here, armed=abs(offset) >= far, waiting=passage)

    def _tell(self, passed_at: datetime, track: Track, moment: Moment) -> list[RuleEvent]:
        boxes = (as_box(track),)
        episode, raised = Episode.open(str(track.id), moment, boxes, track.best_score, occurred_at=passed_at)
        return [raised, episode.clear(moment, boxes)]
