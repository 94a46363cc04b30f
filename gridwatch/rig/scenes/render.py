"""Pictures of a scene, and the H.264 file made of them."""

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.stream import VideoStream

from gridwatch.domain.frame import Image
from gridwatch.rig.errors import RigError
from gridwatch.rig.scenes.backdrop import backdrop
from gridwatch.rig.scenes.builtin import builtin_scenes
from gridwatch.rig.scenes.canvas import paint
from gridwatch.rig.scenes.document import deployment_document, truth_document
from gridwatch.rig.scenes.fire import paint_fire
from gridwatch.rig.scenes.model import QUALITY, Light, Scene
from gridwatch.rig.scenes.stage import place
from gridwatch.rig.scenes.weather import weather

GOP_SECONDS = 2
NOISE = {Light.DAY: 1.6, Light.DUSK: 3.0}
"""Standard deviation of the sensor noise in grey levels."""


def pictures(scene: Scene) -> Iterator[Image]:
    """Every picture of `scene` in order, BGR. The same scene gives the same pixels on the same libraries."""
    still = backdrop(scene)
    for index in range(scene.frames):
        yield picture(scene, still, index)


def picture(scene: Scene, still: Image, index: int) -> Image:
    """Picture `index` of `scene` over its backdrop `still`."""
    t = index / scene.fps
    out = still.copy()
    placed = [spot for name, actor in scene.actors.items() if (spot := place(name, actor, t, scene.view))]
    for spot in sorted(placed, key=lambda one: one.foot.y):
        paint(out, spot, scene.view, scene.light)
    if scene.fire:
        paint_fire(out, scene.fire, scene.view, t)
    out = weather(out, scene, index)
    rng = np.random.default_rng((scene.seed, index))
    if scene.cover:
        _cover(out, scene.cover.share(t))
    noise = rng.standard_normal(out.shape[:2], dtype=np.float32)[..., None]
    noise *= math.hypot(NOISE[scene.light], scene.conditions.grain)
    return np.asarray(np.clip(out + noise, 0, 255), np.uint8)


def _cover(out: Image, share: float) -> None:
    """Push a dark, unfocused edge over the picture from the right."""
    if share <= 0:
        return
    height, width = out.shape[:2]
    columns = np.linspace(0, 1, width, dtype=np.float32)
    shadow = np.clip((columns - (1 - share * 1.12)) / 0.12, 0, 1)  # 0.12: an edge out of focus
    wrinkle = np.linspace(0.8, 1.2, height, dtype=np.float32)[:, None, None]
    cloth = np.array((17, 15, 16), np.float32) * wrinkle
    alpha = shadow[None, :, None]
    blurred = cv2.GaussianBlur(out, (0, 0), 2) if share > 0.3 else out
    out[...] = np.clip(blurred * (1 - alpha) + cloth * alpha, 0, 255).astype(np.uint8)


def encode(images: Iterator[Image], out: Path, fps: Fraction, quality: int = QUALITY) -> None:
    """Write `images` as H.264 in MP4 that every client can cut and loop.

    One slice a picture and no B-frames (packets are in display order, so they can be passed through to RTP), a key
    frame every GOP_SECONDS. Raises RigError when `out` cannot be written or there is no picture.
    """
    first = next(images, None)
    if first is None:
        raise RigError(f"{out}: there is no picture to write")
    try:
        with av.open(str(out), "w", options={"movflags": "+faststart"}) as container:
            stream = container.add_stream("libx264", rate=fps)
            _set_up(stream, first, fps, quality)
            for image in _chain(first, images):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
            container.mux(stream.encode(None))
    except (OSError, av.FFmpegError) as exc:
        raise RigError(f"{out} could not be written: {exc}") from exc


def _set_up(stream: VideoStream, first: Image, fps: Fraction, quality: int) -> None:
    gop = round(fps * GOP_SECONDS)
    stream.height, stream.width = first.shape[:2]
    stream.pix_fmt = "yuv420p"
    # One thread: x264 gives the same bytes for the same pictures.
    stream.options = {
        "crf": str(quality), "preset": "slow", "bf": "0",
        "x264-params": f"slices=1:sliced-threads=0:threads=1:keyint={gop}:min-keyint={gop}:scenecut=0",
    }  # fmt: skip


def _chain(first: Image, rest: Iterator[Image]) -> Iterator[Image]:
    yield first
    yield from rest


def render(scene: Scene, out: Path, truth: Path) -> None:
    """Write the clip of `scene` to `out` and its ground truth to `truth`. Raises RigError when it cannot."""
    encode(pictures(scene), out, Fraction(scene.fps), scene.conditions.quality)
    _write(truth, truth_document(scene))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise RigError(f"{path} could not be written: {exc}") from exc


def render_kit(scene: Scene, folder: Path) -> None:
    """Write NAME.mp4, its truth NAME.json and the deployment that watches it, NAME.yaml, into `folder`.

    Raises RigError when it cannot.
    """
    render(scene, folder / f"{scene.name}.mp4", folder / f"{scene.name}.json")
    _write(folder / f"{scene.name}.yaml", deployment_document(scene))


def make_all(out: Path, progress: Callable[[str], None]) -> None:
    """Render every built-in scene into `out`/streams and `out`/truth, telling `progress` each name when it is done.

    Raises RigError when something cannot be written.
    """
    streams, truths = out / "streams", out / "truth"
    try:
        streams.mkdir(parents=True, exist_ok=True)
        truths.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise RigError(f"{out} cannot be made: {exc}") from exc
    for name, scene in builtin_scenes().items():
        render(scene, streams / f"{name}.mp4", truths / f"{name}.json")
        progress(name)
