import random
from dataclasses import replace
from typing import Any

import pytest

from gridwatch.config.rules import IntrusionRule
from gridwatch.detectors.rules import Zone
from gridwatch.detectors.rules.intrusion import Intrusion
from gridwatch.domain import Phase, Point, Track
from tests.unit.detectors.scenes import FPS, Foot, at, moment, play, said, tracked, walk

OUT: Foot = (0.8, 0.5)
IN: Foot = (0.3, 0.5)


def intrusion(**changes: Any) -> Intrusion:
    raw = {"id": "yard", "kind": "intrusion", "zone": "left", **changes}
    return Intrusion.new(IntrusionRule.model_validate(raw), Zone([(0, 0), (0.5, 0), (0.5, 1), (0, 1)]), 16 / 9)


def test_the_foot_decides_and_the_edge_belongs_to_the_zone() -> None:
    zone = Zone([(0.2, 0.2), (0.6, 0.2), (0.6, 0.6), (0.2, 0.6)])
    assert zone.contains(Point(x=0.6, y=0.4))
    assert zone.contains(Point(x=0.2, y=0.2))
    assert not zone.contains(Point(x=0.601, y=0.4))


def test_a_box_that_reaches_into_the_zone_with_its_foot_outside_raises_nothing() -> None:
    _, events = play(intrusion(), walk([(0.51, 0.5)] * 30))
    assert events == []


def test_raised_once_at_the_first_picture_where_the_dwell_was_over_then_cleared_after_leaving() -> None:
    _, events = play(intrusion(), walk([OUT] * 5 + [IN] * 15 + [OUT] * 20))
    assert said(events) == ["raised", "cleared"]
    raised, cleared = events
    assert raised.occurred_at == raised.observed_at == at(2.0)
    assert cleared.occurred_at == at(2.0)
    assert cleared.observed_at == at(3.8 + 2.0)
    assert (raised.seq, cleared.seq) == (0, 1)
    assert raised.count == 1
    assert raised.boxes[0].box.foot == Point(x=pytest.approx(IN[0]), y=pytest.approx(IN[1]))


def test_shorter_than_the_dwell_raises_nothing_and_dwell_is_not_added_up_over_visits() -> None:
    visit = [IN] * 4 + [OUT] * 6
    _, events = play(intrusion(), walk(visit * 4))
    assert events == []


def test_no_dwell_raises_on_the_first_picture_inside() -> None:
    _, events = play(intrusion(dwell_seconds=0), walk([OUT, IN, IN]))
    assert [event.occurred_at for event in events] == [at(0.2)]


def test_updates_come_by_their_period_with_consecutive_numbers() -> None:
    _, events = play(intrusion(update_seconds=3), walk([IN] * 51))
    assert said(events) == ["raised", "updated", "updated", "updated"]
    assert [event.seq for event in events] == [0, 1, 2, 3]
    assert [event.observed_at for event in events] == [at(1), at(4), at(7), at(10)]


def test_a_foot_that_trembles_over_the_edge_stays_one_incident() -> None:
    feet = [(0.5 + (0.006 if i % 2 else -0.006), 0.5) for i in range(100)]
    _, events = play(intrusion(), walk(feet))
    assert said(events).count("raised") == 1
    assert "cleared" not in said(events)


def test_single_missed_detections_neither_delay_the_dwell_nor_clear() -> None:
    script, seen_at = [], 0.0
    for i in range(60):
        seconds = i / FPS
        seen_at = seen_at if i % 3 == 2 else seconds
        script.append((seconds, [tracked(seconds, IN, last_seen=seen_at)]))
    _, events = play(intrusion(), script)
    assert said(events) == ["raised", "updated"]
    assert events[0].occurred_at == at(1.2)  # the picture at 1.0 missed it, and nothing is raised unseen


def test_a_coasting_track_cannot_newly_enter() -> None:
    script = [(i / FPS, [tracked(i / FPS, OUT if i < 5 else IN, last_seen=min(i, 4) / FPS)]) for i in range(12)]
    _, events = play(intrusion(), script)
    assert events == []


def test_a_track_last_seen_outside_does_not_stay_inside_by_coasting() -> None:
    script = walk([IN] * 10 + [OUT] * 2)
    script += [(2.4 + i / FPS, [tracked(2.4 + i / FPS, OUT, last_seen=2.2)]) for i in range(12)]
    _, events = play(intrusion(), script)
    assert said(events) == ["raised", "cleared"]
    assert events[1].observed_at == at(1.8 + 2.0)


def test_a_new_track_near_where_one_was_lost_continues_its_incident() -> None:
    script = [
        *walk([IN] * 10, number=1),
        *[(2.0 + i / FPS, []) for i in range(5)],
        *[(3.0 + i / FPS, [tracked(3.0 + i / FPS, (0.33, 0.52), 2, first_seen=3.0)]) for i in range(10)],
    ]
    _, events = play(intrusion(), script)
    assert said(events) == ["raised"]


def test_a_track_that_changes_its_id_all_the_time_raises_once() -> None:
    rng = random.Random(3)
    script, number, first = [], 1, 0.0
    for i in range(150):
        seconds = i / FPS
        if i % 12 == 11:
            number, first = number + 1, seconds + 1 / FPS
            script.append((seconds, []))
            continue
        foot = (0.3 + rng.uniform(-0.01, 0.01), 0.5 + rng.uniform(-0.01, 0.01))
        script.append((seconds, [tracked(seconds, foot, number, first_seen=first)]))
    _, events = play(intrusion(update_seconds=60), script)
    assert said(events) == ["raised"]


def test_a_person_where_a_dog_was_lost_is_another_intruder() -> None:
    script = [(i / FPS, [tracked(i / FPS, IN, 1, label="dog")]) for i in range(10)]
    script += [(2.0 + i / FPS, [tracked(2.0 + i / FPS, IN, 2, first_seen=2.0)]) for i in range(8)]
    _, events = play(intrusion(classes=["person", "dog"]), script)
    assert said(events) == ["raised", "raised"]


def test_a_new_track_far_from_the_lost_one_is_another_intruder() -> None:
    script = [
        *walk([(0.05, 0.9)] * 10, number=1),
        *[(2.0 + i / FPS, [tracked(2.0 + i / FPS, (0.45, 0.3), 2, first_seen=2.0)]) for i in range(8)],
    ]
    _, events = play(intrusion(), script)
    assert said(events) == ["raised", "raised"]
    assert events[0].subject != events[1].subject


def test_somebody_who_was_already_there_does_not_take_over_the_incident_of_one_who_left() -> None:
    script = []
    for i in range(40):
        seconds = i / FPS
        tracks = [tracked(seconds, (0.35, 0.5), 2)]
        if i < 20:
            tracks.append(tracked(seconds, (0.3, 0.5), 1))
        script.append((seconds, tracks))
    _, events = play(intrusion(), script)
    assert said(events) == ["raised", "raised", "cleared"]
    assert events[2].subject == "1"


def test_a_passer_by_who_enters_where_another_was_just_lost_is_another_intruder() -> None:
    script = []
    for i in range(30):
        seconds = i / FPS
        tracks = [tracked(seconds, (0.52 if i < 12 else 0.47, 0.5), 2)]
        if i < 10:
            tracks.append(tracked(seconds, (0.46, 0.5), 1))
        script.append((seconds, tracks))
    _, events = play(intrusion(), script)
    assert [event.subject for event in events if event.phase == "raised"] == ["1", "2"]


def test_two_intruders_are_two_incidents() -> None:
    script = [(i / FPS, [tracked(i / FPS, IN, 1), tracked(i / FPS, (0.1, 0.9), 2)]) for i in range(10)]
    _, events = play(intrusion(), script)
    assert [event.subject for event in events] == ["1", "2"]


def test_leaving_for_less_than_the_clear_time_continues_and_for_longer_starts_another() -> None:
    _, short = play(intrusion(), walk([IN] * 10 + [OUT] * 8 + [IN] * 10))
    assert said(short) == ["raised"]
    _, long = play(intrusion(), walk([IN] * 10 + [OUT] * 15 + [IN] * 10))
    assert said(long) == ["raised", "cleared", "raised"]
    assert long[2].occurred_at != long[0].occurred_at


def test_other_classes_unconfirmed_and_weak_tracks_raise_nothing() -> None:
    def alone(**what: Any) -> list[str]:
        script = [(i / FPS, [tracked(i / FPS, IN, **what)]) for i in range(20)]
        return said(play(intrusion(min_score=0.5), script)[1])

    assert alone() == ["raised"]
    assert alone(label="dog") == []
    assert alone(hits=1) == []
    assert alone(best_score=0.49) == []


def test_a_score_reached_late_raises_at_that_moment() -> None:
    script = [(i / FPS, [tracked(i / FPS, IN, best_score=0.3 if i < 15 else 0.6)]) for i in range(20)]
    _, events = play(intrusion(), script)
    assert [(str(event.phase), event.occurred_at) for event in events] == [("raised", at(3.0))]


def test_irregular_pictures_change_no_more_than_the_moment() -> None:
    seconds = [0.0, 0.1, 0.9, 1.4, 3.0, 3.1, 5.0]
    _, events = play(intrusion(), [(s, [tracked(s, IN)]) for s in seconds])
    assert [event.occurred_at for event in events] == [at(1.4)]


def test_time_nobody_looked_is_no_absence_and_widens_where_one_is_looked_for() -> None:
    rule, events = play(intrusion(), walk([IN] * 10))
    step = rule.step(moment(2.0, blind=20.0), [])
    assert step.events == ()
    step = step.rule.step(moment(2.2), [tracked(2.2, (0.05, 0.9), 9, first_seen=2.2)])
    assert step.events == ()
    finished = step.rule.finish(moment(2.4))
    assert [event.seq for event in (*events, *finished.events)] == [0, 1]


def test_finishing_clears_what_is_open_once() -> None:
    rule, events = play(intrusion(), walk([IN] * 10))
    step = rule.finish(moment(1.8))
    assert [(str(event.phase), event.seq) for event in step.events] == [("cleared", 1)]
    assert step.rule.finish(moment(1.8)).events == ()
    assert events[0].subject == step.events[0].subject


def test_a_camera_clock_set_back_never_shows_an_incident_before_it_occurred() -> None:
    rule, _ = play(intrusion(), walk([IN] * 10))
    event = rule.finish(moment(-100.0)).events[0]
    assert event.observed_at == event.occurred_at


def together(*, apart_at: float, came: float = 0.0) -> list[tuple[float, list[Track]]]:
    """One comes in at `came`; a second comes out from behind the first at `apart_at`."""
    script = []
    for i in range(20):
        seconds = i / FPS
        tracks = [tracked(seconds, IN if seconds >= came else OUT, 1)]
        if seconds >= apart_at:
            second = tracked(seconds, (0.33, 0.5), 2, first_seen=apart_at)
            tracks.append(replace(second, behind=1))
        script.append((seconds, tracks))
    return script


def test_who_comes_out_from_behind_an_intruder_came_with_him() -> None:
    _, events = play(intrusion(), together(apart_at=3.0))
    assert [event.occurred_at for event in events] == [at(1.0), at(3.0)]


def test_who_comes_out_from_behind_one_who_has_just_come_in_has_come_in_then() -> None:
    _, events = play(intrusion(), together(apart_at=2.4, came=2.0))
    assert [event.occurred_at for event in events] == [at(3.0), at(3.0)]


def test_the_dwell_of_who_was_taken_for_scenery_began_when_he_came_in() -> None:
    inside, outside = (
        [(i / FPS, tracked(0, IN).box) for i in range(3, 8)],
        [(i / FPS, tracked(0, OUT).box) for i in range(3)],
    )
    came = replace(tracked(1.6, IN), past=(*outside, *inside))
    _, events = play(intrusion(dwell_seconds=1), [(1.6, [came])])
    assert [(event.phase, event.occurred_at) for event in events] == [(Phase.RAISED, at(1.6))]
    _, events = play(intrusion(dwell_seconds=1), [(1.4, [replace(tracked(1.4, IN), past=(*outside, *inside[:4]))])])
    assert events == []


def test_a_past_that_left_the_zone_is_no_dwell() -> None:
    places = [IN] * 5 + [OUT] * 5
    past = tuple((i / FPS, tracked(0, foot).box) for i, foot in enumerate(places))
    _, events = play(intrusion(dwell_seconds=1), [(2.0, [replace(tracked(2.0, IN), past=past)])])
    assert events == []
