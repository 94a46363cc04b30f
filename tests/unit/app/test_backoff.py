from gridwatch.app.backoff import Backoff


def test_delays_stay_under_a_ceiling_that_doubles_up_to_the_cap() -> None:
    ceilings = [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    for seed in range(200):
        backoff = Backoff(base=1.0, cap=10.0, seed=seed)
        for ceiling in ceilings:
            assert 0.0 <= backoff.next_delay(ran_for=0.0) <= ceiling


def test_delays_use_the_whole_range_so_that_a_crowd_is_spread() -> None:
    delays = [Backoff(base=8.0, cap=60.0, seed=seed).next_delay(ran_for=0.0) for seed in range(1000)]
    per_second = [sum(second <= delay < second + 1 for delay in delays) for second in range(8)]
    assert min(per_second) > 80


def test_a_healthy_run_starts_the_count_again() -> None:
    backoff = Backoff(base=1.0, cap=60.0, healthy_after=60.0, seed=1)
    for _ in range(10):
        backoff.next_delay(ran_for=5.0)
    assert backoff.next_delay(ran_for=61.0) <= 1.0


def test_an_unhealthy_run_does_not() -> None:
    later = []
    for seed in range(100):
        backoff = Backoff(base=1.0, cap=60.0, healthy_after=60.0, seed=seed)
        for _ in range(10):
            backoff.next_delay(ran_for=59.0)
        later.append(backoff.next_delay(ran_for=59.0))
    assert max(later) > 30.0
