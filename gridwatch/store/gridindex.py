"""Which grid a place is in."""

from collections.abc import Sequence

import shapely
from shapely import STRtree

from gridwatch.domain import Grid, Position


class GridIndex:
    """Grids by place. Immutable and thread-safe.

    A place on a border counts as inside. Where several grids hold a place (a shared border, an overlap), it belongs to
    the one with the smallest code: always the same, whichever process asks. A hole is outside, its edge inside.
    """

    def __init__(self, grids: Sequence[Grid]) -> None:
        self._grids = tuple(sorted(grids, key=lambda grid: grid.code))
        polygons = [
            shapely.Polygon(
                [(p.lon, p.lat) for p in grid.rings[0]], [[(p.lon, p.lat) for p in ring] for ring in grid.rings[1:]]
            )
            for grid in self._grids
        ]
        self._tree = STRtree(polygons)

    def __len__(self) -> int:
        return len(self._grids)

    @property
    def grids(self) -> tuple[Grid, ...]:
        """Every grid, by code."""
        return self._grids

    def locate(self, position: Position) -> Grid | None:
        """The grid that contains `position`, None outside every grid."""
        hits = self._tree.query(shapely.points(position.lon, position.lat), predicate="covered_by")
        return self._grids[int(hits.min())] if len(hits) else None
