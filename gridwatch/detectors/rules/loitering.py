"""Loitering: an object stays in a zone for longer than allowed. One incident per object; short absences count."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gridwatch.config.rules import LoiteringRule
from gridwatch.detectors.rules.base import Moment, Resumed, RuleStep, Zone, anchor
from gridwatch.detectors.rules.thoughts import Thought
from gridwatch.detectors.rules.visits import Judgement, Visit, Visits
from gridwatch.domain import Track


@dataclass(frozen=True, kw_only=True, slots=True)
class Loitering:
    """The rule and who is in the zone, or was a moment ago."""

    settings: LoiteringRule
    zone: Zone
    visits: Visits[None]

    @classmethod
    def new(cls, settings: LoiteringRule, zone: Zone, aspect: float) -> "Loitering":
        """Having seen nothing. `aspect`: width of the picture over its height."""
        visits: Visits[None] = Visits(settings=settings, aspect=aspect, gap=settings.absence_seconds)
        return cls(settings=settings, zone=zone, visits=visits)

    def step(self, moment: Moment, tracks: Sequence[Track]) -> RuleStep:
        """Whoever has stayed for too long."""
        step = self.visits.step(moment, tracks, self._judge, self._seconds)
        return RuleStep(rule=replace(self, visits=step.visits), events=step.events, suppressed=step.suppressed)

    def finish(self, moment: Moment) -> RuleStep:
        """Clear whatever is open."""
        step = self.visits.finish(moment)
        return RuleStep(rule=replace(self, visits=step.visits), events=step.events)

    def resume(self, resumed: Sequence[Resumed]) -> "Loitering":
        """With these open."""
        return replace(self, visits=self.visits.resume(resumed))

    def explain(self, moment: Moment, tracks: Sequence[Track]) -> tuple[Thought, ...]:
        """Who is inside, and for how long."""
        return self.visits.explain(moment, tracks, self._seconds, self._describe)

    def _describe(self, track: Track, _: Visit[None] | None) -> tuple[str, str]:
        inside = self.zone.contains(anchor(self.settings, track.box))
        return f"{'in' if inside else 'outside'} {self.settings.zone}", "there for"

    def _judge(self, _: None, track: Track, moment: Moment) -> Judgement[None]:  # noqa: ARG002 -- the port's signature
        return Judgement(holds=self.zone.contains(anchor(self.settings, track.box)), memory=None)

    def _seconds(self, visit: Visit[None]) -> float:
        return self.settings.class_seconds.get(visit.track.label, self.settings.seconds)
