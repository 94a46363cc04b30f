"""What is wrong with the cameras themselves, as incidents: outages and clocks. Pictures are judged in the analysis."""

import json
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import structlog

from gridwatch.app.health import Watched
from gridwatch.bus import MalformedMessage, decode_incident, encode_incident
from gridwatch.config import CameraConfig, HealthConfig
from gridwatch.domain import CameraState, Clock, Incident
from gridwatch.ingest import DriftWatch, OutageWatch

log = structlog.get_logger(__name__)

PERIOD: Final = 0.5
"""Seconds between two looks, when no camera changes its state."""


class OpenIncidents:
    """A small file with the incidents that are open, so that the next run can clear them. One process at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> tuple[Incident, ...]:
        """The raised messages; none where there is no file, nor of one that cannot be read, which is logged."""
        try:
            document = json.loads(self._path.read_text(encoding="utf-8"))
            return tuple(
                decode_incident(one["topic"], json.dumps(one["event"]).encode(), one["content_type"])
                for one in document["open"]
            )
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, TypeError, LookupError, MalformedMessage) as error:
            log.error(
                "open_incidents_unreadable", file=str(self._path), reason=f"{type(error).__name__}: {error}",
                effect="outages that were open when the last run ended will not be cleared",
            )  # fmt: skip
            return ()

    def save(self, raised: Sequence[Incident]) -> None:
        """Replace the file, whole or not at all. Where the disk refuses, that is logged and the incidents go on."""
        messages = [encode_incident(one) for one in raised]
        document = {
            "version": 1,
            "open": [
                {"topic": one.topic, "content_type": one.content_type, "event": json.loads(one.payload)}
                for one in messages
            ],
        }
        temporary = self._path.with_suffix(".new")
        try:
            with temporary.open("w", encoding="utf-8") as file:
                json.dump(document, file, ensure_ascii=False, indent=1)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
        except OSError as error:
            log.error("open_incidents_unsaved", file=str(self._path), reason=str(error))


class HealthWatch:
    """Looks at every camera each PERIOD, and at once when one changes state. Owns a thread named `health-incidents`.

    What is open when it stops stays open: a worker that has ended knows nothing about its cameras. The next run finds
    it in the file, says it again under the same id and seq, and clears it when the camera is back. The file is written
    before an incident is raised and after one is cleared, so a run that dies in between says something twice, which
    the recorder drops, and never loses an end.
    """

    def __init__(
        self,
        cameras: Sequence[tuple[CameraConfig, HealthConfig]],
        put: Callable[[str, Sequence[Incident]], None],
        file: OpenIncidents,
        clock: Clock,
    ) -> None:
        """`put(camera, incidents)` is called on the thread; they are on disk when it returns."""
        self._cameras = tuple(cameras)
        self._put = put
        self._file = file
        self._clock = clock
        self._watched: Sequence[Watched] = ()
        self._outages = OutageWatch(())
        self._drifts = DriftWatch(())
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="health-incidents", daemon=True)

    def wake(self) -> None:
        """Look soon; any thread."""
        self._wake.set()

    def start(self, watched: Sequence[Watched]) -> None:
        """Read what is open, and watch from now on. `watched` are the workers of the cameras given."""
        still_open = self._file.load()
        self._watched = tuple(watched)
        self._outages = OutageWatch(self._cameras, still_open)
        self._drifts = DriftWatch(self._cameras, still_open)
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
        before = {one.id: one for one in self._open}
        said = (*self._outages.step(states, at, monotonic), *self._drifts.step(drifts, at, monotonic))
        if not said:
            return
        after = {one.id: one for one in self._open}
        self._file.save(tuple({**before, **after}.values()))
        for incident in said:
            # One of a camera that is not configured any more is counted with the first that is.
            camera = incident.camera if incident.camera in states else self._watched[0].worker.camera.id
            self._put(camera, (incident,))
            log.info("health_incident", camera=incident.camera, rule=incident.rule, phase=incident.phase)
        if before.keys() - after.keys():
            self._file.save(tuple(after.values()))

    @property
    def _open(self) -> tuple[Incident, ...]:
        return (*self._outages.open, *self._drifts.open)


def _drift(one: Watched) -> float | None:
    """Its clock minus ours: as RTCP tells with every picture, else as ONVIF told at connecting; None when not up."""
    if one.worker.status.state is not CameraState.UP:
        return None
    reader = one.reader.snapshot()
    return reader.clock_offset_seconds if reader.clock_drift_seconds is None else reader.clock_drift_seconds
