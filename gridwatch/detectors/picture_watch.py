"""Picture health as incidents of a camera."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from gridwatch.config.model import CameraConfig, HealthConfig
from gridwatch.detectors.picture import PictureChange, PictureFault, PictureHealth
from gridwatch.detectors.rules.base import Moment
from gridwatch.domain import (
    HEALTH_RULE_PREFIX,
    DetectorInfo,
    Frame,
    Incident,
    IncidentKind,
    Phase,
    Position,
    Severity,
    incident_id,
)

_INFO: Final = DetectorInfo(name="picture-health", version="1", weights_sha256=None)
_LONGEST_STEP: Final = 15.0
"""A longer gap between pictures of one connection is one in which nobody looked; shorter ones may be key frames."""
PICTURE_RULES: Final = frozenset(f"{HEALTH_RULE_PREFIX}{fault}" for fault in PictureFault)
"""The rules of its incidents."""
_SEVERITY: Final = {PictureFault.BRIGHT: Severity.MINOR, PictureFault.BLURRED: Severity.MINOR}
"""Major where nothing can be seen of the scene, or nothing true."""


class PictureWatch:
    """Frames of one camera, in order, to camera_tamper incidents with the rule `health.<fault>`. Not thread-safe.

    All durations are stream time; a reconnect stops the holds, and an open incident goes on until the picture is good.
    """

    def __init__(
        self,
        camera: CameraConfig,
        settings: HealthConfig,
        position_at: Callable[[datetime], Position],
        still_open: Incident | None = None,
    ) -> None:
        """`position_at` tells where the camera was; `still_open` is what an earlier run left open."""
        self._camera = camera
        self._position_at = position_at
        self._health = PictureHealth(settings, None if still_open is None else _change(still_open))
        self._last: Frame | None = None
        self._time = 0.0
        self._open = still_open

    def look(self, frame: Frame) -> tuple[Incident, ...]:
        """The incidents raised or cleared by the next frame, without evidence."""
        last, self._last = self._last, frame
        if last is not None:
            step = frame.pts - last.pts
            if frame.index > last.index and 0.0 <= step <= _LONGEST_STEP:
                self._time += step
            else:
                self._health.interrupt()
        changes = self._health.look(frame.image, Moment(pts=self._time, at=frame.captured_at))
        return tuple(one for change in changes for one in self._say(change, frame))

    def finish(self) -> tuple[Incident, ...]:
        """No more frames: clear what is open as of the last one. Safe to call again."""
        return self._clear(self._last) if self._last is not None else ()

    def _say(self, change: PictureChange, frame: Frame) -> tuple[Incident, ...]:
        if not change.is_on:
            return self._clear(frame)
        rule = f"{HEALTH_RULE_PREFIX}{change.fault}"
        began = change.since.at
        self._open = Incident(
            id=incident_id(began, self._camera.id, rule), kind=IncidentKind.CAMERA_TAMPER,
            severity=_SEVERITY.get(change.fault, Severity.MAJOR), phase=Phase.RAISED, seq=0,
            site=self._camera.site_path, camera=self._camera.id, rule=rule, position=self._position_at(began),
            occurred_at=began, observed_at=max(frame.captured_at, began), boxes=(), score=1.0, count=0, evidence=(),
            detector=_INFO,
        )  # fmt: skip
        return (self._open,)

    def _clear(self, frame: Frame) -> tuple[Incident, ...]:
        if self._open is None:
            return ()
        over, self._open = self._open.cleared(frame.captured_at), None
        return (over,)


def _change(incident: Incident) -> PictureChange:
    fault = PictureFault(incident.rule.removeprefix(HEALTH_RULE_PREFIX))
    return PictureChange(fault=fault, is_on=True, since=Moment(pts=0.0, at=incident.occurred_at))
