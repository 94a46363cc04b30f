"""What a camera usually shows: its edges and its detail, learned slowly, and how a picture compares with them."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from gridwatch.detectors.picture_measures import Measures, Plane, cells_of

LITTLE_DETAIL: Final = 2e-4
"""Of `Measures.fine`, what says nothing: the samples have 0.01 to 0.03, 0.0005 to 0.002 when a little out of focus, and
up to 0.0003 under a cloth."""
_LEARN_SECONDS: Final = 5.0
_LEARN_PICTURES: Final = 10
_FOLLOW_SECONDS: Final = 60.0
"""Time constant with which the reference follows what is healthy: dusk and parked cars, not a hand over the lens."""
_STEP_SECONDS: Final = 1.0
"""What is learned is learned from one picture in so long."""
_STEADY: Final = 0.5
"""Mean length of the edge direction from which an edge belongs to the scene: passers-by average out."""
_TEXTURED: Final = 0.05
"""Share of steady edges from which a cell can say anything."""
_FEW: Final = 0.01
"""A scene with a smaller share of steady edges (fog, a wall) is not compared."""
_LEAST_OVERLAP: Final = 0.3


@dataclass(frozen=True, kw_only=True, slots=True)
class Likeness:
    """How a picture compares with what the camera usually shows."""

    same: float
    """Agreement of edge directions where the scene has steady edges: 1 all as usual, 0 nothing of it."""
    edges: float
    """Edges in the picture over what is usual."""
    fine: float
    """Finest detail over what is usual, median over the textured cells that have some."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Steady:
    """The edges that belong to the scene."""

    cosine: Plane
    sine: Plane
    total: float
    """Sum of their strengths."""
    textured: npt.NDArray[np.bool_]
    """Cells with enough of them."""


class SceneReference:
    """Learns a scene and compares pictures with it. Not thread-safe; deterministic."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Learn anew from the next picture on."""
        self._pictures = 0
        self._began = 0.0
        self._updated = 0.0
        self._mean: Measures | None = None
        self._steady: _Steady | None = None

    def compare(self, now: Measures, time: float) -> Likeness | None:
        """None while it is still learning, or when the scene has too little to compare."""
        mean = self._mean
        if mean is None or mean.samples.shape != now.samples.shape:
            return None
        if not self._has_learned(time):
            return None
        if self._steady is None:
            self._steady = _steady_edges(mean)
        steady = self._steady
        if steady.total < _FEW * mean.cosine.size:
            return None
        same = float(np.vdot(steady.cosine, now.cosine) + np.vdot(steady.sine, now.sine)) / steady.total
        # Where a scene has no detail, as one learned out of focus, there is none to lose.
        detailed = steady.textured & (mean.fine > LITTLE_DETAIL)
        fine = now.fine[detailed] / mean.fine[detailed]
        edges = float(now.edges.sum()) / float(mean.edges.sum())
        return Likeness(same=same, edges=edges, fine=float(np.median(fine)) if fine.size else 1.0)

    def shift(self, now: Measures) -> tuple[float, float, float]:
        """How far the scene moved in the picture, as shares of its width and height, and the agreement after it (0..1).

        The peak of the cross-correlation of edge directions taken as complex numbers (by FFT, as in phase
        correlation), then the agreement over what both pictures show. (0, 0, 0) when nothing fits or is known.
        """
        mean = self._mean
        if mean is None:
            return 0.0, 0.0, 0.0
        before, after = mean.cosine + 1j * mean.sine, now.cosine + 1j * now.sine
        height, width = before.shape
        found = np.fft.ifft2(np.fft.fft2(after) * np.conj(np.fft.fft2(before))).real
        down, right = np.unravel_index(int(np.argmax(found)), found.shape)
        best = (0.0, 0.0, 0.0)
        for dy in (int(down), int(down) - height):
            for dx in (int(right), int(right) - width):
                agreement = _agreement(before, after, dx, dy)
                if agreement > best[2]:
                    best = (dx / width, dy / height, agreement)
        return best

    def learn(self, now: Measures, time: float) -> None:
        """Follow a healthy picture."""
        mean = self._mean
        if mean is None or mean.samples.shape != now.samples.shape:
            self.forget()
            self._began = self._updated = time
            self._pictures = 1
            self._mean = _copy(now)
            return
        if self._has_learned(time) and time - self._updated < _STEP_SECONDS:
            return
        self._pictures += 1
        self._steady = None
        elapsed, self._updated = time - self._updated, time
        share = 1.0 - float(np.exp(-elapsed / _FOLLOW_SECONDS))
        if time - self._began <= _FOLLOW_SECONDS:
            share = max(share, 1.0 / self._pictures)
        for name in ("cosine", "sine", "fine", "edges"):
            cv2.accumulateWeighted(getattr(now, name), getattr(mean, name), share)

    def _has_learned(self, time: float) -> bool:
        return self._pictures >= _LEARN_PICTURES and time - self._began >= _LEARN_SECONDS


def _steady_edges(mean: Measures) -> _Steady:
    strength = np.hypot(mean.cosine, mean.sine)
    steady = strength > _STEADY
    return _Steady(
        cosine=np.where(steady, mean.cosine, np.float32(0)), sine=np.where(steady, mean.sine, np.float32(0)),
        total=float(strength[steady].sum()),
        textured=cells_of(np.where(steady, strength, np.float32(0)), mean.edges) > _TEXTURED,
    )  # fmt: skip


def _copy(now: Measures) -> Measures:
    return Measures(
        samples=now.samples, mean=now.mean, dark=now.dark, light=now.light, fine=now.fine.copy(),
        cosine=now.cosine.copy(), sine=now.sine.copy(), edges=now.edges.copy(),
    )  # fmt: skip


def _agreement(before: npt.NDArray[np.complex64], after: npt.NDArray[np.complex64], dx: int, dy: int) -> float:
    """Agreement of steady edges in what both show when `after` is `before` moved by (dx, dy); 0 when that is little."""
    height, width = before.shape
    if (height - abs(dy)) * (width - abs(dx)) < _LEAST_OVERLAP * height * width:
        return 0.0
    was = before[max(0, -dy) : height - max(0, dy), max(0, -dx) : width - max(0, dx)]
    is_now = after[max(0, dy) : height - max(0, -dy), max(0, dx) : width - max(0, -dx)]
    strength = np.abs(was)
    steady = strength > _STEADY
    total = float(strength[steady].sum())
    if total < _FEW * before.size * _LEAST_OVERLAP:
        return 0.0
    return float((was * np.conj(is_now)).real[steady].sum()) / total
