"""What holds for every rule alike, shown on intrusion, crowding and line crossing."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from gridwatch.detectors import rules
from gridwatch.detectors.rules import Moment, Rule, RuleEvent
from gridwatch.domain import Box, Track
from tests.unit.detectors.scenes import FPS, Foot, at, box_at, camera, moment, play, said, tracked, walk

OUT: Foot = (0.8, 0.5)
IN: Foot = (0.3, 0.5)
INTRUSION = {"id": "one", "kind": "intrusion", "zone": "left"}


def rule(timezone: str = "UTC", **changes: Any) -> Rule:
    one = camera(rules=[{**INTRUSION, **changes}], timezone=timezone)
    return rules.build(one, 16 / 9)["one"]


def suppressed(one: Rule, script: Sequence[tuple[float, Sequence[Track]]]) -> tuple[int, list[RuleEvent]]:
    count, events = 0, []
    for seconds, tracks in script:
        step = one.step(moment(seconds), tracks)
        one, count, events = step.rule, count + step.suppressed, [*events, *step.events]
    return count, events


# The scenes begin on Sunday 2026-03-01 at 08:00 UTC.


def test_somebody_inside_when_the_hours_begin_is_raised_then_and_cleared_when_they_end() -> None:
    inside = [(i / FPS, [tracked(i / FPS, IN)]) for i in range(5 * 150)]
    _, events = play(rule(schedule=["sun 08:01-08:02"], update_seconds=300), inside)
    assert [(str(event.phase), event.observed_at) for event in events] == [("raised", at(60)), ("cleared", at(120))]


def test_each_night_is_another_incident_for_who_never_leaves() -> None:
    inside = [(float(second), [tracked(second, IN)]) for second in range(0, 49 * 3600, 30)]
    _, events = play(rule(timezone="Asia/Shanghai", schedule=["22:00-06:00"], update_seconds=86400), inside)
    assert said(events) == ["raised", "cleared"] * 2
    assert [event.observed_at.hour for event in events] == [14, 22, 14, 22]  # UTC
    assert events[0].occurred_at != events[2].occurred_at


def test_a_wall_clock_that_steps_out_of_the_hours_and_back_neither_crashes_nor_repeats_numbers() -> None:
    one = rule(schedule=["sun 08:00-09:00"])
    events: list[RuleEvent] = []
    for i in range(60):
        wall = at(i / FPS) + timedelta(hours=3 if 20 <= i < 25 else 0)
        step = one.step(Moment(pts=i / FPS, at=wall), [tracked(i / FPS, IN)])
        one, events = step.rule, [*events, *step.events]
    assert said(events) == ["raised", "cleared", "raised"]
    assert events[0].occurred_at < events[2].occurred_at


def test_crowds_and_passages_outside_the_hours_are_not_told() -> None:
    crowd = rule(kind="crowding", count=2, schedule=["mon 00:00-24:00"])
    standing = [(i / FPS, [tracked(i / FPS, IN, 1), tracked(i / FPS, (0.1, 0.5), 2)]) for i in range(60)]
    assert play(crowd, standing)[1] == []
    line = camera(
        rules=[{"id": "one", "kind": "line_crossing", "line": "middle", "schedule": ["mon 00:00-24:00"]}],
        timezone="UTC",
    )
    passing = walk([(0.3 + 0.02 * i, 0.5) for i in range(20)])
    assert play(rules.build(line, 16 / 9)["one"], passing)[1] == []


def test_no_incident_is_raised_where_one_was_just_cleared_and_each_that_was_not_counts_once() -> None:
    visits = walk([OUT] * 2 + ([IN] * 10 + [OUT] * 20) * 4)
    count, events = suppressed(rule(cooldown_seconds=60), visits)
    assert said(events) == ["raised", "cleared"]
    assert count == 3


def test_an_incident_that_outlasts_the_cooldown_is_raised_when_that_ends() -> None:
    count, events = suppressed(rule(cooldown_seconds=5), walk([IN] * 10 + [OUT] * 12 + [IN] * 40))
    assert said(events) == ["raised", "cleared", "raised"]
    assert events[1].observed_at == at(1.8 + 2.0)
    assert events[2].occurred_at == at(3.8 + 5.0)
    assert count == 1


def test_the_cooldown_holds_at_its_place_only() -> None:
    script = walk([IN] * 10 + [OUT] * 12)
    script += [(4.4 + i / FPS, [tracked(4.4 + i / FPS, (0.05, 0.95), 2, first_seen=4.4)]) for i in range(10)]
    _, events = suppressed(rule(cooldown_seconds=600), script)
    assert said(events) == ["raised", "cleared", "raised"]


def test_a_crowd_and_a_passage_are_suppressed_too() -> None:
    crowd = rule(kind="crowding", count=2, seconds=1, clear_seconds=1, cooldown_seconds=30, update_seconds=99)
    pair = [[tracked(0, IN, 1), tracked(0, (0.1, 0.5), 2)], []]
    script = [(i / FPS, [_now(one, i / FPS) for one in pair[i // 20 % 2]]) for i in range(120)]
    count, events = suppressed(crowd, script)
    assert (said(events), count) == (["raised", "cleared"], 2)
    line = camera(rules=[{"id": "one", "kind": "line_crossing", "line": "middle", "cooldown_seconds": 30}])
    to_and_fro = walk([(0.5 + 0.04 * (-1) ** (i // 5), 0.5) for i in range(60)])
    count, events = suppressed(rules.build(line, 16 / 9)["one"], to_and_fro)
    assert said(events) == ["raised", "cleared"]
    assert count == 10


def _now(track: Track, seconds: float) -> Track:
    return tracked(seconds, (track.box.foot.x, track.box.foot.y), track.id)


def test_heights_are_asked_for_by_the_place_of_the_foot() -> None:
    limits = {"min_height": {"top": 0.0, "bottom": 0.4}, "max_height": 0.5}

    def raised(box: Box) -> bool:
        script = [(i / FPS, [replace(tracked(i / FPS, IN), box=box)]) for i in range(10)]
        return bool(play(rule(**limits), script)[1])

    assert raised(box_at(0.3, 0.5, height=0.21))
    assert not raised(box_at(0.3, 0.5, height=0.19))
    assert not raised(box_at(0.3, 0.9, height=0.35))
    assert raised(box_at(0.3, 0.9, height=0.37))
    assert not raised(box_at(0.3, 0.9, height=0.52))


def test_a_class_may_have_a_score_of_its_own() -> None:
    def raised(label: str, score: float) -> bool:
        one = rule(classes=["person", "dog"], min_score=0.4, class_scores={"dog": 0.7})
        script = [(i / FPS, [tracked(i / FPS, IN, label=label, best_score=score)]) for i in range(10)]
        return bool(play(one, script)[1])

    assert raised("person", 0.5)
    assert not raised("dog", 0.5)
    assert raised("dog", 0.7)


def test_seen_from_straight_above_the_middle_of_the_box_decides() -> None:
    edge = [(i / FPS, [tracked(i / FPS, (0.3, 1.0))]) for i in range(10)]
    above = camera(
        rules=[{**INTRUSION, "zone": "strip", "anchor": "center"}],
        zones={"strip": [[0, 0.8], [1, 0.8], [1, 0.95], [0, 0.95]]},
    )
    assert said(play(rules.build(above, 16 / 9)["one"], edge)[1]) == ["raised"]
    feet = above.model_copy(update={"rules": (above.rules[0].model_copy(update={"anchor": "bottom_center"}),)})
    assert play(rules.build(feet, 16 / 9)["one"], edge)[1] == []


def test_inertia_wants_pictures_in_a_row() -> None:
    flicker = walk([IN, OUT] * 20 + [IN] * 5)
    _, events = play(rule(dwell_seconds=0, inertia=3), flicker)
    assert [(str(event.phase), event.occurred_at) for event in events] == [("raised", at(42 / FPS))]
