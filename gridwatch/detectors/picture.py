"""Picture health: is what a camera shows still a picture of its scene? Judged before the gate, picture by picture.

| fault | the picture | needs a reference |
|---|---|---|
| black | is dark everywhere | no |
| bright | is washed out | no |
| covered | has lost its edges, and nothing of the scene is left | yes |
| frozen | brings nothing new (see `_News`) | no |
| blurred | has its edges but lost its finest detail | yes |
| moved | shows the scene at another place, or for three times as long another scene | yes |

The numbers are set from the sample streams with a wide margin on both sides; docs/health.md has what was measured.
"""

from collections import deque
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from gridwatch.config.model import HealthConfig
from gridwatch.detectors.picture_measures import Measures, measure
from gridwatch.detectors.picture_scene import LITTLE_DETAIL, Likeness, SceneReference
from gridwatch.detectors.rules.base import Moment
from gridwatch.domain import Image

_CLEAR_SECONDS: Final = 2.0
"""Good for this long ends a fault."""
_BREAK_SECONDS: Final = 1.0
"""A condition that is away for no longer goes on: a key frame or a passer-by may interrupt it."""
_ACCEPT_SECONDS: Final = 600.0
"""After this long the new view of a camera that moved is its view."""
_QUIET_FACTOR: Final = 2.0
"""A camera that went on by itself after s seconds without news is frozen after this many times s at the earliest."""
_LONGEST_QUIET: Final = 60.0
_FEW_NEWS: Final = 3
"""New pictures that prove a frozen camera alive: one may be an encoder's own doing."""


class PictureFault(StrEnum):
    """What is wrong with a picture, the first to be named first."""

    BLACK = "black"  # no light: a lens cap, a dead sensor, a dark night without a lamp
    BRIGHT = "bright"  # washed out: a torch or the sun in the lens, a failed iris
    COVERED = "covered"  # nothing of the scene is left and no other scene is there
    FROZEN = "frozen"  # the stream runs, the picture does not
    BLURRED = "blurred"  # out of focus: turned lens, spray, condensation
    MOVED = "moved"  # the camera shows its scene at another place, or another scene


_NEEDS_SCENE: Final = frozenset({PictureFault.COVERED, PictureFault.BLURRED, PictureFault.MOVED})
"""Told by comparing with the scene."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureChange:
    """A fault began or ended."""

    fault: PictureFault
    is_on: bool
    since: Moment
    """When it was first seen."""


class PictureHealth:
    """One camera's pictures in order to faults, at most one at a time. Deterministic, no I/O; not thread-safe."""

    def __init__(self, settings: HealthConfig, was_on: PictureChange | None = None) -> None:
        """`was_on`: what was wrong when the last run ended.

        What the scene looked like before is not known then. So a fault that is told by comparing is over once the
        picture has changed much since the first one, or after `_ACCEPT_SECONDS`.
        """
        self._holds: dict[PictureFault, float] = {
            fault: hold for fault in PictureFault if (hold := getattr(settings, f"{fault}_seconds")) is not None
        }
        self._other_seconds = 2.0 * self._holds.get(PictureFault.MOVED, 0.0)
        self._scene = SceneReference()
        self._news = _News()
        self._other_scene = _Held()
        self._held = {fault: _Held(0.0 if fault is PictureFault.FROZEN else _BREAK_SECONDS) for fault in PictureFault}
        self._on = was_on
        self._compares_with_first = was_on is not None and was_on.fault in _NEEDS_SCENE
        self._first: Measures | None = None
        self._began = 0.0
        self._good_since: float | None = None
        self._shape: tuple[int, ...] = ()
        self._place = (0.0, 0.0)
        """Where in the picture the scene was last found, as shares of width and height."""

    def look(self, image: Image, moment: Moment) -> tuple[PictureChange, ...]:
        """The next picture, not before the last. What ends comes before what begins."""
        if image.shape != self._shape:
            # Another size: the finest detail is another too.
            self._shape = image.shape
            self._scene.forget()
        now = measure(image)
        if self._first is None:
            self._first = now
        seen = self._judge(now, moment)
        for fault, held in self._held.items():
            held.see(fault in seen, moment)
        changes = [*self._end(now, seen, moment), *self._begin(moment)]
        if PictureFault.MOVED in seen and PictureFault.MOVED not in self._holds:
            self._scene.forget()
        elif seen <= {PictureFault.FROZEN} and self._other_scene.since is None:
            self._scene.learn(now, moment.pts)
        return tuple(changes)

    def interrupt(self) -> None:
        """No picture for a while, for reasons of the connection: nothing is held over the gap, the scene is kept."""
        for held in (*self._held.values(), self._other_scene):
            held.since = None
        self._news.forget()
        self._good_since = None

    def _judge(self, now: Measures, moment: Moment) -> set[PictureFault]:
        """What could be wrong with this picture. A dark or white one says nothing about the scene."""
        seen = {PictureFault.FROZEN} if self._news.is_quiet(now.samples, moment.pts) else set()
        if now.mean < 10 and now.dark > 0.99:
            return seen | {PictureFault.BLACK}
        if now.mean > 230 or now.light > 0.6:
            return seen | {PictureFault.BRIGHT}
        like = self._scene.compare(now, moment.pts)
        if like is None:
            return seen
        self._other_scene.see(like.same < 0.25 and like.edges >= 0.35, moment)
        if like.same < 0.2 and (like.edges < 0.15 or now.dark > 0.9):  # in the dark a sensor's noise has edges
            seen.add(PictureFault.COVERED)
        elif like.fine < 0.2 and like.edges > 0.4:
            seen.add(PictureFault.BLURRED)
        elif self._is_elsewhere(like, now) or self._other_scene.lasted(moment) >= self._other_seconds:
            seen.add(PictureFault.MOVED)
        return seen

    def _is_elsewhere(self, like: Likeness, now: Measures) -> bool:
        """True when the scene is there, at another place in the picture. Each new place is a new beginning: shaking."""
        if like.same >= 0.7:
            return False
        right, down, agreement = self._scene.shift(now)
        if max(abs(right), abs(down)) <= 0.015 or agreement <= 0.55 or agreement - like.same <= 0.25:
            return False
        if max(abs(right - self._place[0]), abs(down - self._place[1])) > 0.015:
            self._place = (right, down)
            self._held[PictureFault.MOVED].since = None
        return True

    def _begin(self, moment: Moment) -> list[PictureChange]:
        if self._on is not None:
            return []
        for fault, hold in self._holds.items():
            held = self._held[fault]
            wait = max(hold, self._news.patience) if fault is PictureFault.FROZEN else hold
            if held.since is not None and held.pictures > 1 and moment.is_after(held.since.pts, wait):
                self._on = PictureChange(fault=fault, is_on=True, since=held.since)
                self._began, self._good_since = moment.pts, None
                self._news.count = 0
                return [self._on]
        return []

    def _end(self, now: Measures, seen: set[PictureFault], moment: Moment) -> list[PictureChange]:
        if self._on is None:
            return []
        fault = self._on.fault
        if self._compares_with_first:
            seen = set() if self._first is not None and _has_changed(self._first, now, seen) else {fault}
        is_accepted = fault is PictureFault.MOVED or self._compares_with_first
        if is_accepted and moment.is_after(self._began, _ACCEPT_SECONDS):
            self._scene.forget()
        elif not self._is_over(fault, seen, moment):
            return []
        if self._compares_with_first:
            self._scene.forget()
        over, self._on, self._compares_with_first = replace(self._on, is_on=False), None, False
        self._held[fault].since = self._other_scene.since = None
        return [over]

    def _is_over(self, fault: PictureFault, seen: set[PictureFault], moment: Moment) -> bool:
        if fault is PictureFault.FROZEN:
            return self._news.count >= _FEW_NEWS
        if fault in seen:
            self._good_since = None
            return False
        if self._good_since is None:
            self._good_since = moment.pts
        return moment.is_after(self._good_since, _CLEAR_SECONDS)


def _has_changed(first: Measures, now: Measures, seen: set[PictureFault]) -> bool:
    """True when there is far more or less to see than in the first picture, or it is another scene."""
    edges = float(now.edges.sum() + 1e-6) / float(first.edges.sum() + 1e-6)
    fine = float(np.median(now.fine) + LITTLE_DETAIL) / float(np.median(first.fine) + LITTLE_DETAIL)
    return not 0.5 < edges < 2.0 or fine > 3.0 or not seen.isdisjoint(_NEEDS_SCENE)


class _Held:
    """Since when a condition holds, breaks of up to some seconds apart."""

    def __init__(self, longest_break: float = _BREAK_SECONDS) -> None:
        self._longest_break = longest_break
        self.since: Moment | None = None
        self.pictures = 0
        self._latest = 0.0

    def see(self, holds: bool, moment: Moment) -> None:
        if holds:
            if self.since is None:
                self.since, self.pictures = moment, 0
            self.pictures += 1
            self._latest = moment.pts
        elif moment.pts - self._latest > self._longest_break:
            self.since = None

    def lasted(self, moment: Moment) -> float:
        return -1.0 if self.since is None else moment.pts - self.since.pts


class _News:
    """Whether a picture brings anything that the last few did not.

    A sensor never gives the same picture twice, but an encoder may send a still scene without its noise: then pictures
    repeat until the next key frame, which carries new noise. An encoder of a frozen picture also sends small changes of
    its own making at each key frame, and these repeat. So a picture is compared with the last few that were new, not
    with the one before it: it is news when it differs from all of them by more than an encoder does by itself, or
    anywhere by more than an encoder ever does (a clock in the picture, somebody far away). The patience grows with the
    longest silence that ended by itself, for encoders that go longer without a key frame.
    """

    def __init__(self) -> None:
        self._known: deque[npt.NDArray[np.uint8]] = deque(maxlen=8)
        self._latest = 0.0
        self.patience = 0.0
        """Seconds without news that this camera is known to need."""
        self.count = 0
        """New pictures since it was last set to 0, or since the last silence too long for any encoder."""

    def forget(self) -> None:
        """The next picture is the first; the patience stays."""
        self._known.clear()

    def is_quiet(self, samples: npt.NDArray[np.uint8], time: float) -> bool:
        """True when `samples` say nothing new."""
        if any(_alike(samples, one) for one in self._known):
            return True
        silence = time - self._latest if self._known else 0.0
        if silence <= _LONGEST_QUIET:
            self.patience = min(max(self.patience, _QUIET_FACTOR * silence), _LONGEST_QUIET)
        self.count = self.count + 1 if silence <= _LONGEST_QUIET else 1
        self._known.append(samples)
        self._latest = time
        return False


def _alike(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> bool:
    """Same but for an encoder's own doing: 0.8 levels on average, 64 anywhere.

    Measured with x264 at CRF 28 and 36: a frozen picture changes by up to 0.64 (59 anywhere) at a key frame, a still
    scene whose sensor has noise of 0.7 levels by 1.0 and more.
    """
    if one.shape != other.shape:
        return False
    return cv2.norm(one, other, cv2.NORM_L1) <= 0.8 * one.size and cv2.norm(one, other, cv2.NORM_INF) <= 64
