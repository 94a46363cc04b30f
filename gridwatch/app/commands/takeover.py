"""Another analysis for a camera of a running worker, which goes on with what is open."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

import structlog

from gridwatch.app.commands.mutes import Mutes
from gridwatch.app.commands.seats import Make
from gridwatch.app.sink import IncidentSink
from gridwatch.app.still_open import sort_out
from gridwatch.bus import Outbox, OutboxError
from gridwatch.config import CameraConfig, Deployment
from gridwatch.detectors import CameraAnalysis, Detector, people_detector, rehearse
from gridwatch.domain import Clock, OpenIncident, Position

log = structlog.get_logger(__name__)


class KnowsPositions(Protocol):
    """Where cameras are. `Positions` is one."""

    def of(self, camera: CameraConfig) -> Callable[[datetime], Position]:
        """Where that camera was at a time."""


class Takeover:
    """Makes them. What it makes uses the detector that the camera has."""

    def __init__(
        self, deployment: Deployment, detectors: Mapping[str, Detector], positions: KnowsPositions, outbox: Outbox,
        sink: IncidentSink, mutes: Mutes, clock: Clock,
    ) -> None:  # fmt: skip
        self._deployment = deployment
        self._detectors = detectors
        self._positions = positions
        self._outbox = outbox
        self._sink = sink
        self._mutes = mutes
        self._clock = clock

    def prepare(self, camera: CameraConfig) -> Make:
        """What makes the analysis of `camera` when its turn comes. Raises UsageError when it could not be."""
        rehearse(camera, self._deployment.detector_name(camera), self._detectors[camera.id])

        def make() -> CameraAnalysis | None:
            if self._sink.held:
                return None  # which incidents are open is not on disk yet
            try:
                found = [one for one in self._outbox.open_incidents() if one.latest.camera == camera.id]
            except OutboxError as error:
                log.error("takeover_waits", camera=camera.id, reason=str(error))
                return None
            left = sort_out(found, [camera])
            self._mutes.begin_anew(camera.id)
            self._sink.put(camera.id, [one.cleared(self._clock.now()) for one in left.orphans])
            return self._analysis(camera, left.analysis.get(camera.id, ()))

        return make

    def _analysis(self, camera: CameraConfig, still_open: tuple[OpenIncident, ...]) -> CameraAnalysis:
        detector = self._detectors[camera.id]
        return CameraAnalysis(
            camera, detector, self._positions.of(camera), self._deployment.health_of(camera), people_detector(detector),
            still_open,
        )  # fmt: skip
