"""Removed object: a thing that belonged to the scene is gone. One incident per thing; its return clears it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from gridwatch.config.rules import RemovedObjectRule
from gridwatch.detectors.rules.base import Moment, Resumed, RuleStep, Zone, anchor
from gridwatch.detectors.rules.thoughts import Thought
from gridwatch.detectors.rules.visits import Judgement, Visit, Visits
from gridwatch.domain import Track

_GAP: Final = 2.0
"""Seconds that its place may be lost before it is forgotten."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RemovedObject:
    """The rule and the places where something is missing."""

    settings: RemovedObjectRule
    zone: Zone
    visits: Visits[None]

    @classmethod
    def new(cls, settings: RemovedObjectRule, zone: Zone, aspect: float) -> "RemovedObject":
        """Having seen nothing. `aspect`: width of the picture over its height."""
        return cls(settings=settings, zone=zone, visits=Visits(settings=settings, aspect=aspect, gap=_GAP))

    def step(self, moment: Moment, tracks: Sequence[Track]) -> RuleStep:
        """Whatever is missing for long enough."""
        step = self.visits.step(moment, tracks, self._judge, lambda _: self.settings.seconds)
        return RuleStep(rule=replace(self, visits=step.visits), events=step.events, suppressed=step.suppressed)

    def finish(self, moment: Moment) -> RuleStep:
        """Clear whatever is open."""
        step = self.visits.finish(moment)
        return RuleStep(rule=replace(self, visits=step.visits), events=step.events)

    def resume(self, resumed: Sequence[Resumed]) -> "RemovedObject":
        """With these open."""
        return replace(self, visits=self.visits.resume(resumed, still=True))

    def explain(self, moment: Moment, tracks: Sequence[Track]) -> tuple[Thought, ...]:
        """What is missing, and for how long."""
        return self.visits.explain(moment, tracks, lambda _: self.settings.seconds, self._describe)

    def _describe(self, track: Track, _: Visit[None] | None) -> tuple[str, str]:
        settings = self.settings
        if not self.zone.contains(anchor(settings, track.box)):
            return f"outside {settings.zone}", "gone for"
        if not settings.min_area <= track.box.area <= settings.max_area:
            return f"area {track.box.area:.4f}, {settings.min_area:g} to {settings.max_area:g} counts", "gone for"
        return f"something is missing in {settings.zone}", "gone for"

    def _judge(self, _: None, track: Track, moment: Moment) -> Judgement[None]:  # noqa: ARG002 -- the port's signature
        is_size = self.settings.min_area <= track.box.area <= self.settings.max_area
        holds = is_size and self.zone.contains(anchor(self.settings, track.box))
        return Judgement(holds=holds, memory=None, since=track.first_seen, still=True)
