"""What lies between a painted scene and its picture: clouds, rain, wind at the mast, an unsharp lens."""

import math

import cv2
import numpy as np

from gridwatch.domain.frame import Image
from gridwatch.rig.scenes.model import Scene

_STREAKS = 0.0012
"""Of rain, a pixel."""
_WET = (0.80, 0.80, 0.78)
"""How dark wet ground is: blue, green, red."""
_HAZE = 0.10
_DEFOCUS = 0.014
"""Standard deviation of the blur of a lens out of focus, in picture heights."""
_SWAYS = ((0.62, 0.45, 0.0), (1.7, 0.3, 1.3), (4.1, 0.25, 2.9))
"""Of a mast in the wind: hertz, share of the swing, phase. Sums to 1."""


def sway(scene: Scene, t: float) -> tuple[float, float]:
    """How far the picture is swung to the right and down at second `t`, in picture heights."""
    reach = scene.conditions.shake
    if reach == 0:
        return 0.0, 0.0
    across = sum(share * math.sin(2 * math.pi * hertz * t + phase) for hertz, share, phase in _SWAYS)
    along = sum(share * math.sin(2 * math.pi * 0.83 * hertz * t + 2 * phase + 1) for hertz, share, phase in _SWAYS)
    return reach * across, reach * 0.6 * along


def brightness(scene: Scene, t: float) -> float:
    """Share of the usual light at second `t`."""
    if not scene.sky:
        return 1.0
    times, levels = zip(*scene.sky, strict=True)
    return float(np.interp(t, times, levels))


def weather(picture: Image, scene: Scene, index: int) -> Image:
    """`picture`, number `index` of `scene`, as the lens sees it; may be the same array, changed."""
    t = index / scene.fps
    light = brightness(scene, t)
    if scene.conditions.rain:
        picture = _rain(picture, (scene.seed, index, 7))
    if light != 1.0:
        picture = np.clip(picture * np.float32(light), 0, 255).astype(np.uint8)
    right, down = sway(scene, t)
    if (right, down) != (0.0, 0.0):
        height, width = picture.shape[:2]
        move = np.array([[1, 0, right * height], [0, 1, down * height]], np.float32)
        picture = np.asarray(
            cv2.warpAffine(picture, move, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101),
            np.uint8,
        )
    if scene.defocus is not None and scene.defocus.holds(t):
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), _DEFOCUS * picture.shape[0]), np.uint8)
    return picture


def _rain(picture: Image, seed: tuple[int, ...]) -> Image:
    height, width = picture.shape[:2]
    rng = np.random.default_rng(seed)
    wet = picture.astype(np.float32) * np.array(_WET, np.float32) * (1 - _HAZE) + 150 * _HAZE
    streaks = np.zeros((height, width), np.uint8)
    for _ in range(round(_STREAKS * width * height)):
        x, y, near = rng.uniform(-0.05, 1.0) * width, rng.uniform(-0.1, 1.0) * height, rng.uniform(0.3, 1.0)
        length = 0.055 * near * height
        end = (round(x + 0.22 * length), round(y + length))
        cv2.line(streaks, (round(x), round(y)), end, round(120 * near), 1, cv2.LINE_AA)
    alpha = cv2.GaussianBlur(streaks, (0, 0), 0.6).astype(np.float32)[..., None] / 255
    return np.asarray(np.clip(wet * (1 - alpha) + 205 * alpha, 0, 255), np.uint8)
