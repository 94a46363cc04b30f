"""What the tracker remembers of one object, and how a detection or the lack of one changes it."""

import math
from dataclasses import dataclass, replace
from typing import Final

from gridwatch.config.classes import GROUP_OF
from gridwatch.detectors.kalman import Axis
from gridwatch.domain import Box, Detection, Point, Track

CONFIRMED_HITS: Final = 2
"""Detections a track needs before rules believe it: one alone is often a flicker."""

_STIRRED: Final = 1.5
"""Sizes a track must have gone from its first place to have moved: boxes on scenery tremble by a third of that."""
_STIRRED_BORNE_OUT: Final = 0.75
"""The same where its pixels moved in `_MOVING_HITS` detections: who comes in at the picture's edge walks for a second
and a half before he has gone `_STIRRED` sizes..."""
_FAR: Final = 0.2
"""...or so much of the picture: what is half as large as that cannot go any of its sizes."""
_MOVING_HITS: Final = 3
_NEWS: Final = 0.5
"""Share of a score that is news: pictures of one object resemble each other, and so do errors about them."""
_SIZE_GAIN: Final = 0.6
"""Share of a new size taken over, times its score: sizes change slowly, boxes breathe, and weak ones are parts."""
_SOLID: Final = 0.6
"""Of an object that never scored more than this, weak boxes are as good as any."""
LEAST: Final = 0.002
"""Smallest length to divide by: a pixel or two."""
_PAST_SECONDS: Final = 4.0
"""How far back a track that was taken for scenery remembers its places, for when it moves."""
_EDGE: Final = 0.01
"""A box that ends nearer to the picture's edge is cut by it."""


def kin_of(label: str) -> str:
    """What a detector may call the same object in the next picture; the label itself for most."""
    return GROUP_OF.get(label, label)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackerSettings:
    """What depends on the camera. Defaults fit 5 pictures a second."""

    aspect: float = 16 / 9
    """Width of the picture over its height."""
    high_score: float = 0.4
    """Detections from here on choose their track first."""
    start_score: float = 0.25
    """Weaker detections never start a track. Below a rule's `min_score`, so that a track has a past once it counts."""
    still_score: float = 0.45
    """Mean score below which a track that never moved is scenery: cones, stones and signs score 0.25 to 0.4 as persons,
    picture after picture, and 0.5 once in a while; people 0.6 to 0.9."""
    coast_seconds: float = 1.6
    tentative_seconds: float = 0.5
    """Like `coast_seconds`, for a track of one hit."""
    longest_step: float = 0.5
    """Seconds of a step that count as looked at, however long ago the last picture was."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trail:
    """What the tracker remembers of one track. Velocities are per second."""

    id: int
    votes: tuple[tuple[str, float], ...]
    """Summed score per class."""
    total: float
    """Summed score of all its detections."""
    origin: Point
    """Centre of its first detection."""
    gone: float
    """Sizes it has gone from there, at most."""
    went: float
    """The same in shares of the picture."""
    moving: int
    """Detections whose pixels moved, and were not those of something more certain."""
    doubt: float
    """That none of those was right."""
    x: Axis
    y: Axis
    width: float
    height: float
    found: Box
    """Its latest detection, as it was."""
    score: float
    best_score: float
    first_seen: float
    last_seen: float
    unseen: float
    """Seconds somebody looked and did not find it."""
    hits: int
    behind: int | None
    """The track that it came out from behind of."""
    past: tuple[tuple[float, Box], ...] | None = ()
    """Where it was when, as long as it was taken for scenery and by `_PAST_SECONDS` at most; None once shown."""

    @classmethod
    def start(
        cls, number: int, one: Detection, pts: float, settings: TrackerSettings, behind: int | None = None
    ) -> "Trail":
        """Seen for the first time."""
        size_x, size_y = sizes(one.box.width, one.box.height, settings.aspect)
        centre = one.box.centre
        return cls(
            id=number, votes=((one.label, one.score * _share_seen(one.box)),), total=one.score,
            origin=centre, gone=0.0, went=0.0, moving=0, doubt=1.0,
            x=Axis.at(centre.x, size_x), y=Axis.at(centre.y, size_y), width=one.box.width, height=one.box.height,
            found=one.box, score=one.score, best_score=one.score, first_seen=pts, last_seen=pts, unseen=0.0, hits=1,
            behind=behind, past=((pts, one.box),),
        )  # fmt: skip

    @property
    def box(self) -> Box:
        """Where it is thought to be, cut at the picture's edges."""
        return _box(self.x.position, self.y.position, self.width, self.height)

    @property
    def label(self) -> str:
        """The class with most score."""
        return max(self.votes, key=lambda vote: vote[1])[0]

    @property
    def kin(self) -> str:
        """What it may be called in the next picture."""
        return kin_of(self.label)

    @property
    def has_moved(self) -> bool:
        """True for good once it has."""
        borne_out = self.moving >= _MOVING_HITS and (self.gone > _STIRRED_BORNE_OUT or self.went > _FAR)
        return self.gone > _STIRRED or borne_out

    @property
    def in_picture(self) -> bool:
        """False once the centre was predicted out of the picture: it walked off, and must not be found again inside."""
        return self.unseen == 0 or (0 <= self.x.position <= 1 and 0 <= self.y.position <= 1)

    def is_scenery(self, settings: TrackerSettings) -> bool:
        """True while it has neither moved nor convinced."""
        return not self.has_moved and self.total < settings.still_score * self.hits

    def patience(self, settings: TrackerSettings) -> float:
        """Seconds unseen that it lives through."""
        return settings.coast_seconds if self.hits >= CONFIRMED_HITS else settings.tentative_seconds

    def as_track(self) -> Track:
        """As rules see it."""
        return Track(
            id=self.id, label=self.label, box=self.box, score=self.score,
            best_score=self.best_score, first_seen=self.first_seen, last_seen=self.last_seen, hits=self.hits,
            borne_out=1.0 - self.doubt if self.has_moved else 0.0, behind=self.behind,
            past=self.past[:-1] if self.past and self.has_moved else (),
        )  # fmt: skip

    def shown(self) -> "Trail":
        """After rules have seen it."""
        return self if self.past is None else replace(self, past=None)

    def predicted(self, elapsed: float, settings: TrackerSettings) -> "Trail":
        """`elapsed` seconds later, before anybody has looked."""
        coasting = self.unseen > 0
        size_x, size_y = sizes(self.width, self.height, settings.aspect)
        return replace(
            self,
            x=self.x.predict(elapsed, size_x, coasting=coasting),
            y=self.y.predict(elapsed, size_y, coasting=coasting),
        )

    def stopped(self, at: Box, pts: float, settings: TrackerSettings) -> "Trail":
        """Coasted on, but found at `pts` to have stayed `at` about where it was last found.

        Where it was meanwhile lies between the two, not on the course it was thought to keep: the observation-centric
        re-update of OC-SORT (Cao et al. 2023, arXiv:2203.14360).
        """
        size_x, size_y = sizes(self.width, self.height, settings.aspect)
        before, after, seconds = self.found.centre, at.centre, pts - self.last_seen
        return replace(
            self,
            x=Axis.between(before.x, after.x, seconds, size_x), y=Axis.between(before.y, after.y, seconds, size_y),
        )  # fmt: skip

    def joined(self, one: Detection, pts: float, settings: TrackerSettings, *, moving: bool) -> "Trail":
        """Found at `pts`. `moving`: its pixels move, and are not those of something more certain."""
        size_x, size_y = sizes(self.width, self.height, settings.aspect)
        centre = one.box.centre
        dx, dy = centre.x - self.origin.x, centre.y - self.origin.y
        trust = one.score if self.best_score >= _SOLID else _SOLID * min(1.0, one.score / self.best_score)
        gain = 1.0 if is_cut(one.box) or is_cut(self.box) else _SIZE_GAIN * trust
        votes = dict(self.votes)
        votes[one.label] = votes.get(one.label, 0.0) + one.score * _share_seen(one.box)
        past = self.past and tuple(place for place in self.past if place[0] >= pts - _PAST_SECONDS)
        return replace(
            self,
            past=None if past is None else (*past, (pts, one.box)),
            votes=tuple(votes.items()),
            total=self.total + one.score,
            gone=max(self.gone, math.hypot(dx / size_x, dy / size_y)),
            went=max(self.went, math.hypot(dx, dy)),
            moving=self.moving + moving,
            doubt=self.doubt * (1.0 - _NEWS * one.score) if moving else self.doubt,
            x=self.x.correct(centre.x, size_x, trust),
            y=self.y.correct(centre.y, size_y, trust),
            width=self.width + gain * (one.box.width - self.width),
            height=self.height + gain * (one.box.height - self.height),
            found=one.box,
            score=one.score,
            best_score=max(self.best_score, one.score),
            last_seen=pts,
            unseen=0.0,
            hits=self.hits + 1,
        )


def sizes(width: float, height: float, aspect: float) -> tuple[float, float]:
    """Lengths to measure movement in, as fractions of each axis: people are narrow but do not walk slower for it."""
    return max(width, 0.5 * height / aspect, LEAST), max(height, 0.5 * width * aspect, LEAST)


def is_cut(box: Box) -> bool:
    """True when the picture's edge cuts it."""
    return box.x1 < _EDGE or box.y1 < _EDGE or box.x2 > 1 - _EDGE or box.y2 > 1 - _EDGE


def _box(x: float, y: float, width: float, height: float) -> Box:
    return Box(
        x1=min(1.0, max(0.0, x - width / 2)), y1=min(1.0, max(0.0, y - height / 2)),
        x2=min(1.0, max(0.0, x + width / 2)), y2=min(1.0, max(0.0, y + height / 2)),
    )  # fmt: skip


def _share_seen(box: Box) -> float:
    """How much a class is to be believed: what the picture's edge cuts is seen in part."""
    return 0.5 if is_cut(box) else 1.0
