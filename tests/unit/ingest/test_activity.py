import random
import threading
from datetime import UTC, datetime

import numpy as np
import pytest

from gridwatch.domain import Frame
from gridwatch.ingest.activity import SMALL_WIDTH, Attention, Look, SizeWatch, differ
from tests.fixtures.quiet import backdrop, with_square

FPS = 15


class Stream:
    """P packets at FPS, a keyframe every `gop` of them, sizes as told."""

    def __init__(self, gop: int = 30, seed: int = 1) -> None:
        self.watch = SizeWatch()
        self.chance = random.Random(seed)
        self.gop = gop
        self.number = 0

    def send(self, sizes: list[float]) -> list[int]:
        """Indices of the sizes at which it says that something moves."""
        alarms = []
        for i, size in enumerate(sizes):
            if self.number % self.gop == 0:
                self.watch.key(self.number / FPS)
            if self.watch.moves(round(size), self.number / FPS):
                alarms.append(i)
            self.number += 1
        return alarms

    def noise(self, level: float, seconds: float, spread: float = 0.1) -> list[float]:
        return [level * self.chance.lognormvariate(0.0, spread) for _ in range(round(seconds * FPS))]


@pytest.mark.parametrize("level", [70, 700, 15_000])
@pytest.mark.parametrize("spread", [0.02, 0.1, 0.3])
def test_noise_of_any_level_and_spread_raises_nothing_in_ten_minutes(level: float, spread: float) -> None:
    stream = Stream()
    assert stream.send(stream.noise(level, 600, spread)) == []


@pytest.mark.parametrize("level", [70, 700, 15_000])
@pytest.mark.parametrize(("spread", "rise"), [(0.05, 1.6), (0.1, 2.0), (0.3, 3.5)])
def test_sizes_that_rise_out_of_the_noise_are_noticed_within_half_a_second(
    level: float, spread: float, rise: float
) -> None:
    stream = Stream()
    stream.send(stream.noise(level, 40, spread))
    alarms = stream.send(stream.noise(level * rise, 2, spread))
    assert alarms
    assert alarms[0] <= FPS / 2


def test_one_large_picture_is_no_motion() -> None:
    stream = Stream()
    stream.send(stream.noise(700, 40))
    assert stream.send([90_000.0, *stream.noise(700, 2)]) == []


def test_the_pictures_that_mend_a_keyframe_are_no_motion() -> None:
    stream = Stream(gop=150)
    mending = [3.0, 2.0, 1.5]
    for _ in range(20):
        sizes = stream.noise(700, 10)
        assert stream.send([a * b for a, b in zip(sizes, mending, strict=False)] + sizes[3:]) == []


def test_layers_of_a_hierarchical_gop_are_no_motion_and_do_not_hide_it() -> None:
    stream = Stream()

    def layered(seconds: float, factor: float = 1.0) -> list[float]:
        return [size * (3.0 if i % 4 == 0 else 1.0) * factor for i, size in enumerate(stream.noise(700, seconds))]

    assert stream.send(layered(60)) == []
    assert stream.send(layered(3, factor=4.0))


def test_a_new_level_becomes_usual() -> None:
    stream = Stream()
    stream.send(stream.noise(700, 40))
    assert stream.send(stream.noise(2800, 20))  # it gets dark, and the camera turns up its gain
    assert stream.send(stream.noise(2800, 120)) == []


def test_a_slow_change_of_level_is_no_motion() -> None:
    stream = Stream()
    dusk = [size * 4.0 ** (i / (600 * FPS)) for i, size in enumerate(stream.noise(700, 600))]
    assert stream.send(dusk) == []


def test_false_alarms_make_it_doubt_for_a_while() -> None:
    stream = Stream()
    stream.send(stream.noise(700, 40))
    gust = stream.noise(1100, 1)
    assert stream.send(gust)
    for _ in range(3):
        stream.watch.was_wrong(stream.number / FPS)
    stream.send(stream.noise(700, 40))
    assert not stream.send(gust)
    assert stream.send(stream.noise(3000, 3))  # what goes on is motion all the same
    stream.send(stream.noise(700, 1200))
    assert stream.send(gust)


def test_before_there_is_a_level_nothing_is_said() -> None:
    stream = Stream()
    assert not stream.watch.is_ready
    assert stream.send([100.0, 5000.0, 200.0, 90_000.0, 90_000.0, 90_000.0]) == []
    stream.send(stream.noise(700, 5))
    assert stream.watch.is_ready


def test_a_jump_of_the_clock_starts_anew() -> None:
    watch = SizeWatch()
    for i in range(100):
        watch.moves(700, 5000.0 + i / FPS)
    assert watch.is_ready
    watch.moves(700, 3.0)
    assert not watch.is_ready


def test_memory_is_bounded_at_any_rate() -> None:
    watch = SizeWatch()
    for i in range(5000):
        watch.moves(700 + i % 7, i / 1000)
    assert len(watch._sorted) == len(watch._recent) <= 512


def small(x: int | None = None, size: int = 40) -> np.ndarray:
    still = backdrop(SMALL_WIDTH, 180)
    return still if x is None else with_square(still, x, size=size)


def test_two_small_pictures_differ_by_what_a_motion_gate_would_see() -> None:
    noise = np.random.default_rng(2).integers(-5, 6, (180, SMALL_WIDTH, 3))
    assert not differ(small(), small())
    assert not differ(small(), np.clip(small() + noise, 0, 255).astype(np.uint8))
    assert differ(small(), small(100, size=4))
    assert not differ(small(), small(100, size=2))
    red = small().astype(int)
    red[50:60, 50:60, 2] += 14
    assert differ(small(), np.clip(red, 0, 255).astype(np.uint8))
    assert differ(small(), small()[:90])


def frame(index: int) -> Frame:
    now = datetime(2026, 11, 1, tzinfo=UTC)
    image = np.zeros((2, 2, 3), np.uint8)
    return Frame(camera="gate", index=index, pts=index / 5, captured_at=now, arrived_at=now, image=image)


def test_attention_tells_the_latest_and_forgets_with_the_connection() -> None:
    attention = Attention()
    assert attention.latest() is None
    attention.looked(frame(3), idle=False)
    attention.looked(frame(4), idle=True)
    look = attention.latest()
    assert look is not None
    assert (look.index, look.idle) == (4, True)
    attention.forget()
    assert attention.latest() is None


def test_waiting_for_a_look_ends_with_it_or_with_patience() -> None:
    attention = Attention()
    assert not attention.wait(0, 0.01)
    looking = threading.Thread(target=lambda: attention.looked(frame(7), idle=False))
    looking.start()
    assert attention.wait(7, 5.0)
    looking.join()
    assert not attention.wait(8, 0.01)


def test_rousing_says_that_no_picture_may_be_left_out_until_analysis_says_so_again() -> None:
    attention = Attention()
    attention.rouse()
    assert attention.latest() is None, "nothing was looked at, so nothing is left out"
    attention.looked(frame(4), idle=True)
    attention.rouse()
    assert attention.latest() == Look(index=4, idle=False)
    attention.looked(frame(5), idle=True)
    assert attention.latest() == Look(index=5, idle=True)
