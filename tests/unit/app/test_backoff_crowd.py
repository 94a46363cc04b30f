"""A thousand cameras that vanish together, and what their return looks like to the network and to us."""

import bisect
import heapq
import statistics

import pytest

from gridwatch.app.backoff import Backoff
from gridwatch.app.pace import AT_ONCE, PER_SECOND, Pace
from gridwatch.domain import FakeClock

CAMERAS = 1000
FAILS_AFTER = 0.05
"""Seconds until a try during the outage fails: a switch without its cameras answers at once, the worst case."""


def starts(outage: float, healthy_for: float = 3600.0) -> list[tuple[float, bool]]:
    """When a connection is begun, in seconds from the outage's beginning, and whether it succeeds: one of each does."""
    clock = FakeClock()
    pace = Pace(clock)
    backoffs = [Backoff(seed=seed) for seed in range(CAMERAS)]
    asks = [(backoff.next_delay(healthy_for), i) for i, backoff in enumerate(backoffs)]
    heapq.heapify(asks)
    begun = []
    while asks:
        at, i = heapq.heappop(asks)
        clock.advance(at - clock.monotonic())
        at += pace.wait_seconds()
        begun.append((at, at >= outage))
        if at < outage:
            heapq.heappush(asks, (at + FAILS_AFTER + backoffs[i].next_delay(FAILS_AFTER), i))
    return begun


def returns(outage: float) -> list[float]:
    """When each camera's connection is begun for the first time after its return, in seconds from the return."""
    return [at - outage for at, succeeds in starts(outage) if succeeds]


def busiest(times: list[float], seconds: float) -> int:
    """The most in any span of so many seconds."""
    ordered = sorted(times)
    return max(bisect.bisect_left(ordered, at + seconds) - i for i, at in enumerate(ordered))


@pytest.mark.parametrize("outage", [0, 1, 10, 60, 300, 3600])
def test_never_are_more_connections_begun_than_the_pace_allows(outage: float) -> None:
    times = [at for at, _ in starts(outage)]
    assert busiest(times, 1.0) <= AT_ONCE + PER_SECOND
    assert busiest(times, 0.1) <= AT_ONCE + 0.1 * PER_SECOND + 1
    # It is the pace that holds them: the back-off alone would begin hundreds in a second.
    if outage == 0:
        assert max(times) > 0.9 * (CAMERAS - AT_ONCE) / PER_SECOND


@pytest.mark.parametrize(
    ("outage", "most_a_second", "all_within"), [(0, 34, 41), (1, 34, 61), (60, 34, 61), (300, 34, 61), (3600, 34, 61)]
)
def test_a_thousand_cameras_are_back_within_the_cap_and_spread_over_it(
    outage: float, most_a_second: int, all_within: float
) -> None:
    back = returns(outage)
    assert len(back) == CAMERAS
    print(f"\n{outage} s: median {statistics.median(back):.1f} s, all {max(back):.1f} s, {busiest(back, 1.0)} a second")  # noqa: T201 - -s
    assert max(back) < all_within
    assert busiest(back, 1.0) < most_a_second


@pytest.mark.parametrize("cameras", [16, 32])
def test_the_cameras_of_one_worker_hardly_wait(cameras: int) -> None:
    pace = Pace(FakeClock())
    waits = [pace.wait_seconds() for _ in range(cameras)]
    assert waits == sorted(waits)
    assert waits[AT_ONCE - 1] == 0.0
    assert waits[-1] <= 1.0


def test_a_pause_gives_no_more_than_a_few_turns_at_once() -> None:
    clock = FakeClock()
    pace = Pace(clock)
    for _ in range(3):
        clock.advance(3600.0)
        waits = [pace.wait_seconds() for _ in range(AT_ONCE + 2)]
        assert max(waits[:AT_ONCE]) < 1e-6
        assert waits[AT_ONCE:] == pytest.approx([1 / PER_SECOND, 2 / PER_SECOND])


def test_a_camera_that_flaps_waits_longer_each_time_and_a_healthy_minute_forgives_it() -> None:
    waits: dict[float, list[float]] = {ran_for: [] for ran_for in (59.0, 61.0)}
    for ran_for, seen in waits.items():
        for seed in range(CAMERAS):
            backoff = Backoff(seed=seed)
            for _ in range(12):
                backoff.next_delay(ran_for)
            seen.append(backoff.next_delay(ran_for))
    assert statistics.mean(waits[59.0]) == pytest.approx(30.0, abs=2.0)
    assert max(waits[61.0]) <= 0.5
