import random
from itertools import pairwise

import pytest

from gridwatch.ingest.sampling import MAX_GAP_SECONDS, FrameSampler, StreamTimeline


def taken(times: list[float], fps: float) -> list[float]:
    sampler = FrameSampler(fps)
    return [time for time in times if sampler.take(time)]


@pytest.mark.parametrize("source", [10, 15, 25])
def test_five_a_second_are_taken_at_regular_times(source: int) -> None:
    chosen = taken([i / source for i in range(source * 20)], 5)
    assert chosen == pytest.approx([i / 5 for i in range(100)])


@pytest.mark.parametrize("source", [10, 12, 12.5, 15, 24, 25, 29.97, 30])
@pytest.mark.parametrize("fps", [1, 2, 4, 5, 7])
def test_the_mean_rate_is_right_where_the_rates_do_not_divide(source: float, fps: float) -> None:
    chosen = taken([i / source for i in range(int(source * 60))], fps)
    assert len(chosen) == pytest.approx(60 * fps, abs=1)
    assert max(b - a for a, b in pairwise(chosen)) < 1 / fps + 1 / source + 1e-9


@pytest.mark.parametrize("fps", [1, 4, 5, 7])
def test_the_next_picture_is_due_where_it_is_taken(fps: float) -> None:
    chance = random.Random(3)
    sampler = FrameSampler(fps)
    for time in sorted(chance.uniform(0.0, 60.0) for _ in range(200)):
        sampler.take(time)
        due = sampler.next_after(time)
        assert time < due <= time + 1.1 / fps
        assert sampler.would_take(due)
        assert not sampler.would_take(due - 0.2 / fps)


def test_a_source_slower_than_the_rate_is_taken_whole() -> None:
    times = [i / 4 for i in range(40)]
    assert taken(times, 5) == times


def test_jitter_does_not_change_which_pictures_are_taken() -> None:
    jitter = random.Random(3)
    exact = [i / 15 for i in range(300)]
    jittered = [max(0.0, t + jitter.uniform(-0.015, 0.015)) for t in exact]
    sampler = FrameSampler(5)
    assert [i for i, t in enumerate(jittered) if sampler.take(t)] == list(range(0, 300, 3))


def test_after_a_gap_nothing_is_made_up_for() -> None:
    assert taken([0.0, 0.2, 0.4, 5.0, 5.07, 5.13, 5.2], 5) == [0.0, 0.2, 0.4, 5.0, 5.2]


@pytest.mark.parametrize("fps", [0, -1, float("nan")])
def test_a_rate_that_is_none_is_refused(fps: float) -> None:
    with pytest.raises(ValueError, match="fps"):
        FrameSampler(fps)


def times(raw: list[float | None], interval: float = 0.1) -> list[float]:
    timeline = StreamTimeline(interval)
    return [timeline.advance(one) for one in raw]


def test_stream_time_starts_at_zero_wherever_the_pts_do() -> None:
    assert times([1000.0, 1000.1, 1000.2]) == pytest.approx([0.0, 0.1, 0.2])


def test_a_first_picture_without_pts_is_one_interval_before_the_second() -> None:
    assert times([None, 0.1, 0.2]) == pytest.approx([0.0, 0.1, 0.2])
    assert times([None, None, 7.0, 7.1]) == pytest.approx([0.0, 0.1, 0.2, 0.3])


def test_missing_pts_are_filled_and_do_not_shift_what_follows() -> None:
    assert times([0.0, None, None, 0.3, 0.4]) == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])
    # The filling ran ahead of the stream: time waits rather than step back.
    assert times([0.0, None, 0.05, 0.2]) == pytest.approx([0.0, 0.1, 0.1, 0.2])


@pytest.mark.parametrize("jump", [-3600.0, -0.5, MAX_GAP_SECONDS + 1, 86400.0])
def test_a_jump_of_the_cameras_count_is_bridged_by_one_interval(jump: float) -> None:
    assert times([5.0, 5.1, 5.2 + jump, 5.3 + jump]) == pytest.approx([0.0, 0.1, 0.2, 0.3])


def test_a_real_gap_stays_a_gap() -> None:
    assert times([0.0, 0.1, 4.1]) == pytest.approx([0.0, 0.1, 4.1])


def test_stream_time_never_steps_back_whatever_comes() -> None:
    chance = random.Random(11)
    raw = [chance.choice([None, chance.uniform(-20, 20), chance.uniform(0, 1e6)]) for _ in range(2000)]
    assert all(a <= b for a, b in pairwise(times(raw)))
