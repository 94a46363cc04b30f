"""A recorded file through the same gate, detector, tracker and rules as live video, as fast as it goes."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import cv2

from gridwatch.app.expected import FoundIncident
from gridwatch.config import CameraConfig, HealthConfig
from gridwatch.detectors import Analysis, CameraAnalysis, Detector, people_detector
from gridwatch.domain import DetectorInfo, Frame, Incident, Phase
from gridwatch.ingest import Attention, recorded_frames

START: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Wall clock of the first frame: fixed, so that the same file gives the same bytes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Watched:
    """A recording and who watches it."""

    file: Path
    camera: CameraConfig
    health: HealthConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Replay:
    """What a recording gave. The same file and configuration give the same, however fast it was played."""

    watched: Watched
    frames: int
    """Frames analysed."""
    detected: int
    """Of those, let through by the gate to the detector."""
    detector: DetectorInfo
    messages: tuple[Incident, ...]

    def found(self) -> list[FoundIncident]:
        """The incidents raised."""
        rules = {rule.id: rule for rule in self.watched.camera.rules}
        return [
            FoundIncident(
                kind=one.kind, rule=one.rule, raised_at=stream_seconds(one.observed_at),
                zone=getattr(rules.get(one.rule), "zone", None), line=getattr(rules.get(one.rule), "line", None),
            )
            for one in self.messages
            if one.phase is Phase.RAISED
        ]  # fmt: skip


def stream_seconds(moment: datetime) -> float:
    """Seconds from the first frame, to the millisecond."""
    return round((moment - START).total_seconds(), 3)


Look = tuple[Frame, Analysis]
"""A frame and what it gave."""


def looks(watched: Watched, detector: Detector) -> Generator[Look, None, tuple[Incident, ...]]:
    """Each frame analysed, with what it gave; returns what the end of the recording cleared. Raises UnreadableFile.

    What a live camera would leave undecoded because nothing moves is left out here too (`gate` of the camera).
    """
    cv2.setNumThreads(1)
    camera = watched.camera
    analysis = CameraAnalysis(camera, detector, health=watched.health, people=people_detector(detector))
    attention = Attention() if camera.gate else None
    for frame in recorded_frames(watched.file, camera.id, camera.analysis_fps, START, attention):
        step = analysis.analyse(frame)
        if attention is not None:
            attention.looked(frame, idle=step.idle)
        yield frame, step
    return analysis.finish()


def replay(watched: Watched, detector: Detector, progress: Callable[[float], None] = lambda _: None) -> Replay:
    """Run a recording; `progress` gets the seconds of it that are done. Raises UnreadableFile."""
    frames = detected = 0
    messages: list[Incident] = []
    running = looks(watched, detector)
    while True:
        try:
            frame, step = next(running)
        except StopIteration as end:
            messages.extend(end.value)
            break
        frames += 1
        detected += step.detected
        messages.extend(step.incidents)
        progress(frame.pts)
    return Replay(watched=watched, frames=frames, detected=detected, detector=detector.info, messages=tuple(messages))
