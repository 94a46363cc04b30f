"""What is wrong with the cameras themselves, as incidents: outages and clocks. Pictures are judged in the analysis."""

import threading
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from gridwatch.app.health import Watched
from gridwatch.config import CameraConfig, HealthConfig
from gridwatch.domain import CameraState, Clock, Incident
from gridwatch.ingest import DriftWatch, OutageWatch

log = structlog.get_logger(__name__)

PERIOD: Final = 0.5
"""Seconds between two looks, when no camera changes its state."""


class HealthWatch:
    """Looks at every camera each PERIOD, and at once when one changes state. Owns a thread named `health-incidents`.

    What is open when it stops stays open: a worker that has ended knows nothing about its cameras. The next run is
    given it and clears it when the camera is back.
    """

    def __init__(
        self,
        cameras: Sequence[tuple[CameraConfig, HealthConfig]],
        put: Callable[[str, Sequence[Incident]], None],
        still_open: Sequence[Incident],
        clock: Clock,
    ) -> None:
        """`put(camera, incidents)` is called on the thread; they are on disk when it returns.

        `still_open`: what an earlier run left open of outages and clocks.
        """
        self._put = put
        self._clock = clock
        self._watched: Sequence[Watched] = ()
        self._outages = OutageWatch(cameras, still_open)
        self._drifts = DriftWatch(cameras, still_open)
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="health-incidents", daemon=True)

    def wake(self) -> None:
        """Look soon; any thread."""
        self._wake.set()

    def start(self, watched: Sequence[Watched]) -> None:
        """Watch from now on. `watched` are the workers of the cameras given."""
        self._watched = tuple(watched)
        self._thread.start()

    def close(self, timeout: float) -> None:
        """Look no more, and join. To be closed before the cameras are."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._look()
            self._wake.wait(PERIOD)
            self._wake.clear()

    def _look(self) -> None:
        states = {one.worker.camera.id: one.worker.status.state for one in self._watched}
        drifts = {one.worker.camera.id: drift for one in self._watched if (drift := _drift(one)) is not None}
        at, monotonic = self._clock.now(), self._clock.monotonic()
        for incident in (*self._outages.step(states, at, monotonic), *self._drifts.step(drifts, at, monotonic)):
            # One of a camera that is not configured any more is counted with the first that is.
            camera = incident.camera if incident.camera in states else self._watched[0].worker.camera.id
            self._put(camera, (incident,))
            log.info("health_incident", camera=incident.camera, rule=incident.rule, phase=incident.phase)


def _drift(one: Watched) -> float | None:
    """Its clock minus ours: as RTCP tells with every picture, else as ONVIF told at connecting; None when not up."""
    if one.worker.status.state is not CameraState.UP:
        return None
    reader = one.reader.snapshot()
    return reader.clock_offset_seconds if reader.clock_drift_seconds is None else reader.clock_drift_seconds
