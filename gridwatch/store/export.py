"""Incidents and cases of a period, for use elsewhere: read in chunks, however many there are."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from gridwatch.domain import SitePath
from gridwatch.store.pool import Pool
from gridwatch.store.queries import queries
from gridwatch.store.rows import Row, site_columns

CHUNK = 1000
"""Rows in memory at a time."""
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportedIncident:
    """An incident as it stands. Nothing in it tells who somebody is."""

    incident: str
    kind: str
    severity: str
    phase: str
    messages: int
    occurred_at: datetime
    observed_at: datetime
    """Of its latest message."""
    site: str
    camera: str
    rule: str
    lon: float
    lat: float
    score: float
    count: int
    grid: str | None
    case: str | None
    """Number of the case it belongs to."""
    evidence: tuple[str, ...]
    """SHA-256 of pictures and clips; the bytes stay where they are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportedCase:
    """A case as it stands: how far, and when each step was last taken. Not by whom, and no notes."""

    case: str
    number: str
    kind: str
    severity: str
    category: str
    source: str
    step: str
    unit: str | None
    grid: str
    site: str
    opened_at: datetime
    latest_at: datetime
    due_at: datetime | None
    incidents: int
    """Ever linked to it; those over their retention are counted too."""
    steps: int
    filed_at: datetime | None
    dispatched_at: datetime | None
    handled_at: datetime | None
    reviewed_at: datetime | None
    closed_at: datetime | None
    evaluated_at: datetime | None
    rings: tuple[tuple[tuple[float, float], ...], ...]
    """Its grid: exterior first, then holes; longitude, latitude."""


class ExportStore:
    """Reads a period as it was at one moment, through a cursor of a connection beside the pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._sql = queries("export")

    def incidents(self, scope: SitePath, since: datetime, until: datetime) -> AsyncIterator[list[ExportedIncident]]:
        """Those that occurred in [since, until) at `scope` and below, by time, in chunks."""
        return self._chunks("incidents", scope, since, until, _incident)

    def cases(self, scope: SitePath, since: datetime, until: datetime) -> AsyncIterator[list[ExportedCase]]:
        """Those that were opened in [since, until) at `scope` and below, by time, in chunks."""
        return self._chunks("cases", scope, since, until, _case)

    async def _chunks(
        self, query: str, scope: SitePath, since: datetime, until: datetime, read: Callable[[Row], T]
    ) -> AsyncIterator[list[T]]:
        parameters = {**site_columns(scope), "since": since, "until": until}
        # A cursor's query sees one snapshot, whatever is recorded or deleted meanwhile.
        async with (
            self._pool.single("cannot export") as connection,
            connection.transaction(),
            connection.cursor(name="export") as cursor,
        ):
            await cursor.execute(self._sql[query], parameters)
            while rows := await cursor.fetchmany(CHUNK):
                yield [read(row) for row in rows]


def _site(row: Row) -> str:
    return "/".join(row[level] for level in ("district", "substation", "checkpoint") if row[level] is not None)


def _incident(row: Row) -> ExportedIncident:
    return ExportedIncident(
        incident=str(row["incident_id"]), kind=row["kind"], severity=row["severity"], phase=row["phase"],
        messages=row["messages"], occurred_at=row["occurred_at"], observed_at=row["observed_at"], site=_site(row),
        camera=row["camera"], rule=row["rule"], lon=row["lon"], lat=row["lat"], score=row["score"],
        count=row["count"], grid=row["grid"], case=row["case_number"], evidence=tuple(row["evidence"]),
    )  # fmt: skip


def _case(row: Row) -> ExportedCase:
    rings = tuple(tuple((lon, lat) for lon, lat in ring) for ring in row["geometry"]["coordinates"])
    return ExportedCase(
        case=str(row["case_id"]), number=row["number"], kind=row["kind"], severity=row["severity"],
        category=row["category"], source=row["source"], step=row["step"], unit=row["unit"], grid=row["grid"],
        site=_site(row), opened_at=row["opened_at"], latest_at=row["latest_at"], due_at=row["due_at"],
        incidents=row["incidents"], steps=row["steps"], filed_at=row["filed_at"],
        dispatched_at=row["dispatched_at"], handled_at=row["handled_at"], reviewed_at=row["reviewed_at"],
        closed_at=row["closed_at"], evaluated_at=row["evaluated_at"], rings=rings,
    )  # fmt: skip
