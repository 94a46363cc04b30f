import math
import random
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from gridwatch.config.rules import WrongWayRule
from gridwatch.detectors.rules import Zone
from gridwatch.detectors.rules.wrong_way import WrongWay, heading
from tests.unit.detectors.scenes import FPS, Foot, at, play, said, tracked, walk

ASPECT = 16 / 9
HEIGHT = 0.2
"""Of the walkers in these scenes: the distance that they must go, in heights of the picture."""


def wrong_way(**changes: Any) -> WrongWay:
    raw = {"id": "lane", "kind": "wrong_way", "zone": "lane", "direction": 90, "classes": ["person"], **changes}
    settings = TypeAdapter(WrongWayRule).validate_python(raw)
    return WrongWay.new(settings, Zone([(0.1, 0), (0.9, 0), (0.9, 1), (0.1, 1)]), ASPECT)


def way(degrees: float, pictures: int, start: Foot = (0.5, 0.6), step: float = 0.02) -> list[Foot]:
    """`step` heights a picture towards `degrees`."""
    dx, dy = math.sin(math.radians(degrees)) * step / ASPECT, -math.cos(math.radians(degrees)) * step
    return [(start[0] + dx * i, start[1] + dy * i) for i in range(pictures)]


def test_degrees_go_clockwise_from_the_top() -> None:
    assert [heading(*one) for one in ((0, -1), (1, 0), (0, 1), (-1, 0))] == [0, 90, 180, 270]


def test_who_goes_the_right_way_raises_nothing_and_who_goes_the_other_is_raised_after_the_distance() -> None:
    assert play(wrong_way(), walk(way(90, 40, start=(0.2, 0.5))))[1] == []
    _, events = play(wrong_way(), walk(way(270, 40, start=(0.8, 0.5)) + [(0.95, 0.5)] * 40))
    assert said(events) == ["raised", "cleared"]
    assert events[0].occurred_at == at(HEIGHT / 0.02 / FPS)


@pytest.mark.parametrize("degrees", [90, 30, 0, 345, 195, 180, 150])
def test_within_the_tolerance_movement_is_allowed(degrees: float) -> None:
    assert play(wrong_way(), walk(way(degrees, 20)))[1] == []


@pytest.mark.parametrize("degrees", [215, 250, 290, 325])
def test_beyond_it_it_is_not(degrees: float) -> None:
    assert said(play(wrong_way(), walk(way(degrees, 20)))[1]) == ["raised"]


def test_a_vector_is_as_it_is_drawn_on_the_picture() -> None:
    down_right = wrong_way(direction=[0.1, 0.1 * ASPECT])  # 45 degrees on the ground of the picture
    assert down_right.allowed == pytest.approx(135)
    assert said(play(down_right, walk(way(315, 20)))[1]) == ["raised"]
    assert play(down_right, walk(way(135, 20, start=(0.2, 0.4))))[1] == []


def test_going_back_less_than_the_distance_or_trembling_on_the_spot_is_no_way() -> None:
    rng = random.Random(5)
    assert play(wrong_way(), walk(way(90, 20, start=(0.2, 0.5)) + way(270, 9, start=(0.41, 0.5))))[1] == []
    trembling = [(0.5 + rng.gauss(0, 0.01), 0.5 + rng.gauss(0, 0.01)) for _ in range(600)]
    assert play(wrong_way(), walk(trembling))[1] == []


def test_turning_round_is_raised_after_the_distance_back() -> None:
    out = way(90, 20, start=(0.2, 0.5))
    _, events = play(wrong_way(), walk(out + way(270, 30, start=out[-1])))
    assert said(events) == ["raised"]
    assert at((19 + 10) / FPS) <= events[0].occurred_at <= at((19 + 12) / FPS)


def test_turning_to_the_right_way_or_standing_ends_it() -> None:
    back = way(270, 20, start=(0.8, 0.5))
    _, events = play(wrong_way(), walk(back + way(90, 60, start=back[-1], step=0.01)))
    assert said(events) == ["raised", "cleared"]
    _, events = play(wrong_way(), walk(back + [back[-1]] * 60))
    assert said(events) == ["raised", "cleared"]


def test_a_heading_that_wavers_about_the_limit_is_one_incident() -> None:
    feet = way(315, 15, start=(0.6, 0.9))
    here = feet[-1]
    for i in range(60):
        feet.append(here)
        here = way(325 if i % 2 else 338, 2, start=here, step=0.008)[1]
    _, events = play(wrong_way(update_seconds=600), walk(feet))
    assert said(events) == ["raised"]


def test_a_track_found_again_elsewhere_has_no_way_in_between() -> None:
    script = walk(way(90, 11, start=(0.5, 0.5)))
    # From 0.6125 back to 0.4925: further than the distance, and near enough to be the same.
    script += [(2.2 + i / FPS, [tracked(2.2 + i / FPS, (0.4925, 0.5), 2, first_seen=2.2)]) for i in range(20)]
    assert play(wrong_way(), script)[1] == []


def test_a_track_that_flickers_on_its_way_is_one_incident() -> None:
    script = []
    for i, foot in enumerate(way(270, 34, start=(0.85, 0.5))):
        number = 1 + i // 15
        missed = i % 15 in (13, 14)
        script.append((i / FPS, [] if missed else [tracked(i / FPS, foot, number, first_seen=15 * (number - 1) / FPS)]))
    assert said(play(wrong_way(), script)[1]) == ["raised"]


@pytest.mark.parametrize("direction", [360, -1, [0, 0], [1], "up", [1, 2, 3]])
def test_what_is_no_direction_is_refused(direction: object) -> None:
    with pytest.raises(ValidationError, match="direction"):
        wrong_way(direction=direction)
