import itertools
import math
import random
from dataclasses import replace
from typing import Any

import pytest

from gridwatch.config.model import LineConfig
from gridwatch.config.rules import LineCrossingRule
from gridwatch.detectors.rules.line_crossing import LineCrossing, Segment
from gridwatch.domain import Point
from tests.unit.detectors.scenes import FPS, Foot, at, play, said, tracked, walk

ASPECT = 16 / 9
DOWN = LineConfig(start=(0.5, 0.2), end=(0.5, 0.8))
"""From top to bottom: looking down it, the right-hand side is the picture's left."""


def crossing(line: LineConfig = DOWN, **changes: Any) -> LineCrossing:
    raw = {"id": "gate", "kind": "line_crossing", "line": "middle", **changes}
    return LineCrossing(settings=LineCrossingRule.model_validate(raw), segment=Segment.of(line, ASPECT))


def path(*points: Foot, pictures: int = 15) -> list[Foot]:
    """Feet on straight ways between `points`, `pictures` a way."""
    return [
        (a[0] + (b[0] - a[0]) * i / pictures, a[1] + (b[1] - a[1]) * i / pictures)
        for a, b in itertools.pairwise(points)
        for i in range(pictures)
    ] + [points[-1]]


LEFT, RIGHT = (0.35, 0.5), (0.65, 0.5)


def test_a_passage_raises_and_clears_at_once() -> None:
    _, events = play(crossing(), walk(path(LEFT, RIGHT)))
    assert said(events) == ["raised", "cleared"]
    assert [event.seq for event in events] == [0, 1]
    assert events[0].occurred_at == events[0].observed_at == events[1].observed_at
    assert events[0].count == 1


def test_who_passed_while_he_was_taken_for_scenery_is_told_of_when_he_is_shown() -> None:
    feet = path(LEFT, RIGHT)
    past = tuple((i / FPS, tracked(0, foot).box) for i, foot in enumerate(feet[:-1]))
    now = (len(feet) - 1) / FPS
    _, events = play(crossing(), [(now, [replace(tracked(now, feet[-1]), past=past)])])
    assert said(events) == ["raised", "cleared"]
    _, told = play(crossing(), walk(feet))
    assert events[0].occurred_at == told[0].occurred_at
    assert events[0].observed_at == at(now)


@pytest.mark.parametrize(
    ("start", "end", "feet", "side"),
    [
        ((0.5, 0.2), (0.5, 0.8), (LEFT, RIGHT), "left"),
        ((0.5, 0.2), (0.5, 0.8), (RIGHT, LEFT), "right"),
        ((0.5, 0.8), (0.5, 0.2), (LEFT, RIGHT), "right"),
        ((0.2, 0.5), (0.8, 0.5), ((0.5, 0.3), (0.5, 0.8)), "right"),
        ((0.2, 0.5), (0.8, 0.5), ((0.5, 0.8), (0.5, 0.3)), "left"),
        ((0.2, 0.3), (0.8, 0.7), ((0.7, 0.3), (0.3, 0.7)), "right"),
    ],
)
def test_direction_is_the_side_it_arrives_on_looking_from_start_to_end(
    start: Foot, end: Foot, feet: tuple[Foot, Foot], side: str
) -> None:
    line = LineConfig(start=start, end=end)
    other = "left" if side == "right" else "right"
    assert said(play(crossing(line, direction=side), walk(path(*feet)))[1]) == ["raised", "cleared"]
    assert said(play(crossing(line, direction="any"), walk(path(*feet)))[1]) == ["raised", "cleared"]
    assert play(crossing(line, direction=other), walk(path(*feet)))[1] == []


def test_distance_from_the_line_is_measured_in_heights_whatever_the_aspect() -> None:
    slanted = Segment.of(LineConfig(start=(0, 0), end=(0.5, 0.5)), 2.0)
    assert abs(slanted.offset(Point(x=0.5, y=0.0))) == pytest.approx(1 / math.sqrt(5))
    assert Segment.of(DOWN, 2.0).offset(Point(x=0.4, y=0.5)) == pytest.approx(0.2)


def test_around_the_end_of_the_line_is_no_passage() -> None:
    around = path(LEFT, (0.35, 0.1), (0.65, 0.1), RIGHT)
    assert play(crossing(), walk(around))[1] == []
    assert said(play(crossing(), walk([*around, *path(RIGHT, LEFT)[1:]]))[1]) == ["raised", "cleared"]


def test_walking_along_the_line_within_its_margin_raises_nothing() -> None:
    rng = random.Random(1)
    feet = [(0.5 + rng.uniform(-0.005, 0.005), 0.2 + 0.6 * i / 60) for i in range(61)]
    assert play(crossing(), walk([LEFT, *feet, LEFT]))[1] == []


def test_coming_to_the_line_and_turning_back_raises_nothing() -> None:
    assert play(crossing(), walk(path(LEFT, (0.503, 0.5), LEFT)))[1] == []


def test_standing_on_the_line_and_trembling_more_than_its_margin_raises_no_more_than_once() -> None:
    rng = random.Random(5)
    feet = [(0.5 + rng.uniform(-0.018, 0.018), 0.5 + rng.uniform(-0.02, 0.02)) for _ in range(300)]
    _, events = play(crossing(), walk([*path(LEFT, (0.5, 0.5)), *feet]))
    assert said(events) == ["raised", "cleared"]


def test_crossing_back_is_another_passage_and_leaves_the_other_direction_alone() -> None:
    there_and_back = walk(path(LEFT, RIGHT, LEFT))
    _, both = play(crossing(), there_and_back)
    assert said(both) == ["raised", "cleared", "raised", "cleared"]
    assert both[0].occurred_at != both[2].occurred_at
    _, one = play(crossing(direction="left"), there_and_back)
    assert said(one) == ["raised", "cleared"]
    assert one[0].occurred_at == both[0].occurred_at


def test_a_passage_while_hidden_counts_when_it_is_seen_on_the_other_side() -> None:
    script = []
    for i, foot in enumerate(path(LEFT, RIGHT)):
        seconds = i / FPS
        script.append((seconds, [tracked(seconds, foot, last_seen=0.8 if 4 < i < 12 else seconds)]))
    _, events = play(crossing(), script)
    assert [event.occurred_at for event in events] == [at(2.4), at(2.4)]


def test_a_coasting_track_that_is_never_seen_beyond_does_not_cross() -> None:
    script = [
        (i / FPS, [tracked(i / FPS, foot, last_seen=min(i, 4) / FPS)]) for i, foot in enumerate(path(LEFT, RIGHT))
    ]
    assert play(crossing(), script)[1] == []


def test_a_track_born_beyond_the_line_has_not_crossed() -> None:
    assert play(crossing(), walk(path((0.5, 0.5), RIGHT)))[1] == []


def test_a_passage_by_somebody_not_believed_yet_is_told_when_he_is_with_the_time_it_happened() -> None:
    feet = path(LEFT, RIGHT)
    script = [(i / FPS, [tracked(i / FPS, f, best_score=0.3 if i < 12 else 0.6)]) for i, f in enumerate(feet)]
    _, events = play(crossing(), script)
    assert said(events) == ["raised", "cleared"]
    assert events[0].occurred_at == at(1.6)
    assert events[0].observed_at == at(2.4)
    weak = [(i / FPS, [tracked(i / FPS, f, best_score=0.3)]) for i, f in enumerate(feet)]
    assert play(crossing(), weak)[1] == []


def test_two_people_crossing_at_once_are_two_incidents() -> None:
    script = [
        (i / FPS, [tracked(i / FPS, foot, 1), tracked(i / FPS, (1 - foot[0], 0.6), 2)])
        for i, foot in enumerate(path(LEFT, RIGHT))
    ]
    _, events = play(crossing(), script)
    assert said(events) == ["raised", "cleared", "raised", "cleared"]
    assert {event.subject for event in events} == {"1", "2"}


def test_a_jump_over_the_whole_margin_in_one_picture_counts() -> None:
    assert said(play(crossing(margin=0.1), walk([LEFT, RIGHT]))[1]) == ["raised", "cleared"]


def test_forgotten_tracks_do_not_pile_up() -> None:
    script = [(i / FPS, [tracked(i / FPS, LEFT, number=i)]) for i in range(200)]
    rule, _ = play(crossing(), script)
    assert isinstance(rule, LineCrossing)
    assert len(rule.walkers) <= 5 * FPS + 1
