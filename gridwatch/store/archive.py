"""Incidents and their evidence."""

from uuid import UUID

from gridwatch.domain import EventRecord, Evidence, IncidentFilter, IncidentRecord, PageKey
from gridwatch.store.evidence import EvidenceFiles
from gridwatch.store.pool import Pool
from gridwatch.store.queries import queries
from gridwatch.store.rows import (
    Row,
    acknowledgement_of,
    evidence_of,
    incident_filter_parameters,
    incident_of,
    page_parameters,
)


class IncidentStore:
    """Incidents and their evidence. Satisfies `api.ports.IncidentArchive`."""

    def __init__(self, pool: Pool, files: EvidenceFiles) -> None:
        self._pool = pool
        self._files = files
        self._sql = queries("incidents")

    async def incidents(self, where: IncidentFilter, after: PageKey | None, limit: int) -> list[IncidentRecord]:
        """Current states, newest `occurred_at` first (ties by id, descending), strictly after the key `after`.

        A record carries the evidence of all its messages, not only of the latest.
        """
        parameters = {**incident_filter_parameters(where), **page_parameters(after, limit)}
        rows = await self._pool.rows(self._sql["incidents"], parameters)
        ids = [row["incident_id"] for row in rows]
        evidence: dict[UUID, list[Evidence]] = {one: [] for one in ids}
        for row in await self._pool.rows(self._sql["evidence_of_incidents"], {"ids": ids}) if ids else ():
            evidence[row["incident_id"]].append(evidence_of(row))
        return [
            IncidentRecord(
                incident=incident_of(row).with_evidence(*evidence[row["incident_id"]]),
                grid=row["grid"],
                case=row["case_id"],
                acknowledgement=acknowledgement_of(row),
            )
            for row in rows
        ]

    async def history(self, incident: UUID) -> list[EventRecord]:
        """Every message of one incident by seq; empty when unknown."""
        return [event_of(row) for row in await self._pool.rows(self._sql["history"], {"incident": incident})]

    async def evidence_of(self, incident: UUID) -> list[Evidence]:
        """All that was told of one incident, by time; empty for an unknown one."""
        return [
            evidence_of(row) for row in await self._pool.rows(self._sql["evidence_of_incidents"], {"ids": [incident]})
        ]

    async def evidence(self, incident: UUID, sha256: str) -> tuple[Evidence, bytes] | None:
        """The bytes, re-hashed; None when not there (yet). Raises EvidenceAltered when the hash differs."""
        row = await self._pool.row(self._sql["evidence"], {"incident": incident, "sha256": sha256})
        data = None if row is None else await self._files.get(sha256)
        return None if row is None or data is None else (evidence_of(row), data)


def event_of(row: Row) -> EventRecord:
    """A message with its cursor."""
    return EventRecord(
        cursor=row["cursor"], incident=incident_of(row), grid=row["grid"], case=row["case_id"],
        acknowledgement=acknowledgement_of(row),
    )  # fmt: skip
