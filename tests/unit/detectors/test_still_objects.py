from collections.abc import Callable, Sequence
from functools import partial

import cv2
import numpy as np
import pytest

from gridwatch.detectors.still_objects import LEFT_OBJECT, REMOVED_OBJECT, SOMEBODY, StillObjects, StillSettings
from gridwatch.domain import Detection, Image
from tests.unit.detectors.scenes import moment
from tests.unit.detectors.still_pictures import (
    BAG,
    HEIGHT,
    WIDTH,
    Step,
    boxed,
    draw,
    film,
    labels,
    leaves_a_bag,
    person,
    spans,
    watch,
)

LEFT = film(20.0, leaves_a_bag)
Spoil = Callable[[Image, int], Image]


def spoiled(steps: Sequence[Step], spoil: Spoil) -> list[Step]:
    return [(np.ascontiguousarray(spoil(image, i)), seen) for i, (image, seen) in enumerate(steps)]


def test_what_is_left_is_told_with_the_moment_and_the_place() -> None:
    watched = watch(LEFT)
    (left,) = spans(watched, LEFT_OBJECT)
    assert left[0] == pytest.approx(6.0, abs=0.41)
    assert left[1] <= 12.0
    assert left[2] == watched[-1][0]
    (track,) = watched[-1][1]
    truth = boxed(BAG, "bag").box
    assert track.box.iou(truth) > 0.6
    assert track.last_seen == watched[-1][0]
    assert track.id < 0
    assert labels(watched) == {LEFT_OBJECT}


def test_it_is_over_when_somebody_takes_it_away_and_nothing_is_missing_then() -> None:
    watched = watch(film(32.0, partial(leaves_a_bag, until=20.0)))
    (left,) = spans(watched, LEFT_OBJECT)
    assert left[2] == pytest.approx(20.0, abs=3.0)
    assert labels(watched) == {LEFT_OBJECT}


def test_the_same_pictures_give_the_same_tracks() -> None:
    assert watch(LEFT) == watch(LEFT)


def test_passers_in_front_of_it_do_not_end_it() -> None:
    def scene(picture: Image, t: float) -> Sequence[Detection]:
        seen = leaves_a_bag(picture, t)
        return [*seen, person(picture, int(20 * ((t - 13.0) % 6.0)) + 100)] if t > 13.0 else seen

    (left,) = spans(watch(film(40.0, scene)), LEFT_OBJECT)
    assert left[2] > 39.0


def takes_the_crate(picture: Image, t: float, *, back: float = 1e9) -> list[Detection]:
    """A crate stands there until 8.0 s; somebody takes it, and brings it back at `back`."""
    if t < 8.0 or t >= back:
        draw(picture, BAG, (40, 90, 150))
    if 5.0 <= t < 12.0:
        x = int(min(140, -60 + 70 * (t - 5.0)) if t < 8.0 else 140 + 50 * (t - 8.0))
        return [person(picture, x)]
    if back - 3.0 <= t < back + 4.0:
        return [person(picture, int(175 - 60 * max(back - t, 0.0)) if t < back else int(175 + 50 * (t - back)))]
    return []


def test_what_is_taken_is_told_and_over_when_it_is_brought_back() -> None:
    watched = watch(film(34.0, partial(takes_the_crate, back=24.0)))
    (gone,) = spans(watched, REMOVED_OBJECT)
    assert 8.0 <= gone[0] <= 9.0  # whoever takes it stands in front of it until then
    assert gone[1] <= 14.0
    assert gone[2] == pytest.approx(24.0, abs=3.0)
    assert labels(watched) == {REMOVED_OBJECT}


def test_who_stands_still_is_no_thing_though_the_detector_loses_him() -> None:
    def scene(picture: Image, t: float) -> Sequence[Detection]:
        x = int(min(160, -20 + 40 * t))
        seen = person(picture, x)
        return [seen] if t < 7.0 else []

    watched = watch(film(25.0, scene))
    assert labels(watched) == {SOMEBODY}
    (somebody,) = spans(watched, SOMEBODY)
    assert somebody[1] >= 7.0
    assert somebody[2] > 24.0


def parks_a_car(picture: Image, t: float, *, seen_until: float = 1e9) -> list[Detection]:
    """Comes at 2 s, stands from 4 to 80 s, drives off."""
    if not 2.0 <= t < 84.0:
        return []
    x = -60 + 80 * (min(t, 4.0) - 2.0) + 80 * max(0.0, t - 80.0)
    where = (int(x), 96, int(x) + 44, 116)
    draw(picture, where, (40, 40, 160))
    return [boxed(where, "car", 0.6)] if t < seen_until else []


def test_a_parked_car_is_no_thing_and_nothing_is_missing_when_it_leaves() -> None:
    assert labels(watch(film(95.0, parks_a_car, fps=2.0), fps=2.0)) == set()


def darker_for_a_while(image: Image, i: int) -> Image:
    """A cloud over all of it, coming and going within 2 s."""
    depth = 0.4 * min(1.0, max(0.0, (i - 30) / 10)) * min(1.0, max(0.0, (90 - i) / 10))
    return np.clip(image * (1.0 - depth), 0, 255).astype(np.uint8)


def shadow_of_a_house(image: Image, i: int) -> Image:
    """A shadow that lies over a part of it at once: a cloud's edge, a van out of the picture."""
    if i < 40:
        return image
    shade = np.ones((HEIGHT, WIDTH, 1), np.float32)
    shade[80:120, 60:110] = 0.62
    shade = cv2.GaussianBlur(shade, (0, 0), 1.5)[..., None]
    return np.clip(image * shade, 0, 255).astype(np.uint8)


def lamp_goes_on(image: Image, i: int) -> Image:
    """Light over nearly all of it, at once, more in the middle."""
    if i < 40:
        return image
    across = np.exp(-(((np.arange(WIDTH) - 160) / 110.0) ** 2)).astype(np.float32)[None, :, None]
    return np.clip(image * (1.0 + 0.7 * across) + 20 * across, 0, 255).astype(np.uint8)


def infrared(image: Image, i: int) -> Image:
    """The filter goes: all grey, with light and dark otherwise."""
    if i < 40:
        return image
    grey = image[..., 2] * 0.3 + (255 - image[..., 1]) * 0.5
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def screen_shows_something_else(image: Image, i: int) -> Image:
    out = image.copy()
    draw(out, (60, 40, 80, 52), (200, 180, 60) if (i // 50) % 2 else (60, 80, 210))
    return out


def shaking(image: Image, i: int) -> Image:
    move = np.array([[1, 0, 1.2 * np.sin(i * 1.3)], [0, 1, 0.8 * np.sin(i * 0.9)]], np.float32)
    return np.asarray(cv2.warpAffine(image, move, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def sinking(image: Image, i: int) -> Image:
    """A mast that gives way: eight pixels in half a minute."""
    move = np.array([[1, 0, 0.05 * i], [0, 1, 0.03 * i]], np.float32)
    return np.asarray(cv2.warpAffine(image, move, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT), np.uint8)


def grainy(image: Image, i: int) -> Image:
    return np.clip(image + np.random.default_rng(i).normal(0, 9, image.shape), 0, 255).astype(np.uint8)


def dusk(image: Image, i: int) -> Image:
    return np.clip(image * 0.35 + np.random.default_rng(i).normal(0, 3, image.shape), 0, 255).astype(np.uint8)


NOTHING: list[Spoil] = [
    darker_for_a_while, shadow_of_a_house, lamp_goes_on, infrared, screen_shows_something_else, shaking, sinking,
    grainy, dusk,
]  # fmt: skip


def somebody_passes(picture: Image, t: float) -> list[Detection]:
    return [person(picture, int(-20 + 40 * (t - 2.0)))] if 2.0 <= t < 12.0 else []


@pytest.mark.parametrize("spoil", NOTHING, ids=lambda one: one.__name__)
def test_light_weather_and_the_camera_leave_nothing(spoil: Spoil) -> None:
    assert labels(watch(spoiled(film(25.0, somebody_passes), spoil))) == set()


@pytest.mark.parametrize("spoil", [darker_for_a_while, shaking, grainy, dusk], ids=lambda one: one.__name__)
def test_nor_do_they_hide_what_is_left(spoil: Spoil) -> None:
    (left,) = spans(watch(spoiled(LEFT, spoil)), LEFT_OBJECT)
    assert left[0] == pytest.approx(6.0, abs=0.81)
    assert left[2] > 19.0


def test_what_is_left_outlasts_a_switch_of_the_light() -> None:
    def switched(image: Image, i: int) -> Image:
        return image if i < 75 else lamp_goes_on(image, i)

    (left,) = spans(watch(spoiled(film(30.0, leaves_a_bag), switched)), LEFT_OBJECT)
    assert left[2] > 29.0


def test_a_thing_that_was_moved_a_little_was_not_left() -> None:
    def scene(picture: Image, t: float) -> Sequence[Detection]:
        x = 150 if t < 8.0 else 172
        draw(picture, (x, 110, x + 18, 128), (50, 90, 160))
        if 5.0 <= t < 14.0:
            return [person(picture, int(min(140, -60 + 70 * (t - 5.0)) if t < 9.0 else 140 + 40 * (t - 9.0)))]
        return []

    assert LEFT_OBJECT not in labels(watch(film(25.0, scene)))


def test_what_never_keeps_still_is_no_thing() -> None:
    def scene(picture: Image, t: float) -> Sequence[Detection]:
        if t > 6.0:
            smoke = 150 + 40 * np.random.default_rng(round(t * 5)).standard_normal((5, 4)).astype(np.float32)
            picture[90:130, 150:180] = cv2.resize(np.clip(smoke, 0, 255), (30, 40))[..., None]
        return somebody_passes(picture, t)

    assert labels(watch(film(25.0, scene))) == set()


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        (StillSettings(max_area=0.003), False),
        (StillSettings(min_area=0.02), False),
        (StillSettings(min_area=0.003, max_area=0.02), True),
    ],
)
def test_size_counts(settings: StillSettings, *, found: bool) -> None:
    assert (labels(watch(LEFT, StillObjects(settings))) == {LEFT_OBJECT}) is found


def test_in_the_end_it_belongs_to_the_scene_and_is_not_told_again() -> None:
    watched = watch(film(40.0, leaves_a_bag), StillObjects(StillSettings(absorb_seconds=20.0)))
    (left,) = spans(watched, LEFT_OBJECT)
    assert left[2] == pytest.approx(26.0, abs=1.0)


def test_pictures_that_come_every_eight_seconds_count_for_the_time_they_stand_for() -> None:
    still = StillObjects()
    watch(LEFT[:62], still)  # the owner has gone out of the picture at 12 s
    later = [still.look(LEFT[-1][0], moment(12.4 + 8.0 * i), (), ()) for i in range(4)]
    assert [one.label for one in later[-1]] == [LEFT_OBJECT]
    assert later[-1][0].first_seen == pytest.approx(6.0, abs=0.41)
    assert later[-1][0].last_seen == 36.4


def test_another_size_of_the_picture_begins_anew() -> None:
    still = StillObjects()
    watch(LEFT, still)
    tall = np.full((320, 240, 3), 90, np.uint8)
    assert still.look(tall, moment(30.0), (), ()) == ()
    assert still.look(tall, moment(30.2), (), ()) == ()
