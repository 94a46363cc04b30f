"""Incidents and their evidence."""

from uuid import UUID

from gridwatch.domain import EventRecord, Evidence, IncidentFilter, IncidentRecord, PageKey
from gridwatch.store.errors import EvidenceAltered, EvidenceMissing
from gridwatch.store.evidence import EvidenceBytes
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

    def __init__(self, pool: Pool, files: EvidenceBytes) -> None:
        self._pool = pool
        self._files = files
        self._sql = queries("incidents")
        self._integrity = queries("integrity")

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
        known = await self._pool.row(self._sql["occurred"], {"incident": incident})
        if known is None:
            return []
        parameters = {"incident": incident, "occurred_at": known["occurred_at"]}
        return [event_of(row) for row in await self._pool.rows(self._sql["history"], parameters)]

    async def evidence_of(self, incident: UUID) -> list[Evidence]:
        """All that was told of one incident, by time; empty for an unknown one."""
        return [
            evidence_of(row) for row in await self._pool.rows(self._sql["evidence_of_incidents"], {"ids": [incident]})
        ]

    async def evidence(self, incident: UUID, sha256: str) -> tuple[Evidence, bytes] | None:
        """The bytes, re-hashed; None when not there yet.

        Raises EvidenceAltered when the hash differs, EvidenceMissing when they were there and are gone. Both are kept
        with the file, so that they are told of wherever its state is shown.
        """
        row = await self._pool.row(self._sql["evidence"], {"incident": incident, "sha256": sha256})
        if row is None:
            return None
        try:
            data = await self._files.get(sha256)
        except EvidenceAltered:
            await self._pool.execute(self._integrity["file_damaged"], {"sha256": sha256, "damage": "changed"})
            raise
        if data is not None:
            return evidence_of(row), data
        known = await self._pool.row(self._integrity["was_stored"], {"sha256": sha256})
        if known is None or not known["stored"]:
            return None
        await self._pool.execute(self._integrity["file_damaged"], {"sha256": sha256, "damage": "missing"})
        raise EvidenceMissing(f"evidence {sha256} was stored and is gone")


def event_of(row: Row) -> EventRecord:
    """A message with its cursor."""
    return EventRecord(
        cursor=row["cursor"], incident=incident_of(row), grid=row["grid"], case=row["case_id"],
        acknowledgement=acknowledgement_of(row),
    )  # fmt: skip
