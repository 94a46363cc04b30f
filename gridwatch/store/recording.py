"""One batch of incident messages on its way into the database."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

import structlog

from gridwatch.domain import Case, Incident, IncidentKind, Phase, Severity
from gridwatch.store.directory import DirectoryStore
from gridwatch.store.message_rows import MessageRow, copy_line, known_parameters, message_row, state_parameters
from gridwatch.store.pool import Connection
from gridwatch.store.queries import queries
from gridwatch.store.rows import case_row, evidence_object

log = structlog.get_logger(__name__)

_GRID_LOCKS = 0x67726966
"""First half of the advisory locks on grids."""
_PART = 64
"""States in a statement: the first is sent soon, and planning one takes as long as four of them."""


class Recording:
    """A transaction in which messages are added and linked to cases; made by `Database.recording`.

    Nothing is visible before it ends. Satisfies `cases.ports.CaseLedger`. For one task.
    """

    def __init__(self, connection: Connection, directory: DirectoryStore, now: datetime) -> None:
        self._connection = connection
        self._directory = directory
        self._now = now
        self._sql = queries("recording")
        self._new: list[tuple[Incident, MessageRow]] = []
        self.contradicting: list[Incident] = []
        """Messages left out because they disagree with their incident on when it occurred, its camera or its site."""

    async def add_messages(self, incidents: Sequence[Incident]) -> list[Incident]:
        """Keep what is new among `incidents`, and return it in the order given.

        Duplicates by (id, seq), in the batch or in the database, are dropped. Call once, before linking.
        """
        # By the number, as a UUID takes its time to hash and to compare.
        first: dict[tuple[int, int], Incident] = {}
        for incident in incidents:
            first.setdefault((incident.id.int, incident.seq), incident)
        batch = list(first.values())
        if not batch:
            return []
        states = list(latest_states(batch).values())
        rows, before = await self._keep_states(batch, states)
        unsure = _unsure(batch, rows, states, before)
        known = await self._known(unsure, rows)
        await self._correct_states(batch, rows, [place for place in unsure if place not in known])
        for place, incident in enumerate(batch):
            contradicts = known.get(place)
            if contradicts is None:
                self._new.append((incident, rows[place]))
            elif contradicts:
                self.contradicting.append(incident)
                log.warning("incident_contradicts_itself", incident=str(incident.id), seq=incident.seq)
        return [incident for incident, _ in self._new]

    async def _keep_states(
        self, batch: Sequence[Incident], states: Sequence[int]
    ) -> tuple[Mapping[int, MessageRow], Mapping[str, int]]:
        """Bring the incidents up to date that are new or go on; every message as a row, and their seqs before.

        The server works on one part while the next is turned into text.
        """
        rows: dict[int, MessageRow] = {}
        async with self._connection.pipeline():
            answers = []
            for start in range(0, len(states), _PART):
                part = states[start : start + _PART]
                rows |= {place: self._row(batch[place]) for place in part}
                parameters = state_parameters([rows[place] for place in part])
                answers.append(await self._connection.execute(self._sql["keep_states"], parameters))
            rows |= {place: self._row(one) for place, one in enumerate(batch) if place not in rows}
        before: dict[str, int] = {}
        for answer in answers:
            row = await answer.fetchone()
            if row is not None and row["kept"] is not None:
                before |= zip(row["kept"].split(), map(int, row["before"].split()), strict=True)
        return rows, before

    def _row(self, incident: Incident) -> MessageRow:
        grid = self._directory.locate(incident.position)
        return message_row(incident, grid.code if grid else None)

    async def _known(self, places: Sequence[int], rows: Mapping[int, MessageRow]) -> dict[int, bool]:
        """What is not to be stored among `places`, and whether for contradicting rather than for being there."""
        if not places:
            return {}
        parameters = known_parameters({place: rows[place] for place in places})
        found = await (await self._connection.execute(self._sql["known"], parameters)).fetchall()
        return {row["place"]: row["contradicts"] for row in found}

    async def _correct_states(
        self, batch: Sequence[Incident], rows: Mapping[int, MessageRow], places: Sequence[int]
    ) -> None:
        """Of messages that are new, but no plain continuation of what was known."""
        if not places:
            return
        states = latest_states([batch[place] for place in places]).values()
        parameters = state_parameters([rows[places[index]] for index in states])
        await self._connection.execute(self._sql["correct_states"], parameters)

    async def finish(self) -> None:
        """Append the new messages with their cursors: last, as it holds up every other recorder until the commit."""
        if not self._new:
            return
        evidence = [{"incident_id": str(one.id), **evidence_object(e)} for one, _ in self._new for e in one.evidence]
        if evidence:
            await self._connection.execute(self._sql["add_evidence"], {"evidence": json.dumps(evidence)})
        now = self._now.isoformat()
        head = await (await self._connection.execute(self._sql["advance_head"], {"count": len(self._new)})).fetchone()
        assert head is not None  # noqa: S101 (the schema comes with that row)
        lines = [copy_line(row, now, cursor) for cursor, (_, row) in enumerate(self._new, head["base"] + 1)]
        async with self._connection.cursor() as cursor, cursor.copy(self._sql["append_messages"]) as copy:
            await copy.write("".join(lines))

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


def latest_states(batch: Sequence[Incident]) -> dict[int, int]:
    """The place of the message that is each incident's state, in order of id, as all recorders lock them.

    The highest seq, of those that clear where one does.
    """
    places: dict[int, int] = {}
    for place, one in enumerate(batch):
        best = places.setdefault(one.id.int, place)
        if best != place and _rank(one) > _rank(batch[best]):
            places[one.id.int] = place
    return dict(sorted(places.items()))


def _rank(incident: Incident) -> tuple[bool, int]:
    return incident.phase is Phase.CLEARED, incident.seq


def _unsure(
    batch: Sequence[Incident], rows: Mapping[int, MessageRow], states: Sequence[int], before: Mapping[str, int]
) -> list[int]:
    """The places of messages that may be known, or wrong: all but those like a state that was kept, after `before`."""
    kept = {rows[place].incident: rows[place] for place in states if rows[place].incident in before}
    unsure = []
    for place, incident in enumerate(batch):
        row = rows[place]
        state = kept.get(row.incident)
        if state is None or not state.agrees(row) or incident.seq <= before[row.incident]:
            unsure.append(place)
    return unsure
