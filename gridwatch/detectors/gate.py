"""The motion gate: which pictures are worth the detector. Most cameras see nothing most of the time.

A closed gate means that nothing changed since the last picture that was looked at. That holds because it opens

* while the picture differs from its running average, and for `hold_seconds` after;
* while the tracker is unsettled (somebody was missed or is new), since another picture would tell;
* every `heartbeat_seconds` while somebody is tracked, and for `recent_seconds` after, because who stands still melts
  into the average (crowds, intruders who wait);
* every `idle_seconds` in any case, for what came too slowly or too faintly to see.

A change of most of the picture (light switched, camera turned) starts a new average and keeps the gate open meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from gridwatch.domain import Box, Image

_WIDTH: Final = 320
"""Pixels the picture is judged at: a person whom the detector finds at 416 pixels is still 15 high."""

_JOIN: Final = np.ones((7, 7), np.uint8)
"""Parts of one patch: legs and head of a person whose coat is as grey as the road are 6 pixels apart."""
_LEAST_PATCH: Final = 100
"""Pixels of a patch, joined: a speck of 4x4."""


class GateReason(StrEnum):
    """Why a picture goes to the detector, or not."""

    FIRST = "first"  # nothing to compare with
    MOTION = "motion"  # it differs from the running average
    GLOBAL = "global"  # nearly all of it differs: a new average starts
    HOLD = "hold"  # motion ended a moment ago
    UNSETTLED = "unsettled"  # the tracker wants another look
    HEARTBEAT = "heartbeat"  # nothing moves; looked at in case somebody stands there
    CLOSED = "closed"  # nothing changed

    @property
    def is_open(self) -> bool:
        """True when the picture is to be looked at."""
        return self is not GateReason.CLOSED


@dataclass(frozen=True, kw_only=True, slots=True)
class GateSettings:
    """Set for missing nothing: an open gate costs a detection, a wrongly closed one an incident."""

    difference: int = 14
    """Levels a pixel must differ by in one colour; sensor noise after the blur stays below 10."""
    area: float = 0.0003
    """Share of the picture that must differ: 17 pixels, half a person 15 pixels high."""
    global_area: float = 0.6
    settle_seconds: float = 4.0
    """Time constant of the running average."""
    hold_seconds: float = 2.0
    heartbeat_seconds: float = 2.0
    recent_seconds: float = 30.0
    idle_seconds: float = 10.0


class MotionGate:
    """One camera's gate. Deterministic; its only state is the average and four times. Not thread-safe."""

    def __init__(
        self, privacy: Sequence[Sequence[tuple[float, float]]] = (), settings: GateSettings = GateSettings()
    ) -> None:
        """`privacy`: polygons in fractions; what moves in them counts for nothing."""
        self._settings = settings
        self._privacy = privacy
        self._mask: npt.NDArray[np.uint8] | None = None
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next picture is the first."""
        self._average: npt.NDArray[np.float32] | None = None
        self._differs: npt.NDArray[np.uint8] | None = None
        self._steady = False
        self._sums: npt.NDArray[np.int32] | None = None
        self._updated = 0.0
        self._moved = float("-inf")
        self._tracked = float("-inf")
        self._looked = float("-inf")

    @property
    def is_idle(self) -> bool:
        """True when nothing has moved and nobody was tracked for `recent_seconds`: heartbeats are far apart."""
        return self._updated - max(self._tracked, self._moved) > self._settings.recent_seconds

    def judge(self, image: Image, pts: float, *, tracked: bool, unsettled: bool) -> GateReason:
        """Whether to look at `image`, taken at `pts` seconds, not before the last.

        `tracked`: the tracker has tracks; `unsettled`: it missed one in the latest picture or has an unconfirmed one.
        """
        small = self._shrink(image)
        changed = self._changed(small, pts)
        settings = self._settings
        if tracked:
            self._tracked = pts
        recent = pts - max(self._tracked, self._moved) <= settings.recent_seconds
        beat = settings.heartbeat_seconds if recent else settings.idle_seconds
        if changed is None:
            reason = GateReason.FIRST
        elif changed >= settings.global_area:
            reason = GateReason.GLOBAL
        elif changed >= settings.area:
            reason = GateReason.MOTION
        elif pts - self._moved <= settings.hold_seconds:
            reason = GateReason.HOLD
        elif unsettled:
            reason = GateReason.UNSETTLED
        elif pts - self._looked >= beat:
            reason = GateReason.HEARTBEAT
        else:
            reason = GateReason.CLOSED
        if reason in (GateReason.FIRST, GateReason.GLOBAL, GateReason.MOTION):
            self._moved = pts
        if reason in (GateReason.FIRST, GateReason.GLOBAL):
            self._differs = None if reason is GateReason.FIRST else self._but_for_the_light(small)
            self._average, self._sums = small.astype(np.float32), None
        self._steady = reason not in (GateReason.FIRST, GateReason.GLOBAL)
        if reason.is_open:
            self._looked = pts
        return reason

    def moving(self) -> list[Box]:
        """A box for each patch of the latest picture that differs; none where most of it did."""
        if self._differs is None or not self._steady:
            return []
        joined = cv2.dilate(self._differs, _JOIN)
        _, _, patches, _ = cv2.connectedComponentsWithStats(joined)
        height, width = joined.shape
        return [
            Box(
                x1=_shrunk(x, 0) / width, y1=_shrunk(y, 0) / height,
                x2=_shrunk(x + w, width) / width, y2=_shrunk(y + h, height) / height,
            )
            for x, y, w, h, area in patches[1:].tolist()
            if area >= _LEAST_PATCH
        ]  # fmt: skip

    def share_moving(self, box: Box) -> float:
        """Share of `box`, 0..1, that differs in the latest picture."""
        if self._differs is None:
            return 0.0
        if self._sums is None:
            self._sums = np.asarray(cv2.integral(self._differs), np.int32)
        height, width = map(int, self._differs.shape)
        x1, y1 = int(box.x1 * width), int(box.y1 * height)
        x2, y2 = max(x1 + 1, round(box.x2 * width)), max(y1 + 1, round(box.y2 * height))
        x1, y1, x2, y2 = min(x1, width - 1), min(y1, height - 1), min(x2, width), min(y2, height)
        sums = self._sums
        inside = int(sums[y2, x2]) - int(sums[y1, x2]) - int(sums[y2, x1]) + int(sums[y1, x1])
        return inside / ((x2 - x1) * (y2 - y1))

    def _but_for_the_light(self, small: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8] | None:
        """What differs beyond a change of light, or of the exposure because of what came; None without an average."""
        if self._average is None:
            return None
        light = np.median((small - self._average)[::4, ::4], axis=(0, 1))
        shifted = (self._average + light).astype(np.float32)
        differs = _differs(small, shifted, self._settings.difference)
        return differs if self._mask is None else np.asarray(cv2.bitwise_and(differs, self._mask), np.uint8)

    def _shrink(self, image: Image) -> npt.NDArray[np.uint8]:
        height = max(1, round(image.shape[0] * _WIDTH / image.shape[1]))
        small = cv2.resize(image, (_WIDTH, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(cv2.blur(small, (3, 3)), np.uint8)

    def _changed(self, small: npt.NDArray[np.uint8], pts: float) -> float | None:
        """Share of the watched picture that differs from the average, which then follows; None without one."""
        average = self._average
        elapsed, self._updated = pts - self._updated, pts
        if average is None or average.shape != small.shape:
            self._mask = _watched(self._privacy, small.shape)
            return None
        differs = _differs(small, average, self._settings.difference)
        watched = differs.size
        if self._mask is not None:
            differs = np.asarray(cv2.bitwise_and(differs, self._mask), np.uint8)
            watched = max(1, cv2.countNonZero(self._mask))
        self._differs, self._sums = differs, None
        cv2.accumulateWeighted(small, average, 1.0 - float(np.exp(-elapsed / self._settings.settle_seconds)))
        return cv2.countNonZero(differs) / watched


def _shrunk(side: int, edge: int) -> int:
    """A patch's side before it was joined to others, which moved it outwards but not over the picture's `edge`."""
    if side == edge:
        return side
    return side - _JOIN.shape[0] // 2 if edge else side + _JOIN.shape[0] // 2


def _differs(small: npt.NDArray[np.uint8], average: npt.NDArray[np.float32], difference: int) -> npt.NDArray[np.uint8]:
    """1 where a pixel differs by more than `difference` levels in one colour, else 0."""
    # The most of the three colours, not their luma: a red coat is as grey as the road it stands on.
    blue, green, red = cv2.split(cv2.absdiff(small, cv2.convertScaleAbs(average)))
    _, differs = cv2.threshold(cv2.max(cv2.max(blue, green), red), difference, 1, cv2.THRESH_BINARY)
    return np.asarray(differs, np.uint8)


def _watched(privacy: Sequence[Sequence[tuple[float, float]]], shape: tuple[int, ...]) -> npt.NDArray[np.uint8] | None:
    """1 outside the privacy zones, 0 inside; None without zones."""
    if not privacy:
        return None
    mask = np.ones(shape[:2], np.uint8)
    scale = np.array([shape[1], shape[0]])
    for zone in privacy:
        cv2.fillPoly(mask, [np.round(np.array(zone) * scale).astype(np.int32)], 0)
    return mask
