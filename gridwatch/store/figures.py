"""Counts of what is stored."""

from dataclasses import dataclass
from uuid import UUID

from gridwatch.domain import IncidentKind
from gridwatch.store.pool import Pool
from gridwatch.store.queries import queries


@dataclass(frozen=True, kw_only=True, slots=True)
class IncidentCount:
    """Incidents of one camera and kind."""

    camera: str
    kind: IncidentKind
    incidents: int
    in_cases: int
    """Of these, how many belong to a case."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseCount:
    """Cases of one grid and kind."""

    grid: str
    kind: IncidentKind
    cases: int
    incidents: int
    """In these cases together."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """What the database holds."""

    incidents: tuple[IncidentCount, ...]
    """By camera and kind."""
    cases: tuple[CaseCount, ...]
    """By grid and kind."""
    quarantined: int


class Figures:
    """Counting queries."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._sql = queries("figures")

    async def summary(self) -> Summary:
        """Counts of everything stored."""
        incidents = await self._pool.rows(self._sql["incident_counts"])
        cases = await self._pool.rows(self._sql["case_counts"])
        quarantined = await self._pool.row(self._sql["quarantine_count"])
        return Summary(
            incidents=tuple(
                IncidentCount(
                    camera=row["camera"],
                    kind=IncidentKind(row["kind"]),
                    incidents=row["incidents"],
                    in_cases=row["in_cases"],
                )
                for row in incidents
            ),
            cases=tuple(
                CaseCount(
                    grid=row["grid"], kind=IncidentKind(row["kind"]), cases=row["cases"], incidents=row["incidents"]
                )
                for row in cases
            ),
            quarantined=0 if quarantined is None else quarantined["messages"],
        )

    async def message_ids(self, after: int = 0) -> set[tuple[UUID, int]]:
        """(incident id, seq) of every message with a cursor above `after`."""
        rows = await self._pool.rows(self._sql["message_ids"], {"after": after})
        return {(row["incident_id"], row["seq"]) for row in rows}
