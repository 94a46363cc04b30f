"""Decoded pictures to BGR arrays: at most MAX_WIDTH wide for analysis, at most SMALL_WIDTH to compare."""

from typing import Final, cast

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from gridwatch.domain import Image
from gridwatch.ingest.activity import SMALL_WIDTH

MAX_WIDTH: Final = 1280
"""Wider pictures are scaled down inside libswscale; no detector of ours looks at more."""
_UNSPECIFIED, _BT470BG, _SMPTE170M = 2, 5, 6
_BT601: Final = {_UNSPECIFIED, _BT470BG, _SMPTE170M}
"""AVColorSpace values of the matrix that OpenCV converts by. Libswscale takes what is unspecified for the same."""
_LIMITED: Final = {ColorRange.UNSPECIFIED, ColorRange.MPEG}


class Converter:
    """Not thread-safe: it keeps libswscale's tables from one picture to the next."""

    def __init__(self) -> None:
        self._scaler = VideoReformatter()
        self._shrinker = VideoReformatter()

    def bgr(self, frame: av.VideoFrame) -> Image:
        """`frame` for analysis. The array is the caller's."""
        width, height = frame.width, frame.height
        if width <= MAX_WIDTH and _is_plain(frame):
            # A third of libswscale's time; the levels differ by one or two. Without a copy, NV12 is what OpenCV takes.
            chroma = cv2.merge([_plane(frame, 1, width // 2), _plane(frame, 2, width // 2)])
            return np.asarray(cv2.cvtColorTwoPlane(_plane(frame, 0, width), chroma, cv2.COLOR_YUV2BGR_NV12), np.uint8)
        scale = min(1.0, MAX_WIDTH / width)
        bgr = self._scaler.reformat(
            frame,
            width=round(width * scale),
            height=round(height * scale),
            format="bgr24",
            # Without scaling this is exact conversion, which FAST_BILINEAR does in a quarter of BILINEAR's time.
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


def _is_plain(frame: av.VideoFrame) -> bool:
    """True for what nearly every camera sends: 4:2:0 with the range and matrix of television."""
    return (
        frame.format.name == "yuv420p"
        and frame.color_range in _LIMITED
        and frame.colorspace in _BT601
        and frame.width % 2 == 0
        and frame.height % 2 == 0
    )


def _plane(frame: av.VideoFrame, number: int, width: int) -> npt.NDArray[np.uint8]:
    plane = frame.planes[number]
    return np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height, :width]


def _array(bgr: av.VideoFrame) -> Image:
    """The pixels where they are, when they lie without gaps; they live as long as the array."""
    plane = bgr.planes[0]
    if plane.line_size == 3 * bgr.width:
        return np.frombuffer(memoryview(plane), np.uint8)[: 3 * bgr.width * bgr.height].reshape(
            bgr.height, bgr.width, 3
        )
    return cast("Image", bgr.to_ndarray())
