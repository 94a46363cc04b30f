"""Processes really start here: each case costs what starting them costs."""

import os
import signal

import pytest

from gridwatch.app.parallel import WorkerDiedError, cores, in_order
from gridwatch.domain import UsageError


def half(number: int) -> tuple[int, int]:
    if number % 2:
        raise UsageError(f"{number} is odd")
    return number // 2, os.getpid()


def die(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_results_come_in_order_from_other_processes_and_with_one_job_from_this_one() -> None:
    assert [value for value, _ in in_order(half, range(0, 12, 2), 2)] == list(range(6))
    assert {process for _, process in in_order(half, range(0, 4, 2), 2)}.isdisjoint({os.getpid()})
    assert list(in_order(half, [4, 8], 1)) == [(2, os.getpid()), (4, os.getpid())]
    assert list(in_order(half, [4], None)) == [(2, os.getpid())], "one piece needs no other process"
    assert cores() >= 1


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_the_work_raises_is_raised(jobs: int) -> None:
    with pytest.raises(UsageError, match="3 is odd"):
        list(in_order(half, [2, 3, 4], jobs))


def test_a_worker_that_is_killed_is_told_and_does_not_hang() -> None:
    with pytest.raises(WorkerDiedError, match="try with --jobs 1"):
        list(in_order(die, [1, 2], 2))
