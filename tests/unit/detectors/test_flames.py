import math
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from gridwatch.detectors.flames import Flames
from gridwatch.domain import Detection, Image, Point, Track
from gridwatch.rig.scenes.fire import paint_fire
from gridwatch.rig.scenes.model import Fire, View
from tests.unit.detectors.scenes import moment
from tests.unit.detectors.still_pictures import HEIGHT, WIDTH, boxed, street

FPS = 5.0
Scene = Callable[[Image, float], None]
SPOT = (150, 80, 174, 112)


def watch(scene: Scene, seconds: float = 16.0, seen: tuple[Detection, ...] = (), fps: float = FPS) -> list[Track]:
    """All that was told, picture by picture."""
    flames, still, told = Flames(), street(), []
    for index in range(round(seconds * fps)):
        picture = still.copy()
        scene(picture, index / fps)
        told += flames.look(picture, moment(index / fps), seen, ())
    return told


def fire(picture: Image, t: float) -> None:
    """From the fifth second on."""
    view = View(width=WIDTH, height=HEIGHT, slope=0.4)
    paint_fire(picture, Fire(at=Point(x=0.5, y=0.7), start=5.0, end=100.0), view, t)


def test_a_fire_is_told_within_three_seconds() -> None:
    told = watch(fire)
    assert {one.label for one in told} == {"fire"}
    assert told[0].first_seen >= 5.0
    assert told[0].last_seen <= 8.0
    assert told[-1].box.iou(boxed((145, 60, 175, 126), "fire").box) > 0.2


def test_the_same_pictures_give_the_same_fires() -> None:
    assert watch(fire) == watch(fire)


def test_a_fire_within_a_person_is_a_jacket_and_a_small_one_in_a_car_a_lamp() -> None:
    around = (130, 40, 190, 130)
    assert watch(fire, seen=(boxed(around, "person"),)) == []
    assert watch(fire, seen=(boxed((60, 20, 300, 175), "car"),)) == []
    assert watch(fire, seen=(boxed((145, 60, 175, 130), "car"),)) != []  # a car on fire


def lamp(picture: Image, t: float) -> None:
    if t > 5.0:
        cv2.circle(picture, (160, 90), 12, (60, 180, 255), -1)


def orange_flag(picture: Image, t: float) -> None:
    tips = [(150 + x, 80 + round(5 * math.sin(x / 5 + 9 * t))) for x in range(0, 40, 2)]
    corners = np.array([*tips, *[(x, y + 25) for x, y in reversed(tips)]], np.int32)
    cv2.fillPoly(picture, [corners], (20, 120, 235))


def indicator(picture: Image, t: float) -> None:
    if t > 5.0 and (t * 1.5) % 1.0 < 0.5:
        cv2.circle(picture, (160, 90), 6, (30, 150, 255), -1)


def blue_light(picture: Image, t: float) -> None:
    if t > 5.0 and (t * 2.0) % 1.0 < 0.5:
        cv2.circle(picture, (160, 90), 12, (255, 120, 60), -1)


def walks_in_orange(picture: Image, t: float) -> None:
    x = int(25 * t)
    picture[80:110, max(0, x - 8) : max(1, x + 8)] = (30, 120, 240)


def sun_comes_out(picture: Image, t: float) -> None:
    picture[...] = np.clip(picture * (1.0 + 0.5 * min(1.0, max(0.0, t - 5.0))) + (0, 20, 60), 0, 255)


@pytest.mark.parametrize(
    "scene", [lamp, orange_flag, indicator, blue_light, walks_in_orange, sun_comes_out], ids=lambda one: one.__name__
)
def test_what_only_shines_blinks_or_waves_is_no_fire(scene: Scene) -> None:
    assert watch(scene) == []


def test_pictures_too_far_apart_tell_nothing_of_flicker() -> None:
    assert watch(fire, seconds=60.0, fps=1.0) == []
