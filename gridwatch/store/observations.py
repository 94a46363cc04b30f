"""What cameras saw by the minute, and what they were in."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gridwatch.domain import CameraState, ClassCount, Observation
from gridwatch.store.pool import Pool
from gridwatch.store.queries import queries
from gridwatch.store.rows import Row, site_columns, site_of


@dataclass(frozen=True, kw_only=True, slots=True)
class HealthChange:
    """A camera entered a state, or stayed in it for another reason."""

    camera: str
    at: datetime
    state: CameraState
    reason: str


class ObservationStore:
    """Observations and changes of health, for 90 days; no incident depends on them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._sql = queries("observations")

    async def save(self, observations: Sequence[Observation]) -> None:
        """Keep them, in one transaction; again changes nothing.

        Of two parts of a minute, as a worker that was restarted tells of it, the one with more frames is kept.
        """
        if observations:
            rows = [_observation_row(one) for one in observations]
            await self._pool.execute(self._sql["keep_observations"], {"rows": json.dumps(rows)})

    async def observations(self, camera: str, since: datetime, until: datetime) -> list[Observation]:
        """Minutes that begin in [since, until), by time."""
        parameters = {"camera": camera, "since": since, "until": until}
        return [_observation_of(row) for row in await self._pool.rows(self._sql["observations"], parameters)]

    async def health_changes(self, camera: str, since: datetime, until: datetime) -> list[HealthChange]:
        """In [since, until), by time."""
        parameters = {"camera": camera, "since": since, "until": until}
        return [
            HealthChange(camera=row["camera"], at=row["at"], state=CameraState(row["state"]), reason=row["reason"])
            for row in await self._pool.rows(self._sql["health_changes"], parameters)
        ]

    async def forget(self, now: datetime) -> int:
        """Delete what is older than 90 days; the number of rows. Nothing on TimescaleDB, which drops whole chunks."""
        row = await self._pool.row(self._sql["forget"], {"now": now})
        return 0 if row is None else int(row["rows"])


def _observation_row(one: Observation) -> dict[str, object]:
    return {
        "camera": one.camera, "minute": one.minute.isoformat(), **site_columns(one.site), "frames": one.frames,
        "analysed": one.analysed, "detected": one.detected, "dropped": one.dropped, "moving": one.moving,
        "fps": one.fps, "classes": {kind.label: [kind.most, kind.sightings] for kind in one.classes},
    }  # fmt: skip


def _observation_of(row: Row) -> Observation:
    return Observation(
        camera=row["camera"], site=site_of(row), minute=row["minute"], frames=row["frames"], analysed=row["analysed"],
        detected=row["detected"], dropped=row["dropped"], moving=row["moving"], fps=row["fps"],
        classes=tuple(
            ClassCount(label=label, most=most, sightings=sightings)
            for label, (most, sightings) in sorted(row["classes"].items())
        ),
    )  # fmt: skip
