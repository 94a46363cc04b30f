import threading
from collections.abc import Callable

from gridwatch.app.camera_worker import CameraStatus, CameraWorker
from gridwatch.app.pace import Pace
from gridwatch.config import CameraConfig
from gridwatch.domain import CameraState, SystemClock
from gridwatch.ingest import CameraRefused
from tests.waiting import wait_until

CAMERA = CameraConfig.model_validate(
    {"id": "square", "site": "harbour", "position": [0, 0], "source": {"rtsp": "rtsp://192.0.2.1/"}}
)
SetState = Callable[[CameraState, str], None]


class ReaderFor:
    """Plays one behaviour in `run_once`; counts how often it ran."""

    def __init__(self, behave: Callable[[SetState, threading.Event], None]) -> None:
        self._behave = behave
        self.runs = 0
        self.ran_three_times = threading.Event()

    def make(self, on_state: SetState) -> "ReaderFor":
        self._on_state = on_state
        self._stop = threading.Event()
        return self

    def run_once(self) -> None:
        self.runs += 1
        if self.runs >= 3:
            self.ran_three_times.set()
        self._behave(self._on_state, self._stop)

    def stop(self) -> None:
        self._stop.set()


def refuse(_: SetState, __: threading.Event) -> None:
    raise CameraRefused("square", "it refused the password", "check source.onvif.password")


def crash(_: SetState, __: threading.Event) -> None:
    raise ZeroDivisionError


def stay_up(on_state: SetState, stop: threading.Event) -> None:
    on_state(CameraState.UP, "")
    stop.wait()


def worker_with(reader: ReaderFor, changed: Callable[[], None] = lambda: None) -> CameraWorker:
    worker = CameraWorker(CAMERA, reader.make, SystemClock(), changed)
    worker.start()
    return worker


def test_a_refused_camera_is_reported_by_name_and_tried_again() -> None:
    reader = ReaderFor(refuse)
    worker = worker_with(reader)
    assert reader.ran_three_times.wait(30.0)
    assert worker.status.state is CameraState.REFUSED
    assert worker.status.reason == "it refused the password; check source.onvif.password"
    worker.close(5.0)
    assert worker.status.state is CameraState.STOPPED


def test_another_try_does_not_hide_what_is_wrong_nor_since_when() -> None:
    def knock(on_state: SetState, stop: threading.Event) -> None:
        on_state(CameraState.CONNECTING, "")
        seen.append(worker.status)
        refuse(on_state, stop)

    seen: list[CameraStatus] = []
    reader = ReaderFor(knock)
    worker = CameraWorker(CAMERA, reader.make, SystemClock(), lambda: None)
    worker.start()
    assert reader.ran_three_times.wait(30.0)
    worker.close(5.0)
    assert seen[0].state is CameraState.CONNECTING
    assert {status.state for status in seen[1:]} == {CameraState.REFUSED}
    assert len({status.since for status in seen[1:]}) == 1


def test_a_bug_in_a_reader_does_not_end_its_retries() -> None:
    reader = ReaderFor(crash)
    worker = worker_with(reader)
    assert reader.ran_three_times.wait(30.0)
    assert "ZeroDivisionError" in worker.status.reason
    worker.close(5.0)


def test_closing_ends_a_reader_that_would_run_for_ever() -> None:
    up = threading.Event()
    reader = ReaderFor(stay_up)
    worker = worker_with(reader, up.set)
    assert up.wait(5.0)
    assert worker.status.state is CameraState.UP
    worker.close(5.0)
    assert not any(thread.name == "camera-square" for thread in threading.enumerate())
    assert reader.runs == 1


def test_cameras_of_a_process_begin_at_its_pace_and_one_that_waits_its_turn_stops_at_once() -> None:
    pace = Pace(SystemClock(), per_second=0.01, at_once=1)
    readers = [ReaderFor(stay_up) for _ in range(2)]
    workers = [CameraWorker(CAMERA, reader.make, SystemClock(), lambda: None, pace) for reader in readers]
    for worker in workers:
        worker.start()
    wait_until(lambda: sum(reader.runs for reader in readers) == 1, 10.0)
    began = SystemClock().monotonic()
    for worker in workers:
        worker.close(5.0)
    assert SystemClock().monotonic() - began < 2.0
    assert sum(reader.runs for reader in readers) == 1
    assert {worker.status.state for worker in workers} == {CameraState.STOPPED}
