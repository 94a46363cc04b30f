"""The analysis of a camera, of which others may want a picture while it works."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from gridwatch.app.camera_worker import CameraStatus
from gridwatch.app.commands.office import Action, Done
from gridwatch.detectors import Analysis, DetectorError, Snapshot
from gridwatch.domain import CameraState, Clock, Command, Frame, Outcome

log = structlog.get_logger(__name__)

_OLD: Final = timedelta(seconds=1)
"""A picture that came so long before it was asked for is still one of now."""
_PATIENCE: Final = 6.0
"""Seconds until a picture must have come: idle cameras are decoded from their last keyframe on first."""
_ROUSE_EVERY: Final = 0.5


class AnalysesCamera(Protocol):
    """What a seat needs of an analysis. `CameraAnalysis` is one."""

    def analyse(self, frame: Frame) -> Analysis:
        """The next frame of the camera."""

    def picture(self, frame: Frame, analysis: Analysis) -> Snapshot:
        """`frame`, the latest, which gave `analysis`, masked."""


Make = Callable[[], AnalysesCamera | None]
"""Gives the analysis that takes over, or None for not yet."""


class Rouses(Protocol):
    """The way back to the reader. `ingest.Attention` is one."""

    def rouse(self) -> None:
        """Leave out no picture until analysis says so again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wanted:
    since: datetime
    """Older pictures will not do."""
    picture: "Future[Snapshot]"


class CameraSeat:
    """Between the pool and one camera's analysis; `analyse` for one thread at a time, the rest for any."""

    def __init__(self, analysis: AnalysesCamera, attention: Rouses | None) -> None:
        """`attention`: None where no picture is ever left out."""
        self._analysis = analysis
        self._attention = attention
        self._lock = threading.Lock()
        # Guarded by the lock.
        self._next: Make | None = None
        self._wanted: _Wanted | None = None

    def exchange(self, make: Make) -> None:
        """From the next frame on, what `make` gives then: all messages of the frame before are on their way by then.

        `make` runs where frames are analysed. While it gives None, or raises (which loses the frame), the one before
        stays and it is tried again at the next frame.
        """
        with self._lock:
            self._next = make

    def analyse(self, frame: Frame) -> Analysis:
        """The next frame; and its picture, when one is wanted. Raises what the detector raises."""
        with self._lock:
            make = self._next
        following = None if make is None else make()
        if following is not None:
            self._analysis = following
            with self._lock:
                self._next = None if self._next is make else self._next
        analysis = self._analysis.analyse(frame)
        with self._lock:
            wanted = self._wanted
            if wanted is None or frame.arrived_at < wanted.since:
                return analysis
            self._wanted = None
        try:
            wanted.picture.set_result(self._analysis.picture(frame, analysis))
        except DetectorError as error:
            wanted.picture.set_exception(error)
        return analysis

    def picture(self, since: datetime, seconds: float) -> Snapshot | None:
        """A masked picture that came after `since`; None when none did within `seconds`. Raises DetectorError.

        One at a time: whoever asked before and still waits gets None.
        """
        wanted = _Wanted(since=since, picture=Future())
        with self._lock:
            if self._wanted is not None:
                self._wanted.picture.cancel()
            self._wanted = wanted
        tries = max(1, round(seconds / _ROUSE_EVERY))
        for _ in range(tries):
            # Again and again, since what analysis says of a picture on its way may send it back to sleep.
            if self._attention is not None:
                self._attention.rouse()
            try:
                return wanted.picture.result(seconds / tries)
            except TimeoutError:
                continue
            except CancelledError:
                return None
        with self._lock:
            self._wanted = None if self._wanted is wanted else self._wanted
        return None


class TellsStatus(Protocol):
    """Who reads a camera. `CameraWorker` is one."""

    @property
    def status(self) -> CameraStatus:
        """What it is doing."""


def snapshotting(seats: Mapping[str, CameraSeat], workers: Mapping[str, TellsStatus], clock: Clock) -> Action:
    """Takes pictures of cameras, masked as evidence is."""

    def take(command: Command) -> Done:
        seat, worker = seats.get(command.camera), workers.get(command.camera)
        if seat is None or worker is None:
            return Done(outcome=Outcome.UNKNOWN, reason=f"no camera {command.camera} here")
        status = worker.status
        if status.state is not CameraState.UP:
            return Done(outcome=Outcome.FAILED, reason=f"the camera is {status.state}: {status.reason}"[:500])
        try:
            picture = seat.picture(clock.now() - _OLD, _PATIENCE)
        except DetectorError as error:
            log.error("snapshot_failed", camera=command.camera, reason=str(error))
            return Done(outcome=Outcome.FAILED, reason="the picture could not be masked; see the worker's log")
        if picture is None:
            return Done(outcome=Outcome.FAILED, reason=f"no picture came within {_PATIENCE:g} s")
        return Done(detail=picture.evidence, picture=picture.jpeg)

    return take
