"""Faults put into sample streams, and what picture health makes of them.

`python -m tests.unit.detectors.picture_faults` prints the tables of docs/health.md.
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np

from gridwatch.config import HealthConfig
from gridwatch.detectors.picture import PictureFault, PictureHealth
from gridwatch.detectors.rules import Moment
from gridwatch.domain import Image
from gridwatch.ingest import recorded_frames

STREAMS = Path(__file__).parents[3] / "samples" / "streams"
CLEAN = tuple(sorted(one.stem for one in STREAMS.glob("*.mp4") if one.stem != "covered-lens"))
RECORDED = "pets2009-s2l1-street"
FPS = 5
START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
FAULT_AT, FAULT_SECONDS, AFTER = 12.0, 20.0, 8.0

Change = tuple[float, str, bool]
"""Seconds, fault, whether it began."""
Spoil = Callable[[Image], Image]


@cache
def pictures(clip: str) -> tuple[Image, ...]:
    """Those of a sample stream at 5 a second."""
    return tuple(frame.image for frame in recorded_frames(STREAMS / f"{clip}.mp4", clip, FPS, START))


def judge(images: Iterable[Image], settings: HealthConfig | None = None, fps: float = FPS) -> list[Change]:
    """What picture health says of `images`."""
    health, said = PictureHealth(settings or HealthConfig()), []
    for i, image in enumerate(images):
        moment = Moment(pts=i / fps, at=START + timedelta(seconds=i / fps))
        said += [(i / fps, str(one.fault), one.is_on) for one in health.look(image, moment)]
    return said


def shifted(image: Image, right: float, down: float = 0.0) -> Image:
    height, width = image.shape[:2]
    matrix = np.array([[1, 0, right * width], [0, 1, down * height]], np.float32)
    return np.asarray(cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8)


def turned(image: Image, degrees: float) -> Image:
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    return np.asarray(cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8)


def lit(image: Image, gain: float, more: float = 0.0) -> Image:
    return np.asarray(cv2.convertScaleAbs(image, alpha=gain, beta=more), np.uint8)


def blurred(image: Image, sigma: float) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


def cloth(image: Image) -> Image:
    """Grey, with a little of the light that comes through."""
    height, width = image.shape[:2]
    glow = cv2.resize(cv2.resize(image, (4, 3), interpolation=cv2.INTER_AREA), (width, height))
    return lit(np.asarray(glow, np.uint8), 0.1, 70.0)


def bus(image: Image, share: float) -> Image:
    """A bus over so much of the width and height, with windows."""
    out = image.copy()
    height, width = out.shape[:2]
    left, right, top = round((1 - share) / 2 * width), round((1 + share) / 2 * width), round((1 - share) * height)
    out[top:, left:right] = (60, 140, 180)
    for x in range(left, right, width // 8):
        out[top + height // 10 : top + height // 3, x + 10 : min(x + width // 8 - 10, right)] = (40, 40, 35)
    return out


FAULTS: dict[str, tuple[PictureFault, Spoil | None]] = {
    "frozen": (PictureFault.FROZEN, None),
    "black": (PictureFault.BLACK, lambda image: lit(image, 0.02)),
    "over-bright": (PictureFault.BRIGHT, lambda image: lit(image, 2.0, 150.0)),
    "covered by grey cloth": (PictureFault.COVERED, cloth),
    "covered by a hand": (PictureFault.COVERED, lambda image: np.full_like(image, (80, 100, 150))),
    "blurred, sigma 2": (PictureFault.BLURRED, lambda image: blurred(image, 2.0)),
    "blurred, sigma 6": (PictureFault.BLURRED, lambda image: blurred(image, 6.0)),
    "moved by 2 %": (PictureFault.MOVED, lambda image: shifted(image, 0.02)),
    "moved by 20 %": (PictureFault.MOVED, lambda image: shifted(image, 0.2)),
    "moved by 45 %": (PictureFault.MOVED, lambda image: shifted(image, 0.45)),
    "tilted down by 15 %": (PictureFault.MOVED, lambda image: shifted(image, 0.0, -0.15)),
    "turned by 5 degrees": (PictureFault.MOVED, lambda image: turned(image, 5.0)),
    "another scene": (PictureFault.MOVED, lambda image: np.ascontiguousarray(image[::-1, ::-1])),
}

HARMLESS: dict[str, Spoil] = {
    "light halved": lambda image: lit(image, 0.5),
    "light to a quarter": lambda image: lit(image, 0.25),
    "light up by 60 %": lambda image: lit(image, 1.6),
    "infrared turns light and dark around": lambda image: np.asarray(255 - image, np.uint8),
    "a bus over 60 % of the view, standing": lambda image: bus(image, 0.6),
    "a bus over 80 % of the view, standing": lambda image: bus(image, 0.8),
    "half the lens covered": lambda image: np.hstack(
        [image[:, : image.shape[1] // 2], np.full_like(image[:, image.shape[1] // 2 :], 30)]
    ),
}


def with_fault(clip: str, spoil: Spoil | None) -> list[Image]:
    """A clip twice over, spoiled from FAULT_AT for FAULT_SECONDS; None: frozen."""
    begin, end = round(FAULT_AT * FPS), round((FAULT_AT + FAULT_SECONDS) * FPS)
    whole = (pictures(clip) * 3)[: end + round(AFTER * FPS)]
    middle = [whole[begin]] * (end - begin) if spoil is None else [spoil(image) for image in whole[begin:end]]
    return [*whole[:begin], *middle, *whole[end:]]


def encoded(images: Sequence[Image], path: Path, fps: int, **options: str) -> list[Image]:
    """`images` after an H.264 encoder, without B-frames as cameras do."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps))
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "veryfast", "bf": "0", "sc_threshold": "0", "x264-params": "log-level=error"}
        stream.options = {**stream.options, **options}
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))
    with av.open(str(path)) as container:
        return [np.asarray(frame.to_ndarray(format="bgr24"), np.uint8) for frame in container.decode(video=0)]


def delays(said: Sequence[Change]) -> tuple[str, float, float] | None:
    """The one fault that was said, and how long after it began and ended; None when that is not what was said."""
    if len(said) != 2 or said[0][1] != said[1][1] or (said[0][2], said[1][2]) != (True, False):
        return None
    return said[0][1], said[0][0] - FAULT_AT, said[1][0] - FAULT_AT - FAULT_SECONDS


def table() -> str:
    """What docs/health.md shows, as Markdown."""
    clips = (RECORDED, "plaza-day", "road-dusk")
    lines = [f"| fault | {' | '.join(clips)} |", f"|---|{'---|' * len(clips)}"]
    for name, (fault, spoil) in FAULTS.items():
        found = [delays(judge(with_fault(clip, spoil))) for clip in clips]
        cells = [f"{one[1]:.1f} / {one[2]:.1f}" if one and one[0] == fault else "-" for one in found]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", f"| not a fault | {' | '.join(clips)} |", f"|---|{'---|' * len(clips)}"]
    for name, harmless in HARMLESS.items():
        lines.append(f"| {name} | {' | '.join(str(len(judge(with_fault(clip, harmless)))) for clip in clips)} |")
    lines += ["", "| clean stream, four times over | false alarms |", "|---|---|"]
    lines += [f"| {clip} | {len(judge(pictures(clip) * 4))} |" for clip in CLEAN]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table())
