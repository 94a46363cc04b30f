"""Incidents counted by hour, day, site, grid and kind."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from gridwatch.domain import IncidentKind, SitePath
from gridwatch.store.pool import Pool
from gridwatch.store.queries import queries
from gridwatch.store.rows import site_columns

_MOST = 100_000
"""Messages counted in one transaction."""


class Bucket(StrEnum):
    """How long a count reaches. Buckets begin at full hours and days of UTC."""

    HOUR = "hour"  # for one substation or checkpoint
    DAY = "day"  # for a district, or for long times


_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_STEPS = {Bucket.HOUR: timedelta(hours=1), Bucket.DAY: timedelta(days=1)}


@dataclass(frozen=True, kw_only=True, slots=True)
class CountFilter:
    """Which incidents are counted: those that occurred in buckets that begin in [since, until)."""

    scope: SitePath
    since: datetime
    until: datetime
    kinds: Sequence[IncidentKind] = ()
    """All when empty."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KindSeries:
    """Incidents of a kind, bucket after bucket."""

    kind: IncidentKind
    begin: datetime
    """Of the first bucket."""
    counts: tuple[int, ...]
    """One for each bucket, zeros too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GridCount:
    """Incidents in a grid."""

    grid: str
    incidents: int


class StatisticsStore:
    """Counts of incidents, also of those that retention has deleted since.

    On plain PostgreSQL they are never behind; on TimescaleDB what arrives late is counted within half an hour.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._sql = queries("statistics")

    async def by_time(self, where: CountFilter, bucket: Bucket) -> list[KindSeries]:
        """Of a site and all below it, by kind; a kind without incidents is left out."""
        step = _STEPS[bucket]
        begin = _EPOCH - (_EPOCH - where.since) // step * step
        buckets = max(0, -((begin - where.until) // step))
        query = self._sql[f"{_level(where.scope, bucket)}_{bucket}s"]
        rows = await self._pool.rows(query, _parameters(where) | {"since": begin})
        found = []
        for row in rows:
            counts = [0] * buckets
            for place, incidents in zip(row["places"], row["counts"], strict=True):
                counts[place] += incidents
            found.append(KindSeries(kind=IncidentKind(row["kind"]), begin=begin, counts=tuple(counts)))
        return found

    async def by_grid(self, where: CountFilter) -> list[GridCount]:
        """Of each grid, over whole days; incidents outside every grid are left out."""
        whole = where.scope.substation is None and not where.kinds
        rows = await self._pool.rows(self._sql["grid_totals" if whole else "grid_days"], _parameters(where))
        return [GridCount(grid=row["grid"], incidents=row["incidents"]) for row in rows]

    async def count_up(self) -> int:
        """Count what was recorded since it was last called; the number of messages looked at.

        To be called now and then by any of the recorders: the less is uncounted, the faster is reading. Nothing on
        TimescaleDB, which counts by itself.
        """
        total = 0
        while True:
            row = await self._pool.row(self._sql["count_incidents"], {"most": _MOST})
            if row is None or not row["messages"]:
                return total
            total += int(row["messages"])


def _level(scope: SitePath, bucket: Bucket) -> str:
    """Which counts are enough: those of whole substations or districts are fewer than those of every site."""
    if bucket is Bucket.DAY and scope.substation is None:
        return "district"
    if bucket is Bucket.HOUR and scope.substation is not None and scope.checkpoint is None:
        return "substation"
    return "site"


def _parameters(where: CountFilter) -> dict[str, object]:
    return {**site_columns(where.scope), "kinds": list(where.kinds), "since": where.since, "until": where.until}
