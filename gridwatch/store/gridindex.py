"""Which grid a place is in."""

from collections.abc import Sequence
from functools import lru_cache

import shapely
from shapely import STRtree

from gridwatch.domain import Grid, Position

_REMEMBERED = 16_384
"""Places: most incidents happen where a camera hangs, and a look-up takes as long as all else done to a message."""


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
        self.locate = lru_cache(_REMEMBERED)(self._locate)
        """`locate(position)`: the grid that contains a place, None outside every grid."""

    def __len__(self) -> int:
        return len(self._grids)

    @property
    def grids(self) -> tuple[Grid, ...]:
        """Every grid, by code."""
        return self._grids

    def _locate(self, position: Position) -> Grid | None:
        hits = self._tree.query(shapely.points(position.lon, position.lat), predicate="covered_by")
        return self._grids[int(hits.min())] if len(hits) else None
