"""Abandoned and removed objects, and fire, as rules over tracks."""

from collections.abc import Sequence

import pytest

from gridwatch.config.rules import AbandonedObjectRule, FireSmokeRule, RemovedObjectRule
from gridwatch.detectors.rules import AbandonedObject, FireSmoke, RemovedObject, Zone
from gridwatch.detectors.rules.base import Episode, Resumed, as_box
from gridwatch.domain import Box, Track
from tests.unit.detectors.scenes import Foot, at, moment, play, said, tracked

ASPECT = 16 / 9
LEFT_HALF = Zone([(0, 0), (0.5, 0), (0.5, 1), (0, 1)])
BAG = Box(x1=0.29, y1=0.62, x2=0.31, y2=0.66)
FPS = 5


def abandoned(**changes: object) -> AbandonedObject:
    raw = {"id": "bag", "kind": "abandoned_object", "zone": "left", "seconds": 10.0, **changes}
    return AbandonedObject.new(AbandonedObjectRule.model_validate(raw), LEFT_HALF, ASPECT)


def removed(**changes: object) -> RemovedObject:
    raw = {"id": "crate", "kind": "removed_object", "zone": "left", "seconds": 5.0, **changes}
    return RemovedObject.new(RemovedObjectRule.model_validate(raw), LEFT_HALF, ASPECT)


def fire(**changes: object) -> FireSmoke:
    raw = {"id": "fire", "kind": "fire_smoke", "zone": "left", **changes}
    return FireSmoke(settings=FireSmokeRule.model_validate(raw), zone=LEFT_HALF)


def thing(seconds: float, label: str = "left_object", since: float = 4.0, box: Box = BAG) -> Track:
    return Track(
        id=-1, label=label, box=box, score=0.8, best_score=0.8, first_seen=since, last_seen=seconds, hits=9,
    )  # fmt: skip


Script = list[tuple[float, Sequence[Track]]]


def script(until: float, *people: tuple[int, float, float, Foot], told: float = 7.0, gone: float = 1e9) -> Script:
    """A bag set down at 4 s that is told of from `told` to `gone`, and people: (track, from, to, foot)."""
    steps: Script = []
    for index in range(round(until * FPS) + 1):
        t = index / FPS
        around = [tracked(t, foot, number) for number, start, end, foot in people if start <= t < end]
        steps.append((t, [*around, *([thing(t)] if told <= t < gone else [])]))
    return steps


NEAR, FAR = (0.33, 0.67), (0.8, 0.67)


def test_a_bag_is_raised_when_its_owner_has_been_gone_for_long_enough_and_cleared_when_it_is_taken() -> None:
    _, events = play(abandoned(), script(40.0, (1, 0.0, 6.0, NEAR), (1, 6.0, 9.0, FAR), gone=30.0))
    assert said(events) == ["raised", "cleared"]
    assert events[0].occurred_at == at(16.0)
    assert events[1].observed_at == at(31.8)
    assert [one.label for one in events[0].boxes] == ["left_object"]


def test_it_is_not_raised_while_its_owner_stays() -> None:
    _, events = play(abandoned(), script(60.0, (1, 0.0, 60.0, NEAR)))
    assert events == []


def test_nor_while_he_is_lost_and_found_beside_it() -> None:
    people = [(n, 9.0 * n, 9.0 * n + 8.0, NEAR) for n in range(7)]
    _, events = play(abandoned(), script(60.0, *people))
    assert events == []


def test_who_only_passes_does_not_attend_it() -> None:
    owner = (1, 0.0, 6.0, NEAR)
    passers = [(n, 8.0 + 3.0 * n, 10.5 + 3.0 * n, NEAR) for n in range(2, 5)]
    elsewhere = [(n, 2.0, 8.0 + 3.0 * n, FAR) for n in range(2, 5)]
    _, events = play(abandoned(), script(30.0, owner, *elsewhere, *passers))
    assert [event.occurred_at for event in events] == [at(16.0)]


def test_who_comes_and_stays_does_until_he_leaves() -> None:
    friend = [(2, 2.0, 10.0, FAR), (2, 10.0, 25.0, NEAR), (2, 25.0, 60.0, FAR)]
    _, events = play(abandoned(), script(60.0, (1, 0.0, 6.0, NEAR), *friend))
    assert [event.occurred_at for event in events] == [at(35.0)]


def test_an_owner_who_comes_back_too_late_does_not_end_it() -> None:
    _, events = play(abandoned(), script(40.0, (1, 0.0, 6.0, NEAR), (1, 6.0, 20.0, FAR), (1, 20.0, 40.0, NEAR)))
    assert said(events) == ["raised"]


def test_standing_and_being_unattended_may_take_different_times() -> None:
    rule = abandoned(seconds=20.0, unattended_seconds=5.0)
    _, events = play(rule, script(40.0, (1, 0.0, 6.0, NEAR), (1, 6.0, 9.0, FAR)))
    assert events[0].occurred_at == at(24.0)


def test_a_person_whom_the_detector_lost_attends_it() -> None:
    steps = script(60.0, (1, 0.0, 6.0, NEAR))
    steps = [
        (t, [*tracks, thing(t, "somebody", box=Box(x1=0.31, y1=0.47, x2=0.34, y2=0.67))] if t >= 6.0 else tracks)
        for t, tracks in steps
    ]
    assert play(abandoned(), steps)[1] == []


@pytest.mark.parametrize(
    "box",
    [
        Box(x1=0.79, y1=0.62, x2=0.81, y2=0.66),
        Box(x1=0.29, y1=0.655, x2=0.295, y2=0.66),
        Box(x1=0.1, y1=0.2, x2=0.45, y2=0.6),
    ],
    ids=["outside the zone", "too small", "too large"],
)
def test_zone_and_size_count(box: Box) -> None:
    assert play(abandoned(), [(t / FPS, [thing(t / FPS, box=box)]) for t in range(300)])[1] == []


def test_updates_come_while_it_lasts() -> None:
    _, events = play(abandoned(update_seconds=20.0), script(60.0, (1, 0.0, 6.0, NEAR), (1, 6.0, 9.0, FAR)))
    assert said(events) == ["raised", "updated", "updated"]


def test_after_a_restart_it_goes_on_where_the_thing_is_found_and_ends_where_not() -> None:
    raised, event = Episode.open("-1", moment(16.0), (as_box(thing(16.0)),), 0.8)
    rule = abandoned().resume([Resumed(episode=raised, boxes=event.boxes)])
    found = play(rule, [(t / FPS, [thing(t / FPS, since=0.0)]) for t in range(50)])[1]
    assert found == []
    assert said(play(rule, [(t / FPS, []) for t in range(50)])[1]) == ["cleared"]


def test_a_thing_that_is_gone_is_raised_once_it_was_gone_for_long_enough_and_cleared_on_its_return() -> None:
    steps = [(t / FPS, [thing(t / FPS, "removed_object")] if 40 <= t < 100 else []) for t in range(150)]
    _, events = play(removed(), steps)
    assert said(events) == ["raised", "cleared"]
    assert events[0].occurred_at == at(9.0)
    assert events[1].observed_at == at(21.8)


def test_rules_of_things_left_do_not_speak_of_things_gone() -> None:
    steps = [(t / FPS, [thing(t / FPS, "removed_object")]) for t in range(150)]
    assert play(abandoned(), steps)[1] == []
    assert play(removed(), [(t, [thing(t)]) for t, _ in steps])[1] == []


def burning(t: float, number: int, foot: Foot = (0.3, 0.6), label: str = "fire", since: float = 2.0) -> Track:
    return tracked(t, foot, number, label=label, first_seen=since)


def test_a_fire_is_one_incident_however_many_flames_and_breaks() -> None:
    steps = [
        (t / FPS, [burning(t / FPS, n) for n in range(1 + t % 3)] if 10 <= t < 100 and t % 7 else [])
        for t in range(200)
    ]
    _, events = play(fire(), steps)
    assert said(events) == ["raised", "updated", "cleared"]
    assert events[0].occurred_at == at(5.0)
    assert events[2].observed_at == at(29.8)


def test_smoke_of_a_model_is_told_by_the_same_rule() -> None:
    steps = [(t / FPS, [burning(t / FPS, 1, label="smoke")]) for t in range(10, 60)]
    assert said(play(fire(), steps)[1]) == ["raised"]
    assert play(fire(classes=["fire"]), steps)[1] == []


def test_what_flares_up_for_a_moment_or_elsewhere_is_no_fire() -> None:
    brief = [(t / FPS, [burning(t / FPS, 1, since=t // 20 * 4.0)] if t % 20 < 10 else []) for t in range(200)]
    assert play(fire(), brief)[1] == []
    elsewhere = [(t / FPS, [burning(t / FPS, 1, foot=(0.8, 0.6))]) for t in range(100)]
    assert play(fire(), elsewhere)[1] == []


def test_a_fire_goes_on_after_a_restart() -> None:
    raised, event = Episode.open("fire", moment(5.0), (as_box(burning(5.0, 1)),), 0.8)
    rule = fire().resume([Resumed(episode=raised, boxes=event.boxes)])
    assert said(play(rule, [(t / FPS, [burning(t / FPS, 1, since=0.0)]) for t in range(80)])[1]) == ["updated"]
    assert said(play(rule, [(t / FPS, []) for t in range(60)])[1]) == ["cleared"]
