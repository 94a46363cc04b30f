"""The ports of this package in memory, for tests of whoever uses them."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from uuid import UUID

from gridwatch.domain import Case, CaseStep, Grid, Incident, IncidentKind, Position, Severity


class FixedGrids:
    """A GridLocator that knows places by heart."""

    def __init__(self, places: Mapping[Position, Grid]) -> None:
        self._places = dict(places)

    def locate(self, position: Position) -> Grid | None:
        """The grid given for exactly this position."""
        return self._places.get(position)


class MemoryLedger:
    """A CaseLedger in memory. For one task; the lock is only remembered."""

    def __init__(self) -> None:
        self.cases: dict[UUID, Case] = {}
        self.locked: set[str] = set()
        self._serials: dict[tuple[str, date], int] = {}

    async def lock_grids(self, codes: Collection[str]) -> None:
        """Remember which."""
        self.locked |= set(codes)

    async def open_case(self, grid: str, kind: IncidentKind, at: datetime, window: timedelta) -> UUID | None:
        """As the port says; RuntimeError when the grid was not locked before."""
        if grid not in self.locked:
            raise RuntimeError(f"grid {grid} was not locked")
        found = [
            case
            for case in self.cases.values()
            if case.grid == grid and case.kind is kind and case.step not in {CaseStep.CLOSE, CaseStep.EVALUATE}
            and case.opened_at - window <= at <= case.latest_at + window
        ]  # fmt: skip
        return max(found, key=lambda case: (case.latest_at, case.id)).id if found else None

    async def next_serial(self, grid: str, day: date) -> int:
        """1, 2, 3... for each grid and day."""
        self._serials[grid, day] = self._serials.get((grid, day), 0) + 1
        return self._serials[grid, day]

    async def file_case(self, case: Case, incident: Incident) -> None:
        """Keep it; its first incident is in it already."""
        if case.incidents != (incident.id,):
            raise ValueError("a new case has the one incident it was filed for")
        self.cases[case.id] = case

    async def join_case(self, case: UUID, incident: Incident) -> None:
        """Widen the case as the port says."""
        order = list(Severity)
        before = self.cases[case]
        self.cases[case] = replace(
            before,
            incidents=(*before.incidents, incident.id),
            opened_at=min(before.opened_at, incident.occurred_at),
            latest_at=max(before.latest_at, incident.occurred_at),
            severity=max(before.severity, incident.severity, key=order.index),
        )
