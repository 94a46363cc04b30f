"""A thousand cameras that vanish together, and what their return looks like to the network and to us."""

import heapq
import statistics
from collections import Counter

import pytest

from gridwatch.app.backoff import Backoff

CAMERAS = 1000
FAILS_AFTER = 0.05
"""Seconds until a try during the outage fails: a switch without its cameras answers at once, the worst case."""


def returns(outage: float, healthy_for: float = 3600.0) -> list[float]:
    """When each camera's reader tries again for the first time after its return, in seconds from the return."""
    backoffs = [Backoff(seed=seed) for seed in range(CAMERAS)]
    tries = [(backoff.next_delay(healthy_for), i) for i, backoff in enumerate(backoffs)]
    heapq.heapify(tries)
    back = []
    while tries:
        at, i = heapq.heappop(tries)
        if at >= outage:
            back.append(at - outage)
        else:
            heapq.heappush(tries, (at + FAILS_AFTER + backoffs[i].next_delay(FAILS_AFTER), i))
    return back


def busiest_second(times: list[float]) -> int:
    return max(Counter(int(time) for time in times).values())


@pytest.mark.parametrize(("outage", "most_a_second", "all_within"), [(60, 80, 61), (300, 60, 61), (3600, 60, 61)])
def test_a_thousand_cameras_are_back_within_the_cap_and_spread_over_it(
    outage: float, most_a_second: int, all_within: float
) -> None:
    back = returns(outage)
    assert len(back) == CAMERAS
    assert max(back) < all_within
    # Were they all to wait the cap without jitter, or to try once a second, it would be a thousand.
    assert busiest_second(back) < most_a_second
    assert 5.0 < statistics.median(back) < 30.0


def test_after_a_blink_they_are_back_at_once_over_half_a_second() -> None:
    back = returns(0.0)
    assert max(back) <= 0.5
    tenths = Counter(int(time * 10) for time in back)
    assert max(tenths.values()) < 250


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
