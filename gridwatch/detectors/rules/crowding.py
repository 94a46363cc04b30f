"""Crowding: at least so many objects are in a zone for a time. One incident per crowd."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from gridwatch.config.rules import CrowdingRule
from gridwatch.detectors.rules.base import (
    Episode,
    Moment,
    Resumed,
    RuleStep,
    Zone,
    anchor,
    as_box,
    is_believed,
    is_watched,
)
from gridwatch.detectors.rules.thoughts import Stance, Thought, unbelieved
from gridwatch.domain import IncidentBox, Track

_WINDOW: Final = 1.0
"""Seconds over which the count's median is taken: a picture with one box too few or too many changes nothing."""
_COAST: Final = 1.0
"""Seconds unseen after which a track no longer counts, though the tracker may still look for it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Crowding:
    """The rule, its recent counts and the crowd, when there is one."""

    settings: CrowdingRule
    zone: Zone
    counts: tuple[tuple[float, int], ...] = ()
    """(stream time, objects in the zone) of the last second."""
    held_since: float | None = None
    """Since when there are so many that the median has been at the rise or above, before it raises."""
    thin_since: float | None = None
    """Since when the median has been below the fall, before it clears."""
    episode: Episode | None = None
    boxes: tuple[IncidentBox, ...] = ()
    """Who was last counted."""
    suppressed: bool = False
    """The crowd that is there would have been raised, but for the cool-down."""

    def step(self, moment: Moment, tracks: Sequence[Track]) -> RuleStep:
        """Count, smooth, raise, update and clear."""
        present = [track for track in tracks if self._counts(track, moment)]
        recent = tuple(one for one in self.counts if not moment.is_after(one[0], _WINDOW))
        counts = (*recent, (moment.pts, len(present)))
        median = statistics.median(count for _, count in counts)
        boxes = tuple(as_box(track) for track in present)
        score = statistics.fmean(track.best_score for track in present) if present else 0.0
        rule = replace(self, counts=counts, boxes=boxes or self.boxes)
        if rule.episode is None:
            return _may_raise(rule, moment, median, boxes, score)
        return _goes_on(rule, rule.episode, moment, median, boxes, score)

    def finish(self, moment: Moment) -> RuleStep:
        """Clear the crowd, when there is one."""
        events = () if self.episode is None else (self.episode.clear(moment, self.boxes),)
        return RuleStep(rule=Crowding(settings=self.settings, zone=self.zone), events=events)

    def resume(self, resumed: Sequence[Resumed]) -> "Crowding":
        """With this crowd."""
        if not resumed:
            return self
        return replace(self, episode=resumed[0].episode, boxes=resumed[0].boxes)

    def explain(self, moment: Moment, tracks: Sequence[Track]) -> tuple[Thought, ...]:
        """How many there are, and who is counted."""
        settings, now = self.settings, self.counts[-1][1] if self.counts else 0
        median = statistics.median(count for _, count in self.counts) if self.counts else 0.0
        text = f"{now} in {settings.zone}, median {median:g} of {settings.rise}"
        stance = Stance.NEARS if median >= settings.rise else Stance.NO
        if self.episode is not None:
            stance = Stance.RAISED
            text = f"incident open: {text}, clears below {settings.fall}"
            if self.thin_since is not None:
                text += f" in {settings.clear_seconds - (moment.pts - self.thin_since):.1f} s"
        elif self.held_since is not None:
            text += f", for {moment.pts - self.held_since:.1f} of {settings.seconds:g} s"
        whole = Thought(
            rule=settings.id, subject=None, stance=stance, text=text, value=float(median), threshold=settings.rise
        )  # fmt: skip
        return (whole, *(self._explain(moment, track) for track in tracks))

    def _explain(self, moment: Moment, track: Track) -> Thought:
        doubt = unbelieved(self.settings, track)
        if doubt is not None:
            return doubt
        inside = self.zone.contains(anchor(self.settings, track.box))
        text = f"{'in' if inside else 'outside'} {self.settings.zone}"
        if inside:
            text += ", counted" if self._counts(track, moment) else ", unseen for too long to count"
        return Thought(rule=self.settings.id, subject=track.id, stance=Stance.NO, text=text)

    def _counts(self, track: Track, moment: Moment) -> bool:
        return (
            is_watched(self.settings, track)
            and is_believed(self.settings, track)
            and not moment.is_after(track.last_seen, _COAST)
            and self.zone.contains(anchor(self.settings, track.box))
        )


def _may_raise(rule: Crowding, moment: Moment, median: float, boxes: tuple[IncidentBox, ...], score: float) -> RuleStep:
    if median < rule.settings.rise:
        return RuleStep(rule=replace(rule, held_since=None, suppressed=False), events=())
    # The median follows half its window late; they were there when they were first counted.
    first = next((at for at, count in rule.counts if count >= rule.settings.rise), moment.pts)
    since = first if rule.held_since is None else rule.held_since
    # The picture that raises shows the whole crowd: its count and evidence must not contradict the rule.
    if not moment.is_after(since, rule.settings.seconds) or len(boxes) < rule.settings.rise:
        return RuleStep(rule=replace(rule, held_since=since), events=())
    if not moment.on_duty:
        return RuleStep(rule=replace(rule, held_since=since), events=())
    if moment.cooling:
        counted = not rule.suppressed
        return RuleStep(rule=replace(rule, held_since=since, suppressed=True), events=(), suppressed=counted)
    episode, event = Episode.open("crowd", moment, boxes, score)
    rule = replace(rule, held_since=None, thin_since=None, episode=episode, suppressed=False)
    return RuleStep(rule=rule, events=(event,))


def _goes_on(
    rule: Crowding, episode: Episode, moment: Moment, median: float, boxes: tuple[IncidentBox, ...], score: float
) -> RuleStep:
    if not moment.on_duty:
        event = episode.clear(moment, boxes)
        return RuleStep(rule=replace(rule, held_since=None, thin_since=None, episode=None), events=(event,))
    if median >= rule.settings.fall:
        thin_since = None
    else:
        thin_since = moment.pts if rule.thin_since is None else rule.thin_since
        if moment.is_after(thin_since, rule.settings.clear_seconds):
            event = episode.clear(moment, boxes)
            return RuleStep(rule=replace(rule, thin_since=None, episode=None), events=(event,))
    if thin_since is not None or not moment.is_after(episode.last_pts, rule.settings.update_seconds):
        return RuleStep(rule=replace(rule, thin_since=thin_since), events=())
    episode, event = episode.update(moment, boxes, score)
    return RuleStep(rule=replace(rule, thin_since=thin_since, episode=episode), events=(event,))
