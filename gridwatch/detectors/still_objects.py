r"""Things that were left and things that are gone, as tracks: what stands still in a scene and was not there before.

    changed and still for 2 s --> undecided --> left    --> a `left_object` track while it is there
                                     |      \-> removed --> a `removed_object` track while it is gone
                                     \--> scenery: light, people, vehicles, furniture, what nobody brought or took

Scenery becomes part of what is usual soon, a thing that was left only after `absorb_hours`. People and vehicles are no
things: what lies in their boxes waits, and what had such a box close around it waits much longer.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from gridwatch.detectors.rules.base import Moment
from gridwatch.detectors.still_blobs import Blob, around, find_blobs, is_light, is_shifted, outline, union
from gridwatch.detectors.still_scene import STABLE_SECONDS, Look, StillScene
from gridwatch.domain import Box, Detection, Image, Track

LEFT_OBJECT: Final = "left_object"
REMOVED_OBJECT: Final = "removed_object"
SOMEBODY: Final = "somebody"
"""Of a track where a person was seen and something still stands: a detector loses who stands still in the dark."""

_ALIVE: Final = frozenset({
    "person", "bicycle", "car", "motorcycle", "bus", "train", "truck", "bird", "cat", "dog", "horse", "sheep", "cow",
    "elephant", "bear", "zebra", "giraffe",
})  # fmt: skip
"""Classes that stand still and are no things left behind."""
_ALIVE_SCORE: Final = 0.25
_SHAPE_SECONDS: Final = 1.5
"""A blob that kept its shape for so long has its final one: whoever stood in front of it has gone."""
_SAME_SHAPE: Final = 0.75
"""Overlap of a blob in two pictures."""
_GONE_SECONDS: Final = 1.0
_HIDDEN_SECONDS: Final = 120.0
_SCENERY_SECONDS: Final = 10.0
"""Scenery is shown as changed for so long before it is usual."""
_LONGEST_PATIENCE: Final = 300.0
_WAIT_SECONDS: Final = 60.0
"""What stands in the box of a vehicle or a person for so long is part of the scene."""
_BROUGHT_SECONDS: Final = 4.0
"""Whoever brings or takes a thing moves beside it at most so long before."""
_THING: Final = 1.6
"""Ratio of outlines now and before from which something was put there; its inverse: taken away."""
_IN_FRONT: Final = 0.3
"""Share of a blob that somebody's box may cover."""
_PEOPLED: Final = 0.3
"""Share of the time before it was gone that somebody was seen where something is missing: he himself is missing."""
_KNOWN_SECONDS: Final = 5.0
"""What was there for so long belonged there."""
_IS_SOMEBODY: Final = 0.4
"""Overlap of a blob with somebody's box from which it is somebody: a case is less of who stands before it."""
_SHIFTS: Final = 5
_SHIFTS_SECONDS: Final = 30.0
"""So many blobs within so long that show what was usual beside them: the camera moves, and all is learned anew."""
_PART_SECONDS: Final = 3.0
_PART_GAP: Final = 0.2
"""Sides of the larger that parts of one thing are apart, and seconds by which one appears later."""
_UPSET_SECONDS: Final = 1.5
"""What appears so soon after the whole picture changed is light."""
_STIR: Final = 0.12
"""Of the tolerance: smoke, flames and people breathe more."""
_BLOBS_AT_ONCE: Final = 12
"""More new blobs in one picture are rain, light or an encoder."""
_THINGS: Final = 64


_RIM: Final = np.ones((7, 7), np.uint8)


class _Kind(StrEnum):
    """What a blob is."""

    LEFT = "left"  # a thing that was not there
    REMOVED = "removed"  # the place where a thing was
    SCENERY = "scenery"  # none of our business


@dataclass(kw_only=True, slots=True)
class _Candidate:
    """A blob that is not decided yet."""

    id: int
    blob: Blob
    since: float
    """Stream time at which it began to look like this."""
    shaped: float
    """Since when it has this shape."""
    brought: bool
    """Something moved beside it when it appeared."""
    clear_since: float | None = None
    """Since when nobody's box has been over it."""
    peopled: float = 0.0
    """Seconds with the box of somebody, or of a vehicle, around it and little more."""
    somebody: Box | None = None
    """The latest such box of a person."""
    stir: float = 0.0
    """Levels by which it changes from picture to picture."""

    @property
    def patience(self) -> float:
        """Seconds that it must be without such a box to be believed to be none: detectors lose who stands still."""
        return 0.0 if self.peopled == 0 else min(_LONGEST_PATIENCE, 20.0 + 10.0 * self.peopled)


@dataclass(kw_only=True, slots=True)
class _Thing:
    """A blob that is decided."""

    id: int
    blob: Blob
    kind: _Kind
    patch: npt.NDArray[np.float32]
    """What it looks like, in its window."""
    since: float
    outline: float
    """When it was decided."""
    score: float
    seen: float
    hits: int = 2
    gone_since: float | None = None

    @property
    def label(self) -> str:
        """As tracks have it."""
        return LEFT_OBJECT if self.kind is _Kind.LEFT else REMOVED_OBJECT


@dataclass(frozen=True, kw_only=True, slots=True)
class StillSettings:
    """Sizes are shares of the picture's area."""

    min_area: float = 0.0004
    max_area: float = 0.05
    absorb_seconds: float = 12 * 3600.0
    """What was left or is gone for so long is part of the scene."""


class StillObjects:
    """One camera's still things. Not thread-safe; deterministic; stream time only."""

    def __init__(self, settings: StillSettings = StillSettings()) -> None:
        self._settings = settings
        self._scene = StillScene()
        self._things: list[_Thing] = []
        self._candidates: list[_Candidate] = []
        self._shifts: deque[float] = deque(maxlen=_SHIFTS)
        """Stream times at which a blob was found to be what was usual beside it."""
        self._next_id = 0
        self._alive: tuple[Detection, ...] = ()
        self._looked = float("-inf")

    def look(
        self, image: Image, moment: Moment, seen: Sequence[Detection] | None, tracks: Sequence[Track]
    ) -> tuple[Track, ...]:
        """The things there are, after the next picture. `seen`: by the detector, None when it did not look.

        Their ids are negative; `first_seen` is when they appeared or vanished, `last_seen` when last in view.
        """
        if seen is not None:
            self._alive = tuple(one for one in seen if one.label in _ALIVE and one.score >= _ALIVE_SCORE)
        alive: tuple[Detection | Track, ...] = (*self._alive, *(one for one in tracks if one.label in _ALIVE))
        before = self._scene.shape
        look = self._scene.look(image, moment.pts, [one.box for one in alive])
        if self._scene.shape != before:
            self._things, self._candidates = [], []
        if look is None:
            return self._shown()
        if look.restarted:
            self._begin_again(look)
            return self._shown()
        elapsed, self._looked = min(10.0, max(0.0, moment.pts - self._looked)), moment.pts
        for thing in self._things:
            self._watch(thing, look, moment.pts, elapsed)
        self._things = [one for one in self._things if not self._is_over(one, moment.pts)]
        self._candidates = self._find(look, alive, moment.pts, elapsed)
        waiting = []
        for one in self._candidates:
            if self._is_ripe(one, look, moment.pts):
                self._decide(one, look, moment.pts)
            elif moment.pts - one.since >= max(_WAIT_SECONDS, one.patience):
                self._absorb(one.blob, tainted=True)
            else:
                waiting.append(one)
        self._candidates = waiting
        if len(self._shifts) == _SHIFTS and moment.pts - self._shifts[0] <= _SHIFTS_SECONDS:
            self._begin_again(look)
        return self._shown()

    def _shown(self) -> tuple[Track, ...]:
        things = tuple(
            Track(
                id=one.id, label=one.label, box=one.blob.box(self._scene.shape), score=one.score,
                best_score=one.score, first_seen=one.since, last_seen=one.seen, hits=one.hits,
            )
            for one in self._things if one.kind in (_Kind.LEFT, _Kind.REMOVED)
        )  # fmt: skip
        people = tuple(
            Track(
                id=one.id, label=SOMEBODY, box=one.somebody, score=_ALIVE_SCORE, best_score=_ALIVE_SCORE,
                first_seen=one.since, last_seen=self._looked, hits=2,
            )
            for one in self._candidates if one.somebody is not None and one.clear_since is not None
        )  # fmt: skip
        return (*things, *people)

    # Candidates ---------------------------------------------------------------------------------------------------

    def _find(self, look: Look, alive: Sequence[Detection | Track], pts: float, elapsed: float) -> list[_Candidate]:
        """The blobs outside of what is decided, each with what is known of it."""
        fresh = look.still.copy()
        for thing in self._things:
            fresh[thing.blob.window][thing.blob.mask > 0] = 0
        least = max(12, round(0.6 * self._settings.min_area * fresh.size))
        if cv2.countNonZero(fresh) < least:
            return []
        blobs = find_blobs(fresh, least)
        if len(blobs) > _BLOBS_AT_ONCE:
            for blob in blobs:
                self._absorb(blob, tainted=False)
            return []
        found = [self._candidate(blob, pts) for blob in blobs]
        for one in found:
            if one.blob.share(self._scene.cover) > _IN_FRONT:
                one.clear_since = None
            elif one.clear_since is None:
                one.clear_since = pts
            self._ask_who(one, alive, elapsed)
            stir = self._scene.stir(*one.blob.window, one.blob.mask)
            one.stir += (stir - one.stir) * (1.0 - float(np.exp(-elapsed)))
        return found

    def _ask_who(self, one: _Candidate, alive: Sequence[Detection | Track], elapsed: float) -> None:
        """Remember that it was seen to be somebody."""
        box = one.blob.box(self._scene.shape)
        found = [other for other in alive if other.box.iou(box) >= _IS_SOMEBODY]
        if found:
            one.peopled += elapsed
            one.somebody = next((other.box for other in found if other.label == "person"), one.somebody)

    def _candidate(self, blob: Blob, pts: float) -> _Candidate:
        for known in self._candidates:
            if known.blob.iou(blob) >= _SAME_SHAPE:
                known.blob = blob
                return known
        since = float(np.median(self._scene.since[blob.window][blob.mask > 0]))
        self._next_id -= 1
        return _Candidate(id=self._next_id, blob=blob, since=since, shaped=pts, brought=self._was_brought(blob, since))

    def _was_brought(self, blob: Blob, since: float) -> bool:
        """True when something moved beside it as it appeared: light and screens change without."""
        moved, own = around(self._scene.moved, blob, max(6, blob.side))
        beside = (moved >= since - _BROUGHT_SECONDS) & (cv2.dilate(own, _RIM) == 0)
        return int(np.count_nonzero(beside)) >= max(10, 0.3 * blob.area)

    def _is_ripe(self, one: _Candidate, look: Look, pts: float) -> bool:
        """True when it has its final shape, is still, and nobody is in front of it, nor was it somebody."""
        return (
            pts - one.shaped >= _SHAPE_SECONDS
            and one.stir <= _STIR * look.tolerance
            and one.clear_since is not None
            and pts - one.clear_since >= one.patience
        )

    def _decide(self, one: _Candidate, look: Look, pts: float) -> None:
        usual = np.asarray(cv2.convertScaleAbs(self._scene.usual), np.uint8)
        now, before = outline(look.small, one.blob), outline(usual, one.blob)
        thing = _Thing(
            id=one.id, blob=one.blob, kind=_Kind.SCENERY, since=one.since, seen=pts, outline=now,
            patch=look.small[one.blob.window].astype(np.float32),
            score=min(1.0, 0.5 + 0.5 * abs(now - before) / max(now + before, 1.0)),
        )  # fmt: skip
        share = one.blob.area / look.still.size
        is_size = self._settings.min_area <= share <= self._settings.max_area
        upset = any(-0.5 <= one.since - other <= _UPSET_SECONDS for other in self._scene.upsets)
        views = (look.small, usual, one.blob, look.tolerance)
        shifted = is_shifted(*views)
        if shifted:
            self._shifts.append(pts)
        if one.brought and is_size and not upset and not shifted and not is_light(*views):
            if now >= _THING * before and not self._is_displaced(thing, look, usual):
                thing.kind = _Kind.LEFT
            elif before >= _THING * now and self._is_known(one):
                thing.kind = _Kind.REMOVED
        whole = self._part_of(thing)
        if whole is not None:
            whole.blob = union(whole.blob, thing.blob)
            whole.patch = look.small[whole.blob.window].astype(np.float32)
        elif len(self._things) < _THINGS:
            self._things.append(thing)

    def _part_of(self, thing: _Thing) -> _Thing | None:
        """The thing that appeared with it and beside it, of which it is another part."""
        if thing.kind is _Kind.SCENERY:
            return None
        return next(
            (
                one for one in self._things
                if one.kind is thing.kind and abs(one.since - thing.since) <= _PART_SECONDS
                and one.blob.gap(thing.blob) <= _PART_GAP
            ),
            None,
        )  # fmt: skip

    def _is_known(self, one: _Candidate) -> bool:
        """False when what is gone left with the first pictures, or was a person or a vehicle: it did not belong."""
        peopled = float(cv2.mean(self._scene.peopled[one.blob.window], one.blob.mask)[0])
        was_somebody = peopled >= _PEOPLED or one.blob.share(self._scene.taint) >= _IN_FRONT
        return one.since - self._scene.began >= _KNOWN_SECONDS and not was_somebody

    def _is_displaced(self, thing: _Thing, look: Look, usual: Image) -> bool:
        """True when it is what is missing beside it: a chair that was moved."""
        for other in self._things:
            if other.kind is not _Kind.REMOVED or abs(other.since - thing.since) > 15.0:
                continue
            if not 0.33 <= other.blob.area / thing.blob.area <= 3.0 or other.blob.gap(thing.blob) > 1.5:
                continue
            if np.abs(other.blob.colour(usual) - thing.blob.colour(look.small)).max() <= 40.0:
                return True
        return False

    # Things -------------------------------------------------------------------------------------------------------

    def _watch(self, thing: _Thing, look: Look, pts: float, elapsed: float) -> None:
        """See whether it is still there."""
        rows, columns, mask = thing.blob.rows, thing.blob.columns, thing.blob.mask > 0
        now = look.small[rows, columns]
        thing.patch *= self._scene.gain
        alike = (np.abs(now - thing.patch).max(axis=2) <= 1.2 * look.tolerance) & mask
        back = (look.changed[rows, columns] == 0) & mask
        if np.count_nonzero(alike) >= 0.5 * thing.blob.area:
            thing.seen, thing.gone_since = pts, None
            thing.hits += 1
            share = 1.0 - float(np.exp(-elapsed / 5.0))
            cv2.accumulateWeighted(now, thing.patch, share, alike.astype(np.uint8))
        elif np.count_nonzero(back) >= 0.6 * thing.blob.area:
            thing.gone_since = pts if thing.gone_since is None else thing.gone_since
        else:
            thing.gone_since = None
            if thing.blob.share(self._scene.cover) <= _IN_FRONT:
                self._look_again(thing, look, mask)

    def _look_again(self, thing: _Thing, look: Look, mask: npt.NDArray[np.bool_]) -> None:
        """It looks like neither itself nor what is usual, and stands still: another light on it, or another thing."""
        still = look.still[thing.blob.window] > 0
        if np.count_nonzero(still & mask) < 0.7 * thing.blob.area:
            return
        if thing.kind is _Kind.LEFT and outline(look.small, thing.blob) < 0.5 * thing.outline:
            thing.gone_since = float("-inf")
        else:
            thing.patch = look.small[thing.blob.window].astype(np.float32)

    def _is_over(self, thing: _Thing, pts: float) -> bool:
        """True when it is gone, or has been there for so long that it is usual."""
        if thing.gone_since is not None and pts - thing.gone_since >= _GONE_SECONDS:
            return True
        if pts - thing.seen > _HIDDEN_SECONDS:
            return True
        patience = _SCENERY_SECONDS if thing.kind is _Kind.SCENERY else self._settings.absorb_seconds
        if thing.seen < pts or pts - thing.since < patience:
            return False
        self._absorb(thing.blob, tainted=False)
        return True

    def _absorb(self, blob: Blob, *, tainted: bool) -> None:
        places = np.zeros(self._scene.shape, bool)
        places[blob.window] = blob.grown > 0
        places &= self._scene.age >= STABLE_SECONDS / 2
        self._scene.absorb(places, tainted=tainted)

    def _begin_again(self, look: Look) -> None:
        """Another light or view. What was left is still there if it has an outline; all else is usual now."""
        things = [one for one in self._things if one.kind is _Kind.LEFT]
        self._scene.restart()
        self._things, self._candidates = [], []
        self._shifts.clear()
        for thing in things:
            thing.outline = outline(look.small, thing.blob)
            if thing.outline >= 2.0 * look.tolerance:
                thing.patch = look.small[thing.blob.window].astype(np.float32)
                self._scene.imagine_behind(*thing.blob.window, thing.blob.mask)
                self._things.append(thing)
