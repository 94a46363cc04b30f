"""Analysis of many cameras on a few threads: bounded, fair, each camera in order.

Fair by time, not by frames: of the cameras that wait, next is the one whose frame would be done first if each camera
had a worker of its own, all equally slow (self-clocked fair queueing, Golestani 1994; how long a frame takes is guessed
from the camera's last ones). A camera in a storm of motion, whose every frame goes to the detector, so cannot keep
others waiting whose frames take a tenth of that: they go first, and the storms share what is left evenly. Who had
nothing to do saves nothing up: it starts level with the one being served.
"""

import heapq
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from gridwatch.detectors.analysis import Analysis
from gridwatch.domain import Clock, Frame

log = structlog.get_logger(__name__)

_QUEUE: Final = 2
"""Frames that wait per camera. More would only make incidents late."""
_LEARNING: Final = 0.3
"""Share of the latest frame in what a camera's frames usually take: a camera that wakes is known after three."""


class Analyser(Protocol):
    """What the pool needs of one camera; `CameraAnalysis` is one."""

    def analyse(self, frame: Frame) -> Analysis:
        """The next frame of its camera; never called twice at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """Counters of one camera since the pool was made."""

    analysed: int = 0
    dropped: int = 0
    """Frames dropped because newer ones came before their turn, because they waited too long, or after closing."""
    failed: int = 0
    """Frames whose analysis, or the hand-over of its result, raised."""
    busy_seconds: float = 0.0
    """Time spent on its frames."""


@dataclass(slots=True)
class _Lane:
    """One camera's part of the pool. Guarded by the pool's lock."""

    analyser: Analyser
    waiting: deque[tuple[Frame, float]]
    """With the monotonic time it came at."""
    load: Load
    used: float = 0.0
    """Seconds of work it had, and of being level with others that had it; see the module."""
    usual: float = 0.0
    """Seconds that its last frames took."""
    busy: bool = False


class AnalysisPool:
    """Owns `workers` threads named `analysis-N`; `start` makes them, `close` joins them. All methods thread-safe."""

    def __init__(
        self,
        analyses: Mapping[str, Analyser],
        workers: int,
        on_result: Callable[[Frame, Analysis], None],
        clock: Clock,
        *,
        longest_wait: float = float("inf"),
    ) -> None:
        """`analyses` by camera id. `on_result` is called on a worker, in order within a camera.

        A frame that waited for more than `longest_wait` seconds is dropped, counted.
        """
        self._lanes = {camera: _Lane(analyser=one, waiting=deque(), load=Load()) for camera, one in analyses.items()}
        self._on_result = on_result
        self._clock = clock
        self._longest_wait = longest_wait
        self._changed = threading.Condition()
        self._turns: list[tuple[float, int, str]] = []
        """A heap of the cameras with a waiting frame and no worker, next first; of equals the one longest waiting."""
        self._turn = 0
        self._served = 0.0
        """The most `used` that any camera had when its turn came."""
        self._closing = False
        self._threads = [
            threading.Thread(target=self._work, name=f"analysis-{number}", daemon=True) for number in range(workers)
        ]

    def start(self) -> None:
        """Start the threads. Once only (RuntimeError)."""
        for thread in self._threads:
            thread.start()

    def submit(self, frame: Frame) -> None:
        """Queue `frame`; never blocks. A full queue drops its oldest, counted. KeyError for an unknown camera."""
        with self._changed:
            lane = self._lanes[frame.camera]
            if self._closing:
                lane.load = _plus(lane.load, dropped=1)
                return
            if len(lane.waiting) >= _QUEUE:
                lane.waiting.popleft()
                lane.load = _plus(lane.load, dropped=1)
            lane.waiting.append((frame, self._clock.monotonic()))
            if not lane.busy and len(lane.waiting) == 1:
                lane.used = max(lane.used, self._served)
                self._queue(frame.camera, lane)

    def loads(self) -> dict[str, Load]:
        """Counters of every camera."""
        with self._changed:
            return {camera: lane.load for camera, lane in self._lanes.items()}

    def close(self, timeout: float) -> bool:
        """Drop what waits, let each worker end its frame, join them within `timeout` seconds.

        True when all have ended; then no result follows, and the analyses may be finished by whoever made them.
        """
        with self._changed:
            self._closing = True
            for lane in self._lanes.values():
                lane.load = _plus(lane.load, dropped=len(lane.waiting))
                lane.waiting.clear()
            self._turns.clear()
            self._changed.notify_all()
        deadline = self._clock.monotonic() + timeout
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline - self._clock.monotonic()))
        late = [thread.name for thread in self._threads if thread.is_alive()]
        if late:
            log.warning("analysis_threads_late", threads=late, timeout=timeout)
        return not late

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            camera, frame = taken
            began = self._clock.monotonic()
            failed = 0
            try:
                self._on_result(frame, self._lanes[camera].analyser.analyse(frame))
            except Exception:
                failed = 1
                log.exception("analysis_failed", camera=camera, index=frame.index)
            self._release(camera, failed, self._clock.monotonic() - began)

    def _take(self) -> tuple[str, Frame] | None:
        """The next camera's frame; None when closing."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._closing or self._turns)
                if self._closing:
                    return None
                _, _, camera = heapq.heappop(self._turns)
                lane = self._lanes[camera]
                frame = self._next_in_time(lane)
                if frame is not None:
                    lane.busy = True
                    self._served = max(self._served, lane.used)
                    return camera, frame

    def _next_in_time(self, lane: _Lane) -> Frame | None:
        """The oldest frame that has not waited too long; older ones are dropped."""
        earliest = self._clock.monotonic() - self._longest_wait
        while lane.waiting:
            frame, came = lane.waiting.popleft()
            if came >= earliest:
                return frame
            lane.load = _plus(lane.load, dropped=1)
        return None

    def _queue(self, camera: str, lane: _Lane) -> None:
        self._turn += 1
        heapq.heappush(self._turns, (lane.used + lane.usual, self._turn, camera))
        self._changed.notify()

    def _release(self, camera: str, failed: int, busy_seconds: float) -> None:
        with self._changed:
            lane = self._lanes[camera]
            lane.busy = False
            lane.used += busy_seconds
            lane.usual += _LEARNING * (busy_seconds - lane.usual)
            lane.load = _plus(lane.load, analysed=1 - failed, failed=failed, busy_seconds=busy_seconds)
            if lane.waiting:
                self._queue(camera, lane)


def _plus(load: Load, *, analysed: int = 0, dropped: int = 0, failed: int = 0, busy_seconds: float = 0.0) -> Load:
    return Load(
        analysed=load.analysed + analysed, dropped=load.dropped + dropped, failed=load.failed + failed,
        busy_seconds=load.busy_seconds + busy_seconds,
    )  # fmt: skip
