"""A recorded file through the same gate, detector, tracker and rules as live video, as fast as it goes."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import cv2

from gridwatch.app.expected import FoundIncident
from gridwatch.bus import encode_incident
from gridwatch.config import CameraConfig, Deployment, HealthConfig
from gridwatch.detectors import CameraAnalysis, Detector, people_detector
from gridwatch.domain import DetectorInfo, Incident, Phase, UsageError
from gridwatch.ingest import Attention, recorded_frames


@dataclass(frozen=True, kw_only=True, slots=True)
class Replay:
    """What a recording gave. The same file and configuration give the same, however fast it was played."""

    file: Path
    camera: str
    start: datetime
    """Wall clock given to the first frame."""
    frames: int
    """Frames analysed."""
    detected: int
    """Of those, let through by the gate to the detector."""
    detector: DetectorInfo
    messages: tuple[Incident, ...]

    def found(self) -> list[FoundIncident]:
        """The incidents raised."""
        return [
            FoundIncident(kind=one.kind, rule=one.rule, raised_at=self._seconds(one.occurred_at))
            for one in self.messages
            if one.phase is Phase.RAISED
        ]

    def to_json(self) -> str:
        """The incident list as JSON text; the same replay gives the same bytes."""
        document = {
            "schema": "gridwatch-replay/1",
            "file": self.file.name,
            "sha256": hashlib.sha256(self.file.read_bytes()).hexdigest(),
            "camera": self.camera,
            "frames": self.frames,
            "detector": {
                "name": self.detector.name,
                "version": self.detector.version,
                "weights_sha256": self.detector.weights_sha256,
            },
            "incidents": [self._summary(one) for one in self.messages if one.phase is Phase.RAISED],
            "messages": [json.loads(encode_incident(one).payload) for one in self.messages],
        }
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"

    def _summary(self, raised: Incident) -> dict[str, object]:
        life = [one for one in self.messages if one.id == raised.id]
        return {
            "id": str(raised.id),
            "kind": raised.kind.value,
            "rule": raised.rule,
            "raised_at": self._seconds(raised.occurred_at),
            "cleared_at": self._seconds(life[-1].observed_at) if life[-1].phase is Phase.CLEARED else None,
            "peak_count": max(one.count for one in life),
            "score": round(max(one.score for one in life), 4),
        }

    def _seconds(self, moment: datetime) -> float:
        return round((moment - self.start).total_seconds(), 3)


def choose_camera(deployment: Deployment, file: Path, wanted: str | None) -> CameraConfig:
    """The camera whose zones and rules apply: the one named, the one that plays `file`, or the only one.

    Raises UsageError when that is not one.
    """
    cameras = deployment.cameras
    if wanted is not None:
        cameras = tuple(camera for camera in cameras if camera.id == wanted)
    elif len(cameras) > 1:
        same = file.resolve()
        cameras = tuple(camera for camera in cameras if camera.source.file == same)
    if len(cameras) != 1:
        names = ", ".join(camera.id for camera in deployment.cameras) or "none"
        raise UsageError(f"say with --camera whose zones and rules apply to {file}; the configuration has {names}")
    return cameras[0]


def replay(
    file: Path,
    camera: CameraConfig,
    health: HealthConfig,
    detector: Detector,
    start: datetime,
    progress: Callable[[float], None],
) -> Replay:
    """Run `file`; `progress` gets the seconds of recording done. Raises UnreadableFile.

    What a live camera would leave undecoded because nothing moves is left out here too (`gate` of the camera).
    """
    cv2.setNumThreads(1)
    analysis = CameraAnalysis(camera, detector, health=health, people=people_detector(detector))
    attention = Attention() if camera.gate else None
    frames = detected = 0
    messages: list[Incident] = []
    for frame in recorded_frames(file, camera.id, camera.analysis_fps, start, attention):
        step = analysis.analyse(frame)
        if attention is not None:
            attention.looked(frame, idle=step.idle)
        frames += 1
        detected += step.detected
        messages.extend(step.incidents)
        progress(frame.pts)
    messages.extend(analysis.finish())
    return Replay(
        file=file, camera=camera.id, start=start, frames=frames, detected=detected, detector=detector.info,
        messages=tuple(messages),
    )  # fmt: skip
