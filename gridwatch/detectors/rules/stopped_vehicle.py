"""Stopped vehicle: one that was seen to move stands in a zone for minutes. One incident per vehicle.

A vehicle that nobody has seen move belongs to the scene, however long it stands and however often its track begins
anew: the cars that are parked when the camera starts, and those that the detector only finds in better light.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from gridwatch.config.rules import StoppedVehicleRule
from gridwatch.detectors.rules.base import Moment, Resumed, RuleStep, Zone, anchor, distance, size
from gridwatch.detectors.rules.thoughts import Thought
from gridwatch.detectors.rules.visits import Judgement, Visit, Visits
from gridwatch.domain import Box, Point, Track

_STANDS: Final = 2.0
"""Seconds within `_TIGHT` after which a vehicle stands..."""
_TIGHT: Final = 0.1
"""...in its sizes: one that rolls to a halt has not halted yet, or the time would be seconds early..."""
_LOOSE: Final = 0.35
"""...and how far it may then be seen from its place: a box trembles, more so behind passers-by."""
_LEAST: Final = 0.01
"""Heights of the picture below which no movement can be told: some pixels."""
_MOVED: Final = 0.75
"""Sizes between where a track began and where it stands, from which it has moved: another box around a parked car
beside which somebody passes, or a wrong one, is not so far off."""
_MOVED_ON: Final = 0.3
"""The same for a track that began where a moving one was lost: the same vehicle, or a parked one that hid it."""
_GAP: Final = 2.0
"""Seconds unseen after which a moving vehicle is forgotten: its tracker coasted before."""
_HIDDEN: Final = 20.0
"""Seconds a standing one may be hidden, by a bus perhaps, before its time starts anew."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Vehicle:
    """What is remembered of one."""

    track: int
    origin: Point
    """Where its track began."""
    moved: bool
    rest: Point
    """Where it stands, or was at `since`."""
    since: float
    """Stream time when it came to `rest`."""
    enough: float = _MOVED
    """Sizes from `origin` at which it must stand to have moved."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoppedVehicle:
    """The rule and every vehicle in the picture, since one that stands in the zone may have come from outside."""

    settings: StoppedVehicleRule
    zone: Zone
    visits: Visits[_Vehicle]

    @classmethod
    def new(cls, settings: StoppedVehicleRule, zone: Zone, aspect: float) -> "StoppedVehicle":
        """Having seen nothing. `aspect`: width of the picture over its height."""
        visits: Visits[_Vehicle] = Visits(settings=settings, aspect=aspect, gap=_GAP)
        return cls(settings=settings, zone=zone, visits=visits)

    def step(self, moment: Moment, tracks: Sequence[Track]) -> RuleStep:
        """Whichever stands for too long."""
        step = self.visits.step(moment, tracks, self._judge, lambda _: self.settings.seconds)
        return RuleStep(rule=replace(self, visits=step.visits), events=step.events, suppressed=step.suppressed)

    def finish(self, moment: Moment) -> RuleStep:
        """Clear whatever is open."""
        step = self.visits.finish(moment)
        return RuleStep(rule=replace(self, visits=step.visits), events=step.events)

    def resume(self, resumed: Sequence[Resumed]) -> "StoppedVehicle":
        """With these open: they moved once, and are looked for where they stood."""
        return replace(self, visits=self.visits.resume(resumed, still=True, recall=_recalled))

    def explain(self, moment: Moment, tracks: Sequence[Track]) -> tuple[Thought, ...]:
        """What stands, what moves, and what was never seen to move."""

        def describe(track: Track, visit: Visit[_Vehicle] | None) -> tuple[str, str]:
            return self._describe(moment, track, None if visit is None else visit.memory), "stood"

        return self.visits.explain(moment, tracks, lambda _: self.settings.seconds, describe)

    def _describe(self, moment: Moment, track: Track, vehicle: _Vehicle | None) -> str:
        inside = self.zone.contains(anchor(self.settings, track.box))
        place = f"{'in' if inside else 'outside'} {self.settings.zone}"
        if vehicle is None:
            return f"not followed, {place}"
        if not moment.is_after(vehicle.since, _STANDS):
            return f"moves, {place}"
        if not vehicle.moved:
            gone = distance(vehicle.origin, vehicle.rest, self.visits.aspect) / size(track.box, self.visits.aspect)
            return f"stands, {place}, but was not seen to come: moved {gone:.2f} of {_MOVED:g} sizes"
        return f"stands, {place}"

    def _judge(self, memory: _Vehicle | None, track: Track, moment: Moment) -> Judgement[_Vehicle]:
        vehicle = self._follow(memory, track, moment)
        stands = moment.is_after(vehicle.since, _STANDS)
        if stands and not vehicle.moved:
            gone = distance(vehicle.origin, track.box.centre, self.visits.aspect)
            vehicle = replace(vehicle, moved=gone >= vehicle.enough * size(track.box, self.visits.aspect))
        inside = self.zone.contains(anchor(self.settings, track.box))
        return Judgement(
            holds=stands and vehicle.moved and inside, memory=vehicle, follow=True, since=vehicle.since,
            still=stands, patience=_HIDDEN if stands else None,
        )  # fmt: skip

    def _follow(self, memory: _Vehicle | None, track: Track, moment: Moment) -> _Vehicle:
        here = track.box.centre
        if memory is None:
            return _Vehicle(track=track.id, origin=here, moved=False, rest=here, since=moment.pts)
        stands = moment.is_after(memory.since, _STANDS)
        if memory.track != track.id and stands:
            # Found again. The new box may lie a little beside the old one, which is no movement.
            memory = replace(memory, track=track.id, origin=here, rest=here)
        elif memory.track != track.id:
            gone = distance(memory.origin, memory.rest, self.visits.aspect)
            was_moving = memory.moved or gone >= _MOVED * size(track.box, self.visits.aspect)
            return _Vehicle(
                track=track.id, origin=here, moved=False, rest=here, since=moment.pts,
                enough=_MOVED_ON if was_moving else _MOVED,
            )  # fmt: skip
        room = max((_LOOSE if stands else _TIGHT) * size(track.box, self.visits.aspect), _LEAST)
        if distance(memory.rest, here, self.visits.aspect) > room:
            return replace(memory, rest=here, since=moment.pts)
        return memory


def _recalled(box: Box) -> _Vehicle:
    return _Vehicle(track=0, origin=box.centre, moved=True, rest=box.centre, since=float("-inf"))
