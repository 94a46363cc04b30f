"""What linking needs from whoever keeps the data; `gridwatch.store` satisfies it."""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import Protocol
from uuid import UUID

from gridwatch.domain import Case, Grid, Incident, IncidentKind, Position


class GridLocator(Protocol):
    """Knows which grid a place is in."""

    def locate(self, position: Position) -> Grid | None:
        """The grid that contains `position`, None outside every grid; the same for the same place always."""


class CaseLedger(Protocol):
    """The cases, within one transaction: all of what is written here is kept, or none."""

    async def lock_grids(self, codes: Collection[str]) -> None:
        """Keep every other ledger from opening cases in these grids until this transaction ends. Called once."""

    async def open_case(self, grid: str, kind: IncidentKind, at: datetime, window: timedelta) -> UUID | None:
        """The case of that grid and kind, neither closed nor evaluated, whose incidents are within `window` of `at`.

        The one with the latest incident where there are several.
        """

    async def next_serial(self, grid: str, day: date) -> int:
        """1, 2, 3... for each grid and day, with no hole."""

    async def file_case(self, case: Case, incident: Incident) -> None:
        """Write a new case, its history and its first incident."""

    async def join_case(self, case: UUID, incident: Incident) -> None:
        """Add an incident to a case: its times widen and its severity rises to take it in."""
