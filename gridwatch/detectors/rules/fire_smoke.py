"""Fire and smoke: flame or smoke is in the zone for a time. One incident a zone, however many flames."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from gridwatch.config.rules import FireSmokeRule
from gridwatch.detectors.rules.base import (
    Episode,
    Moment,
    Resumed,
    RuleStep,
    Zone,
    anchor,
    as_box,
    is_believed,
    is_seen,
    is_watched,
)
from gridwatch.detectors.rules.thoughts import Stance, Thought, unbelieved
from gridwatch.domain import IncidentBox, Track

_GAP: Final = 1.0
"""Seconds unseen that do not start it anew: flames hide behind each other."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FireSmoke:
    """The rule and the fire, when there is one."""

    settings: FireSmokeRule
    zone: Zone
    since: float | None = None
    """Since when there is flame or smoke; None when there is not."""
    held: float = float("-inf")
    """Stream time when it was last seen."""
    episode: Episode | None = None
    boxes: tuple[IncidentBox, ...] = ()
    """As last seen."""
    suppressed: bool = False
    """It would have been raised, but for the cool-down."""

    def step(self, moment: Moment, tracks: Sequence[Track]) -> RuleStep:
        """Raise, update and clear."""
        burning = [one for one in tracks if self._counts(one, moment)]
        rule = self
        if burning:
            since = min(one.first_seen for one in burning) if self.since is None else self.since
            rule = replace(self, since=since, held=moment.pts, boxes=tuple(as_box(one) for one in burning))
        elif self.since is not None and moment.is_after(self.held, _GAP):
            rule = replace(self, since=None, suppressed=False)
        score = max((one.best_score for one in burning), default=0.0)
        if rule.episode is not None:
            return _goes_on(rule, rule.episode, moment, score)
        return _may_raise(rule, moment, score) if burning else RuleStep(rule=rule, events=())

    def finish(self, moment: Moment) -> RuleStep:
        """Clear the fire, when there is one."""
        events = () if self.episode is None else (self.episode.clear(moment, self.boxes),)
        return RuleStep(rule=FireSmoke(settings=self.settings, zone=self.zone), events=events)

    def resume(self, resumed: Sequence[Resumed]) -> "FireSmoke":
        """With this fire."""
        if not resumed:
            return self
        return replace(self, episode=resumed[0].episode, boxes=resumed[0].boxes, held=0.0)

    def explain(self, moment: Moment, tracks: Sequence[Track]) -> tuple[Thought, ...]:
        """Whether it burns, for how long, and what is taken for flame or smoke."""
        settings = self.settings
        lasted = 0.0 if self.since is None else moment.pts - self.since
        text, stance = f"nothing burns in {settings.zone}", Stance.NO
        if self.episode is not None:
            text, stance = f"incident open: last seen {moment.pts - self.held:.1f} s ago", Stance.RAISED
        elif self.since is not None:
            text, stance = f"burns in {settings.zone} for {lasted:.1f} of {settings.seconds:g} s", Stance.NEARS
        whole = Thought(
            rule=settings.id, subject=None, stance=stance, text=text, value=lasted, threshold=settings.seconds
        )  # fmt: skip
        return (whole, *(self._explain(moment, track) for track in tracks))

    def _explain(self, moment: Moment, track: Track) -> Thought:
        doubt = unbelieved(self.settings, track)
        if doubt is not None:
            return doubt
        counts = self._counts(track, moment)
        text = "counted" if counts else f"outside {self.settings.zone}, or unseen now"
        stance = Stance.NEARS if counts else Stance.NO
        return Thought(rule=self.settings.id, subject=track.id, stance=stance, text=text)

    def _counts(self, track: Track, moment: Moment) -> bool:
        return (
            is_watched(self.settings, track)
            and is_believed(self.settings, track)
            and is_seen(track, moment)
            and self.zone.contains(anchor(self.settings, track.box))
        )


def _may_raise(rule: FireSmoke, moment: Moment, score: float) -> RuleStep:
    if not moment.on_duty or rule.since is None or not moment.is_after(rule.since, rule.settings.seconds):
        return RuleStep(rule=rule, events=())
    if moment.cooling:
        told = replace(rule, suppressed=True)
        return RuleStep(rule=told, events=(), suppressed=int(not rule.suppressed))
    episode, event = Episode.open("fire", moment, rule.boxes, score)
    return RuleStep(rule=replace(rule, episode=episode, suppressed=False), events=(event,))


def _goes_on(rule: FireSmoke, episode: Episode, moment: Moment, score: float) -> RuleStep:
    if not moment.on_duty or moment.is_after(rule.held, max(rule.settings.clear_seconds, 1e-6)):
        return RuleStep(rule=replace(rule, episode=None, since=None), events=(episode.clear(moment, rule.boxes),))
    if rule.held < moment.pts or not moment.is_after(episode.last_pts, rule.settings.update_seconds):
        return RuleStep(rule=rule, events=())
    episode, event = episode.update(moment, rule.boxes, score)
    return RuleStep(rule=replace(rule, episode=episode), events=(event,))
