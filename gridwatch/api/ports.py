"""What the API needs from whoever keeps the data; `gridwatch.store` satisfies all of it."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from gridwatch.domain import (
    Account,
    AuditEntry,
    CameraRecord,
    Case,
    CaseFilter,
    CaseStep,
    EventRecord,
    Evidence,
    Grid,
    Hold,
    IncidentFilter,
    IncidentRecord,
    Observation,
    PageKey,
    SitePath,
    SiteRecord,
)
from gridwatch.store.statistics import Bucket, CountFilter, GridCount, KindSeries


class Directory(Protocol):
    """The tree, its cameras and the grids."""

    async def sites(self, scope: SitePath) -> list[SiteRecord]:
        """`scope` and every site below it, in path order."""

    async def cameras(self, scope: SitePath) -> list[CameraRecord]:
        """Cameras of `scope` and below, by site and id, with their latest health."""

    async def grids(self) -> list[Grid]:
        """Every grid, by code."""

    async def grids_at(self, at: datetime) -> list[Grid]:
        """Every grid as it was at that time, by code."""

    async def ready(self) -> bool:
        """True when the database answers a query within two seconds; never raises."""


class IncidentArchive(Protocol):
    """Incidents and their evidence."""

    async def incidents(self, where: IncidentFilter, after: PageKey | None, limit: int) -> list[IncidentRecord]:
        """Current states, newest `occurred_at` first (ties by id, descending), strictly after the key `after`."""

    async def history(self, incident: UUID) -> list[EventRecord]:
        """Every message of one incident by seq; empty when unknown."""

    async def evidence(self, incident: UUID, sha256: str) -> tuple[Evidence, bytes] | None:
        """The bytes, re-hashed; None when not there (yet). Raises `store.EvidenceAltered` when the hash differs."""


class EventLog(Protocol):
    """The live stream's log, in commit order."""

    async def head(self) -> int:
        """The newest cursor, 0 when empty."""

    async def events(self, after: int, upto: int, where: IncidentFilter, limit: int) -> list[EventRecord]:
        """Messages with `after` < cursor <= `upto` that match, by cursor."""

    async def wait(self, after: int, timeout: float) -> int:
        """The head as soon as it is above `after`, or the head after `timeout` seconds."""


class Counts(Protocol):
    """Incidents counted."""

    async def by_time(self, where: CountFilter, bucket: Bucket) -> list[KindSeries]:
        """Of a site and all below it, by kind; a kind without incidents is left out."""

    async def by_grid(self, where: CountFilter) -> list[GridCount]:
        """Of each grid, by code, over whole days; incidents outside every grid are left out."""


class Observations(Protocol):
    """What cameras saw by the minute."""

    async def observations(self, camera: str, since: datetime, until: datetime) -> list[Observation]:
        """Minutes that begin in [since, until), by time."""


class CaseBook(Protocol):
    """Cases."""

    async def cases(self, where: CaseFilter, after: PageKey | None, limit: int) -> list[Case]:
        """Newest `latest_at` first (ties by id, descending), strictly after the key `after`."""

    async def case(self, case: UUID) -> Case | None:
        """One case whole."""

    async def save_step(self, case: Case, expected: CaseStep) -> bool:
        """Write the case's step, clock, unit and last history entry if its stored step is `expected`; else False."""


class Accounts(Protocol):
    """Who may log in, and who is logged in."""

    async def account(self, name: str) -> Account | None:
        """The account of that name."""

    async def save_account(self, account: Account) -> None:
        """Create it or replace it."""

    async def open_session(self, token_sha256: str, account: str, expires_at: datetime) -> None:
        """Remember a session by the hash of its token."""

    async def session(self, token_sha256: str, now: datetime) -> Account | None:
        """The account of a session that has not expired at `now`."""

    async def close_session(self, token_sha256: str) -> None:
        """Forget it; unknown is fine."""


class AuditLog(Protocol):
    """Who did what; append-only."""

    async def record(self, entry: AuditEntry) -> None:
        """Write one entry."""

    async def entries(self, since: datetime, limit: int) -> list[AuditEntry]:
        """Newest first."""


class Holds(Protocol):
    """Legal holds. Placing and releasing are written into the audit by whoever keeps them, in one go."""

    async def place(self, hold: Hold) -> bool:
        """From the return on nothing of it is deleted. False when there is no such incident or case (any more)."""

    async def release(self, hold: UUID, by: str, reason: str) -> Hold | None:
        """Lift it before its end, and return it so; None when it holds nothing (any more)."""

    async def hold(self, hold: UUID) -> Hold | None:
        """One, ended or not."""

    async def holds(self, scope: SitePath, active_at: datetime | None, limit: int) -> list[Hold]:
        """Those at `scope` and below, the latest placed first; with `active_at`, only those that hold at that time."""
