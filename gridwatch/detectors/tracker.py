"""Detections joined over frames: a ByteTrack-style step (Zhang et al. 2022, arXiv:2110.06864), pure and deterministic.

`track(state, pts, detections)` returns the next state and the tracks alive at `pts`. It has no clock and no I/O, and
reasons in seconds rather than frames, because a motion gate and a busy machine sample a camera irregularly:

* Positions follow a constant-velocity Kalman filter per axis in fractions of the picture. Its noise is in sizes of the
  object, so near and far objects behave alike; its growing uncertainty widens the gate of a track that was not seen.
* Detections with a high score are assigned first, weaker ones then continue what is left (ByteTrack's second pass).
* What nobody continues coasts on its prediction for `coast_seconds`, and is then dropped. Time counts against it only
  as far as somebody looked: a gap without pictures is not an absence.
* Pictures skipped by a closed gate go to `hold`: nothing moved, so every track stands where it was.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import lap
import numpy as np
import numpy.typing as npt

from gridwatch.detectors.kalman import Axis
from gridwatch.domain import Box, Detection, Point, Track

CONFIRMED_HITS: Final = 2
"""Detections a track needs before rules believe it: one alone is often a flicker."""

_KIN: Final = {"car": "vehicle", "truck": "vehicle", "bus": "vehicle", "bicycle": "cycle", "motorcycle": "cycle"}
"""Classes a detector swaps from frame to frame on one object; a track takes the one with most score."""
_SAME_OBJECT_IOU: Final = 0.65
"""Boxes of kin classes overlapping more are one object; the detector has suppressed within each class only."""
_CONTAINED: Final = 0.75
"""A box with this share of its area inside one that continues a track is a part of it (head, torso, load)."""
_SHADOW: Final = 0.5
"""A weak box that shares this much with one that continues a track continues no other: two people side by side also
make weak boxes between them, on which a lost track would live on as a third."""
_PART_SCALE: Final = 4.0
"""Boxes that differ more in area are two objects, near and far, or one of them is no object at all."""
_CHI2: Final = 9.21
"""99 % of the chi-square distribution with two degrees of freedom: the gate on the centre's distance."""
_MAX_JUMP: Final = 1.5
"""Sizes a centre may jump however uncertain the prediction is; more is somebody else."""
_MAX_SCALE: Final = 2.5
"""Ratio of areas between a track and its next detection; legs behind a car halve a person, not more."""
_WEAK_IOU: Final = 0.3
"""What a weak detection must overlap the track it continues: ByteTrack's second pass goes by overlap alone, since the
picture is full of weak boxes on things, and a track that drifts would find one everywhere."""
_WEAK_UNSEEN: Final = 0.5
"""Seconds after which weak detections no longer continue a track; nothing but a strong one brings it back."""
_STIRRED: Final = 1.5
"""Sizes a track must have gone from its first place to have moved: boxes on scenery tremble by a third of that."""
_SIZE_GAIN: Final = 0.6
"""Share of a new size taken over, times its score: sizes change slowly, boxes breathe, and weak ones are parts."""
_LEAST: Final = 0.002
"""Smallest length to divide by: a pixel or two."""
_NEVER: Final = 1e6


def kin_of(label: str) -> str:
    """What a detector may call the same object in the next picture; the label itself for most."""
    return _KIN.get(label, label)


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
class _Trail:
    """What the tracker remembers of one track. Velocities are per second."""

    id: int
    kin: str
    votes: tuple[tuple[str, float], ...]
    """Summed score per class."""
    origin: Point
    """Centre of its first detection."""
    stirred: bool
    """True for good once it has moved."""
    x: Axis
    y: Axis
    width: float
    height: float
    score: float
    best_score: float
    first_seen: float
    last_seen: float
    unseen: float
    """Seconds somebody looked and did not find it."""
    hits: int

    @property
    def box(self) -> Box:
        """Where it is thought to be, cut at the picture's edges."""
        return _box(self.x.position, self.y.position, self.width, self.height)

    def is_scenery(self, settings: TrackerSettings) -> bool:
        """True while it has neither moved nor convinced."""
        return not self.stirred and sum(score for _, score in self.votes) < settings.still_score * self.hits

    def as_track(self) -> Track:
        return Track(
            id=self.id, label=max(self.votes, key=lambda vote: vote[1])[0], box=self.box, score=self.score,
            best_score=self.best_score, first_seen=self.first_seen, last_seen=self.last_seen, hits=self.hits,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackerState:
    """Everything the next step needs. A new one has seen nothing."""

    pts: float | None = None
    next_id: int = 1
    trails: tuple[_Trail, ...] = ()

    def is_tracking(self, settings: TrackerSettings) -> bool:
        """True while there is anything but scenery."""
        return any(not trail.is_scenery(settings) for trail in self.trails)

    def is_unsettled(self, settings: TrackerSettings) -> bool:
        """True while a track is unconfirmed or was missed in the latest picture: another picture would tell."""
        return any(
            (trail.unseen > 0 or trail.hits < CONFIRMED_HITS) and not trail.is_scenery(settings)
            for trail in self.trails
        )

    def forget(self) -> "TrackerState":
        """Nothing tracked and nothing seen, but ids go on: for a new connection."""
        return TrackerState(next_id=self.next_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackerStep:
    """The next state, and the tracks alive: confirmed or not (`hits`), seen or coasting (`last_seen`), no scenery."""

    state: TrackerState
    tracks: tuple[Track, ...]


def track(
    state: TrackerState, pts: float, detections: Sequence[Detection], settings: TrackerSettings = TrackerSettings()
) -> TrackerStep:
    """One picture at `pts` seconds, not before the last (ValueError). The order of `detections` does not matter."""
    elapsed = _elapsed(state, pts)
    trails = [_predict(trail, elapsed, settings) for trail in state.trails]
    found = _one_each(detections)
    strong = [one for one in found if one.score >= settings.high_score]
    weak = [one for one in found if one.score < settings.high_score]
    matched: dict[int, Detection] = {}
    solid = [i for i, one in enumerate(trails) if one.hits >= CONFIRMED_HITS and not one.is_scenery(settings)]
    _assign(trails, solid, strong, matched, settings)
    _assign(trails, _free(trails, matched), strong, matched, settings)
    fresh = [i for i in _free(trails, matched) if trails[i].unseen <= _WEAK_UNSEEN]
    clear = [one for one in weak if not any(_is_part(one, other, _SHADOW) for other in matched.values())]
    _assign(trails, fresh, clear, matched, settings)

    looked = min(elapsed, settings.longest_step)
    kept = [
        _join(trail, matched[i], pts, settings) if i in matched else replace(trail, unseen=trail.unseen + looked)
        for i, trail in enumerate(trails)
    ]
    alive = [trail for trail in kept if trail.unseen <= _patience(trail, settings) and _in_picture(trail)]
    started = _newcomers(found, list(matched.values()), settings)
    alive += [_start(state.next_id + n, one, pts, settings) for n, one in enumerate(started)]
    following = TrackerState(pts=pts, next_id=state.next_id + len(started), trails=tuple(alive))
    return TrackerStep(state=following, tracks=_shown(following, settings))


def hold(state: TrackerState, pts: float, settings: TrackerSettings = TrackerSettings()) -> TrackerStep:
    """A picture in which nothing moved: every track seen in the last one stands there still."""
    _elapsed(state, pts)
    trails = tuple(
        replace(trail, x=trail.x.halt(), y=trail.y.halt(), last_seen=pts) if trail.unseen == 0 else trail
        for trail in state.trails
    )
    following = replace(state, pts=pts, trails=trails)
    return TrackerStep(state=following, tracks=_shown(following, settings))


def _shown(state: TrackerState, settings: TrackerSettings) -> tuple[Track, ...]:
    return tuple(trail.as_track() for trail in state.trails if not trail.is_scenery(settings))


def _elapsed(state: TrackerState, pts: float) -> float:
    if state.pts is None:
        return 0.0
    if pts < state.pts:
        raise ValueError(f"pictures must come in order: {pts} after {state.pts}")
    return pts - state.pts


def _one_each(detections: Sequence[Detection]) -> list[Detection]:
    """Best first, without empty boxes and the weaker of two on one object; the order of the input cannot matter."""
    found: list[Detection] = []
    ordered = sorted(detections, key=lambda d: (-d.score, d.label, d.box.x1, d.box.y1, d.box.x2, d.box.y2))
    for one in ordered:
        if one.box.area < _LEAST**2:
            continue
        kin = kin_of(one.label)
        if not any(kin_of(other.label) == kin and other.box.iou(one.box) > _SAME_OBJECT_IOU for other in found):
            found.append(one)
    return found


def _predict(trail: _Trail, elapsed: float, settings: TrackerSettings) -> _Trail:
    coasting = trail.unseen > 0
    size_x, size_y = _sizes(trail.width, trail.height, settings.aspect)
    return replace(
        trail,
        x=trail.x.predict(elapsed, size_x, coasting=coasting),
        y=trail.y.predict(elapsed, size_y, coasting=coasting),
    )


def _free(trails: Sequence[_Trail], matched: dict[int, Detection]) -> list[int]:
    return [index for index in range(len(trails)) if index not in matched]


def _assign(
    trails: Sequence[_Trail],
    rows: Sequence[int],
    detections: Sequence[Detection],
    matched: dict[int, Detection],
    settings: TrackerSettings,
) -> None:
    """Add to `matched` the cheapest assignment of unused detections to the trails of `rows`."""
    used = {id(one) for one in matched.values()}
    open_ones = [one for one in detections if id(one) not in used]
    if not rows or not open_ones:
        return
    costs: npt.NDArray[np.float64] = np.array(
        [[_cost(trails[row], one, settings) for one in open_ones] for row in rows], dtype=np.float64
    )
    _, columns, _ = lap.lapjv(costs, extend_cost=True, cost_limit=1.0)
    for row, column in zip(rows, columns, strict=True):
        if column >= 0 and costs[rows.index(row), column] < 1.0:
            matched[row] = open_ones[column]


def _cost(trail: _Trail, one: Detection, settings: TrackerSettings) -> float:
    """0 for a perfect fit, below 1 inside the gates, `_NEVER` outside.

    Overlap alone loses small fast objects at 5 pictures a second, distance alone swaps people who pass close by, so
    it is the mean of both.
    """
    if kin_of(one.label) != trail.kin:
        return _NEVER
    area = trail.width * trail.height
    if max(one.box.area, area) > _MAX_SCALE * min(one.box.area, area):
        return _NEVER
    centre = one.box.centre
    size_x, size_y = _sizes(trail.width, trail.height, settings.aspect)
    dx, dy = centre.x - trail.x.position, centre.y - trail.y.position
    if (dx / size_x) ** 2 + (dy / size_y) ** 2 > _MAX_JUMP**2:
        return _NEVER
    distance = trail.x.distance(centre.x, size_x) + trail.y.distance(centre.y, size_y)
    if distance > _CHI2:
        return _NEVER
    overlap = trail.box.iou(one.box)
    if one.score < settings.high_score and overlap < _WEAK_IOU:
        return _NEVER
    return 0.5 * (1.0 - overlap) + 0.5 * float(np.sqrt(distance / _CHI2)) * 0.999


def _sizes(width: float, height: float, aspect: float) -> tuple[float, float]:
    """Lengths to measure movement in, as fractions of each axis: people are narrow but do not walk slower for it."""
    return max(width, 0.5 * height / aspect, _LEAST), max(height, 0.5 * width * aspect, _LEAST)


def _join(trail: _Trail, one: Detection, pts: float, settings: TrackerSettings) -> _Trail:
    size_x, size_y = _sizes(trail.width, trail.height, settings.aspect)
    centre = one.box.centre
    gone = math.hypot((centre.x - trail.origin.x) / size_x, (centre.y - trail.origin.y) / size_y)
    votes = dict(trail.votes)
    votes[one.label] = votes.get(one.label, 0.0) + one.score
    return replace(
        trail,
        votes=tuple(votes.items()),
        stirred=trail.stirred or gone > _STIRRED,
        x=trail.x.correct(centre.x, size_x, one.score),
        y=trail.y.correct(centre.y, size_y, one.score),
        width=trail.width + _SIZE_GAIN * one.score * (one.box.width - trail.width),
        height=trail.height + _SIZE_GAIN * one.score * (one.box.height - trail.height),
        score=one.score,
        best_score=max(trail.best_score, one.score),
        last_seen=pts,
        unseen=0.0,
        hits=trail.hits + 1,
    )


def _start(number: int, one: Detection, pts: float, settings: TrackerSettings) -> _Trail:
    size_x, size_y = _sizes(one.box.width, one.box.height, settings.aspect)
    centre = one.box.centre
    return _Trail(
        id=number, kin=kin_of(one.label), votes=((one.label, one.score),), origin=centre, stirred=False,
        x=Axis.at(centre.x, size_x), y=Axis.at(centre.y, size_y), width=one.box.width, height=one.box.height,
        score=one.score, best_score=one.score, first_seen=pts, last_seen=pts, unseen=0.0, hits=1,
    )  # fmt: skip


def _patience(trail: _Trail, settings: TrackerSettings) -> float:
    return settings.coast_seconds if trail.hits >= CONFIRMED_HITS else settings.tentative_seconds


def _in_picture(trail: _Trail) -> bool:
    """False once the centre was predicted out of the picture: it walked off, and must not be found again inside."""
    return trail.unseen == 0 or (0 <= trail.x.position <= 1 and 0 <= trail.y.position <= 1)


def _newcomers(found: Sequence[Detection], known: list[Detection], settings: TrackerSettings) -> list[Detection]:
    """Detections that start a track: strong enough, unused, and neither part nor whole of one that is known."""
    started: list[Detection] = []
    for one in found:
        if one.score < settings.start_score or any(one is other for other in known):
            continue
        if not any(_is_part(one, other, _CONTAINED) for other in (*known, *started)):
            started.append(one)
    return started


def _is_part(one: Detection, other: Detection, share: float) -> bool:
    """True when the boxes share that much of the smaller one, are of a like size and of kin classes."""
    if kin_of(one.label) != kin_of(other.label):
        return False
    a, b = one.box, other.box
    if max(a.area, b.area) > _PART_SCALE * min(a.area, b.area):
        return False
    width, height = min(a.x2, b.x2) - max(a.x1, b.x1), min(a.y2, b.y2) - max(a.y1, b.y1)
    return width > 0 and height > 0 and width * height > share * min(a.area, b.area)


def _box(x: float, y: float, width: float, height: float) -> Box:
    return Box(
        x1=min(1.0, max(0.0, x - width / 2)), y1=min(1.0, max(0.0, y - height / 2)),
        x2=min(1.0, max(0.0, x + width / 2)), y2=min(1.0, max(0.0, y + height / 2)),
    )  # fmt: skip
