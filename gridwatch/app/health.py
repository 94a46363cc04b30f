"""How the cameras of a worker are doing, published for everybody."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gridwatch.app.camera_worker import CameraWorker
from gridwatch.app.clips import ClipTally
from gridwatch.app.commands.mutes import MuteState
from gridwatch.app.sink import AnalysisTally
from gridwatch.detectors import Load
from gridwatch.domain import CameraHealth, CameraState, Clock
from gridwatch.ingest import ReaderTally

PERIOD = 2.0
"""Seconds between two reports of a camera whose state does not change."""


class PutsHealth(Protocol):
    """Where reports go."""

    def put_health(self, health: CameraHealth) -> None:
        """Publish it; the latest wins."""


class CountsLoad(Protocol):
    """Who analyses."""

    def loads(self) -> dict[str, Load]:
        """Counters by camera."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Watched:
    """A camera to report on."""

    worker: CameraWorker
    reader: ReaderTally
    analysis: AnalysisTally


class HealthReporter:
    """Reports each camera every PERIOD, and all of them at once when one changes state. Owns a thread."""

    def __init__(
        self,
        out: PutsHealth,
        pool: CountsLoad,
        clock: Clock,
        clips: Callable[[str], ClipTally] = lambda _: ClipTally(),
        mutes: Callable[[str], MuteState] = lambda _: MuteState(),
    ) -> None:
        """`clips` tells what became of a camera's clips, `mutes` which of its rules are mute."""
        self._out = out
        self._pool = pool
        self._clock = clock
        self._clips = clips
        self._mutes = mutes
        self._watched: Sequence[Watched] = ()
        self._rates: dict[str, FrameRate] = {}
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="health", daemon=True)

    def wake(self) -> None:
        """Report soon; any thread."""
        self._wake.set()

    def start(self, watched: Sequence[Watched]) -> None:
        """Report on `watched` from now on."""
        self._watched = tuple(watched)
        self._rates = {one.worker.camera.id: FrameRate(self._clock) for one in watched}
        self._thread.start()

    def close(self, timeout: float) -> None:
        """Report a last time, and join."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        last = False
        while not last:
            self._wake.wait(PERIOD)
            self._wake.clear()
            last = self._stopping.is_set()
            loads = self._pool.loads()
            for one in self._watched:
                self._out.put_health(self._health(one, loads))

    def _health(self, one: Watched, loads: Mapping[str, Load]) -> CameraHealth:
        camera, status, reader = one.worker.camera, one.worker.status, one.reader.snapshot()
        load = loads[camera.id]
        clips = self._clips(camera.id)
        mute = self._mutes(camera.id)
        rate = self._rates[camera.id].at(reader.decoded)
        return CameraHealth(
            camera=camera.id,
            site=camera.site_path,
            state=status.state,
            reason=status.reason,
            since=status.since,
            observed_at=self._clock.now(),
            frames=reader.decoded,
            analysed=load.analysed,
            dropped=load.dropped,
            detected=one.analysis.detected,
            detections=one.analysis.detections,
            incidents=one.analysis.incidents,
            fps=rate if status.state is CameraState.UP else 0.0,
            clips=clips.written,
            clips_lost=clips.lost + clips.ring.missed,
            suppressed=one.analysis.suppressed,
            muted=mute.muted,
            mutes=mute.mutes,
        )


class FrameRate:
    """Frames a second over the last period of at least PERIOD seconds, from a counter."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.monotonic()
        self._counted = 0
        self._rate = 0.0

    def at(self, count: int) -> float:
        """The rate, now that the counter stands at `count`."""
        elapsed = self._clock.monotonic() - self._began
        if elapsed >= PERIOD:
            self._rate = (count - self._counted) / elapsed
            self._began += elapsed
            self._counted = count
        return self._rate
