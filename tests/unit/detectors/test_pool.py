import threading
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import pytest

from gridwatch.detectors.analysis import Analysis
from gridwatch.detectors.pool import AnalysisPool, Load
from gridwatch.domain import FakeClock, Frame, SystemClock
from tests.unit.detectors.scenes import at

NOTHING = Analysis(incidents=(), snapshots=(), detected=False, detections=0)
PICTURE = np.zeros((4, 4, 3), np.uint8)
DEADLINE = 10.0


def frame(camera: str, index: int) -> Frame:
    return Frame(camera=camera, index=index, pts=index / 5, captured_at=at(0), arrived_at=at(0), image=PICTURE)


class Held:
    """An analyser that does one frame each time it is let go."""

    def __init__(self) -> None:
        self.go = threading.Semaphore(0)
        self.began = threading.Semaphore(0)
        self.inside = 0
        self.most_inside = 0
        self.done: list[int] = []
        self.fail_at: int | None = None

    def analyse(self, frame: Frame) -> Analysis:
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        self.began.release()
        assert self.go.acquire(timeout=DEADLINE)
        self.inside -= 1
        if frame.index == self.fail_at:
            raise RuntimeError("broken picture")
        self.done.append(frame.index)
        return NOTHING


class Desk:
    """Collects results and lets a test wait for them."""

    def __init__(self) -> None:
        self.results: list[tuple[str, int]] = []
        self._changed = threading.Condition()

    def put(self, frame: Frame, analysis: Analysis) -> None:
        assert analysis is NOTHING
        with self._changed:
            self.results.append((frame.camera, frame.index))
            self._changed.notify_all()

    def wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.results) >= count, DEADLINE), self.results


class Rig:
    def __init__(self, cameras: list[str], workers: int) -> None:
        self.held = {camera: Held() for camera in cameras}
        self.desk = Desk()
        self.pool = AnalysisPool(self.held, workers, self.desk.put, SystemClock())
        self.pool.start()

    def let_all_go(self) -> None:
        for held in self.held.values():
            held.go.release(1000)


@pytest.fixture
def rigs() -> Iterator[list[Rig]]:
    made: list[Rig] = []
    yield made
    for rig in made:
        rig.let_all_go()
        assert rig.pool.close(DEADLINE)


def make(rigs: list[Rig], cameras: str, workers: int) -> Rig:
    rig = Rig(list(cameras), workers)
    rigs.append(rig)
    return rig


def test_a_late_camera_keeps_its_two_newest_frames_and_counts_the_rest(rigs: list[Rig]) -> None:
    rig = make(rigs, "a", 1)
    rig.pool.submit(frame("a", 0))
    assert rig.held["a"].began.acquire(timeout=DEADLINE)
    for index in range(1, 10):
        rig.pool.submit(frame("a", index))
    rig.let_all_go()
    rig.desk.wait_for(3)
    assert rig.held["a"].done == [0, 8, 9]
    assert rig.pool.loads()["a"].dropped == 7


def test_one_camera_is_never_in_two_workers_and_keeps_its_order(rigs: list[Rig]) -> None:
    rig = make(rigs, "a", 4)
    rig.let_all_go()
    for index in range(50):
        rig.pool.submit(frame("a", index))
        rig.desk.wait_for(index)
    rig.desk.wait_for(50)
    assert rig.held["a"].most_inside == 1
    assert [index for _, index in rig.desk.results] == list(range(50))


def test_a_busy_camera_does_not_keep_others_waiting(rigs: list[Rig]) -> None:
    rig = make(rigs, "abc", 1)
    rig.pool.submit(frame("a", 0))
    assert rig.held["a"].began.acquire(timeout=DEADLINE)
    for index in (1, 2):
        rig.pool.submit(frame("a", index))
    rig.pool.submit(frame("b", 0))
    rig.pool.submit(frame("c", 0))
    rig.let_all_go()
    rig.desk.wait_for(5)
    assert rig.desk.results == [("a", 0), ("b", 0), ("c", 0), ("a", 1), ("a", 2)]


def test_a_camera_that_fails_is_counted_and_goes_on_and_so_do_the_others(rigs: list[Rig]) -> None:
    rig = make(rigs, "ab", 1)
    rig.held["a"].fail_at = 0
    rig.let_all_go()
    for camera, index in (("a", 0), ("a", 1), ("b", 0)):
        rig.pool.submit(frame(camera, index))
    rig.desk.wait_for(2)
    assert sorted(rig.desk.results) == [("a", 1), ("b", 0)]
    assert rig.pool.loads()["a"].failed == 1


def test_a_result_that_cannot_be_handed_over_counts_as_failed() -> None:
    handed = threading.Event()

    def refuse(_frame: Frame, _analysis: Analysis) -> None:
        handed.set()
        raise OSError("outbox is full")

    held = Held()
    held.go.release()
    pool = AnalysisPool({"a": held}, 1, refuse, SystemClock())
    pool.start()
    pool.submit(frame("a", 0))
    assert handed.wait(DEADLINE)
    assert pool.close(DEADLINE)
    assert pool.loads()["a"].failed == 1


def test_closing_ends_named_threads_drops_what_waits_and_takes_no_more(rigs: list[Rig]) -> None:
    rig = make(rigs, "a", 2)
    names = {thread.name for thread in threading.enumerate()}
    assert {"analysis-0", "analysis-1"} <= names
    rig.pool.submit(frame("a", 0))
    assert rig.held["a"].began.acquire(timeout=DEADLINE)
    rig.pool.submit(frame("a", 1))
    rig.let_all_go()
    closer = threading.Thread(target=rig.pool.close, args=(DEADLINE,))
    closer.start()
    closer.join(DEADLINE)
    rig.pool.submit(frame("a", 2))
    assert not {"analysis-0", "analysis-1"} & {thread.name for thread in threading.enumerate()}
    load = rig.pool.loads()["a"]
    assert load.analysed + load.dropped == 3
    assert load.dropped >= 1


def test_closing_gives_up_after_its_time_and_says_so(rigs: list[Rig]) -> None:
    rig = make(rigs, "a", 1)
    rig.pool.submit(frame("a", 0))
    assert rig.held["a"].began.acquire(timeout=DEADLINE)
    assert not rig.pool.close(0.01)


def test_a_pool_that_never_started_closes() -> None:
    assert AnalysisPool({}, 2, Desk().put, FakeClock()).close(0.0)


def test_time_spent_is_measured_by_the_clock_given() -> None:
    clock, desk = FakeClock(), Desk()

    class Slow:
        def analyse(self, _frame: Frame) -> Analysis:
            clock.advance(0.25)
            return NOTHING

    pool = AnalysisPool({"a": Slow()}, 1, desk.put, clock)
    pool.start()
    pool.submit(frame("a", 0))
    desk.wait_for(1)
    assert pool.close(DEADLINE)
    assert pool.loads() == {"a": Load(analysed=1, busy_seconds=0.25)}


def test_an_unknown_camera_is_an_error() -> None:
    with pytest.raises(KeyError, match="x"):
        AnalysisPool({}, 1, Desk().put, FakeClock()).submit(frame("x", 0))


def test_many_cameras_on_few_workers_keep_order_and_lose_no_count(rigs: list[Rig]) -> None:
    rig = make(rigs, "abcdefgh", 3)
    rig.let_all_go()

    def feed(camera: str) -> None:
        for index in range(200):
            rig.pool.submit(frame(camera, index))

    feeders = [threading.Thread(target=feed, args=(camera,), name=f"feed-{camera}") for camera in rig.held]
    for feeder in feeders:
        feeder.start()
    for feeder in feeders:
        feeder.join(DEADLINE)
    rig.pool.close(DEADLINE)
    by_camera = defaultdict(list)
    for camera, index in rig.desk.results:
        by_camera[camera].append(index)
    assert all(indexes == sorted(indexes) for indexes in by_camera.values())
    assert all(load.analysed + load.dropped == 200 for load in rig.pool.loads().values())


class Street:
    """Cameras at 5 frames a second on one worker, in simulated time: each frame takes its camera's seconds of work.

    All of it runs on the worker's thread, so that the same happens every time.
    """

    def __init__(self, work: dict[str, float], seconds: float, start: dict[str, float] | None = None) -> None:
        """`start`: seconds at which a camera begins; 0 for others."""
        self.clock = FakeClock()
        self.waited: dict[str, list[float]] = defaultdict(list)
        """Of each frame that was analysed while frames still came."""
        self._work = work
        self._due = sorted(
            (index / 5 + n / 1000, camera, index)
            for n, camera in enumerate(work)
            for index in range(round(seconds * 5))
            if index / 5 >= (start or {}).get(camera, 0.0)
        )
        self._came: dict[tuple[str, int], float] = {}
        self._ended = threading.Event()
        self._pool = AnalysisPool(dict.fromkeys(work, self), 1, self._go_on, self.clock)

    def run(self) -> dict[str, Load]:
        self._let_pass(0.0)
        self._pool.start()
        assert self._ended.wait(DEADLINE)
        assert self._pool.close(DEADLINE)
        return self._pool.loads()

    def analyse(self, frame: Frame) -> Analysis:
        if self._due:
            self.waited[frame.camera].append(self.clock.monotonic() - self._came[frame.camera, frame.index])
        self._let_pass(self._work[frame.camera])
        return NOTHING

    def _go_on(self, _frame: Frame, _analysis: Analysis) -> None:
        """When nothing waits, to the next frame that comes."""
        loads = self._pool.loads().values()
        if self._due and sum(load.analysed + load.dropped for load in loads) + 1 == len(self._came):
            self._let_pass(max(0.0, self._due[0][0] - self.clock.monotonic()))

    def _let_pass(self, seconds: float) -> None:
        until = self.clock.monotonic() + seconds
        while self._due and self._due[0][0] <= until:
            due, camera, index = self._due.pop(0)
            self.clock.advance(max(0.0, due - self.clock.monotonic()))
            self._came[camera, index] = due
            self._pool.submit(frame(camera, index))
        self.clock.advance(max(0.0, until - self.clock.monotonic()))
        if not self._due:
            self._ended.set()


def test_cameras_in_a_storm_starve_neither_the_calm_ones_nor_each_other() -> None:
    storms, calm = [f"storm-{n}" for n in range(10)], [f"calm-{n}" for n in range(10)]
    street = Street({**dict.fromkeys(storms, 0.1), **dict.fromkeys(calm, 0.005)}, seconds=60)
    loads = street.run()
    # At first nobody knows whose frames take how long.
    assert max(loads[camera].dropped for camera in calm) <= 5
    assert max(max(street.waited[camera][10:]) for camera in calm) <= 0.1 + 10 * 0.005
    served = [loads[camera].analysed for camera in storms]
    assert max(served) - min(served) <= 2
    assert sum(served) * 0.1 + 10 * 300 * 0.005 == pytest.approx(60, abs=3)


def test_what_is_analysed_is_never_older_than_two_frames_however_great_the_storm() -> None:
    street = Street(dict.fromkeys("abcdefghij", 0.2), seconds=60)
    loads = street.run()
    assert max(max(waits) for waits in street.waited.values()) <= 2 / 5 + 0.2
    assert all(load.dropped > 200 for load in loads.values())


def test_a_camera_that_was_quiet_saved_nothing_up() -> None:
    street = Street({"a": 0.19, "b": 0.19}, seconds=60, start={"b": 30})
    loads = street.run()
    # From 30 s on each wants nearly all of the worker; were the past counted, b would have it until 60 s.
    assert loads["b"].analysed == pytest.approx(30 / 0.19 / 2, abs=3)
    assert loads["a"].analysed == pytest.approx(150 + 30 / 0.19 / 2, abs=3)


def test_a_frame_that_waited_too_long_is_dropped_and_counted() -> None:
    clock, desk = FakeClock(), Desk()

    class Slow:
        def analyse(self, _frame: Frame) -> Analysis:
            clock.advance(3.0)
            return NOTHING

    pool = AnalysisPool({"a": Slow(), "b": Slow(), "c": Slow()}, 1, desk.put, clock, longest_wait=4.0)
    for camera in "abc":
        pool.submit(frame(camera, 0))
    pool.start()
    desk.wait_for(2)
    pool.submit(frame("c", 1))
    desk.wait_for(3)
    assert pool.close(DEADLINE)
    assert desk.results == [("a", 0), ("b", 0), ("c", 1)]
    assert pool.loads()["c"] == Load(analysed=1, dropped=1, busy_seconds=3.0)
