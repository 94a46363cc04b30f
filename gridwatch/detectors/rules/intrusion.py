"""Intrusion: an object is inside a zone for a time. One incident per object, however its track flickers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from gridwatch.config.rules import IntrusionRule
from gridwatch.detectors.rules.base import Moment, Resumed, RuleStep, Zone, anchor
from gridwatch.detectors.rules.thoughts import Thought
from gridwatch.detectors.rules.visits import Judgement, Visit, Visits
from gridwatch.domain import Track

_GAP: Final = 0.7
"""Seconds that a foot may be out of the zone, or a track gone, before its dwell starts anew."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Intrusion:
    """The rule and who is in the zone."""

    settings: IntrusionRule
    zone: Zone
    visits: Visits[None]

    @classmethod
    def new(cls, settings: IntrusionRule, zone: Zone, aspect: float) -> "Intrusion":
        """Having seen nothing. `aspect`: width of the picture over its height."""
        return cls(
            settings=settings, zone=zone, visits=Visits(settings=settings, aspect=aspect, gap=_GAP, together=True)
        )

    def step(self, moment: Moment, tracks: Sequence[Track]) -> RuleStep:
        """Whoever is inside for the dwell."""
        step = self.visits.step(moment, tracks, self._judge, lambda _: self.settings.dwell_seconds)
        return RuleStep(rule=replace(self, visits=step.visits), events=step.events, suppressed=step.suppressed)

    def finish(self, moment: Moment) -> RuleStep:
        """Clear whatever is open."""
        step = self.visits.finish(moment)
        return RuleStep(rule=replace(self, visits=step.visits), events=step.events)

    def resume(self, resumed: Sequence[Resumed]) -> "Intrusion":
        """With these open."""
        return replace(self, visits=self.visits.resume(resumed))

    def explain(self, moment: Moment, tracks: Sequence[Track]) -> tuple[Thought, ...]:
        """Who is inside, and for how long."""
        return self.visits.explain(moment, tracks, lambda _: self.settings.dwell_seconds, self._describe)

    def _describe(self, track: Track, _: Visit[None] | None) -> tuple[str, str]:
        inside = self.zone.contains(anchor(self.settings, track.box))
        return f"{'in' if inside else 'outside'} {self.settings.zone}", "dwell"

    def _judge(self, _: None, track: Track, moment: Moment) -> Judgement[None]:  # noqa: ARG002 -- the port's signature
        return Judgement(holds=self.zone.contains(anchor(self.settings, track.box)), memory=None)
