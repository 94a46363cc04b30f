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
    """Since when the median has been at the rise or above, before it raises."""
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
    since = moment.pts if rule.held_since is None else rule.held_since
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
