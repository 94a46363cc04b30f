"""A fire: flickering flame and rising smoke, out of puffs that are born at its foot and move up."""

import math

import cv2
import numpy as np

from gridwatch.domain import Box
from gridwatch.domain.frame import Image
from gridwatch.rig.scenes.model import Colour, Fire, View

_FLAMES, _PUFFS = 46, 34
_FLAME_SECONDS, _PUFF_SECONDS = 0.8, 3.6
"""How long a tongue of flame and a puff of smoke live."""
_SMOKE_RISE = 3.0
"""Height of the smoke in heights of the flame."""
_COLOURS: tuple[Colour, ...] = ((190, 245, 255), (60, 200, 255), (20, 130, 250), (10, 60, 205))
"""Of a tongue of flame while it rises: yellow-white at its foot, red at its tip."""
_GOLDEN = 0.6180339887
"""Spreads the births evenly and never in step."""


def strength(fire: Fire, t: float) -> float:
    """How much of its full height it has at second `t`, 0 before and after."""
    return max(0.0, min(1.0, (t - fire.start) / fire.grow, (fire.end - t) / fire.grow))


def fire_box(fire: Fire, view: View, t: float) -> Box | None:
    """Around the flames, in fractions; None while it does not burn."""
    grown = strength(fire, t)
    if grown <= 0:
        return None
    tall = fire.height * grown * view.metre(fire.at.y)
    half = 0.33 * tall / view.aspect
    return Box(x1=fire.at.x - half, y1=fire.at.y - tall, x2=fire.at.x + half, y2=fire.at.y)


def paint_fire(picture: Image, fire: Fire, view: View, t: float) -> None:
    """Draw it into `picture` (view.height x view.width), in place."""
    grown = strength(fire, t)
    if grown <= 0:
        return
    tall = fire.height * grown * view.metre(fire.at.y) * view.height
    foot = (fire.at.x * view.width, fire.at.y * view.height)
    _smoke(picture, foot, tall, t - fire.start)
    _flames(picture, foot, tall, t - fire.start)


def _flames(picture: Image, foot: tuple[float, float], tall: float, age: float) -> None:
    light = np.zeros_like(picture)
    mask = np.zeros(picture.shape[:2], np.uint8)
    for index in range(_FLAMES):
        life = (age / _FLAME_SECONDS + index * _GOLDEN) % 1.0
        birth = math.floor(age / _FLAME_SECONDS + index * _GOLDEN)
        wobble = math.sin(12.9898 * index + 78.233 * birth) * 43758.5453 % 1.0 - 0.5
        x = foot[0] + tall * (0.5 * wobble * (1 - 0.7 * life) + 0.06 * math.sin(9 * age + index))
        y = foot[1] - tall * (0.05 + 0.9 * life * (0.75 + 0.5 * wobble))
        colour = _COLOURS[min(len(_COLOURS) - 1, int(life * len(_COLOURS)))]
        radius = max(1, round(tall * 0.15 * (1 - 0.75 * life)))
        cv2.ellipse(light, (round(x), round(y)), (radius, round(radius * 1.7)), 0, 0, 360, colour, -1)
        cv2.ellipse(mask, (round(x), round(y)), (radius, round(radius * 1.7)), 0, 0, 360, 255, -1)
    soft = cv2.GaussianBlur(light, (0, 0), max(0.8, tall * 0.02))
    alpha = cv2.GaussianBlur(mask, (0, 0), max(0.8, tall * 0.02)).astype(np.float32)[..., None] / 255
    glow = cv2.GaussianBlur(light, (0, 0), max(2.0, tall * 0.3)).astype(np.float32) * 0.35
    picture[...] = np.clip(picture * (1 - alpha) + soft + glow * (1 - alpha), 0, 255).astype(np.uint8)


def _smoke(picture: Image, foot: tuple[float, float], tall: float, age: float) -> None:
    haze = np.zeros(picture.shape[:2], np.float32)
    for index in range(_PUFFS):
        life = (age / _PUFF_SECONDS + index * _GOLDEN) % 1.0
        if age < life * _PUFF_SECONDS:
            continue  # not born yet
        drift = 0.5 * life + 0.12 * math.sin(2.1 * age + 5 * index)
        x, y = foot[0] + tall * drift, foot[1] - tall * (0.7 + (_SMOKE_RISE - 0.7) * life)
        radius = max(2, round(tall * (0.16 + 0.5 * life)))
        puff = np.zeros_like(haze)
        cv2.circle(puff, (round(x), round(y)), radius, 0.22 * (1 - life) + 0.04, -1)
        haze = 1 - (1 - haze) * (1 - puff)
    alpha = cv2.GaussianBlur(haze, (0, 0), max(1.5, tall * 0.14))[..., None]
    picture[...] = (picture * (1 - alpha) + 92 * alpha).astype(np.uint8)
