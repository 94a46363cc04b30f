"""One batch of incident messages on its way into the database."""

import json
from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

import structlog

from gridwatch.domain import Case, Incident, IncidentKind, Severity
from gridwatch.store.directory import DirectoryStore
from gridwatch.store.pool import Connection
from gridwatch.store.queries import queries
from gridwatch.store.rows import case_row, copy_line, evidence_object

log = structlog.get_logger(__name__)

_GRID_LOCKS = 0x67726966
"""First half of the advisory locks on grids."""


class Recording:
    """A transaction in which messages are added and linked to cases; made by `Database.recording`.

    Nothing is visible before it ends. Satisfies `cases.ports.CaseLedger`. For one task.
    """

    def __init__(self, connection: Connection, directory: DirectoryStore, now: datetime) -> None:
        self._connection = connection
        self._directory = directory
        self._now = now
        self._sql = queries("recording")
        self._new: list[Incident] = []
        self.contradicting: list[Incident] = []
        """Messages left out because their `occurred_at` is not that of their incident."""

    async def add_messages(self, incidents: Sequence[Incident]) -> list[Incident]:
        """Keep what is new among `incidents`, and return it in the order given.

        Duplicates by (id, seq), in the batch or in the database, are dropped. Call once, before linking.
        """
        first: dict[tuple[UUID, int], Incident] = {}
        for incident in incidents:
            first.setdefault((incident.id, incident.seq), incident)
        batch = list(first.values())
        if not batch:
            return []
        await self._connection.execute(self._sql["make_incoming"])
        await self._copy(batch)
        dropped: dict[int, bool] = {}
        async with self._connection.pipeline():
            await self._connection.execute(self._sql["keep_states"])
            known = await self._connection.execute(self._sql["drop_known"])
            dropped = {row["place"]: row["contradicts"] for row in await known.fetchall()}
        for place, incident in enumerate(batch):
            contradicts = dropped.get(place)
            if contradicts is None:
                self._new.append(incident)
            elif contradicts:
                self.contradicting.append(incident)
                log.warning("incident_contradicts_itself", incident=str(incident.id), seq=incident.seq)
        return list(self._new)

    async def _copy(self, batch: Sequence[Incident]) -> None:
        now = self._now.isoformat()
        lines = []
        for place, incident in enumerate(batch):
            grid = self._directory.locate(incident.position)
            lines.append(copy_line(incident, place, grid.code if grid else None, now))
        async with self._connection.cursor() as cursor, cursor.copy(self._sql["fill_incoming"]) as copy:
            await copy.write("".join(lines))

    async def finish(self) -> None:
        """Append the new messages with their cursors: last, as it holds up every other recorder until the commit."""
        if not self._new:
            return
        evidence = [{"incident_id": str(one.id), **evidence_object(e)} for one in self._new for e in one.evidence]
        if evidence:
            await self._connection.execute(self._sql["add_evidence"], {"evidence": json.dumps(evidence)})
        await self._connection.execute(self._sql["append_messages"], {"count": len(self._new)})

    async def lock_grids(self, codes: Collection[str]) -> None:
        """Keep other recorders from opening cases in these grids until the end. Call once."""
        await self._connection.execute(self._sql["lock_grids"], {"space": _GRID_LOCKS, "codes": list(codes)})

    async def open_case(self, grid: str, kind: IncidentKind, at: datetime, window: timedelta) -> UUID | None:
        """The case of that grid and kind, neither closed nor evaluated, whose incidents are within `window` of `at`."""
        parameters = {"grid": grid, "kind": kind, "at": at, "window": window}
        row = await (await self._connection.execute(self._sql["open_case"], parameters)).fetchone()
        return None if row is None else row["id"]

    async def next_serial(self, grid: str, day: date) -> int:
        """1, 2, 3... for each grid and day, with no hole."""
        cursor = await self._connection.execute(self._sql["next_serial"], {"grid": grid, "day": day})
        row = await cursor.fetchone()
        assert row is not None  # noqa: S101 (INSERT ... RETURNING gives the row)
        return int(row["last"])

    async def file_case(self, case: Case, incident: Incident) -> None:
        """Write a new case, its history and its first incident."""
        async with self._connection.pipeline():
            await self._connection.execute(self._sql["add_case"], case_row(case))
            for ordinal, entry in enumerate(case.history):
                step = {"case_id": case.id, "ordinal": ordinal, "step": entry.step, "at": entry.at, "by": entry.by}
                await self._connection.execute(self._sql["add_case_step"], {**step, "note": entry.note})
            await self._connection.execute(self._sql["add_case_incident"], _membership(case.id, incident))

    async def join_case(self, case: UUID, incident: Incident) -> None:
        """Add an incident to a case: its times widen and its severity rises to take it in."""
        parameters = {**_membership(case, incident), "severity": incident.severity, "severities": list(Severity)}
        async with self._connection.pipeline():
            await self._connection.execute(self._sql["add_case_incident"], parameters)
            await self._connection.execute(self._sql["widen_case"], parameters)


def _membership(case: UUID, incident: Incident) -> dict[str, object]:
    return {"case_id": case, "incident_id": incident.id, "occurred_at": incident.occurred_at}
