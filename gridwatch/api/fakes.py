"""The ports in memory, for tests and for looking at the page without a database."""

import asyncio
import hashlib
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
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
    Incident,
    IncidentFilter,
    IncidentKind,
    IncidentRecord,
    Observation,
    PageKey,
    SitePath,
    SiteRecord,
)
from gridwatch.store import EvidenceAltered, StoreUnavailable
from gridwatch.store.statistics import Bucket, CountFilter, GridCount, KindSeries


class MemoryStore:
    """Every port of the API. Event-loop only. `available = False` plays a database that is away."""

    def __init__(self) -> None:
        self.available = True
        self.site_records: dict[SitePath, SiteRecord] = {}
        self.camera_records: dict[str, CameraRecord] = {}
        self.grid_records: dict[str, Grid] = {}
        self.case_records: dict[UUID, Case] = {}
        self.account_records: dict[str, Account] = {}
        self.audit_entries: list[AuditEntry] = []
        self.hold_records: dict[UUID, Hold] = {}
        self.observation_records: list[Observation] = []
        self._events: list[EventRecord] = []
        self._evidence: dict[tuple[UUID, str], bytes] = {}
        self._sessions: dict[str, tuple[str, datetime]] = {}
        self._changed = asyncio.Event()

    # What a test or the recorder puts in.

    def add_site(self, path: str, name: str) -> None:
        """Add a site."""
        site = SitePath.parse(path)
        self.site_records[site] = SiteRecord(path=site, name=name, position=None)

    def append(self, incident: Incident, *, grid: str | None = None, case: UUID | None = None) -> int:
        """Commit a message; returns its cursor."""
        cursor = len(self._events) + 1
        self._events.append(EventRecord(cursor=cursor, incident=incident, grid=grid, case=case))
        self._changed.set()
        self._changed = asyncio.Event()
        return cursor

    def put_evidence(self, incident: UUID, content: bytes, *, named: str | None = None) -> str:
        """Keep bytes under their hash, or under another one as if they had been altered; returns the name."""
        sha256 = named or hashlib.sha256(content).hexdigest()
        self._evidence[incident, sha256] = content
        return sha256

    def _check(self) -> None:
        if not self.available:
            raise StoreUnavailable("the database was switched off")

    # Directory

    async def sites(self, scope: SitePath) -> list[SiteRecord]:
        """See ports.Directory."""
        self._check()
        return [self.site_records[path] for path in sorted(self.site_records, key=str) if scope.contains(path)]

    async def cameras(self, scope: SitePath) -> list[CameraRecord]:
        """See ports.Directory."""
        self._check()
        found = (camera for camera in self.camera_records.values() if scope.contains(camera.site))
        return sorted(found, key=lambda camera: (str(camera.site), camera.id))

    async def grids(self) -> list[Grid]:
        """See ports.Directory."""
        self._check()
        return [self.grid_records[code] for code in sorted(self.grid_records)]

    async def grids_at(self, at: datetime) -> list[Grid]:  # noqa: ARG002 - the port's
        """See ports.Directory. The fake's grids have always been as they are."""
        return await self.grids()

    async def ready(self) -> bool:
        """See ports.Directory."""
        return self.available

    # IncidentArchive

    async def incidents(self, where: IncidentFilter, after: PageKey | None, limit: int) -> list[IncidentRecord]:
        """See ports.IncidentArchive."""
        self._check()
        latest = {event.incident.id: event for event in self._events}
        rows = [
            IncidentRecord(incident=event.incident, grid=event.grid, case=event.case)
            for event in latest.values()
            if _matches(event.incident, where)
        ]
        rows.sort(key=lambda row: (row.incident.occurred_at, row.incident.id), reverse=True)
        if after is not None:
            rows = [row for row in rows if (row.incident.occurred_at, row.incident.id) < (after.at, after.id)]
        return rows[:limit]

    async def history(self, incident: UUID) -> list[EventRecord]:
        """See ports.IncidentArchive."""
        self._check()
        return sorted((e for e in self._events if e.incident.id == incident), key=lambda e: e.incident.seq)

    async def evidence(self, incident: UUID, sha256: str) -> tuple[Evidence, bytes] | None:
        """See ports.IncidentArchive."""
        self._check()
        content = self._evidence.get((incident, sha256))
        named = [one for e in self._events if e.incident.id == incident for one in e.incident.evidence]
        about = next((one for one in named if one.sha256 == sha256), None)
        if content is None or about is None:
            return None
        if hashlib.sha256(content).hexdigest() != sha256:
            raise EvidenceAltered(f"evidence {sha256} was altered")
        return about, content

    # EventLog

    async def head(self) -> int:
        """See ports.EventLog."""
        self._check()
        return len(self._events)

    async def events(self, after: int, upto: int, where: IncidentFilter, limit: int) -> list[EventRecord]:
        """See ports.EventLog."""
        self._check()
        return [event for event in self._events[after:upto] if _matches(event.incident, where)][:limit]

    async def wait(self, after: int, timeout: float) -> int:
        """See ports.EventLog."""
        self._check()
        if len(self._events) <= after:
            changed = self._changed
            try:
                async with asyncio.timeout(timeout):
                    await changed.wait()
            except TimeoutError:
                pass
        self._check()
        return len(self._events)

    # CaseBook

    async def cases(self, where: CaseFilter, after: PageKey | None, limit: int) -> list[Case]:
        """See ports.CaseBook."""
        self._check()
        rows = sorted(self.case_records.values(), key=lambda case: (case.latest_at, case.id), reverse=True)
        found = (
            case
            for case in rows
            if where.scope.contains(case.site)
            and (where.grid is None or case.grid == where.grid)
            and (not where.steps or case.step in where.steps)
            and (where.late_at is None or (case.clock is not None and case.clock.is_late(where.late_at)))
            and (after is None or (case.latest_at, case.id) < (after.at, after.id))
        )
        return list(found)[:limit]

    async def case(self, case: UUID) -> Case | None:
        """See ports.CaseBook."""
        self._check()
        return self.case_records.get(case)

    async def save_step(self, case: Case, expected: CaseStep) -> bool:
        """See ports.CaseBook."""
        self._check()
        stored = self.case_records.get(case.id)
        if stored is None or stored.step is not expected:
            return False
        self.case_records[case.id] = replace(
            stored, step=case.step, clock=case.clock, unit=case.unit, history=(*stored.history, case.history[-1])
        )  # fmt: skip
        return True

    # Accounts

    async def account(self, name: str) -> Account | None:
        """See ports.Accounts."""
        self._check()
        return self.account_records.get(name)

    async def save_account(self, account: Account) -> None:
        """See ports.Accounts."""
        self._check()
        self.account_records[account.name] = account

    async def open_session(self, token_sha256: str, account: str, expires_at: datetime) -> None:
        """See ports.Accounts."""
        self._check()
        self._sessions[token_sha256] = (account, expires_at)

    async def session(self, token_sha256: str, now: datetime) -> Account | None:
        """See ports.Accounts."""
        self._check()
        name, expires_at = self._sessions.get(token_sha256, ("", now))
        return self.account_records.get(name) if now < expires_at else None

    async def close_session(self, token_sha256: str) -> None:
        """See ports.Accounts."""
        self._check()
        self._sessions.pop(token_sha256, None)

    # AuditLog

    async def record(self, entry: AuditEntry) -> None:
        """See ports.AuditLog."""
        self._check()
        self.audit_entries.append(entry)

    async def entries(self, since: datetime, limit: int) -> list[AuditEntry]:
        """See ports.AuditLog."""
        self._check()
        return [entry for entry in reversed(self.audit_entries) if entry.at >= since][:limit]

    # Counts and observations

    async def by_time(self, where: CountFilter, bucket: Bucket) -> list[KindSeries]:
        """See ports.Counts."""
        step = timedelta(hours=1) if bucket is Bucket.HOUR else timedelta(days=1)
        buckets = -((where.since - where.until) // step)
        found: dict[IncidentKind, list[int]] = {}
        for event in self._counted(where):
            counts = found.setdefault(event.incident.kind, [0] * buckets)
            counts[(event.incident.occurred_at - where.since) // step] += 1
        return [KindSeries(kind=kind, begin=where.since, counts=tuple(found[kind])) for kind in sorted(found)]

    async def by_grid(self, where: CountFilter) -> list[GridCount]:
        """See ports.Counts."""
        found = Counter(event.grid for event in self._counted(where) if event.grid is not None)
        return [GridCount(grid=grid, incidents=found[grid]) for grid in sorted(found)]

    async def observations(self, camera: str, since: datetime, until: datetime) -> list[Observation]:
        """See ports.Observations."""
        self._check()
        return [one for one in self.observation_records if one.camera == camera and since <= one.minute < until]

    def _counted(self, where: CountFilter) -> list[EventRecord]:
        self._check()
        wanted = IncidentFilter(scope=where.scope, kinds=tuple(where.kinds), since=where.since, until=where.until)
        return [one for one in self._events if one.incident.seq == 0 and _matches(one.incident, wanted)]

    # Holds

    async def place(self, hold: Hold) -> bool:
        """See ports.Holds."""
        self._check()
        known = {event.incident.id for event in self._events} | set(self.case_records)
        if hold.incident not in known and hold.case not in known:
            return False
        self.hold_records[hold.id] = hold
        self._note(hold.placed_at, hold.placed_by, "hold.place", hold)
        return True

    async def release(self, hold: UUID, by: str, reason: str) -> Hold | None:
        """See ports.Holds. The fake has no clock: it is released when it was placed."""
        self._check()
        found = self.hold_records.get(hold)
        if found is None or found.released_at is not None:
            return None
        released = replace(found, released_at=found.placed_at, released_by=by, release_reason=reason)
        self.hold_records[hold] = released
        self._note(found.placed_at, by, "hold.release", released)
        return released

    async def hold(self, hold: UUID) -> Hold | None:
        """See ports.Holds."""
        self._check()
        return self.hold_records.get(hold)

    async def holds(self, scope: SitePath, active_at: datetime | None, limit: int) -> list[Hold]:
        """See ports.Holds."""
        self._check()
        found = [
            one
            for one in reversed(self.hold_records.values())
            if scope.contains(one.site) and (active_at is None or one.holds_at(active_at))
        ]
        return found[:limit]

    def _note(self, at: datetime, account: str, action: str, hold: Hold) -> None:
        entry = AuditEntry(at=at, account=account, action=action, subject=hold.subject, reason=hold.reason)
        self.audit_entries.append(entry)


def _matches(incident: Incident, where: IncidentFilter) -> bool:
    return (
        where.scope.contains(incident.site)
        and (not where.kinds or incident.kind in where.kinds)
        and (not where.severities or incident.severity in where.severities)
        and (where.camera is None or incident.camera == where.camera)
        and (where.since is None or incident.occurred_at >= where.since)
        and (where.until is None or incident.occurred_at < where.until)
    )
