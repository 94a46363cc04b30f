from collections.abc import Iterable
from typing import Any
from uuid import UUID

from gridwatch.config.rules import CrowdingRule
from gridwatch.detectors.rules import Resumed, Zone
from gridwatch.detectors.rules.base import Episode
from gridwatch.detectors.rules.crowding import Crowding
from gridwatch.domain import Track
from tests.unit.detectors.scenes import FPS, at, moment, play, said, tracked


def crowding(**changes: Any) -> Crowding:
    raw = {"id": "square", "kind": "crowding", "zone": "left", "count": 4, "update_seconds": 600, **changes}
    return Crowding(settings=CrowdingRule.model_validate(raw), zone=Zone([(0, 0), (0.5, 0), (0.5, 1), (0, 1)]))


def group(seconds: float, size: int, **what: Any) -> list[Track]:
    return [tracked(seconds, (0.05 + 0.04 * n, 0.6), n + 1, **what) for n in range(size)]


def crowd(sizes: Iterable[int]) -> list[tuple[float, list[Track]]]:
    return [(i / FPS, group(i / FPS, size)) for i, size in enumerate(sizes)]


def test_raised_once_when_enough_for_long_enough_with_everybody_counted() -> None:
    _, events = play(crowding(), crowd([2] * 10 + [5] * 30))
    assert said(events) == ["raised"]
    assert events[0].count == 5
    assert len(events[0].boxes) == 5
    # 2.0 s from when they came, though the median over a second said so 0.4 s later only
    assert events[0].occurred_at == at(4.0)
    assert events[0].occurred_at == events[0].observed_at


def test_a_crowd_that_passes_raises_nothing() -> None:
    assert play(crowding(), crowd([2] * 10 + [6] * 8 + [2] * 20))[1] == []


def test_a_crowd_that_lasts_hardly_longer_than_asked_is_raised() -> None:
    assert said(play(crowding(), crowd([2] * 10 + [4] * 11 + [2] * 5))[1]) == ["raised"]


def test_flicker_of_single_pictures_neither_delays_nor_clears() -> None:
    steady = play(crowding(), crowd([4] * 60))[1]
    flickering = play(crowding(), crowd([3 if i % 3 == 1 else 4 for i in range(60)]))[1]
    assert said(flickering) == said(steady) == ["raised"]
    assert (flickering[0].occurred_at - steady[0].occurred_at).total_seconds() <= 0.4


def test_single_pictures_with_too_many_raise_nothing() -> None:
    assert play(crowding(), crowd([4 if i % 5 == 0 else 3 for i in range(100)]))[1] == []


def test_cleared_when_too_few_for_long_enough_and_raised_again_as_another() -> None:
    _, events = play(crowding(), crowd([5] * 20 + [1] * 30 + [5] * 20))
    assert said(events) == ["raised", "cleared", "raised"]
    assert at(3.8 + 3.0) <= events[1].observed_at <= at(3.8 + 4.0)
    assert events[1].occurred_at == events[0].occurred_at
    assert events[2].occurred_at > events[1].observed_at


def test_a_dip_shorter_than_the_clear_time_continues() -> None:
    assert said(play(crowding(), crowd([5] * 20 + [1] * 10 + [5] * 20))[1]) == ["raised"]


def test_clear_count_keeps_a_thinning_crowd_open() -> None:
    assert said(play(crowding(clear_count=2), crowd([5] * 20 + [3] * 40))[1]) == ["raised"]
    assert said(play(crowding(), crowd([5] * 20 + [3] * 40))[1]) == ["raised", "cleared"]


def test_updates_tell_the_present_count() -> None:
    _, events = play(crowding(update_seconds=4), crowd([4] * 20 + [7] * 36))
    assert said(events) == ["raised", "updated", "updated"]
    assert [event.seq for event in events] == [0, 1, 2]
    assert [event.count for event in events] == [4, 7, 7]


def test_the_raising_picture_shows_at_least_the_count() -> None:
    sizes = [4, 4, 3] * 20
    _, events = play(crowding(seconds=1.0), crowd(sizes))
    assert said(events) == ["raised"]
    assert events[0].count >= 4


def test_briefly_coasting_people_count_and_long_unseen_ones_do_not() -> None:
    def hidden_for(seconds: float) -> list[str]:
        script = [(i / FPS, group(i / FPS, 4, last_seen=i / FPS - seconds)) for i in range(30)]
        return said(play(crowding(), script)[1])

    assert hidden_for(0.6) == ["raised"]
    assert hidden_for(1.2) == []


def test_people_outside_other_classes_and_weak_tracks_do_not_count() -> None:
    def with_fourth(fourth: Track) -> list[str]:
        script = []
        for i in range(30):
            seconds = i / FPS
            moved = Track(
                id=9, label=fourth.label, box=fourth.box, score=fourth.score, best_score=fourth.best_score,
                first_seen=0, last_seen=seconds, hits=fourth.hits,
            )  # fmt: skip
            script.append((seconds, [*group(seconds, 3), moved]))
        return said(play(crowding(), script)[1])

    assert with_fourth(tracked(0, (0.4, 0.8))) == ["raised"]
    assert with_fourth(tracked(0, (0.6, 0.8))) == []
    assert with_fourth(tracked(0, (0.4, 0.8), label="dog")) == []
    assert with_fourth(tracked(0, (0.4, 0.8), best_score=0.2)) == []
    assert with_fourth(tracked(0, (0.4, 0.8), hits=1)) == []


def test_pictures_two_seconds_apart_still_raise_and_clear() -> None:
    script = [(2.0 * i, group(2.0 * i, 5 if i < 6 else 0)) for i in range(12)]
    _, events = play(crowding(), script)
    assert said(events) == ["raised", "cleared"]
    assert events[0].occurred_at == at(2.0)


def test_finishing_clears_the_crowd_once() -> None:
    rule, events = play(crowding(), crowd([5] * 20))
    step = rule.finish(moment(4.0))
    assert [(str(event.phase), event.seq, event.count) for event in step.events] == [("cleared", 1, 5)]
    assert step.rule.finish(moment(4.0)).events == ()
    assert events[0].subject == step.events[0].subject


def test_a_density_is_a_number_on_the_ground_of_the_zone() -> None:
    def life(people: int, **changes: Any) -> list[str]:
        one = crowding(count=None, seconds=0, clear_seconds=1, **changes)
        return said(play(one, crowd([people] * 20 + [min(people, 2)] * 20))[1])

    assert life(4, density=0.25, area_m2=20) == []
    assert life(5, density=0.25, area_m2=20) == ["raised", "cleared"]
    assert life(5, density=0.25, clear_density=0.1, area_m2=20) == ["raised"]  # two are left: 0.1 to the square metre
    assert life(2, density=0.001, area_m2=20) == ["raised"]
    assert life(1, density=0.001, area_m2=20) == []  # one person is no crowd


def test_a_crowd_that_was_open_before_a_restart_goes_on_or_is_cleared() -> None:
    _, events = play(crowding(), crowd([5] * 30))
    episode = Episode(
        subject="crowd", occurred_at=at(-60), seq=3, last_pts=float("-inf"), score=0.8, identity=UUID(int=7)
    )
    resumed = crowding(clear_seconds=1).resume([Resumed(episode=episode, boxes=events[0].boxes)])
    _, gone = play(resumed, crowd([0] * 20))
    assert [(str(event.phase), event.seq, event.identity) for event in gone] == [("cleared", 4, UUID(int=7))]
    _, there = play(resumed, crowd([5] * 20))
    assert [(str(event.phase), event.seq, event.identity) for event in there] == [("updated", 4, UUID(int=7))]
