"""Sites, cameras, units and grids."""

import json
from collections.abc import Sequence

import structlog

from gridwatch.domain import CameraRecord, Grid, Position, SitePath, SiteRecord, Unit
from gridwatch.store.gridindex import GridIndex
from gridwatch.store.pool import Pool
from gridwatch.store.queries import queries
from gridwatch.store.rows import grid_of, grid_row, health_of, site_columns, site_of

log = structlog.get_logger(__name__)

_LOCK = 0x67726965
_READY_SECONDS = 2.0


class DirectoryStore:
    """The tree, its cameras and the grids. Satisfies `api.ports.Directory`; locates places for recorders."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._sql = queries("directory")
        self._index = GridIndex(())

    async def sync(
        self,
        sites: Sequence[SiteRecord],
        cameras: Sequence[CameraRecord],
        grids: Sequence[Grid],
        units: Sequence[Unit],
    ) -> None:
        """Make the directory what is given, in one transaction; what is not listed becomes inactive.

        A camera's `health` is not read. Raises StoreError when a grid names a unit that is nowhere.
        """
        tables = {
            "sites": ([_site_row(s) for s in sites], [str(s.path) for s in sites]),
            "units": ([{"code": u.code, "name": u.name, "active": True} for u in units], [u.code for u in units]),
            "grids": ([{**grid_row(g), "active": True} for g in grids], [g.code for g in grids]),
            "cameras": ([_camera_row(c) for c in cameras], [c.id for c in cameras]),
        }
        async with self._pool.transaction("cannot synchronise the directory") as connection:
            await connection.execute(self._sql["lock_directory"], {"key": _LOCK})
            for table, (rows, keys) in tables.items():
                await connection.execute(self._sql[f"keep_{table}"], {"rows": json.dumps(rows)})
                await connection.execute(self._sql[f"retire_{table}"], {"keys": keys})
        await self.load_grids()
        log.info("directory_synchronised", **{table: len(keys) for table, (_, keys) in tables.items()})

    async def load_grids(self) -> None:
        """Read the grids again for `locate`; after another process has synchronised them."""
        self._index = GridIndex(await self.grids())

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
