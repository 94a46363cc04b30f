"""Detections joined over frames: a ByteTrack-style step (Zhang et al. 2022, arXiv:2110.06864), pure and deterministic.

`track(state, pts, detections)` returns the next state and the tracks alive at `pts`. It has no clock and no I/O, and
reasons in seconds rather than frames, because a motion gate and a busy machine sample a camera irregularly:

* Positions follow a constant-velocity Kalman filter per axis in fractions of the picture. Its noise is in sizes of the
  object, so near and far objects behave alike; its growing uncertainty widens the gate of a track that was not seen.
* Detections with a high score are assigned first, weaker ones then continue what is left (ByteTrack's second pass).
* Weak ones that go where the picture's pixels move, and are not part of something more certain, add up: cars from
  straight above never score high.
* What nobody continues coasts on its prediction for `coast_seconds`, and is then dropped. Time counts against it only
  as far as somebody looked: a gap without pictures is not an absence. One who stopped meanwhile is found again where
  he was last found (observation-centric recovery, OC-SORT, Cao et al. 2023, arXiv:2203.14360).
* Pictures skipped by a closed gate go to `hold`: nothing moved, so every track stands where it was.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import lap
import numpy as np
import numpy.typing as npt

from gridwatch.detectors.trail import CONFIRMED_HITS, LEAST, TrackerSettings, Trail, is_cut, kin_of, sizes
from gridwatch.domain import Box, Detection, Track

__all__ = ["CONFIRMED_HITS", "TrackerSettings", "TrackerState", "TrackerStep", "hold", "kin_of", "track"]

_SAME_OBJECT_IOU: Final = 0.65
"""Boxes of kin classes overlapping more are one object; the detector has suppressed within each class only."""
_SAME_BOX_IOU: Final = 0.8
"""The same for classes that are no kin: a rider and what he rides overlap less."""
_RENAMED_IOU: Final = 0.5
"""What a detection must overlap a track of another kin to continue it: a person who comes in is a dog for a moment."""
_CONTAINED: Final = 0.75
"""A box with this share of its area inside one that continues a track is a part of it (head, torso, load)."""
_LIKE_HEIGHT: Final = 1.25
_COVERED: Final = 0.9
"""Share of a box that two of a like height cover, when it is an echo of both."""
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
_CUT_SCALE: Final = 2.0
"""So much more where the picture's edge cuts one of them: what comes in grows."""
_WEAK_IOU: Final = 0.3
"""What a weak detection must overlap the track it continues: ByteTrack's second pass goes by overlap alone, since the
picture is full of weak boxes on things, and a track that drifts would find one everywhere."""
_STAYED_IOU: Final = 0.5
"""What a detection must overlap the latest one of a track that coasted off to bring it back."""
_WEAK_UNSEEN: Final = 0.5
"""Seconds after which weak detections no longer continue a track; nothing but a strong one brings it back."""
_MOVING: Final = 0.3
"""Share of a box's pixels that move with what is in it; the rest of a person's box is background."""
_MOVERS: Final = frozenset(("person", "vehicle", "animal"))
"""Kins that a detector takes for each other; a bag or a cycle is not who carries or rides it."""
_HIDDEN: Final = 0.3
"""Share of a new box that one of `_SETTLED_HITS` detections or more covers, when it was hidden by that."""
_SETTLED_HITS: Final = 5
_UNSEEN_COST: Final = 0.1
"""What it costs a track that was not seen for a second or longer to take a detection that one seen a moment ago could
have as well: a lost track must not take the box of somebody who goes by."""
_NEVER: Final = 1e6
_USUAL: Final = TrackerSettings()


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackerState:
    """Everything the next step needs. A new one has seen nothing."""

    pts: float | None = None
    next_id: int = 1
    trails: tuple[Trail, ...] = ()

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
    state: TrackerState,
    pts: float,
    detections: Sequence[Detection],
    settings: TrackerSettings = _USUAL,
    share_moving: Callable[[Box], float] = lambda _: 0.0,
) -> TrackerStep:
    """One picture at `pts` seconds, not before the last (ValueError). The order of `detections` does not matter.

    `share_moving` tells how much of a place moves in this picture, 0..1; without it nothing is borne out by motion.
    """
    elapsed = _elapsed(state, pts)
    trails = [trail.predicted(elapsed, settings) for trail in state.trails]
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
    for index, one in _stayed(trails, matched, strong, clear).items():
        trails[index] = trails[index].stopped(one.box, pts, settings)
        matched[index] = one
    _assign(trails, [i for i in fresh if i not in matched], found, matched, settings, renamed=True)

    def is_borne_out(one: Detection) -> bool:
        return share_moving(one.box) >= _MOVING and not any(_is_explained(one, other) for other in found)

    looked = min(elapsed, settings.longest_step)
    kept = [
        trail.joined(matched[i], pts, settings, moving=is_borne_out(matched[i]))
        if i in matched
        else replace(trail, unseen=trail.unseen + looked)
        for i, trail in enumerate(trails)
    ]
    alive = [trail for trail in kept if trail.unseen <= trail.patience(settings) and trail.in_picture]
    may_start = [one for one in found if one.score >= settings.start_score or is_borne_out(one)]
    started = _newcomers(may_start, list(matched.values()))
    known = [one for one in alive if one.unseen == 0 and one.hits >= _SETTLED_HITS]
    alive += [
        Trail.start(state.next_id + n, one, pts, settings, _hidden_by(one, known)) for n, one in enumerate(started)
    ]
    return _shown(TrackerState(pts=pts, next_id=state.next_id + len(started), trails=tuple(alive)), settings)


def hold(state: TrackerState, pts: float, settings: TrackerSettings = _USUAL) -> TrackerStep:
    """A picture in which nothing moved: every track seen in the last one stands there still."""
    _elapsed(state, pts)
    trails = tuple(
        replace(trail, x=trail.x.halt(), y=trail.y.halt(), last_seen=pts) if trail.unseen == 0 else trail
        for trail in state.trails
    )
    return _shown(replace(state, pts=pts, trails=trails), settings)


def _shown(state: TrackerState, settings: TrackerSettings) -> TrackerStep:
    scenery = [trail.is_scenery(settings) for trail in state.trails]
    tracks = tuple(trail.as_track() for trail, hidden in zip(state.trails, scenery, strict=True) if not hidden)
    trails = tuple(trail if hidden else trail.shown() for trail, hidden in zip(state.trails, scenery, strict=True))
    return TrackerStep(state=replace(state, trails=trails), tracks=tracks)


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
        if one.box.area < LEAST**2:
            continue
        if not any(_is_same(one, other) for other in found) and not _is_between(one, found):
            found.append(one)
    return found


def _is_between(one: Detection, stronger: Sequence[Detection]) -> bool:
    """True when two of the same size cover it between them: side by side, two people make a third box."""
    kin, height = kin_of(one.label), one.box.height
    beside = [
        part
        for other in stronger
        if not _is_apart(one.box, other.box)
        and kin_of(other.label) == kin
        and height < _LIKE_HEIGHT * other.box.height
        and other.box.height < _LIKE_HEIGHT * height
        and (part := _overlap(one.box, other.box)) is not None
    ]
    return any(
        a.area + b.area - _shared(a, b) > _COVERED * one.box.area for n, a in enumerate(beside) for b in beside[:n]
    )


def _is_same(one: Detection, other: Detection) -> bool:
    """True when both boxes are on one object."""
    if _is_apart(one.box, other.box):
        return False
    a, b = kin_of(one.label), kin_of(other.label)
    if a == b:
        return one.box.iou(other.box) > _SAME_OBJECT_IOU
    return {a, b} <= _MOVERS and one.box.iou(other.box) > _SAME_BOX_IOU


def _free(trails: Sequence[Trail], matched: dict[int, Detection]) -> list[int]:
    return [index for index in range(len(trails)) if index not in matched]


def _assign(
    trails: Sequence[Trail],
    rows: Sequence[int],
    detections: Sequence[Detection],
    matched: dict[int, Detection],
    settings: TrackerSettings,
    *,
    renamed: bool = False,
) -> None:
    """Add to `matched` the cheapest assignment of unused detections to the trails of `rows`, by another name or not."""
    used = {id(one) for one in matched.values()}
    open_ones = [one for one in detections if id(one) not in used]
    if not rows or not open_ones:
        return
    costs: npt.NDArray[np.float64] = np.array(
        [[_cost(trails[row], one, settings, renamed) for one in open_ones] for row in rows], dtype=np.float64
    )
    _, columns, _ = lap.lapjv(costs, extend_cost=True, cost_limit=1.0)
    for row, column in zip(rows, columns, strict=True):
        if column >= 0 and costs[rows.index(row), column] < 1.0:
            matched[row] = open_ones[column]


def _stayed(
    trails: Sequence[Trail], matched: dict[int, Detection], strong: Sequence[Detection], weak: Sequence[Detection]
) -> dict[int, Detection]:
    """Coasting trails that nobody continues where they are thought to be, but somebody does where they were last found.

    Who stops while he is missed is not where he was going. OC-SORT calls it observation-centric recovery.
    """
    free = [i for i in _free(trails, matched) if trails[i].unseen > 0 and trails[i].hits >= CONFIRMED_HITS]
    used = {id(one) for one in matched.values()}
    pairs = [
        (trails[i].found.iou(one.box), i, one)
        for ones, longest in ((strong, math.inf), (weak, _WEAK_UNSEEN))
        for one in ones if id(one) not in used
        for i in free if trails[i].unseen <= longest and kin_of(one.label) == trails[i].kin
    ]  # fmt: skip
    stayed: dict[int, Detection] = {}
    for overlap, i, one in sorted(pairs, key=lambda pair: (-pair[0], pair[1])):
        if overlap >= _STAYED_IOU and i not in stayed and not any(one is other for other in stayed.values()):
            stayed[i] = one
    return stayed


def _cost(trail: Trail, one: Detection, settings: TrackerSettings, renamed: bool) -> float:
    """0 for a perfect fit, below 1 inside the gates, `_NEVER` outside.

    Overlap alone loses small fast objects at 5 pictures a second, distance alone swaps people who pass close by, so
    it is the mean of both.
    """
    kin = kin_of(one.label)
    named = {kin, trail.kin} <= _MOVERS and kin != trail.kin if renamed else kin == trail.kin
    if not named or _is_far(trail, one.box, settings):
        return _NEVER
    area = trail.width * trail.height
    scale = _MAX_SCALE * (_CUT_SCALE if is_cut(one.box) or is_cut(trail.box) else 1.0)
    if max(one.box.area, area) > scale * min(one.box.area, area):
        return _NEVER
    centre = one.box.centre
    size_x, size_y = sizes(trail.width, trail.height, settings.aspect)
    dx, dy = centre.x - trail.x.position, centre.y - trail.y.position
    if (dx / size_x) ** 2 + (dy / size_y) ** 2 > _MAX_JUMP**2:
        return _NEVER
    distance = trail.x.distance(centre.x, size_x) + trail.y.distance(centre.y, size_y)
    if distance > _CHI2:
        return _NEVER
    overlap = trail.box.iou(one.box)
    if (one.score < settings.high_score and overlap < _WEAK_IOU) or (renamed and overlap < _RENAMED_IOU):
        return _NEVER
    fit = 0.5 * (1.0 - overlap) + 0.5 * float(np.sqrt(distance / _CHI2))
    return min(0.999, fit + _UNSEEN_COST * min(1.0, trail.unseen))


def _hidden_by(one: Detection, known: Sequence[Trail]) -> int | None:
    """The trail from behind which `one` comes: what is new in the middle of the picture, half hidden by somebody."""
    if is_cut(one.box):
        return None
    kin, area = kin_of(one.label), one.box.area
    hiding = [
        (_shared(one.box, trail.box) / min(area, trail.box.area), trail.id) for trail in known if trail.kin == kin
    ]
    share, number = max(hiding, default=(0.0, 0))
    return number if share >= _HIDDEN else None


def _is_far(trail: Trail, box: Box, settings: TrackerSettings) -> bool:
    """True for most pairs, found out at little cost; what is false may be too far all the same."""
    reach = _MAX_JUMP * max(trail.width, trail.height) * max(1.0, 0.5 * settings.aspect, 0.5 / settings.aspect)
    dx, dy = (box.x1 + box.x2) / 2 - trail.x.position, (box.y1 + box.y2) / 2 - trail.y.position
    return abs(dx) > reach or abs(dy) > reach


def _newcomers(found: Sequence[Detection], known: list[Detection]) -> list[Detection]:
    """Detections that start a track: unused, and neither part nor whole of one that is known."""
    started: list[Detection] = []
    for one in found:
        if any(one is other for other in known):
            continue
        if not any(_is_part(one, other, _CONTAINED) for other in (*known, *started)):
            started.append(one)
    return started


def _is_explained(one: Detection, other: Detection) -> bool:
    """True when `other` is at least as certain and is what moves there."""
    if one is other or other.score < one.score or _is_apart(one.box, other.box):
        return False
    return _shared(one.box, other.box) > _SHADOW * min(one.box.area, other.box.area)


def _is_part(one: Detection, other: Detection, share: float) -> bool:
    """True when the boxes share that much of the smaller one, are of a like size and of kin classes."""
    a, b = one.box, other.box
    if _is_apart(a, b) or kin_of(one.label) != kin_of(other.label):
        return False
    if max(a.area, b.area) > _PART_SCALE * min(a.area, b.area):
        return False
    return _shared(a, b) > share * min(a.area, b.area)


def _shared(a: Box, b: Box) -> float:
    part = _overlap(a, b)
    return 0.0 if part is None else part.area


def _is_apart(a: Box, b: Box) -> bool:
    return a.x1 >= b.x2 or b.x1 >= a.x2 or a.y1 >= b.y2 or b.y1 >= a.y2


def _overlap(a: Box, b: Box) -> Box | None:
    if _is_apart(a, b):
        return None
    x1, y1, x2, y2 = max(a.x1, b.x1), max(a.y1, b.y1), min(a.x2, b.x2), min(a.y2, b.y2)
    return Box(x1=x1, y1=y1, x2=x2, y2=y2)
