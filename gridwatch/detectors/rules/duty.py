"""What holds for every rule alike: its hours, its cool-down, and which sizes of objects count."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo

from gridwatch.config.rules import RuleBase
from gridwatch.config.schedule import Span
from gridwatch.detectors.rules.base import Moment, Resumed, Rule, RuleStep
from gridwatch.detectors.rules.thoughts import Explains, Stance, Thought
from gridwatch.domain import Box, Phase, Track


@dataclass(frozen=True, kw_only=True, slots=True)
class _Cooling:
    """A place where an incident was cleared."""

    until: float
    """Stream time."""
    box: Box | None
    """None: it had none, so the whole picture."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OnDuty:
    """A rule within its hours. It is stepped all the time, so that it knows what it sees when they begin."""

    settings: RuleBase
    inner: Rule
    timezone: tzinfo
    spans: tuple[Span, ...] = ()
    """None at all: always."""
    cooling: tuple[_Cooling, ...] = ()

    def step(self, moment: Moment, tracks: Sequence[Track]) -> RuleStep:
        """Pass on what counts, and whether anything may be raised, and where not."""
        cooling = tuple(one for one in self.cooling if moment.pts < one.until)
        told = replace(moment, on_duty=self._is_on(moment), cooling=tuple(one.box for one in cooling))
        step = self.inner.step(told, [track for track in tracks if self._counts(track)])
        if self.settings.cooldown_seconds > 0:
            until = moment.pts + self.settings.cooldown_seconds
            for event in step.events:
                if event.phase is Phase.CLEARED:
                    boxes: Sequence[Box | None] = [one.box for one in event.boxes] or [None]
                    cooling = (*cooling, *(_Cooling(until=until, box=box) for box in boxes))
        return replace(step, rule=replace(self, inner=step.rule, cooling=cooling))

    def finish(self, moment: Moment) -> RuleStep:
        """Clear whatever is open."""
        step = self.inner.finish(moment)
        return replace(step, rule=replace(self, inner=step.rule, cooling=()))

    def resume(self, resumed: Sequence[Resumed]) -> Rule:
        """With these open."""
        return replace(self, inner=self.inner.resume(resumed))

    def explain(self, moment: Moment, tracks: Sequence[Track]) -> tuple[Thought, ...]:
        """What the rule thinks, and what it is not shown and why. Nothing of a rule that cannot say."""
        if not isinstance(self.inner, Explains):
            return ()
        cooling = tuple(one for one in self.cooling if moment.pts < one.until)
        about: list[Thought] = []
        if not self._is_on(moment):
            about.append(self._note(None, f"off duty: its hours are {', '.join(self.settings.schedule or ())}"))
        if cooling:
            longest = max(one.until for one in cooling) - moment.pts
            about.append(self._note(None, f"cooling down at {len(cooling)} places, {longest:.1f} s at most"))
        told = replace(moment, on_duty=self._is_on(moment), cooling=tuple(one.box for one in cooling))
        about += self.inner.explain(told, [track for track in tracks if self._counts(track)])
        return (*about, *(self._size(track) for track in tracks if not self._counts(track)))

    def _size(self, track: Track) -> Thought:
        """Why a track does not count."""
        low, high = self.settings.min_height, self.settings.max_height
        y, height = track.box.foot.y, track.box.height
        limits = f"{0 if low is None else low.at(y):.3f} to {1 if high is None else high.at(y):.3f}"
        return self._note(track.id, f"height {height:.3f}, {limits} counts here")

    def _note(self, subject: int | None, text: str) -> Thought:
        return Thought(rule=self.settings.id, subject=subject, stance=Stance.UNCOUNTED, text=text)

    def _is_on(self, moment: Moment) -> bool:
        return not self.spans or any(span.covers(moment.at, self.timezone) for span in self.spans)

    def _counts(self, track: Track) -> bool:
        """Sizes are asked of what the rule watches, not of who stands beside it."""
        if track.label not in self.settings.classes:
            return True
        low, high = self.settings.min_height, self.settings.max_height
        y, height = track.box.foot.y, track.box.height
        return (low is None or height >= low.at(y)) and (high is None or height <= high.at(y))
