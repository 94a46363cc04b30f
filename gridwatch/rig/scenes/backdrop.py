"""The still part of a scene: ground in perspective, a building, street furniture."""

import cv2
import numpy as np
import numpy.typing as npt

from gridwatch.domain.frame import Image
from gridwatch.rig.scenes.model import Colour, Light, Place, Scene, View

Floats = npt.NDArray[np.float32]

GROUND_TOP = 0.30
"""Row at which the ground meets the building."""
_TEXTURE = 1024
"""Side of the noise tile in texels."""
_TEXELS_PER_METRE = 40.0

_ASPHALT: Colour = (92, 90, 88)
_SLAB: Colour = (150, 156, 160)
_GRASS: Colour = (52, 104, 82)
_KERB: Colour = (170, 172, 172)
_PAINT: Colour = (205, 210, 212)
_BRICK: Colour = (78, 96, 142)

ROAD_NEAR, ROAD_FAR = 0.63, 0.41
"""Rows of the kerbs of the road."""
LAWN = ((0.62, 0.55), (1.0, 0.55), (1.0, 1.0), (0.70, 1.0))
"""Corners of the plaza's lawn, in fractions."""


def backdrop(scene: Scene) -> Image:
    """The scene without actors, BGR, view.height x view.width. Deterministic in `scene.seed`."""
    view = scene.view
    rng = np.random.default_rng(scene.seed)
    width, height = view.width * 2, view.height * 2
    picture = np.zeros((height, width, 3), np.float32)
    noise = _noise_tile(rng)
    _paint_ground(picture, view, scene.place, noise)
    _paint_building(picture, rng, noise)
    _paint_furniture(picture, scene.place)
    if scene.light is Light.DUSK:
        picture = _dusk(picture)
    small = cv2.resize(picture, (view.width, view.height), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), 0.5) * _vignette(view)
    out: Image = np.clip(small, 0, 255).astype(np.uint8)
    return out


def _noise_tile(rng: np.random.Generator) -> Floats:
    """A tile of noise of several scales, mean 0, about -1..1."""
    tile = np.zeros((_TEXTURE, _TEXTURE), np.float32)
    for cells, weight in ((8, 0.30), (32, 0.25), (128, 0.25), (512, 0.35), (1024, 0.35)):
        grid = rng.standard_normal((cells, cells)).astype(np.float32)
        grid = np.pad(grid, 1, mode="wrap")
        big = cv2.resize(grid, None, fx=_TEXTURE / cells, fy=_TEXTURE / cells, interpolation=cv2.INTER_CUBIC)
        edge = _TEXTURE // cells
        tile += weight * big[edge : edge + _TEXTURE, edge : edge + _TEXTURE]
    return tile


def _paint_ground(picture: Floats, view: View, place: Place, noise: Floats) -> None:
    height, width = picture.shape[:2]
    rows = (np.arange(height, dtype=np.float32) + 0.5) / height
    below = rows >= GROUND_TOP - 0.01
    y = rows[below][:, None]
    x = ((np.arange(width, dtype=np.float32) + 0.5) / width)[None, :]
    metre = view.slope * (y - view.horizon)
    right = ((x - 0.5) * view.aspect / metre).astype(np.float32)
    away = np.broadcast_to(view.focal / metre, right.shape).astype(np.float32)
    grain = cv2.remap(
        noise, right * _TEXELS_PER_METRE % _TEXTURE, away * _TEXELS_PER_METRE % _TEXTURE,
        cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP,
    )  # fmt: skip
    # Far texels are smaller than pixels: fade them, as a lens would.
    grain *= np.clip(metre * 9, 0.25, 1.0)
    fields = _road(y, right, away) if place is Place.ROAD else _plaza(x, y, right, away)
    ground = np.zeros((*grain.shape, 3), np.float32)
    for inside, colour, rough in fields:
        where = np.broadcast_to(inside, grain.shape)
        ground[where] = (np.array(colour, np.float32) * (1 + rough * grain[..., None]))[where]
    picture[below] = ground


_Field = tuple[npt.NDArray[np.bool_], Colour, float]
"""Where, with what colour and how rough; later ones lie over earlier ones."""


def _slabs(right: Floats, away: Floats) -> npt.NDArray[np.bool_]:
    joints: npt.NDArray[np.bool_] = (right % 1.2 < 0.035) | (away % 1.2 < 0.05)
    return joints


def _road(y: Floats, right: Floats, away: Floats) -> list[_Field]:
    everywhere = np.ones_like(right, dtype=bool)
    road = (y > ROAD_FAR) & (y < ROAD_NEAR)
    middle = ROAD_FAR * 0.56 + ROAD_NEAR * 0.44
    dash = (np.abs(y - middle) < 0.004) & (right % 4.0 < 2.0)
    edges = (np.abs(y - ROAD_FAR - 0.012) < 0.003) | (np.abs(y - ROAD_NEAR + 0.02) < 0.0045)
    kerbs = (np.abs(y - ROAD_FAR) < 0.005) | (np.abs(y - ROAD_NEAR) < 0.009)
    patch = road & (np.abs(right - 3.5) < 2.2) & (y > 0.51) & (y < 0.60)
    return [
        (everywhere, _SLAB, 0.07), (_slabs(right, away), (118, 122, 124), 0.06),
        (np.broadcast_to(y > 0.93, right.shape), _GRASS, 0.3),
        (road, _ASPHALT, 0.13), (patch, (80, 78, 76), 0.12), (dash, _PAINT, 0.05), (edges, _PAINT, 0.06),
        (kerbs, _KERB, 0.05),
    ]  # fmt: skip


def _plaza(x: Floats, y: Floats, right: Floats, away: Floats) -> list[_Field]:
    everywhere = np.ones_like(right, dtype=bool)
    slant = LAWN[0][0] + (LAWN[3][0] - LAWN[0][0]) * (y - LAWN[0][1]) / (LAWN[3][1] - LAWN[0][1])
    lawn = (x > slant) & (y > LAWN[0][1])
    kerb = (x > slant - 0.012) & (y > LAWN[0][1] - 0.014) & ~lawn
    band = np.abs(away - 17.5) < 0.35
    return [
        (everywhere, _SLAB, 0.08), (band, (112, 118, 128), 0.08), (_slabs(right, away), (120, 125, 128), 0.06),
        (lawn, _GRASS, 0.32), (kerb, _KERB, 0.05),
    ]  # fmt: skip


def _paint_building(picture: Floats, rng: np.random.Generator, noise: Floats) -> None:
    height, width = picture.shape[:2]
    base = round(GROUND_TOP * height)
    rows, columns = np.arange(base)[:, None], np.arange(width)[None, :]
    wall = np.array(_BRICK, np.float32) * (1 + 0.10 * noise[:base, np.arange(width) % _TEXTURE][..., None])
    course = max(4, height // 110)
    joint = (rows % course == 0) | ((columns + (rows // course % 2) * course) % (course * 2) == 0)
    wall[np.broadcast_to(joint, wall.shape[:2])] *= 1.12
    picture[:base] = wall
    picture[round(base * 0.93) : base] = np.array((104, 110, 116), np.float32)
    bay = width // 9
    for index in range(9):
        left = index * bay + bay // 5
        door = index in {2, 6}
        top, bottom = round(base * (0.30 if door else 0.22)), round(base * (1.0 if door else 0.70))
        _window(picture, (left, top, left + bay * 3 // 5, bottom), float(rng.uniform(0.7, 1.15)))
    picture[: round(base * 0.05)] = np.array((120, 124, 126), np.float32)


def _window(picture: Floats, box: tuple[int, int, int, int], light: float) -> None:
    left, top, right, bottom = box
    picture[top - 5 : bottom + 3, left - 5 : right + 5] = np.array((176, 180, 184), np.float32)
    rise = np.linspace(1.25, 0.7, bottom - top, dtype=np.float32)[:, None, None]
    slope = np.linspace(0.85, 1.15, right - left, dtype=np.float32)[None, :, None]
    picture[top:bottom, left:right] = np.array((98, 86, 74), np.float32) * rise * slope * light
    middle = (left + right) // 2
    picture[top:bottom, middle - 2 : middle + 3] = np.array((160, 164, 168), np.float32)


def _paint_furniture(picture: Floats, place: Place) -> None:
    """A lamp post and a tree, both standing at the wall, where nobody walks behind them."""
    height, width = picture.shape[:2]
    foot = round((GROUND_TOP + 0.035) * height)
    for share in (0.085, 0.565):
        column = round(share * width)
        cv2.rectangle(picture, (column - 5, 0), (column + 5, foot), (96, 98, 98), -1)
        cv2.rectangle(picture, (column - 12, foot - 26), (column + 12, foot), (84, 86, 86), -1)
    if place is Place.PLAZA:
        for left in (0.16, 0.37):
            _planter(picture, round(left * width), foot + 18, round(0.10 * width), round(0.055 * height))


def _planter(picture: Floats, left: int, foot: int, width: int, height: int) -> None:
    cv2.rectangle(picture, (left, foot - height), (left + width, foot), (126, 132, 136), -1)
    cv2.rectangle(picture, (left, foot - height), (left + width, foot - height + 7), (160, 164, 166), -1)
    rng = np.random.default_rng(left)
    for _ in range(140):
        x = left + int(rng.uniform(8, width - 8))
        y = foot - height - int(rng.uniform(-2, height * 0.9))
        tone = float(rng.uniform(0.55, 1.2))
        cv2.circle(picture, (x, y), int(rng.uniform(5, 12)), (38 * tone, 92 * tone, 58 * tone), -1)


def _dusk(picture: Floats) -> Floats:
    """Darker and bluer, with lamps and some lit windows."""
    height, width = picture.shape[:2]
    dark = picture * np.array((0.50, 0.42, 0.38), np.float32)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    for x in (0.085, 0.565):
        far = ((columns - x * width) / (0.22 * width)) ** 2 + ((rows - 0.50 * height) / (0.30 * height)) ** 2
        dark += picture * (np.exp(-far)[..., None] * np.array((0.16, 0.26, 0.34), np.float32))
    base, bay = round(GROUND_TOP * height), width // 9
    for index in (1, 4, 5, 8):
        left = index * bay + bay // 5
        pane = dark[round(base * 0.22) : round(base * 0.70), left : left + bay * 3 // 5]
        pane[...] = pane * 0.5 + np.array((70, 130, 165), np.float32)
    return dark


def _vignette(view: View) -> Floats:
    y, x = np.mgrid[-1 : 1 : view.height * 1j, -1 : 1 : view.width * 1j]
    falloff: Floats = (1.03 - 0.10 * (x**2 + y**2))[..., None].astype(np.float32)
    return falloff
