"""What rules say they think: the numbers that they go by, and nothing that changes them."""

from collections.abc import Sequence
from typing import Any, get_args

import pytest

from gridwatch.config import RuleConfig
from gridwatch.detectors.rules import Explains, Rule, Stance, Thought, build
from gridwatch.domain import Track
from tests.unit.detectors.scenes import camera, moment, play, tracked, walk

EVERY_KIND: list[dict[str, Any]] = [
    {"id": "a", "kind": "intrusion", "zone": "left"},
    {"id": "b", "kind": "line_crossing", "line": "middle"},
    {"id": "c", "kind": "loitering", "zone": "left"},
    {"id": "d", "kind": "stopped_vehicle", "zone": "left"},
    {"id": "e", "kind": "wrong_way", "zone": "left", "direction": 0},
    {"id": "f", "kind": "crowding", "zone": "left", "count": 3},
    {"id": "g", "kind": "abandoned_object", "zone": "left"},
    {"id": "h", "kind": "removed_object", "zone": "left"},
    {"id": "i", "kind": "fire_smoke", "zone": "left"},
]
LEFT, RIGHT = (0.3, 0.8), (0.7, 0.8)


def rule(**settings: Any) -> Rule:
    """The one rule of a camera that has a zone `left` and a line `middle` down the picture."""
    return build(camera(rules=[{"id": "r", **settings}]), 16 / 9)["r"]


def thoughts(one: Rule, seconds: float, tracks: Sequence[Track]) -> list[Thought]:
    assert isinstance(one, Explains)
    before = repr(one)
    said = one.explain(moment(seconds), tracks)
    assert repr(one) == before
    assert all(thought.rule == "r" and thought.text.isascii() for thought in said)
    return list(said)


def about(one: Rule, seconds: float, track: Track) -> Thought:
    return next(thought for thought in thoughts(one, seconds, [track]) if thought.subject == track.id)


def test_an_intrusion_tells_the_dwell_so_far_and_then_that_it_is_open_and_when_it_clears() -> None:
    one, _ = play(rule(kind="intrusion", zone="left", dwell_seconds=1), walk([LEFT] * 4))
    thought = about(one, 0.6, tracked(0.6, LEFT))
    assert (thought.stance, thought.value, thought.threshold) == (Stance.NEARS, pytest.approx(0.6), 1.0)
    assert thought.text == "in left; dwell 0.6 of 1 s"
    one, events = play(one, walk([LEFT] * 2, start=0.8))
    assert len(events) == 1
    assert about(one, 1.0, tracked(1.0, LEFT)).stance is Stance.RAISED
    one, _ = play(one, walk([RIGHT] * 5, start=1.2))
    gone = about(one, 2.0, tracked(2.0, RIGHT))
    assert (gone.stance, gone.text) == (Stance.RAISED, "incident open: outside left; clears in 1.0 s")


def test_somebody_outside_of_another_class_or_not_believed_is_said_to_be_so() -> None:
    one = rule(kind="intrusion", zone="left")
    assert about(one, 0, tracked(0, RIGHT)).text == "outside left"
    assert about(one, 0, tracked(0, LEFT, label="dog")).text == "dog is not watched"
    weak = about(one, 0, tracked(0, LEFT, best_score=0.3))
    assert (weak.text, weak.value, weak.threshold) == ("best score 0.30 of 0.40", 0.3, 0.4)
    assert about(one, 0, tracked(0, LEFT, hits=1)).text == "detected 1 of 2 times"


def test_hours_sizes_and_cooling_are_told() -> None:
    one = rule(kind="intrusion", zone="left", schedule=["20:00-06:00"], min_height=0.3)
    whole, single = thoughts(one, 0, [tracked(0, LEFT)])
    assert (whole.subject, whole.text) == (None, "off duty: its hours are 20:00-06:00")
    assert single.text == "height 0.200, 0.300 to 1.000 counts here"
    assert {whole.stance, single.stance} == {Stance.UNCOUNTED}
    cooled = rule(kind="intrusion", zone="left", dwell_seconds=0, clear_seconds=0.4, cooldown_seconds=30)
    cooled, _ = play(cooled, [*walk([LEFT] * 3), *[(0.6 + i / 5, []) for i in range(20)]])
    cooled, events = play(cooled, walk([LEFT] * 3, number=2, start=5.0))
    assert events == []
    assert "cooling down here" in about(cooled, 5.4, tracked(5.4, LEFT, 2)).text
    assert "cooling down at 1 places" in thoughts(cooled, 5.4, [])[0].text


def test_loitering_counts_towards_the_seconds_of_the_class() -> None:
    one = rule(kind="loitering", zone="left", classes=["person"], seconds=60, class_seconds={"person": 30})
    one, _ = play(one, walk([LEFT] * 11))
    assert about(one, 2.0, tracked(2.0, LEFT)).text == "in left; there for 2.0 of 30 s"


def test_a_line_tells_the_side_the_distance_and_why_a_passage_does_not_count() -> None:
    one, _ = play(rule(kind="line_crossing", line="middle", direction="right"), walk([(0.45, 0.8), (0.46, 0.8)]))
    near = about(one, 0.2, tracked(0.2, (0.46, 0.8)))
    assert near.text == "0.071 right of middle, last surely right"
    one, events = play(one, walk([(0.48, 0.8), (0.502, 0.8)], start=0.4))
    assert events == []
    crossing = about(one, 0.6, tracked(0.6, (0.502, 0.8)))
    assert crossing.text == "0.004 left of middle, last surely right; arriving left is not watched"
    assert (crossing.stance, crossing.threshold) == (Stance.NO, 0.01)
    new = about(one, 0.6, tracked(0.6, (0.5, 0.8), 7))
    assert "too near to know its side" in new.text


def test_a_crowd_tells_count_against_count_and_who_is_counted() -> None:
    crowd = [tracked(0, (0.1 + number / 10, 0.8), number) for number in range(3)]
    one, _ = play(rule(kind="crowding", zone="left", count=3, seconds=2), [(0.0, crowd)])
    whole, *singles = thoughts(one, 0, crowd)
    assert (whole.stance, whole.value, whole.threshold) == (Stance.NEARS, 3, 3)
    assert whole.text == "3 in left, median 3 of 3, for 0.0 of 2 s"
    assert [single.text for single in singles] == ["in left, counted"] * 3


def test_a_stopped_vehicle_tells_whether_it_was_seen_to_come() -> None:
    settings = {"kind": "stopped_vehicle", "zone": "left", "seconds": 10}

    def car(seconds: float, x: float) -> Track:
        return tracked(seconds, (x, 0.8), label="car")

    parked, _ = play(rule(**settings), [(i / 5, [car(i / 5, 0.3)]) for i in range(30)])
    assert "was not seen to come: moved 0.00 of 0.75 sizes" in about(parked, 5.8, car(5.8, 0.3)).text
    drive = [min(0.3, 0.02 * i) for i in range(60)]
    came, _ = play(rule(**settings), [(i / 5, [car(i / 5, x)]) for i, x in enumerate(drive)])
    thought = about(came, 11.8, car(11.8, 0.3))
    assert thought.text.startswith("stands, in left; stood ")
    assert thought.threshold == 10
    assert about(rule(**settings), 0, car(0, 0.3)).text == "not followed, in left"


def test_wrong_way_tells_the_heading_against_the_direction() -> None:
    one = rule(kind="wrong_way", zone="left", classes=["person"], direction=90)
    here = [(0.45 - 0.02 * i, 0.8) for i in range(15)]
    early, _ = play(one, walk(here[:2]))
    assert "has not gone 1 of its sizes yet" in about(early, 0.2, tracked(0.2, here[1])).text
    late, events = play(one, walk(here))
    assert len(events) == 1
    thought = about(late, 2.8, tracked(2.8, here[-1]))
    assert thought.text == "incident open: heads 270 deg, 180 off 90, 120 allowed"


def test_a_thing_left_tells_how_long_it_stands_and_how_long_nobody_attends_it() -> None:
    one = rule(kind="abandoned_object", zone="left", seconds=10, min_area=0.001, max_area=0.5)

    def thing(seconds: float) -> Track:
        return tracked(seconds, LEFT, 90, label="left_object")

    owner = [tracked(0, (0.32, 0.8), 1)]
    one, _ = play(one, [(0.0, [thing(0), *owner]), *[(i / 5, [thing(i / 5)]) for i in range(1, 20)]])
    waiting = about(one, 3.8, thing(3.8))
    assert waiting.text == "there for 3.8 of 10 s, unattended for 3.6 of 10 s"
    assert (waiting.stance, waiting.value, waiting.threshold) == (Stance.NEARS, pytest.approx(3.6), 10)
    assert about(one, 3.8, tracked(3.8, LEFT, 2)).text == "person is not watched"
    one, events = play(one, [(i / 5, [thing(i / 5)]) for i in range(20, 60)])
    assert len(events) == 1
    assert about(one, 11.8, thing(11.8)).stance is Stance.RAISED


def test_what_is_missing_and_what_burns_is_told_with_its_time() -> None:
    gone = rule(kind="removed_object", zone="left", seconds=5, min_area=0.001, max_area=0.5)
    hole = tracked(1.0, LEFT, label="removed_object")
    gone, _ = play(gone, [(i / 5, [tracked(i / 5, LEFT, label="removed_object")]) for i in range(6)])
    assert about(gone, 1.0, hole).text == "something is missing in left; gone for 1.0 of 5 s"
    fire = rule(kind="fire_smoke", zone="left", seconds=3)
    assert thoughts(fire, 0, [])[0].text == "nothing burns in left"
    fire, _ = play(fire, [(i / 5, [tracked(i / 5, LEFT, label="fire")]) for i in range(6)])
    whole, flame = thoughts(fire, 1.0, [tracked(1.0, LEFT, label="fire")])
    assert (whole.text, whole.stance, flame.text) == ("burns in left for 1.0 of 3 s", Stance.NEARS, "counted")


def test_every_kind_of_rule_can_say_what_it_thinks() -> None:
    built = build(camera(rules=EVERY_KIND), 16 / 9)
    assert len(built) == len({one["kind"] for one in EVERY_KIND}) == len(get_args(get_args(RuleConfig)[0]))
    for one in built.values():
        assert isinstance(one, Explains)
        assert len(one.explain(moment(0), [tracked(0, LEFT)])) >= 1
