"""What every rule shares: the moment, the events it answers with, and the life of an incident."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from shapely import Polygon, intersects_xy, prepare

from gridwatch.config.rules import RuleBase
from gridwatch.detectors.tracker import CONFIRMED_HITS
from gridwatch.domain import Box, IncidentBox, Phase, Point, Track

_SAME_PLACE: Final = 1.0
"""Sizes of the larger of two objects within which they are at the same place."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """When a picture was taken."""

    pts: float
    """Seconds on one timeline that never steps back; all durations are measured on it."""
    at: datetime
    """Wall clock, timezone-aware; what incidents say."""
    blind: float = 0.0
    """Seconds before this picture in which nobody looked (the camera was away). They are not part of `pts`: not having
    looked is not having seen nothing."""
    on_duty: bool = True
    """False outside the rule's schedule: nothing may be raised, and what is open is to be cleared."""
    cooling: tuple[Box | None, ...] = ()
    """Where incidents were cleared a moment ago, so that none may be raised there; None: anywhere."""

    def earlier(self, pts: float) -> "Moment":
        """When stream time was `pts`, as far as this moment tells."""
        return replace(self, pts=pts, at=self.at - timedelta(seconds=self.pts - pts))

    def is_after(self, since: float, seconds: float) -> bool:
        """True when `seconds` have passed since stream time `since`, to the microsecond: 3.8 - 1.8 must be 2."""
        return self.pts - since >= seconds - 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleEvent:
    """One message about an incident of a rule, before it knows its camera."""

    subject: str
    """Tells incidents of one rule and moment apart; the same in every message of an incident."""
    phase: Phase
    seq: int
    occurred_at: datetime
    observed_at: datetime
    """Never before `occurred_at`, even when the camera's clock was set back in between."""
    boxes: tuple[IncidentBox, ...]
    score: float
    count: int
    identity: UUID | None = None
    """The incident's id where it was raised before a restart; None: it follows from the rest."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleStep:
    """What a rule becomes after a picture, and what it says."""

    rule: "Rule"
    events: tuple[RuleEvent, ...]
    suppressed: int = 0
    """Incidents not raised, or not yet, since one was cleared there a moment ago; each counts once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Resumed:
    """An incident that was open when the last run of the worker ended."""

    episode: "Episode"
    boxes: tuple[IncidentBox, ...]
    """Of its latest message."""


class Rule(Protocol):
    """A rule together with what it remembers: frozen, without clock or I/O, so equal inputs give equal answers."""

    def step(self, moment: Moment, tracks: Sequence[Track]) -> RuleStep:
        """One picture, not before the last. `tracks` are all alive; `last_seen == moment.pts` marks the seen ones."""

    def finish(self, moment: Moment) -> RuleStep:
        """No more pictures: clear whatever is open."""

    def resume(self, resumed: Sequence[Resumed]) -> "Rule":
        """The same rule, having seen nothing but with these open: they go on, or are cleared when nobody is found."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Episode:
    """An open incident: keeps `seq` consecutive and its times and subject fixed."""

    subject: str
    occurred_at: datetime
    seq: int
    last_pts: float
    """Stream time of its latest message."""
    score: float
    identity: UUID | None = None
    """Its incident's id, where that was raised before a restart."""

    @classmethod
    def open(
        cls, subject: str, moment: Moment, boxes: tuple[IncidentBox, ...], score: float,
        occurred_at: datetime | None = None,
    ) -> tuple["Episode", RuleEvent]:  # fmt: skip
        """Raise it. It occurred now unless told otherwise."""
        episode = cls(subject=subject, occurred_at=occurred_at or moment.at, seq=0, last_pts=moment.pts, score=score)
        return episode, _event(episode, Phase.RAISED, moment, boxes)

    def update(self, moment: Moment, boxes: tuple[IncidentBox, ...], score: float) -> tuple["Episode", RuleEvent]:
        """Say that it goes on. Its score is the best so far."""
        episode = replace(self, seq=self.seq + 1, last_pts=moment.pts, score=max(self.score, score))
        return episode, _event(episode, Phase.UPDATED, moment, boxes)

    def clear(self, moment: Moment, boxes: tuple[IncidentBox, ...]) -> RuleEvent:
        """Say that it is over. `boxes`: where it was last seen, or none."""
        return _event(replace(self, seq=self.seq + 1), Phase.CLEARED, moment, boxes)


def _event(episode: Episode, phase: Phase, moment: Moment, boxes: tuple[IncidentBox, ...]) -> RuleEvent:
    return RuleEvent(
        subject=episode.subject, phase=phase, seq=episode.seq, occurred_at=episode.occurred_at,
        observed_at=max(moment.at, episode.occurred_at), boxes=boxes, score=episode.score, count=len(boxes),
        identity=episode.identity,
    )  # fmt: skip


class Zone:
    """A polygon on the picture; its edge belongs to it. Immutable, safe to share between threads."""

    def __init__(self, corners: Sequence[tuple[float, float]]) -> None:
        """`corners` as fractions, in order, not closed, a simple polygon."""
        self._polygon = Polygon(corners)
        self._bounds = self._polygon.bounds
        prepare(self._polygon)

    def contains(self, point: Point) -> bool:
        """True inside and on the edge."""
        x1, y1, x2, y2 = self._bounds
        if not (x1 <= point.x <= x2 and y1 <= point.y <= y2):
            return False
        return bool(intersects_xy(self._polygon, point.x, point.y))


def is_watched(rule: RuleBase, track: Track) -> bool:
    """True when the rule speaks of this class."""
    return track.label in rule.classes


def is_believed(rule: RuleBase, track: Track) -> bool:
    """True when the rule may raise on it: confirmed, and strong enough once or weak often enough while it moved."""
    belief = max(track.best_score, track.borne_out)
    return track.hits >= CONFIRMED_HITS and belief >= rule.class_scores.get(track.label, rule.min_score)


def is_seen(track: Track, moment: Moment) -> bool:
    """True when the track was detected in this picture, False when it coasts."""
    return track.last_seen >= moment.pts


def history(track: Track, moment: Moment) -> Iterator[tuple[Track, Moment]]:
    """`track` as it was in each picture that rules were not shown it in, and then as it is."""
    for pts, box in track.past:
        yield replace(track, box=box, last_seen=pts, past=()), moment.earlier(pts)
    yield track, moment


def as_box(track: Track) -> IncidentBox:
    """The track as an incident shows it: without its id."""
    return IncidentBox(box=track.box, label=track.label, score=track.score)


def anchor(rule: RuleBase, box: Box) -> Point:
    """The point of `box` that the rule goes by."""
    return box.centre if rule.anchor == "center" else box.foot


def distance(a: Point, b: Point, aspect: float) -> float:
    """Between two places of a picture, in heights of the picture; `aspect` is its width over its height."""
    return math.hypot((a.x - b.x) * aspect, a.y - b.y)


def size(box: Box, aspect: float) -> float:
    """The longer side, in heights of the picture: a person's height, a car's length from the side."""
    return max(box.height, box.width * aspect)


def is_cooling(moment: Moment, box: Box, aspect: float) -> bool:
    """True when an incident was cleared a moment ago where `box` is."""
    return any(
        one is None or distance(one.foot, box.foot, aspect) <= _SAME_PLACE * max(size(one, aspect), size(box, aspect))
        for one in moment.cooling
    )
