"""Pictures on demand, and another analysis, between two frames of a camera."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from gridwatch.app.camera_worker import CameraStatus
from gridwatch.app.commands.seats import CameraSeat, snapshotting
from gridwatch.detectors import Analysis, DetectorError, Snapshot
from gridwatch.detectors.evidence import snapshot
from gridwatch.domain import CameraState, FakeClock, Frame, Outcome
from tests.unit.bus.command_samples import command
from tests.unit.bus.samples import WHEN

EMPTY = Analysis(incidents=(), snapshots=(), detected=False, detections=0)
FRAME = Frame(
    camera="gate-1", index=0, pts=0.0, captured_at=WHEN, arrived_at=WHEN, image=np.zeros((48, 64, 3), np.uint8)
)


class Looker:
    """An analysis that masks, or cannot."""

    def __init__(self, error: DetectorError | None = None) -> None:
        self.error = error
        self.looked = 0

    def analyse(self, frame: Frame) -> Analysis:
        self.looked += 1
        return EMPTY

    def picture(self, frame: Frame, analysis: Analysis) -> Snapshot:
        if self.error is not None:
            raise self.error
        return snapshot(frame, [], [], ())


class Reader:
    """Of a camera that sends its next frame when it is roused."""

    def __init__(self, *frames: Frame) -> None:
        self.seat: CameraSeat | None = None
        self.frames = list(frames)
        self.status = CameraStatus(state=CameraState.UP, reason="", since=WHEN)

    def rouse(self) -> None:
        if self.seat is not None and self.frames:
            self.seat.analyse(self.frames.pop(0))


def seated(looker: Looker, reader: Reader) -> CameraSeat:
    reader.seat = CameraSeat(looker, reader)
    return reader.seat


def test_a_picture_is_of_a_frame_that_is_not_old() -> None:
    old, new = (replace(FRAME, arrived_at=WHEN + timedelta(seconds=seconds)) for seconds in (-5, 1))
    reader = Reader(old, new)
    seat = seated(Looker(), reader)

    assert seat.picture(WHEN, 0.1) is None, "roused once in that time, it sent what it had kept"
    picture = seat.picture(WHEN, 0.1)
    assert picture is not None
    assert picture.evidence.captured_at == WHEN
    assert picture.evidence.masked


def test_a_camera_that_sends_nothing_gives_no_picture_and_the_next_one_is_not_kept_for_nobody() -> None:
    looker = Looker()
    seat = seated(looker, Reader())

    assert seat.picture(WHEN, 0.01) is None
    assert seat.analyse(FRAME) == EMPTY
    looker.error = DetectorError("nobody may ask for a picture now")
    assert seat.analyse(FRAME) == EMPTY


def test_a_second_asker_is_served_and_the_first_gets_none() -> None:
    seat = CameraSeat(Looker(), None)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(seat.picture, WHEN, 20.0)
        while seat._wanted is None:
            threading.Event().wait(0.001)
        waiting = seat._wanted
        second = pool.submit(seat.picture, WHEN, 20.0)
        while seat._wanted is waiting:
            threading.Event().wait(0.001)
        seat.analyse(FRAME)

        assert first.result(20) is None
        assert second.result(20) is not None


@pytest.mark.parametrize(
    ("state", "error", "frames", "outcome"),
    [
        (CameraState.UP, None, (FRAME,), Outcome.DONE),
        (CameraState.STALLED, None, (FRAME,), Outcome.FAILED),
        (CameraState.UP, DetectorError("no model"), (FRAME,), Outcome.FAILED),
    ],
)
def test_the_answer_says_what_came_of_it(
    state: CameraState, error: DetectorError | None, frames: tuple[Frame, ...], outcome: Outcome
) -> None:
    reader = Reader(*frames)
    reader.status = replace(reader.status, state=state, reason="no frame for 10 s")
    seat = seated(Looker(error), reader)
    done = snapshotting({"gate-1": seat}, {"gate-1": reader}, FakeClock(WHEN))(command())

    assert done.outcome is outcome
    assert (done.picture is not None) == (outcome is Outcome.DONE)
    if state is CameraState.STALLED:
        assert done.reason == "the camera is stalled: no frame for 10 s"


def test_a_camera_that_is_not_here_is_unknown() -> None:
    assert snapshotting({}, {}, FakeClock(WHEN))(command()).outcome is Outcome.UNKNOWN


def test_another_analysis_takes_over_at_the_next_frame_and_is_made_then() -> None:
    before, after = Looker(), Looker()
    seat = CameraSeat(before, None)
    seat.analyse(FRAME)
    made: list[int] = []

    def make() -> Looker:
        made.append(before.looked)
        if len(made) == 1:
            raise DetectorError("not now")
        return after

    seat.exchange(make)
    with pytest.raises(DetectorError, match="not now"):
        seat.analyse(FRAME)
    for _ in range(2):
        seat.analyse(FRAME)

    assert made == [1, 1]
    assert (before.looked, after.looked) == (1, 2)
