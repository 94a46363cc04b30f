"""Intrusion: an object's foot is inside a zone for a time. One incident per object, however its track flickers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from gridwatch.config.rules import IntrusionRule
from gridwatch.detectors.rules.base import (
    Episode,
    Moment,
    RuleEvent,
    RuleStep,
    Zone,
    as_box,
    is_believed,
    is_seen,
    is_watched,
)
from gridwatch.domain import Point, Track

_DWELL_GAP: Final = 0.7
"""Seconds that a foot may be out of the zone, or a track gone, before its dwell starts anew."""
_REACH: Final = 1.0
"""Heights of the object within which a new track continues a lost one at once..."""
_REACH_PER_SECOND: Final = 0.7
"""...and how many more for each second since: a walk of 1.2 m/s over a height of 1.7 m."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Visit:
    """One object's stay in the zone, from its first picture inside; survives changes of its track."""

    track: Track
    """Its latest track as last seen inside."""
    entered: float
    inside: float
    """Stream time when it was last inside; a coasting track stays inside."""
    episode: Episode | None
    blind: float = 0.0
    """Seconds nobody looked since it was last seen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Intrusion:
    """The rule and its visits."""

    settings: IntrusionRule
    zone: Zone
    aspect: float
    """Width of the picture over its height."""
    visits: tuple[_Visit, ...] = ()

    def step(self, moment: Moment, tracks: Sequence[Track]) -> RuleStep:
        """Follow visits, adopt lost ones, raise, update and clear."""
        alive = {track.id: track for track in tracks if is_watched(self.settings, track)}
        known = [self._follow(visit, alive.get(visit.track.id), moment) for visit in self.visits]
        visits = list(self._welcome(known, alive, moment))
        events: list[RuleEvent] = []
        kept = []
        for visit in visits:
            spoken, said = self._speak(visit, alive.get(visit.track.id), moment)
            events += said
            if spoken is not None:
                kept.append(spoken)
        return RuleStep(rule=replace(self, visits=tuple(kept)), events=tuple(events))

    def finish(self, moment: Moment) -> RuleStep:
        """Clear whatever is open."""
        events = [v.episode.clear(moment, (as_box(v.track),)) for v in self.visits if v.episode is not None]
        return RuleStep(rule=replace(self, visits=()), events=tuple(events))

    def _follow(self, visit: _Visit, track: Track | None, moment: Moment) -> _Visit:
        if track is None:
            return replace(visit, blind=visit.blind + moment.blind)
        if not is_seen(track, moment):
            left = track.last_seen > visit.track.last_seen
            return visit if left else replace(visit, inside=moment.pts)
        if self.zone.contains(track.box.foot):
            return replace(visit, inside=moment.pts, track=track)
        return visit

    def _welcome(self, known: list[_Visit], alive: dict[int, Track], moment: Moment) -> list[_Visit]:
        """The visits with everybody who is inside and in none of them: a lost object found again, or a new one."""
        visits = list(known)
        followed = {visit.track.id for visit in known}
        for track in alive.values():
            if track.id in followed or not is_seen(track, moment) or not self.zone.contains(track.box.foot):
                continue
            lost = [
                (self._apart(visit, track), index)
                for index, visit in enumerate(visits)
                if self._may_be(visit, track, alive.get(visit.track.id), moment)
            ]
            if lost:
                _, index = min(lost)
                visits[index] = replace(visits[index], track=track, inside=moment.pts, blind=0.0)
            else:
                visits.append(_Visit(track=track, entered=moment.pts, inside=moment.pts, episode=None))
        return visits

    def _may_be(self, visit: _Visit, track: Track, current: Track | None, moment: Moment) -> bool:
        """True when `track` can be the object of `visit`: born after that was last seen, and not too far from it."""
        if current is not None and is_seen(current, moment):
            return False
        last_seen = visit.track.last_seen if current is None else current.last_seen
        if track.first_seen <= last_seen:
            return False
        reach = _REACH + _REACH_PER_SECOND * (moment.pts - last_seen + visit.blind)
        return self._apart(visit, track) <= reach * max(visit.track.box.height, track.box.height)

    def _apart(self, visit: _Visit, track: Track) -> float:
        """Distance of the feet, in heights of the picture."""
        return distance(visit.track.box.foot, track.box.foot, self.aspect)

    def _speak(self, visit: _Visit, track: Track | None, moment: Moment) -> tuple[_Visit | None, list[RuleEvent]]:
        """What the visit becomes, None when it is over, and what is to say about it."""
        away = moment.pts - visit.inside
        if visit.episode is None:
            return self._may_raise(visit, track, away, moment)
        boxes = (as_box(visit.track),)
        if away > 0 and moment.is_after(visit.inside, self.settings.clear_seconds):
            return None, [visit.episode.clear(moment, boxes)]
        if away == 0 and moment.is_after(visit.episode.last_pts, self.settings.update_seconds):
            episode, event = visit.episode.update(moment, boxes, visit.track.best_score)
            return replace(visit, episode=episode), [event]
        return visit, []

    def _may_raise(
        self, visit: _Visit, track: Track | None, away: float, moment: Moment
    ) -> tuple[_Visit | None, list[RuleEvent]]:
        if away > _DWELL_GAP:
            return None, []
        dwelt = moment.is_after(visit.entered, self.settings.dwell_seconds)
        if (
            track is None
            or away > 0
            or not dwelt
            or not is_seen(track, moment)
            or not is_believed(self.settings, track)
        ):
            return visit, []
        episode, event = Episode.open(str(track.id), moment, (as_box(visit.track),), track.best_score)
        return replace(visit, episode=episode), [event]


def distance(a: Point, b: Point, aspect: float) -> float:
    """Between two places of a picture, in heights of the picture."""
    return math.hypot((a.x - b.x) * aspect, a.y - b.y)
