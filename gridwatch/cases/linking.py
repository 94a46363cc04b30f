"""Incidents to grid cases: each raised incident joins the open case of its kind and grid, or files a new one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from uuid import UUID

import structlog

from gridwatch.cases.ports import CaseLedger, GridLocator
from gridwatch.cases.steps import clock_after
from gridwatch.domain import (
    HEALTH_RULE_PREFIX,
    Case,
    CaseSource,
    CaseStep,
    Category,
    Clock,
    Grid,
    Incident,
    IncidentKind,
    Phase,
    StepEntry,
    incident_id,
)

log = structlog.get_logger(__name__)

RECORDER = "recorder"
"""Who takes a step by policy."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Links:
    """What became of the raised incidents of one batch."""

    filed: int = 0
    """Opened a case."""
    joined: int = 0
    """Joined an open case."""
    outside: int = 0
    """Happened outside every grid: no case."""
    uncategorised: int = 0
    """Of a kind that no category holds, or about the health of a camera, which is no work in a grid: no case."""

    def __add__(self, other: "Links") -> "Links":
        return Links(
            filed=self.filed + other.filed,
            joined=self.joined + other.joined,
            outside=self.outside + other.outside,
            uncategorised=self.uncategorised + other.uncategorised,
        )


class CaseLinker:
    """Links incidents to cases by policy. Holds no state: several recorders may link at once."""

    def __init__(self, categories: Sequence[Category], grids: GridLocator, clock: Clock) -> None:
        self._by_kind: dict[IncidentKind, Category] = {kind: one for one in categories for kind in one.kinds}
        self._grids = grids
        self._clock = clock

    async def link(self, incidents: Sequence[Incident], ledger: CaseLedger) -> Links:
        """Link the raised ones among `incidents`, in order; each must be new. Call once in a ledger's transaction."""
        links = Links()
        work: list[tuple[Incident, Grid, Category]] = []
        for incident in incidents:
            if incident.phase is not Phase.RAISED:
                continue
            category = self._by_kind.get(incident.kind)
            grid = self._grids.locate(incident.position)
            if category is None or incident.rule.startswith(HEALTH_RULE_PREFIX):
                links = replace(links, uncategorised=links.uncategorised + 1)
            elif grid is None:
                links = replace(links, outside=links.outside + 1)
                log.warning("incident_outside_every_grid", incident=str(incident.id), camera=incident.camera)
            else:
                work.append((incident, grid, category))
        if work:
            # All at once and before the first look, or two recorders would both find no open case, or wait in a ring.
            await ledger.lock_grids({grid.code for _, grid, _ in work})
        for incident, grid, category in work:
            links += await self._link_one(incident, grid, category, ledger)
        return links

    async def _link_one(self, incident: Incident, grid: Grid, category: Category, ledger: CaseLedger) -> Links:
        existing = await ledger.open_case(grid.code, incident.kind, incident.occurred_at, category.join_window)
        if existing is not None:
            await ledger.join_case(existing, incident)
            log.info("incident_joined_case", incident=str(incident.id), case=str(existing))
            return Links(joined=1)
        day = incident.occurred_at.astimezone(UTC).date()
        serial = await ledger.next_serial(grid.code, day)
        case = self._new_case(incident, grid, category, f"{grid.code}-{day:%Y%m%d}-{serial:04d}")
        await ledger.file_case(case, incident)
        log.info("case_filed", case=case.number, incident=str(incident.id), step=case.step)
        return Links(filed=1)

    def _new_case(self, incident: Incident, grid: Grid, category: Category, number: str) -> Case:
        now = self._clock.now()
        taken = (CaseStep.DISCOVER, CaseStep.FILE) if category.auto_file else (CaseStep.DISCOVER,)
        return Case(
            id=case_id(incident),
            number=number,
            grid=grid.code,
            site=incident.site,
            category=category.id,
            kind=incident.kind,
            severity=incident.severity,
            source=CaseSource.INCIDENT,
            unit=grid.unit,
            step=taken[-1],
            clock=clock_after(taken[-1], category, now),
            opened_at=incident.occurred_at,
            latest_at=incident.occurred_at,
            incidents=(incident.id,),
            history=tuple(StepEntry(step=step, at=now, by=RECORDER, note=f"incident {incident.id}") for step in taken),
        )


def case_id(incident: Incident) -> UUID:
    """The id of the case that `incident` opens, if it opens one: UUIDv7 of its `occurred_at`, always the same."""
    return incident_id(incident.occurred_at, "case", str(incident.id))
