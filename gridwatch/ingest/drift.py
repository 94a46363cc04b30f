"""A camera's clock that differs from ours, as an incident: device_alarm with the rule `health.clock-drift`.

Who is wrong is not known here; the times of incidents are those of arrival as long as it lasts (`walltime`).
All times are UTC, so daylight saving cannot be mistaken for drift, nor a time zone. Durations are monotonic.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gridwatch.config.model import CameraConfig, HealthConfig
from gridwatch.domain import HEALTH_RULE_PREFIX, Incident, IncidentKind, Severity
from gridwatch.ingest.health_incident import raised

CLOCK_DRIFT_RULE: Final = f"{HEALTH_RULE_PREFIX}clock-drift"

_HOLD_SECONDS: Final = 10.0
"""Longer than a burst of late packets, which looks like a clock that is behind."""
_GOOD_SHARE: Final = 0.75
"""Good again within this share of the limit: a clock that hangs about the limit is one incident."""
_OWN_STEP_SECONDS: Final = 0.5
"""Our wall clock stepped when it and the monotonic clock disagree by more between two looks."""


class DriftWatch:
    """Clock readings of cameras to incidents. No clock and no I/O of its own; not thread-safe."""

    def __init__(
        self, cameras: Sequence[tuple[CameraConfig, HealthConfig]], still_open: Iterable[Incident] = ()
    ) -> None:
        """`still_open` as in `OutageWatch`."""
        self._cameras = {
            camera.id: _Clock(config=camera, limit=health.clock_drift_seconds)
            for camera, health in cameras
            if health.clock_drift_seconds is not None
        }
        known = [one for one in still_open if one.rule == CLOCK_DRIFT_RULE]
        self._orphans = [one for one in known if one.camera not in self._cameras]
        for one in known:
            if one.camera in self._cameras:
                self._cameras[one.camera].incident = one
        self._looked: tuple[datetime, float] | None = None

    def step(self, drifts: Mapping[str, float], at: datetime, monotonic: float) -> tuple[Incident, ...]:
        """What is to be said now. `drifts`: clock minus ours in seconds, of the cameras that are up and tell it."""
        said = [one.cleared(at) for one in self._orphans]
        self._orphans = []
        stepped = self._has_stepped(at, monotonic)
        for name, clock in self._cameras.items():
            said += clock.see(drifts.get(name), at, monotonic, stepped)
        return tuple(said)

    def _has_stepped(self, at: datetime, monotonic: float) -> bool:
        before, self._looked = self._looked, (at, monotonic)
        if before is None:
            return False
        return abs((at - before[0]).total_seconds() - (monotonic - before[1])) > _OWN_STEP_SECONDS


@dataclass(kw_only=True, slots=True)
class _Clock:
    """The clock of one camera."""

    config: CameraConfig
    limit: float
    incident: Incident | None = None
    since: tuple[float, datetime] | None = None
    """From when it has said the contrary of what is known: wrong while good, good while an incident is open."""

    def see(self, drift: float | None, at: datetime, now: float, stepped: bool) -> tuple[Incident, ...]:
        """After a step of our own clock, readings from before it are worth nothing."""
        limit = self.limit if self.incident is None else self.limit * _GOOD_SHARE
        if drift is None or (abs(drift) > limit) is (self.incident is not None):
            self.since = None
            return ()
        if self.since is None or stepped:
            self.since = (now, at)
        began, began_at = self.since
        if now - began < _HOLD_SECONDS:
            return ()
        self.since = None
        if self.incident is not None:
            over, self.incident = self.incident.cleared(at), None
            return (over,)
        self.incident = raised(self.config, IncidentKind.DEVICE_ALARM, CLOCK_DRIFT_RULE, Severity.MINOR, began_at, at)
        return (self.incident,)
