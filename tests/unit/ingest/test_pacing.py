import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from gridwatch.ingest.pacing import LATE_SECONDS, LONGEST_SECONDS, Pace
from gridwatch.ingest.sampling import EARLY_SHARE, FrameSampler


@dataclass
class Read:
    """What a simulated reader of a simulated connection did."""

    delays: list[tuple[float, float]] = field(default_factory=list)
    """Arrival of each picture to analyse, and how much later it was read."""
    wakes: int = 0
    """Times it waited: asleep, or for the connection."""
    most_waiting: int = 0
    """Bytes in the connection after a sleep."""

    def latest_delay(self, since: float) -> float:
        return max(delay for at, delay in self.delays if at >= since)


def read(arrivals: list[tuple[float, float]], *, size: int = 12_000, fps: float = 5.0, took: float = 0.0) -> Read:
    """Of pictures (PTS, arrival), all of `size` bytes, `took` seconds to decode each."""
    pace, sampler, seen, now = Pace(), FrameSampler(fps), Read(), 0.0
    for pts, arrival in arrivals:
        if arrival > now:
            seen.wakes += 1
            now = arrival
        now += took
        if sampler.take(pts):
            seen.delays.append((arrival, now - arrival))
        nap = pace.seconds(pts, size, sampler.next_after(pts) - pts, now)
        assert 0.0 <= nap <= LONGEST_SECONDS + LATE_SECONDS + 1e-6
        if nap:
            seen.wakes += 1
            now += nap
            seen.most_waiting = max(seen.most_waiting, size * sum(now - nap < at <= now for _, at in arrivals))
    return seen


def stream(
    seconds: float, *, rate: float = 15.0, late: Callable[[float], float] = lambda _: 100.0
) -> list[tuple[float, float]]:
    """PTS and arrival, in order, as over TCP."""
    arrivals: list[tuple[float, float]] = []
    for i in range(int(seconds * rate)):
        pts = i / rate
        arrivals.append((pts, max(pts + late(pts), arrivals[-1][1] if arrivals else 0.0)))
    return arrivals


@pytest.mark.parametrize("rate", [10.0, 15.0, 25.0, 30.0])
def test_it_wakes_little_more_than_once_for_each_picture_to_analyse(rate: float) -> None:
    seen = read(stream(60.0, rate=rate))
    assert seen.wakes < 1.25 * 60 * 5
    assert len(seen.delays) == 300


@pytest.mark.parametrize("rate", [8.0, 12.0, 12.5, 15.0, 25.0, 29.97])
def test_no_picture_to_analyse_waits_longer_than_is_said(rate: float) -> None:
    assert read(stream(60.0, rate=rate)).latest_delay(0.0) <= LATE_SECONDS + EARLY_SHARE / 5.0 + 1e-6


def test_jitter_delays_a_picture_by_no_more() -> None:
    jitter = random.Random(1)
    seen = read(stream(120.0, late=lambda _: 100.0 + jitter.uniform(0.0, 0.03)))
    assert seen.latest_delay(0.0) <= LATE_SECONDS + 0.03


def test_what_waits_at_the_start_is_read_without_sleep() -> None:
    """A server that sends the pictures since its latest keyframe first: four seconds of them, at once."""
    seen = read(stream(30.0, late=lambda pts: max(100.0, 104.0 - pts)))
    assert seen.latest_delay(105.0) <= LATE_SECONDS + 1e-6


def test_a_network_that_held_everything_back_is_caught_up_with_at_once() -> None:
    seen = read(stream(40.0, late=lambda pts: 100.0 + max(0.0, 23.0 - pts) * (pts > 20.0)), took=0.002)
    assert seen.latest_delay(123.5) <= LATE_SECONDS + 0.02


@pytest.mark.parametrize("drift", [-2e-4, 2e-4])
def test_a_camera_whose_clock_runs_fast_or_slow_is_followed(drift: float) -> None:
    seen = read(stream(600.0, late=lambda pts: 100.0 + drift * pts))
    assert seen.latest_delay(0.0) <= LATE_SECONDS + 0.005
    assert seen.wakes < 1.3 * 600 * 5


def test_a_longer_way_through_the_network_is_learnt() -> None:
    seen = read(stream(60.0, late=lambda pts: 100.0 if pts < 20.0 else 100.08))
    assert seen.wakes < 1.35 * 60 * 5


def test_a_step_of_the_cameras_clock_begins_anew() -> None:
    before = stream(20.0)
    stepped = [(pts + 5000.0, at + 20.0) for pts, at in before]
    back = [(pts + 40.0, at + 40.0) for pts, at in before]
    assert read([*before, *stepped, *back]).latest_delay(0.0) <= LATE_SECONDS + 1e-6


@pytest.mark.parametrize("megabits", [1, 2, 8, 32])
def test_no_more_waits_in_the_connection_than_a_new_one_holds(megabits: int) -> None:
    seen = read(stream(30.0, rate=25.0), size=megabits * 125_000 // 25)
    assert 0 <= seen.most_waiting <= 128 * 1024 + megabits * 125_000 // 25


def test_whoever_analyses_seldom_is_told_to_read_all_the_same() -> None:
    seen = read(stream(60.0), fps=0.5)
    assert seen.wakes > 60 / LONGEST_SECONDS - 10


def test_a_reader_that_cannot_keep_up_does_not_sleep() -> None:
    seen = read(stream(20.0), took=0.08)
    assert seen.wakes < 20
