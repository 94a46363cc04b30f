"""Abandoned object: a thing stands there and whoever left it has gone. One incident per thing.

Who was near when it appeared, or first seen near it, is its owner: a track may be lost and found. Anybody who comes and
stays near for 6 s attends it as well. Who only passes does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from gridwatch.config.rules import AbandonedObjectRule
from gridwatch.detectors.rules.base import Moment, Resumed, RuleStep, Zone, anchor, distance
from gridwatch.detectors.rules.thoughts import Stance, Thought
from gridwatch.detectors.rules.visits import Judgement, Visit, Visits
from gridwatch.domain import Box, Point, Track

_GAP: Final = 2.0
"""Seconds that a thing may be lost before it is forgotten."""
_LINGER: Final = 6.0
"""Seconds near it from which somebody attends it. To pass through 1.5 heights to each side takes 4 s."""
_LOG_SECONDS: Final = 30.0
_LOG_STEP: Final = 0.5
"""Where people were is remembered for so long, as often: a thing is known as such seconds after it was set down."""
_PEOPLE: Final = frozenset({"person", "somebody"})
"""Of tracks: `somebody` is a person whom the detector lost, and who still stands there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _People:
    """Where everybody stood at a moment."""

    pts: float
    feet: tuple[tuple[int, Point, float], ...]
    """Track, foot and height."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Attendance:
    """Who looks after a thing."""

    near: tuple[tuple[int, float], ...] = ()
    """Tracks near it, since when."""
    owners: frozenset[int] = frozenset()
    """Tracks that were near when it appeared."""
    away: frozenset[int] = frozenset()
    """Tracks that were seen away from it, but for its owners."""
    alone_since: float | None = None
    """None while it is attended."""
    is_abandoned: bool = False
    """True for good once nobody attended it for long enough."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AbandonedObject:
    """The rule, the things in its zone and where people were."""

    settings: AbandonedObjectRule
    zone: Zone
    aspect: float
    visits: Visits[_Attendance]
    log: tuple[_People, ...] = ()
    """Oldest first."""

    @classmethod
    def new(cls, settings: AbandonedObjectRule, zone: Zone, aspect: float) -> "AbandonedObject":
        """Having seen nothing. `aspect`: width of the picture over its height."""
        visits: Visits[_Attendance] = Visits(settings=settings, aspect=aspect, gap=_GAP)
        return cls(settings=settings, zone=zone, aspect=aspect, visits=visits)

    def step(self, moment: Moment, tracks: Sequence[Track]) -> RuleStep:
        """Whatever is left for long enough."""
        now = _People(
            pts=moment.pts,
            feet=tuple((one.id, one.box.foot, one.box.height) for one in tracks if one.label in _PEOPLE),
        )
        step = self.visits.step(moment, tracks, partial(self._judge, now), lambda _: 0.0)
        rule = replace(self, visits=step.visits, log=self._logged(now))
        return RuleStep(rule=rule, events=step.events, suppressed=step.suppressed)

    def finish(self, moment: Moment) -> RuleStep:
        """Clear whatever is open."""
        step = self.visits.finish(moment)
        return RuleStep(rule=replace(self, visits=step.visits, log=()), events=step.events)

    def resume(self, resumed: Sequence[Resumed]) -> "AbandonedObject":
        """With these open."""
        visits = self.visits.resume(resumed, still=True)
        left = _Attendance(is_abandoned=True)
        return replace(self, visits=replace(visits, visits=tuple(replace(one, memory=left) for one in visits.visits)))

    def explain(self, moment: Moment, tracks: Sequence[Track]) -> tuple[Thought, ...]:
        """Which things stand there, for how long, and who attends them."""

        def describe(track: Track, visit: Visit[_Attendance] | None) -> tuple[str, str]:
            return self._describe(moment, track, None if visit is None else visit.memory), "left for"

        said = self.visits.explain(moment, tracks, lambda _: 0.0, describe)
        attended = {visit.track.id: visit.memory for visit in self.visits.visits}
        return tuple(self._nearing(moment, one, attended.get(one.subject or 0)) for one in said)

    def _nearing(self, moment: Moment, thought: Thought, attended: _Attendance | None) -> Thought:
        """Time runs for a thing that nobody attends, though its condition does not hold before it is up."""
        if thought.stance is not Stance.NO or attended is None or attended.alone_since is None:
            return thought
        alone = self.settings.seconds if self.settings.unattended_seconds is None else self.settings.unattended_seconds
        return replace(thought, stance=Stance.NEARS, value=moment.pts - attended.alone_since, threshold=alone)

    def _describe(self, moment: Moment, track: Track, attended: _Attendance | None) -> str:
        settings = self.settings
        stood = f"there for {moment.pts - track.first_seen:.1f} of {settings.seconds:g} s"
        if not self.zone.contains(anchor(settings, track.box)):
            return f"outside {settings.zone}"
        if not settings.min_area <= track.box.area <= settings.max_area:
            return f"area {track.box.area:.4f}, {settings.min_area:g} to {settings.max_area:g} counts"
        if attended is None or attended.alone_since is None:
            return f"{stood}, attended by {0 if attended is None else len(attended.near)} near it"
        alone = settings.seconds if settings.unattended_seconds is None else settings.unattended_seconds
        return f"{stood}, unattended for {moment.pts - attended.alone_since:.1f} of {alone:g} s"

    def _logged(self, now: _People) -> tuple[_People, ...]:
        if self.log and now.pts - self.log[-1].pts < _LOG_STEP:
            return self.log
        return (*(one for one in self.log if now.pts - one.pts <= _LOG_SECONDS), now)

    def _judge(
        self, now: _People, attended: _Attendance | None, track: Track, moment: Moment
    ) -> Judgement[_Attendance]:
        is_size = self.settings.min_area <= track.box.area <= self.settings.max_area
        if not is_size or not self.zone.contains(anchor(self.settings, track.box)):
            return Judgement(holds=False, memory=attended or _Attendance(), still=True)
        if attended is None:
            past = [one for one in self.log if one.pts >= track.first_seen]
            attended = self._begin(past[0] if past else now, track.box)
            for people in past[1:]:
                attended = self._attend(attended, people, track.box)
        attended = self._attend(attended, now, track.box)
        if self._is_left(attended, track, moment):
            attended = replace(attended, is_abandoned=True)
        return Judgement(holds=attended.is_abandoned, memory=attended, follow=True, still=True)

    def _begin(self, people: _People, box: Box) -> _Attendance:
        near = self._near(people, box)
        alone = None if near else people.pts
        return _Attendance(near=tuple((one, people.pts) for one in near), owners=frozenset(near), alone_since=alone)

    def _attend(self, attended: _Attendance, people: _People, box: Box) -> _Attendance:
        known = dict(attended.near)
        near = {one: known.get(one, people.pts) for one in self._near(people, box)}
        away = attended.away | {one for one, _, _ in people.feet if one not in near and one not in attended.owners}
        # A track that begins here has not come from elsewhere: an owner, lost and found.
        is_attended = any(one not in away or people.pts - since >= _LINGER for one, since in near.items())
        alone = people.pts if attended.alone_since is None else attended.alone_since
        return replace(attended, near=tuple(near.items()), away=away, alone_since=None if is_attended else alone)

    def _near(self, people: _People, box: Box) -> list[int]:
        """Who stands within reach, measured from the nearest point of the thing's lower edge."""
        return [
            one for one, foot, height in people.feet
            if distance(foot, Point(x=min(max(foot.x, box.x1), box.x2), y=box.y2), self.aspect)
            <= self.settings.owner_distance * height
        ]  # fmt: skip

    def _is_left(self, attended: _Attendance, track: Track, moment: Moment) -> bool:
        settings = self.settings
        alone = settings.seconds if settings.unattended_seconds is None else settings.unattended_seconds
        return (
            attended.alone_since is not None
            and moment.is_after(attended.alone_since, alone)
            and moment.is_after(track.first_seen, settings.seconds)
        )
