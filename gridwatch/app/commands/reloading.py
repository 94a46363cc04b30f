"""Carrying out `reload`: everything that can fail is built first, then all of it takes over, or nothing does."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import structlog

from gridwatch.app.commands.office import Done
from gridwatch.app.commands.seats import CameraSeat, Make
from gridwatch.config import CameraConfig, Deployment
from gridwatch.config.commands import CommandsConfig
from gridwatch.domain import Command, Outcome, Reloaded, UsageError

log = structlog.get_logger(__name__)

LIVE: Final = ("name", "zones", "lines", "privacy", "ignore", "timezone", "rules", "closer_looks")
"""What only the analysis of a camera goes by; all else belongs to readers, detectors and connections that run."""


class Reloader:
    """Rules, zones and who may command, read anew. An `Action`; one at a time.

    Only cameras that differ get another analysis: it goes on with what is open, and begins without tracks.
    """

    def __init__(
        self,
        deployment: Deployment,
        cameras: dict[str, CameraConfig],
        read: Callable[[], Deployment],
        seats: Mapping[str, CameraSeat],
        prepare: Callable[[CameraConfig], Make],
        obey: Callable[[CommandsConfig], None],
    ) -> None:
        """`deployment` is what runs, `cameras` those of this worker, by id; they are replaced here.

        `prepare` checks a camera and gives what makes its analysis; it raises UsageError, and changes nothing.
        """
        self._running = deployment
        self._cameras = cameras
        self._read = read
        self._seats = seats
        self._prepare = prepare
        self._obey = obey

    def __call__(self, _: Command) -> Done:
        """Read, check, build; then let it take over."""
        try:
            wanted = self._read()
            changed = {one.id: one for one in self._merged(wanted)}
            made = {camera: self._prepare(one) for camera, one in changed.items()}
        except UsageError as error:
            log.warning("reload_refused", reason=str(error))
            return Done(outcome=Outcome.FAILED, reason=f"nothing was changed: {error}")
        later = tuple(self._left(wanted))
        for camera, make in made.items():
            self._seats[camera].exchange(make)
        self._cameras.update(changed)
        self._obey(wanted.services.commands)
        log.info("reloaded", changed=list(changed), needs_restart=later)
        return Done(detail=Reloaded(changed=tuple(changed), needs_restart=later))

    def _merged(self, wanted: Deployment) -> Iterator[CameraConfig]:
        """The cameras of this worker with what can change at once, where that differs."""
        found = {one.id: one for one in wanted.cameras}
        for camera, running in self._cameras.items():
            if camera in found:
                live = {name: getattr(found[camera], name) for name in LIVE}
                merged = running.model_copy(update=live)
                if merged != running:
                    yield merged

    def _left(self, wanted: Deployment) -> Iterator[str]:
        """What stays as it was; names of keys, never their values."""
        found = {one.id: one for one in wanted.cameras}
        known = {one.id for one in self._running.cameras}
        yield from (f"camera {one} is new" for one in found if one not in known)
        for camera, running in self._cameras.items():
            if camera not in found:
                yield f"camera {camera} is gone"
                continue
            keys = [
                name for name in CameraConfig.model_fields
                if name not in LIVE and getattr(found[camera], name) != getattr(running, name)
            ]  # fmt: skip
            if keys:
                yield f"camera {camera}: {', '.join(keys)}"
        here = {"cameras", "services"}
        keys = [one for one in Deployment.model_fields if one not in here and _differ(wanted, self._running, one)]
        without = {"commands": self._running.services.commands}
        if wanted.services.model_copy(update=without) != self._running.services:
            keys.append("services")
        if keys:
            yield f"{', '.join(keys)} of the deployment"


def _differ(one: Deployment, other: Deployment, name: str) -> bool:
    return bool(getattr(one, name) != getattr(other, name))
