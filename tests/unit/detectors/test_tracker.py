import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwatch.detectors.tracker import TrackerSettings, TrackerState, TrackerStep, hold, track
from gridwatch.domain import Box, Detection, Track
from tests.unit.detectors.scenes import FPS, seen


def run(pictures: Sequence[Sequence[Detection]], fps: float = FPS) -> list[TrackerStep]:
    state, steps = TrackerState(), []
    for i, detections in enumerate(pictures):
        step = track(state, i / fps, detections)
        state = step.state
        steps.append(step)
    return steps


def confirmed(step: TrackerStep) -> list[Track]:
    return [one for one in step.tracks if one.hits >= 2]


def ids(steps: Sequence[TrackerStep]) -> set[int]:
    return {one.id for step in steps for one in confirmed(step)}


def test_a_walker_keeps_one_id() -> None:
    steps = run([[seen(0.1 + 0.02 * i, 0.6)] for i in range(30)])
    assert ids(steps) == {1}
    assert steps[-1].tracks[0].hits == 30


def test_a_runner_two_thirds_of_a_box_a_picture_keeps_one_id_though_boxes_hardly_overlap() -> None:
    steps = run([[seen(0.1 + 0.045 * i, 0.6)] for i in range(18)])
    assert ids(steps) == {1}


def test_one_detection_is_not_confirmed_and_a_second_confirms() -> None:
    steps = run([[seen(0.3, 0.5)], [seen(0.31, 0.5)]])
    assert [len(confirmed(step)) for step in steps] == [0, 1]


def test_a_single_flicker_ends_within_a_second() -> None:
    steps = run([[seen(0.3, 0.5)], *[[]] * 6])
    assert not any(confirmed(step) for step in steps)
    assert steps[-1].state.trails == ()


def test_flicker_of_a_third_of_the_pictures_keeps_one_id() -> None:
    rng = random.Random(7)
    steps = run([[seen(0.1 + 0.012 * i, 0.6)] if i < 2 or rng.random() > 0.33 else [] for i in range(60)])
    assert ids(steps) == {1}


def test_an_occlusion_of_a_second_is_coasted_over_on_the_walked_course() -> None:
    pictures = [[seen(0.1 + 0.02 * i, 0.6)] if not 10 <= i < 15 else [] for i in range(25)]
    steps = run(pictures)
    assert ids(steps) == {1}
    hidden = steps[12].tracks[0]
    assert hidden.last_seen == pytest.approx(9 / FPS)
    assert hidden.box.centre.x == pytest.approx(0.34, abs=0.02)


def test_a_lost_track_is_dropped_after_coasting_and_comes_back_under_a_new_id() -> None:
    pictures = [[seen(0.5, 0.6)]] * 5 + [[]] * 10 + [[seen(0.5, 0.6)]] * 3
    steps = run(pictures)
    assert steps[14].tracks == ()
    assert ids(steps) == {1, 2}


def test_weak_detections_continue_a_track_but_a_very_weak_one_never_starts_one() -> None:
    weak = run([[seen(0.1, 0.6)], [seen(0.115, 0.6)], *[[seen(0.13 + 0.015 * i, 0.6, score=0.15)] for i in range(20)]])
    assert ids(weak) == {1}
    assert weak[-1].tracks[0].best_score == 0.8
    assert weak[-1].tracks[0].score == 0.15
    assert run([[seen(0.1 + 0.015 * i, 0.6, score=0.15)] for i in range(20)])[-1].state.trails == ()


def test_a_weak_box_that_hardly_overlaps_a_track_does_not_drag_it_away() -> None:
    """A person goes from beside a cone that always scores a little; the track must not stay on as the cone."""
    cone = seen(0.435, 0.6, score=0.2)
    steps = run([[seen(0.40, 0.6), cone]] * 10 + [[cone]] * 5)
    assert [one.last_seen for one in steps[-1].tracks if one.id == 1] == [pytest.approx(1.8)]


def test_a_weak_box_does_not_bring_back_a_track_lost_for_a_second() -> None:
    weak, strong = seen(0.4, 0.6, score=0.2), seen(0.4, 0.6)
    assert run([[strong]] * 10 + [[]] * 5 + [[weak]])[-1].tracks[0].last_seen == pytest.approx(1.8)
    assert run([[strong]] * 10 + [[]] * 5 + [[strong]])[-1].tracks[0].last_seen == pytest.approx(3.0)


def test_a_weak_box_between_two_people_does_not_keep_a_third_alive() -> None:
    pair = [seen(0.40, 0.6), seen(0.46, 0.6)]
    steps = run([[*pair, seen(0.43, 0.65)]] * 5 + [[*pair, seen(0.43, 0.6, score=0.2)]] * 12)
    assert len(confirmed(steps[4])) == 3
    assert len(confirmed(steps[-1])) == 2


def test_a_weak_part_of_a_person_neither_shrinks_the_track_nor_throws_it_off_course() -> None:
    torso = Detection(box=Box(x1=0.39, y1=0.40, x2=0.45, y2=0.50), label="person", score=0.2)
    steps = run([[seen(0.2 + 0.02 * i, 0.6)] for i in range(10)] + [[torso]] * 2 + [[seen(0.44, 0.6)]])
    assert ids(steps) == {1}
    assert steps[-2].tracks[0].box.height > 0.16


def test_empty_boxes_are_no_objects() -> None:
    nothing = Detection(box=Box(x1=0.5, y1=0.5, x2=0.5, y2=0.5), label="person", score=0.9)
    assert run([[nothing]] * 3)[-1].tracks == ()


def test_scenery_that_scores_weakly_picture_after_picture_is_no_track_until_it_moves() -> None:
    still = run([[seen(0.4, 0.5, score=0.42 if i % 20 == 0 else 0.3)] for i in range(100)])
    assert not any(step.tracks for step in still[1:])
    moving = run([[seen(0.1 + 0.02 * i, 0.5, score=0.3)] for i in range(20)])
    assert ids(moving) == {1}


def test_what_was_taken_for_scenery_says_where_it_was_when_it_is_shown_and_once() -> None:
    """It is shown once it has gone one and a half of its sizes, which are .056 here."""
    steps = run([[seen(0.1 + 0.02 * i, 0.5, score=0.3)] for i in range(20)])
    first = next(i for i, step in enumerate(steps) if step.tracks)
    assert first >= 3
    places = [(round(pts * FPS), round(box.foot.x, 3)) for pts, box in steps[first].tracks[0].past]
    assert places == [(i, round(0.1 + 0.02 * i, 3)) for i in range(first)]
    assert all(step.tracks[0].past == () for step in steps[first + 1 :])


def test_what_convinces_where_it_stands_has_no_past_nor_has_who_was_shown_from_the_first() -> None:
    still = run([[seen(0.4, 0.5, score=0.3 if i < 5 else 0.9)] for i in range(20)])
    walker = run([[seen(0.1 + 0.02 * i, 0.5)] for i in range(20)])
    assert still[-1].tracks
    assert all(one.past == () for step in (*still, *walker) for one in step.tracks)


def test_a_past_reaches_back_for_seconds_only() -> None:
    steps = run(
        [[seen(0.4, 0.5, score=0.3)] for _ in range(60)] + [[seen(0.4 + 0.02 * i, 0.5, score=0.3)] for i in range(20)]
    )
    (shown,) = next(step for step in steps[1:] if step.tracks).tracks
    assert shown.past
    assert shown.past[0][0] >= shown.last_seen - 4.0 - 1e-6
    assert shown.past[0][0] > shown.first_seen


def test_people_passing_each_other_keep_their_ids() -> None:
    steps = run([[seen(0.2 + 0.02 * i, 0.60), seen(0.8 - 0.02 * i, 0.63)] for i in range(30)])
    first, second = (sorted(confirmed(steps[i]), key=lambda one: one.id) for i in (5, 29))
    assert [one.id for one in first] == [one.id for one in second] == [1, 2]
    assert (first[0].box.centre.x < first[1].box.centre.x) != (second[0].box.centre.x < second[1].box.centre.x)


def test_two_boxes_on_one_object_make_one_track() -> None:
    whole, torso = seen(0.5, 0.6), Detection(box=Box(x1=0.475, y1=0.41, x2=0.525, y2=0.51), label="person", score=0.6)
    assert ids(run([[whole, torso]] * 10)) == {1}
    assert ids(run([[torso, whole]] * 10)) == {1}


def test_a_far_person_before_a_near_one_is_still_a_track() -> None:
    near = seen(0.5, 0.95, width=0.3, height=0.8)
    far = seen(0.5, 0.5, width=0.03, height=0.1)
    assert len(ids(run([[near, far]] * 5))) == 2


def test_a_vehicle_that_changes_its_name_stays_one_track_and_takes_the_name_with_most_score() -> None:
    names = ["car", "truck", "car", "bus", "car", "car", "truck", "car"]
    steps = run([[seen(0.2 + 0.03 * i, 0.6, label=name, width=0.2)] for i, name in enumerate(names)])
    assert ids(steps) == {1}
    assert steps[-1].tracks[0].label == "car"


def test_car_and_truck_on_one_vehicle_make_one_track() -> None:
    both = [seen(0.5, 0.6, label="car"), seen(0.502, 0.6, label="truck", score=0.6)]
    assert ids(run([both] * 5)) == {1}


def test_a_person_does_not_continue_the_track_of_a_bicycle() -> None:
    steps = run([[seen(0.5, 0.6, label="bicycle")]] * 3 + [[seen(0.5, 0.6, label="person")]] * 3)
    assert {one.label for one in confirmed(steps[-1])} == {"bicycle", "person"}


def test_a_gap_without_pictures_is_no_absence() -> None:
    first = run([[seen(0.5, 0.6)]] * 5)[-1]
    later = track(first.state, 4 / FPS + 30.0, [])
    assert [one.id for one in later.tracks] == [1]
    back = track(later.state, 4 / FPS + 30.2, [seen(0.5, 0.6)])
    assert [one.id for one in back.tracks] == [1]


def test_holding_keeps_who_stands_seen_and_in_place_for_as_long_as_it_lasts() -> None:
    state = run([[seen(0.1 + 0.02 * i, 0.6)] for i in range(10)])[-1].state
    before = state.trails[0].box
    for i in range(50):
        step = hold(state, 1.8 + (i + 1) / FPS)
        state = step.state
    assert step.tracks[0].last_seen == pytest.approx(11.8)
    assert step.tracks[0].box == before
    assert not state.is_unsettled(TrackerSettings())


def test_a_missed_or_new_track_is_unsettled() -> None:
    steps = run([[seen(0.5, 0.6)], [seen(0.5, 0.6)], [seen(0.5, 0.6)], []])
    assert [step.state.is_unsettled(TrackerSettings()) for step in steps] == [True, False, False, True]


def test_who_walks_out_of_the_picture_is_not_found_again_at_its_edge() -> None:
    pictures = [[Detection(box=Box(x1=x, y1=0.4, x2=min(1.0, x + 0.06), y2=0.6), label="person", score=0.8)]
                for x in (0.86, 0.885, 0.91, 0.935, 0.96)]  # fmt: skip
    steps = run([*pictures, [], [], [], []])
    assert steps[-1].tracks == ()


def test_pictures_must_come_in_order() -> None:
    state = track(TrackerState(), 1.0, []).state
    with pytest.raises(ValueError, match="order"):
        track(state, 0.9, [])
    with pytest.raises(ValueError, match="order"):
        hold(state, 0.9)


def moving_run(pictures: Sequence[Sequence[Detection]], share: float = 0.8) -> list[TrackerStep]:
    """All pixels of a box move by `share`."""
    state, steps = TrackerState(), []
    for i, found in enumerate(pictures):
        step = track(state, i / FPS, found, TrackerSettings(), lambda _: share)
        state = step.state
        steps.append(step)
    return steps


def test_weak_boxes_that_go_where_the_pixels_move_add_up() -> None:
    walk = [[seen(0.1 + 0.02 * i, 0.6, score=0.2)] for i in range(25)]
    (one,) = moving_run(walk)[-1].tracks
    assert one.best_score == 0.2
    assert one.borne_out > 0.8


def test_weak_boxes_that_go_where_nothing_moves_add_up_to_nothing() -> None:
    walk = [[seen(0.1 + 0.02 * i, 0.6, score=0.3)] for i in range(25)]
    (one,) = moving_run(walk, share=0.1)[-1].tracks
    assert one.borne_out == 0


def test_weak_boxes_in_a_place_where_pixels_move_but_that_stay_are_scenery() -> None:
    assert moving_run([[seen(0.4 + 0.01 * (i % 2), 0.6, score=0.3)] for i in range(50)])[-1].tracks == ()


def test_who_comes_in_weakly_is_shown_sooner_where_pixels_move_too() -> None:
    coming = [[seen(0.95 - 0.015 * i, 0.5, score=0.3)] for i in range(12)]
    moving, unmoved = (moving_run(coming, share) for share in (0.5, 0.0))
    assert [sum(bool(step.tracks) for step in steps[1:]) for steps in (moving, unmoved)] == [8, 5]


def test_a_part_of_something_more_certain_is_not_borne_out_by_its_motion() -> None:
    steps = moving_run(
        [[seen(0.1 + 0.02 * i, 0.6, label="dog", score=0.3, width=0.05, height=0.1), seen(0.1 + 0.02 * i, 0.6)]
         for i in range(25)]
    )  # fmt: skip
    assert {one.label: one.borne_out > 0.4 for one in steps[-1].tracks} == {"person": True, "dog": False}


def test_what_fills_half_the_picture_has_moved_before_it_went_one_and_a_half_of_its_sizes() -> None:
    car = [Detection(box=Box(x1=0.4, y1=y, x2=0.6, y2=y + 0.6), label="car", score=0.3)
           for y in (0.35, 0.3, 0.25, 0.2, 0.15, 0.1)]  # fmt: skip
    (one,) = moving_run([[box] for box in car])[-1].tracks
    assert one.borne_out > 0.4


def test_what_comes_in_grows_and_stays_one_track() -> None:
    steps = run([[Detection(box=Box(x1=0.4, y1=0.0, x2=0.6, y2=y), label="car", score=0.5)]
                 for y in (0.08, 0.21, 0.36, 0.5, 0.64)])  # fmt: skip
    assert ids(steps) == {1}
    assert steps[-1].tracks[0].box.y2 == pytest.approx(0.64, abs=0.03)


def test_a_vehicle_by_any_name_stays_one_track() -> None:
    names = ["car", "boat", "bus", "train", "truck", "car", "van", "car"]
    steps = run([[seen(0.2 + 0.03 * i, 0.6, label=name, width=0.2)] for i, name in enumerate(names)])
    assert ids(steps) == {1}
    assert steps[-1].tracks[0].label == "car"


def test_a_person_who_is_a_dog_while_coming_in_is_one_track_and_a_person() -> None:
    names = ["dog", "dog", "person", "dog", "person", "person", "person"]
    steps = run([[Detection(box=Box(x1=0.4, y1=0.75 - 0.07 * i, x2=0.6, y2=1.0), label=name, score=0.6)]
                 for i, name in enumerate(names)])  # fmt: skip
    assert ids(steps) == {1}
    assert steps[-1].tracks[0].label == "person"


def test_a_rider_and_what_he_rides_are_two_tracks() -> None:
    both = [[seen(0.2 + 0.03 * i, 0.55, height=0.2), seen(0.2 + 0.03 * i, 0.6, label="bicycle", height=0.16)]
            for i in range(10)]  # fmt: skip
    assert {one.label for one in run(both)[-1].tracks} == {"person", "bicycle"}


def test_a_bag_is_not_who_carries_it() -> None:
    steps = run([[seen(0.3, 0.6)]] * 5 + [[seen(0.3, 0.6, label="suitcase")]])
    assert {one.label: one.last_seen for one in steps[-1].tracks} == {
        "person": pytest.approx(0.8), "suitcase": pytest.approx(1.0)
    }  # fmt: skip


def test_two_people_side_by_side_make_no_third_between_them() -> None:
    steps = run([[seen(0.40, 0.6), seen(0.46, 0.6), seen(0.43, 0.6, score=0.6)]] * 10)
    assert len(ids(steps)) == 2


def test_a_child_between_two_people_is_a_third() -> None:
    steps = run([[seen(0.40, 0.6), seen(0.46, 0.6), seen(0.43, 0.62, score=0.6, height=0.12)]] * 10)
    assert len(ids(steps)) == 3


def test_a_lost_track_does_not_take_the_box_of_who_goes_by() -> None:
    standing = [[seen(0.5, 0.6), seen(0.30 + 0.02 * i, 0.6)] for i in range(8)]
    steps = run([*standing, *[[seen(0.30 + 0.02 * i, 0.6)] for i in range(8, 14)]])
    walker = next(one for one in steps[0].tracks if one.box.centre.x < 0.4)
    assert [one.id for one in steps[-1].tracks if one.last_seen == pytest.approx(2.6)] == [walker.id]


def test_who_stops_while_he_is_missed_is_found_again_by_a_weak_box_where_he_was_last_found() -> None:
    walking = [[seen(0.3 + 0.03 * i, 0.6)] for i in range(8)]
    steps = run([*walking, [], *[[seen(0.51, 0.6, score=0.3)]] * 12])
    assert ids(steps) == {1}
    last = steps[-1].tracks[0]
    assert (last.box.centre.x, last.last_seen) == (pytest.approx(0.51, abs=0.005), pytest.approx(4.0))


def test_a_weak_box_does_not_bring_back_who_was_elsewhere_when_he_was_last_found() -> None:
    walking = [[seen(0.3 + 0.03 * i, 0.6)] for i in range(8)]
    steps = run([*walking, [], *[[seen(0.45, 0.6, score=0.3)]] * 3])
    assert steps[-1].tracks[0].last_seen == pytest.approx(1.4)


@pytest.mark.parametrize("score", [0.3, 0.8])
def test_who_stood_behind_a_passer_by_keeps_his_track_and_so_does_the_passer_by(score: float) -> None:
    """While one hides the other there is one box around both; of the passer-by, the first one after is weak, or not."""
    before = [[seen(0.5, 0.6), seen(0.34 + 0.02 * i, 0.57)] for i in range(6)]
    both = [[seen(0.48 + 0.01 * i, 0.6, width=0.08, height=0.23)] for i in range(4)]
    after = [[seen(0.5, 0.6), seen(0.54 + 0.02 * i, 0.57, score=0.8 if i else score)] for i in range(6)]
    steps = run([*before, *both, *after])
    stander, passer = (min(steps[0].tracks, key=lambda one: abs(one.box.foot.x - x)).id for x in (0.5, 0.34))
    assert {one.id: round(one.box.foot.x, 2) for one in steps[-1].tracks} == {stander: 0.5, passer: 0.64}


def test_who_comes_out_from_behind_somebody_says_of_whom() -> None:
    together = [[seen(0.3 + 0.01 * i, 0.6)] for i in range(6)]
    apart = [[seen(0.36 + 0.01 * i, 0.6), seen(0.33 + 0.002 * i, 0.6)] for i in range(5)]
    first, second = run([*together, *apart])[-1].tracks
    assert (first.behind, second.behind) == (None, first.id)
    elsewhere = [[one[0], seen(0.8, 0.6)] for one in apart]
    assert [one.behind for one in run([*together, *elsewhere])[-1].tracks] == [None, None]


fractions = st.floats(0.0, 1.0, allow_nan=False)
boxes = st.tuples(fractions, fractions, fractions, fractions).map(
    lambda v: Box(x1=min(v[0], v[2]), y1=min(v[1], v[3]), x2=max(v[0], v[2]), y2=max(v[1], v[3]))
)
detections = st.builds(
    Detection, box=boxes, label=st.sampled_from(["person", "car", "truck"]), score=st.floats(0.1, 1.0)
)
pictures = st.lists(st.tuples(st.floats(0.0, 3.0), st.lists(detections, max_size=6)), max_size=12)


@settings(max_examples=60, deadline=None)
@given(pictures, st.randoms(use_true_random=False))
def test_whatever_is_seen_ids_are_unique_never_reused_and_independent_of_order(
    script: list[tuple[float, list[Detection]]], rng: random.Random
) -> None:
    state = again = TrackerState()
    pts, gone, alive = 0.0, set[int](), set[int]()
    for elapsed, found in script:
        pts += elapsed
        step = track(state, pts, found)
        shuffled = rng.sample(found, len(found))
        assert track(again, pts, shuffled) == step
        state = again = step.state
        numbers = [trail.id for trail in state.trails]
        assert len(numbers) == len(set(numbers))
        assert not gone & set(numbers)
        gone |= alive - set(numbers)
        alive = set(numbers)
        assert max(numbers, default=0) < state.next_id
        for one in step.tracks:
            assert 0 <= one.box.x1 <= one.box.x2 <= 1
            assert 0 <= one.box.y1 <= one.box.y2 <= 1
            assert one.first_seen <= one.last_seen <= pts
            assert one.score <= one.best_score
