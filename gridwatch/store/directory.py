"""Sites, cameras, units and grids."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from gridwatch.domain import AuditEntry, CameraRecord, Clock, Grid, Position, SitePath, SiteRecord, Unit
from gridwatch.store.gridindex import GridIndex
from gridwatch.store.pool import Connection, Pool
from gridwatch.store.queries import queries
from gridwatch.store.rows import audit_row, grid_of, grid_row, health_of, site_columns, site_of

log = structlog.get_logger(__name__)

_LOCK = 0x67726965
_READY_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class GridChanges:
    """What an import changed."""

    grids: int
    """There are now."""
    begun: int
    """Versions: new and changed grids."""
    ended: int
    """Versions: changed grids and those that left."""

    def __str__(self) -> str:
        return f"{self.grids} grids, {self.begun} new or changed, {self.ended} changed or gone"


_Tables = dict[str, tuple[list[dict[str, object]], list[str]]]
"""Rows and keys by table."""


class DirectoryStore:
    """The tree, its cameras and the grids. Satisfies `api.ports.Directory`; locates places for recorders."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._sql = queries("directory")
        self._index = GridIndex(())
        self._changed: datetime | None = None

    async def sync(
        self,
        sites: Sequence[SiteRecord],
        cameras: Sequence[CameraRecord],
        grids: Sequence[Grid] | None,
        units: Sequence[Unit],
    ) -> None:
        """Make the directory what is given, in one transaction; what is not listed becomes inactive.

        `grids` None leaves them as they are: they were imported. A camera's `health` is not read. Raises StoreError
        when a grid names a unit that is nowhere.
        """
        tables: _Tables = {
            "sites": ([_site_row(s) for s in sites], [str(s.path) for s in sites]),
            "units": ([{"code": u.code, "name": u.name, "active": True} for u in units], [u.code for u in units]),
            "cameras": ([_camera_row(c) for c in cameras], [c.id for c in cameras]),
        }
        async with self._pool.transaction("cannot synchronise the directory") as connection:
            await connection.execute(self._sql["lock_directory"], {"key": _LOCK})
            await self._keep(connection, tables)
            if grids is not None:
                await self._keep_grids(connection, grids)
        await self.load_grids()
        log.info("directory_synchronised", **{table: len(keys) for table, (_, keys) in tables.items()})

    async def import_grids(self, grids: Sequence[Grid], by: AuditEntry) -> GridChanges:
        """Make the grids these, and write `by` into the audit with what changed; what changed begins a new version.

        Raises StoreError when a grid names a unit that is nowhere.
        """
        async with self._pool.transaction("cannot import grids") as connection:
            await connection.execute(self._sql["lock_directory"], {"key": _LOCK})
            changes = await self._keep_grids(connection, grids)
            entry = replace(by, subject=f"{by.subject}: {changes}")
            await connection.execute(queries("accounts")["add_audit"], audit_row(entry))
        await self.load_grids()
        return changes

    async def _keep(self, connection: Connection, tables: _Tables) -> None:
        for table, (rows, keys) in tables.items():
            await connection.execute(self._sql[f"keep_{table}"], {"rows": json.dumps(rows)})
            await connection.execute(self._sql[f"retire_{table}"], {"keys": keys})

    async def _keep_grids(self, connection: Connection, grids: Sequence[Grid]) -> GridChanges:
        await self._keep(
            connection, {"grids": ([{**grid_row(g), "active": True} for g in grids], [g.code for g in grids])}
        )  # fmt: skip
        now = {"now": self._clock.now()}
        ended = (await connection.execute(self._sql["close_versions"], now)).rowcount
        begun = (await connection.execute(self._sql["open_versions"], now)).rowcount
        return GridChanges(grids=len(grids), begun=begun, ended=ended)

    async def load_grids(self) -> None:
        """Read the grids again for `locate`; after another process has synchronised them."""
        changed = await self._grids_changed()
        self._index = GridIndex(await self.grids())
        self._changed = changed

    async def follow_grids(self) -> bool:
        """Read the grids again if they changed since; whether they did."""
        if await self._grids_changed() == self._changed:
            return False
        await self.load_grids()
        return True

    async def _grids_changed(self) -> datetime | None:
        row = await self._pool.row(self._sql["grids_changed"])
        return None if row is None else row["at"]

    def locate(self, position: Position) -> Grid | None:
        """The grid that contains `position` among those last loaded."""
        return self._index.locate(position)

    async def sites(self, scope: SitePath) -> list[SiteRecord]:
        """`scope` and every site below it, in path order."""
        rows = await self._pool.rows(self._sql["sites"], site_columns(scope))
        return [
            SiteRecord(
                path=SitePath.parse(row["path"]),
                name=row["name"],
                position=None if row["lon"] is None else Position(lon=row["lon"], lat=row["lat"]),
            )
            for row in rows
        ]

    async def cameras(self, scope: SitePath) -> list[CameraRecord]:
        """Cameras of `scope` and below, by site and id, with their latest health."""
        rows = await self._pool.rows(self._sql["cameras"], site_columns(scope))
        return [
            CameraRecord(
                id=row["id"],
                name=row["name"],
                site=site_of(row),
                position=Position(lon=row["lon"], lat=row["lat"]),
                health=health_of(row) if row["reported"] else None,
            )
            for row in rows
        ]

    async def grids(self) -> list[Grid]:
        """Every grid, by code."""
        return [grid_of(row) for row in await self._pool.rows(self._sql["grids"])]

    async def grids_at(self, at: datetime) -> list[Grid]:
        """Every grid as it was at that time, by code."""
        return [grid_of(row) for row in await self._pool.rows(self._sql["grids_at"], {"at": at})]

    async def ready(self) -> bool:
        """True when the database answers a query within two seconds; never raises."""
        return await self._pool.ready(_READY_SECONDS)


def _site_row(site: SiteRecord) -> dict[str, object]:
    return {
        "path": str(site.path),
        **site_columns(site.path),
        "name": site.name,
        "lon": site.position.lon if site.position else None,
        "lat": site.position.lat if site.position else None,
        "active": True,
    }


def _camera_row(camera: CameraRecord) -> dict[str, object]:
    return {
        "id": camera.id,
        "name": camera.name,
        **site_columns(camera.site),
        "lon": camera.position.lon,
        "lat": camera.position.lat,
        "active": True,
    }
