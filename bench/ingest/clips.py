"""The two streams the bench plays, 1280x720 at 15 pictures a second, a keyframe every 2 s, no B pictures."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np

from gridwatch.domain.frame import Image

SIZE = (1280, 720)
FPS = 15
_SAMPLES = Path(__file__).parents[2] / "samples" / "streams"
_BITS = 2_000_000
_IDLE_QUALITY = 22.4
"""Of x264 (CRF)."""
_NOISE = 3.0
"""Grey levels of sensor noise: between the rig's day (1.6) and dusk (3) before the picture is enlarged."""


def busy(path: Path, seconds: float) -> Path:
    """People in a street, recorded (PETS 2009), enlarged; 2 Mbit/s."""
    with av.open(str(_SAMPLES / "pets2009-s2l1-street.mp4")) as container:
        pictures = (_enlarged(frame) for frame, _ in zip(container.decode(video=0), range(round(seconds * FPS))))  # noqa: B905
        return _encode(path, pictures)


def idle(path: Path, seconds: float) -> Path:
    """An empty square under sensor noise, at a steady quality (about 2 Mbit/s), so that it loops unseen."""
    with av.open(str(_SAMPLES / "plaza-day.mp4")) as container:
        still = _enlarged(next(container.decode(video=0)))
    return _encode(path, _noisy(still, round(seconds * FPS)), quality=_IDLE_QUALITY)


def empty(path: Path, seconds: float) -> Path:
    """A road with nobody on it under the same noise: nothing a detector would take for somebody."""
    with av.open(str(_SAMPLES / "road-day.mp4")) as container:
        seen = [_enlarged(frame) for number, frame in enumerate(container.decode(video=0)) if number % 20 == 0]
    still = np.median(seen, axis=0).astype(np.uint8)
    return _encode(path, _noisy(still, round(seconds * FPS)), quality=_IDLE_QUALITY)


def _enlarged(frame: av.VideoFrame) -> Image:
    return np.asarray(cv2.resize(frame.to_ndarray(format="bgr24"), SIZE, interpolation=cv2.INTER_CUBIC), np.uint8)


def _noisy(still: Image, count: int) -> Iterator[Image]:
    random = np.random.default_rng(1)
    for _ in range(count):
        noise = random.standard_normal(still.shape[:2], dtype=np.float32)[..., None] * _NOISE
        yield np.clip(still + noise, 0, 255).astype(np.uint8)


def _encode(path: Path, pictures: Iterable[Image], quality: float | None = None) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        gop = 2 * FPS
        stream.options = {
            "preset": "veryfast", "bf": "0", **({"b": str(_BITS)} if quality is None else {"crf": str(quality)}),
            "x264-params": f"slices=1:sliced-threads=0:keyint={gop}:min-keyint={gop}:scenecut=0:log-level=error",
        }  # fmt: skip
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    return path
