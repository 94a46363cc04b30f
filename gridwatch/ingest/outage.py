"""Cameras without video as incidents: one an outage, and one a site when all its cameras vanish together.

A camera is out from the moment its state is anything but UP until it has been UP for `return_seconds` without a break.
Out for `offline_seconds`, it is an incident with the rule `health.offline`. So a camera that comes and goes has one
outage, not twenty; one whose outages follow each other within ten minutes must stay twice as long each time.

When every camera of a site (two or more that hang on the same node of the tree) is out and their grace is over, there
is one incident for the site instead: rule `health.site-offline`, `count` the number of its cameras, its camera the
first of the site in the configuration, `occurred_at` when the last of them vanished. A camera whose grace ends first
waits for the others as long as they are out too, so at most one grace more. The site's incident ends when the first of
its cameras has returned; those that are still out after a new grace get incidents of their own.

All durations are of the monotonic clock: no step of a wall clock begins, ends or shortens an outage.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from gridwatch.config.model import CameraConfig, HealthConfig
from gridwatch.domain import HEALTH_RULE_PREFIX, CameraState, Incident, IncidentKind, Severity
from gridwatch.ingest.health_incident import raised

OFFLINE_RULE: Final = f"{HEALTH_RULE_PREFIX}offline"
SITE_OFFLINE_RULE: Final = f"{HEALTH_RULE_PREFIX}site-offline"

_RELAPSE_SECONDS: Final = 600.0
_LONGEST_RETURN: Final = 300.0
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class OutageWatch:
    """States of cameras to incidents. No clock and no I/O of its own; not thread-safe."""

    def __init__(
        self, cameras: Sequence[tuple[CameraConfig, HealthConfig]], still_open: Iterable[Incident] = ()
    ) -> None:
        """`still_open`: what an earlier run left open.

        The first step clears those of cameras that are not watched any more. A recorded file is not watched: it ends
        by nature.
        """
        self._sites: dict[str, _Site] = {}
        for camera, health in cameras:
            if health.offline_seconds is not None and camera.source.file is None:
                site = self._sites.setdefault(camera.site, _Site())
                site.cameras.append(_Camera(camera, health.offline_seconds, health.return_seconds))
        known = [one for one in still_open if one.rule in (OFFLINE_RULE, SITE_OFFLINE_RULE)]
        self._orphans = [one for one in known if not self._adopt(one)]

    def step(self, states: Mapping[str, CameraState], at: datetime, monotonic: float) -> tuple[Incident, ...]:
        """What is to be said now, given the state of every camera.

        STOPPED says nothing about the camera: its worker ended. Call it about once a second; `at` is UTC.
        """
        said = [one.cleared(at) for one in self._orphans]
        self._orphans = []
        for site in self._sites.values():
            for camera in site.cameras:
                camera.see(states[camera.config.id], at, monotonic)
            said += site.step(at, monotonic)
        return tuple(said)

    def _adopt(self, incident: Incident) -> bool:
        site = self._sites.get(str(incident.site))
        if site is None:
            return False
        if incident.rule == SITE_OFFLINE_RULE:
            site.incident = incident
            for camera in site.cameras:
                camera.is_said = True
            return True
        for camera in site.cameras:
            if camera.config.id == incident.camera:
                camera.incident, camera.is_said = incident, True
                return True
        return False


class _Site:
    """The cameras of one node of the tree."""

    def __init__(self) -> None:
        self.cameras: list[_Camera] = []
        self.incident: Incident | None = None

    def step(self, at: datetime, now: float) -> Iterator[Incident]:
        for camera in self.cameras:
            if camera.is_well and camera.incident is not None:
                yield camera.incident.cleared(at)
                camera.incident = None
        if self.incident is not None and any(camera.is_well for camera in self.cameras):
            yield self.incident.cleared(at)
            self.incident = None
            for camera in self.cameras:
                # The others may be on their way: whoever comes back later than a grace has a trouble of its own.
                camera.waits_since = now
        if self.incident is None:
            yield from self._raise(at, now)

    def _raise(self, at: datetime, now: float) -> Iterator[Incident]:
        overdue = [camera for camera in self.cameras if camera.is_overdue(now)]
        if not overdue:
            return
        dark = len(self.cameras) > 1 and all(camera.is_away and camera.incident is None for camera in self.cameras)
        if dark and len(overdue) == len(self.cameras):
            first = self.cameras[0].config
            began = max(camera.out_at for camera in self.cameras)
            self.incident = raised(
                first, IncidentKind.CAMERA_OFFLINE, SITE_OFFLINE_RULE, Severity.MAJOR, began, at, len(self.cameras)
            )
            yield self.incident
        elif not dark:
            for camera in overdue:
                camera.incident = raised(
                    camera.config, IncidentKind.CAMERA_OFFLINE, OFFLINE_RULE, Severity.MAJOR, camera.out_at, at
                )
                yield camera.incident
        else:
            return
        for camera in overdue:
            camera.count_outage(now)


class _Camera:
    """One camera: well, or out since some time."""

    def __init__(self, config: CameraConfig, grace: float, return_seconds: float) -> None:
        self.config = config
        self.incident: Incident | None = None
        self.is_well = True
        self.out_at = _NEVER
        """Wall clock of the beginning of its outage."""
        self.waits_since = 0.0
        """From when its grace counts."""
        self._grace = grace
        self._return_seconds = return_seconds
        self._up_since: float | None = None
        self._has_been_up = False
        self._relapses = 0
        self.is_said = False
        """Its outage is an incident, its own or of its site."""
        self._returned: float | None = None
        """When it last returned from an outage that was an incident."""

    @property
    def is_away(self) -> bool:
        """Out, and not even on its way back."""
        return not self.is_well and self._up_since is None

    def is_overdue(self, now: float) -> bool:
        """True when an incident is due and not yet raised."""
        return self.incident is None and self.is_away and now - self.waits_since >= self._grace

    def see(self, state: CameraState, at: datetime, now: float) -> None:
        """Take its state at `now`."""
        if state is CameraState.STOPPED:
            return
        if state is not CameraState.UP:
            self._up_since = None
            if self.is_well:
                self.is_well, self.out_at, self.waits_since = False, at, now
            return
        if not self._has_been_up or self.is_well:
            # A first connection is no return, except from an outage that was said.
            self._has_been_up, self.is_well = True, not self.is_said
        if not self.is_well:
            self._up_since = now if self._up_since is None else self._up_since
            if now - self._up_since >= self._stay:
                self._return(now)

    def count_outage(self, now: float) -> None:
        """Its outage has become an incident."""
        relapsed = self._returned is not None and now - self._returned < _RELAPSE_SECONDS
        self._relapses = self._relapses + 1 if relapsed else 0
        self.is_said = True

    @property
    def _stay(self) -> float:
        return min(max(_LONGEST_RETURN, self._return_seconds), self._return_seconds * 2.0 ** min(self._relapses, 16))

    def _return(self, now: float) -> None:
        self.is_well, self._up_since = True, None
        if self.is_said:
            self.is_said, self._returned = False, now
