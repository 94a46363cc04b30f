"""Decoded pictures to BGR arrays: at most MAX_WIDTH wide for analysis, at most SMALL_WIDTH to compare."""

from typing import Final

import av
import cv2
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from gridwatch.domain import Image
from gridwatch.ingest.activity import SMALL_WIDTH

MAX_WIDTH: Final = 1280
"""Wider pictures are scaled down inside libswscale; no detector of ours looks at more."""


class Converter:
    """Not thread-safe: it keeps libswscale's tables from one picture to the next."""

    def __init__(self) -> None:
        self._scaler = VideoReformatter()
        self._shrinker = VideoReformatter()

    def bgr(self, frame: av.VideoFrame) -> Image:
        """`frame` for analysis. The array is the caller's."""
        width, height = frame.width, frame.height
        scale = min(1.0, MAX_WIDTH / width)
        bgr = self._scaler.reformat(
            frame,
            width=round(width * scale),
            height=round(height * scale),
            format="bgr24",
            # Without scaling it only converts, in vector instructions for what nearly every camera sends (4:2:0): in
            # 60 % of OpenCV's time, levels within 3 of the exact ones.
            interpolation=Interpolation.BILINEAR if scale < 1.0 else Interpolation.FAST_BILINEAR,
            threads=1,
        )
        return _array(bgr)

    def small(self, frame: av.VideoFrame) -> Image:
        """`frame` to compare with another (see `activity.differ`), a little blurred against noise."""
        # At least halved, since coding noise is of single pixels.
        width = min(SMALL_WIDTH, max(2, frame.width // 2))
        height = max(1, round(frame.height * width / frame.width))
        small = self._shrinker.reformat(
            frame, width=width, height=height, format="bgr24", interpolation=Interpolation.AREA, threads=1
        )
        return np.asarray(cv2.blur(_array(small), (3, 3)), np.uint8)


def _array(bgr: av.VideoFrame) -> Image:
    """The pixels where they are, when they lie without gaps; they live as long as the array. A copy otherwise."""
    plane = bgr.planes[0]
    lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return np.ascontiguousarray(lines[: bgr.height, : 3 * bgr.width]).reshape(bgr.height, bgr.width, 3)
