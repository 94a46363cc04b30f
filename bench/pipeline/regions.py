"""Frigate's way, made again for comparison from its documentation and the names of its settings, with our detector.

An ffmpeg child decodes every picture and hands 5 a second over a pipe as raw YUV. For each:

* Motion on the luma at a height of 100: contrast stretched, blurred, compared with a running average (`frame_alpha`
  .01, .2 while calibrating), threshold 30, dilated, contours of area 10 or more. While it calibrates, or more than 80 %
  of the picture moves, motion gives no regions.
* Boxes of tracked objects, and motion outside their regions, are clustered into square regions of at least 320 pixels
  (1.35 times their extent); each is cut out, scaled to the network's square input and detected in.
* Objects that have stood still for 10 s are looked at again only when something moves on them, or every 10 s.

What it has and this has not, costs it more: a process each for capture and detection with pictures passed through
shared memory, Norfair instead of our tracker, zones, events, pictures for its page.
"""

import math
import subprocess
from collections.abc import Iterator, Sequence
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from gridwatch.detectors import Detector
from gridwatch.detectors.tracker import TrackerSettings, TrackerState, track
from gridwatch.domain import Box, Detection

FPS: Final = 5
_LEAST_REGION: Final = 320
_LONGEST_CALIBRATION: Final = 10 * FPS
"""Our addition: this street is never so calm that it would be calibrated, and nothing would ever be detected."""
_TRACKED: Final = "person"
"""The only class tracked unless its settings say otherwise, and the one our rules watch."""
_LEAST_SCORE: Final = 0.4
"""What is tracked; the score from which our rules count an object."""
_STATIONARY_FRAMES: Final = 10 * FPS

Rectangle = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels."""
Yuv = npt.NDArray[np.uint8]
"""I420: luma, then both chromas, height * 3 / 2 rows."""


def raw_pictures(url: str, size: tuple[int, int]) -> Iterator[Yuv]:
    """Pictures of `size` (width, height) from an ffmpeg child, until it ends or the iterator is closed."""
    width, height = size
    command = [
        "ffmpeg", "-v", "error", "-nostdin", "-threads", "1", "-rtsp_transport", "tcp", "-i", url,
        "-r", str(FPS), "-pix_fmt", "yuv420p", "-f", "rawvideo", "pipe:",
    ]  # fmt: skip
    count = width * height * 3 // 2
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None  # noqa: S101 - asked for
        try:
            while len(data := child.stdout.read(count)) == count:
                yield np.frombuffer(data, np.uint8).reshape(height * 3 // 2, width)
        finally:
            child.kill()  # it would complain of the closed pipe otherwise


class Motion:
    """Where the luma differs from its running average."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._scale = size[1] / 100
        self._size = (100 * size[0] // size[1], 100)
        # Both begin with the first picture, and not black and at full contrast, or it would see motion for a minute.
        self._average: npt.NDArray[np.float32] | None = None
        self._contrast: list[tuple[float, float]] = []
        self._frames = self._calibrated_for = 0
        self.calibrating = True

    def boxes(self, luma: npt.NDArray[np.uint8]) -> list[Rectangle]:
        """Of the picture's pixels."""
        small = np.asarray(cv2.resize(luma, self._size, interpolation=cv2.INTER_NEAREST), np.uint8)
        small = np.asarray(cv2.GaussianBlur(self._stretched(small), (3, 3), 1.0), np.uint8)
        if self._average is None:
            self._average = small.astype(np.float32)
        difference = cv2.absdiff(small, cv2.convertScaleAbs(self._average))
        _, differs = cv2.threshold(difference, 30, 255, cv2.THRESH_BINARY)
        contours, _ = cv2.findContours(
            cv2.dilate(differs, np.ones((3, 3), np.uint8)), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
        )
        areas = [cv2.contourArea(one) for one in contours]
        found = [cv2.boundingRect(one) for one, area in zip(contours, areas, strict=True) if area > 10]
        share = sum(areas) / differs.size
        self._calibrated_for += 1
        if (share < 0.05 and len(found) <= 4) or self._calibrated_for > _LONGEST_CALIBRATION:
            self.calibrating = False
        if share > 0.8:
            self.calibrating, self._calibrated_for = True, 0
        self._frames = self._frames + 1 if found else 0
        if not found or self._frames >= 10:
            cv2.accumulateWeighted(small, self._average, 0.2 if self.calibrating else 0.01)
        scale = self._scale
        return [(int(x * scale), int(y * scale), int((x + w) * scale), int((y + h) * scale)) for x, y, w, h in found]

    def _stretched(self, small: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        low, high = np.percentile(small, (4, 96))
        if low < high:
            self._contrast = [*self._contrast[-49:], (float(low), float(high))]
            low, high = np.mean(self._contrast, axis=0)
            small = ((np.clip(small, low, high) - low) / (high - low) * 255).astype(np.uint8)
        return small


class RegionPipeline:
    """One camera. `seen` counts pictures, `regions` the regions detected in."""

    def __init__(self, detector: Detector, size: tuple[int, int]) -> None:
        self._detector = detector
        self._width, self._height = size
        self._motion = Motion(size)
        self._settings = TrackerSettings(aspect=size[0] / size[1])
        self._tracker = TrackerState()
        self._tracks: list[tuple[int, Box, Detection]] = []
        """Number, box and last class of what is tracked."""
        self._still: dict[int, tuple[Box, int]] = {}
        """By track: where it was when it moved last, and for how many pictures it has been there."""
        self._since_stationary = 0
        self.seen = 0
        self.regions = 0

    def look(self, picture: Yuv) -> None:
        """The next picture: motion, regions, detections, tracks."""
        moving = self._motion.boxes(picture[: self._height])
        tracks = self._tracks
        stationary = self._stationary(tracks, moving)
        wanted = [self._pixels(box) for number, box, _ in tracks if number not in stationary]
        regions = self._clustered(wanted)
        if not self._motion.calibrating:
            outside = [one for one in moving if not any(_inside(one, region) for region in regions)]
            regions += self._clustered(outside)
        found = [detection for number, _, detection in tracks if number in stationary]
        for region in regions:
            found += self._detect(picture, region)
        found = _one_each(found)
        step = track(self._tracker, self.seen / FPS, found, self._settings)
        self._tracker = step.state
        self._tracks = [
            (one.id, one.box, Detection(box=one.box, label=one.label, score=one.score)) for one in step.tracks
        ]
        self.seen += 1
        self.regions += len(regions)

    def _stationary(self, tracks: Sequence[tuple[int, Box, Detection]], moving: Sequence[Rectangle]) -> set[int]:
        self._still = {
            number: (box, 0) if number not in self._still or self._still[number][0].iou(box) < 0.6
            else (self._still[number][0], self._still[number][1] + 1)
            for number, box, _ in tracks
        }  # fmt: skip
        self._since_stationary += 1
        if self._since_stationary > _STATIONARY_FRAMES:
            self._since_stationary = 0
            return set()
        calm = [] if self._motion.calibrating else moving
        return {
            number for number, box, _ in tracks
            if self._still[number][1] >= _STATIONARY_FRAMES
            and not any(_overlap(self._pixels(box), one) for one in calm)
        }  # fmt: skip

    def _detect(self, picture: Yuv, region: Rectangle) -> list[Detection]:
        left, top, right, bottom = region
        crop = self._cut(picture, region)
        (found,) = self._detector.detect([np.asarray(cv2.cvtColor(crop, cv2.COLOR_YUV2BGR_I420), np.uint8)])
        width, height = right - left, bottom - top
        return [
            Detection(
                box=Box(
                    x1=min(1.0, (left + one.box.x1 * width) / self._width),
                    y1=min(1.0, (top + one.box.y1 * height) / self._height),
                    x2=min(1.0, (left + one.box.x2 * width) / self._width),
                    y2=min(1.0, (top + one.box.y2 * height) / self._height),
                ),
                label=one.label, score=one.score,
            )
            for one in found if one.label == _TRACKED and one.score >= _LEAST_SCORE
        ]  # fmt: skip

    def _cut(self, picture: Yuv, region: Rectangle) -> Yuv:
        """The region of an I420 picture as an I420 picture; beyond the edge it is black."""
        left, top, right, bottom = region
        size = (right - left) // 4 * 4
        width, height = min(right, self._width) - left, min(bottom, self._height) - top
        cut = np.full((size * 3 // 2, size), 128, np.uint8)
        cut[:size] = 16
        cut[:height, :width] = picture[top : top + height, left : left + width]
        chroma = picture[self._height :].reshape(2, self._height // 2, self._width // 2)
        target = cut[size:].reshape(2, size // 2, size // 2)
        rows, columns = height // 2, width // 2
        target[:, :rows, :columns] = chroma[:, top // 2 : top // 2 + rows, left // 2 : left // 2 + columns]
        return cut

    def _pixels(self, box: Box) -> Rectangle:
        return (
            int(box.x1 * self._width), int(box.y1 * self._height),
            int(box.x2 * self._width), int(box.y2 * self._height),
        )  # fmt: skip

    def _clustered(self, boxes: Sequence[Rectangle]) -> list[Rectangle]:
        """Regions that hold all of `boxes`: those near each other in one, unless they would be too small in it."""
        clusters: list[list[Rectangle]] = []
        used: set[int] = set()
        for index, box in enumerate(boxes):
            if index in used:
                continue
            used.add(index)
            cluster = [box]
            reach = _reach(box)
            for other, candidate in enumerate(boxes):
                if other in used or not _inside(candidate, reach):
                    continue
                region = self._region([*cluster, candidate])
                large = region[2] - region[0] > _LEAST_REGION
                if large and any(_area(one) / _area(region) < 0.05 for one in (*cluster, candidate)):
                    continue
                cluster.append(candidate)
                used.add(other)
            clusters.append(cluster)
        return [self._region(cluster) for cluster in clusters]

    def _region(self, cluster: Sequence[Rectangle]) -> Rectangle:
        left, top = min(one[0] for one in cluster), min(one[1] for one in cluster)
        right, bottom = max(one[2] for one in cluster), max(one[3] for one in cluster)
        size = max(_LEAST_REGION, int(max(right - left, bottom - top) * 1.35) // 4 * 4)
        x = min(max(0, (left + right - size) // 2), max(0, self._width - size)) // 2 * 2
        y = min(max(0, (top + bottom - size) // 2), max(0, self._height - size)) // 2 * 2
        return x, y, x + size, y + size


def _one_each(found: Sequence[Detection]) -> list[Detection]:
    """Without what several regions saw of one object: the better of two that overlap by .4 or lie in each other."""
    kept: list[Detection] = []
    for one in sorted(found, key=lambda one: -one.score):
        if not any(other.box.iou(one.box) > 0.4 or _share_within(one.box, other.box) > 0.75 for other in kept):
            kept.append(one)
    return kept


def _share_within(one: Box, other: Box) -> float:
    """Of the smaller box, how much lies in the other."""
    width, height = min(one.x2, other.x2) - max(one.x1, other.x1), min(one.y2, other.y2) - max(one.y1, other.y1)
    return max(0.0, width) * max(0.0, height) / max(1e-9, min(one.area, other.area))


def _reach(box: Rectangle) -> Rectangle:
    """How far away others may be to share a region with `box`: it is to be a tenth of the region's area at least."""
    size = max(_LEAST_REGION, int(math.sqrt(_area(box) / 0.1)))
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    across, down = size - (box[2] - box[0]) / 2 * 1.1, size - (box[3] - box[1]) / 2 * 1.1
    return int(x - across), int(y - down), int(x + across), int(y + down)


def _area(box: Rectangle) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


def _inside(inner: Rectangle, outer: Rectangle) -> bool:
    return inner[0] >= outer[0] and inner[1] >= outer[1] and inner[2] <= outer[2] and inner[3] <= outer[3]


def _overlap(one: Rectangle, other: Rectangle) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]
