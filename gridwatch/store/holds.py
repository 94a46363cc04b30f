"""Legal holds."""

from datetime import datetime
from uuid import UUID

from gridwatch.domain import AuditEntry, Clock, Hold, SitePath
from gridwatch.store.pool import Pool
from gridwatch.store.queries import queries
from gridwatch.store.rows import Row, audit_row, site_columns, site_of

HOLDS_LOCK = 0x67726968
"""Advisory lock of whoever deletes and whoever places a hold."""


class HoldStore:
    """Legal holds; each placing and release is written into the audit with it. Satisfies `api.ports.Holds`."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._sql = queries("retention")
        self._audit = queries("accounts")["add_audit"]

    async def place(self, hold: Hold) -> bool:
        """From the return on nothing of it is deleted. False when there is no such incident or case (any more)."""
        parameters = {
            "id": hold.id, "incident": hold.incident, "case": hold.case, **site_columns(hold.site),
            "reason": hold.reason, "person": hold.person, "placed_by": hold.placed_by, "placed_at": hold.placed_at,
            "until": hold.until,
        }  # fmt: skip
        entry = AuditEntry(
            at=hold.placed_at, account=hold.placed_by, action="hold.place", subject=f"{hold.subject} {hold.id}",
            reason=f"{hold.reason} (for {hold.person}, until {hold.until.isoformat()})",
        )  # fmt: skip
        async with self._pool.transaction("cannot place a hold") as connection:
            await connection.execute(self._sql["lock_holds"], {"key": HOLDS_LOCK})
            placed = await (await connection.execute(self._sql["place_hold"], parameters)).fetchone()
            if placed is not None:
                await connection.execute(self._audit, audit_row(entry))
        return placed is not None

    async def release(self, hold: UUID, by: str, reason: str) -> Hold | None:
        """Lift it before its end, and return it so; None when it holds nothing (any more)."""
        now = self._clock.now()
        async with self._pool.transaction("cannot release a hold") as connection:
            parameters = {"id": hold, "at": now, "by": by, "reason": reason}
            row = await (await connection.execute(self._sql["release_hold"], parameters)).fetchone()
            if row is None:
                return None
            released = hold_of(row)
            subject = f"{released.subject} {hold}"
            entry = AuditEntry(at=now, account=by, action="hold.release", subject=subject, reason=reason)
            await connection.execute(self._audit, audit_row(entry))
        return released

    async def hold(self, hold: UUID) -> Hold | None:
        """One, ended or not."""
        row = await self._pool.row(self._sql["hold"], {"id": hold})
        return None if row is None else hold_of(row)

    async def holds(self, scope: SitePath, active_at: datetime | None, limit: int) -> list[Hold]:
        """Those at `scope` and below, the latest placed first; with `active_at`, only those that hold at that time."""
        parameters = {**site_columns(scope), "now": active_at, "limit": limit}
        return [hold_of(row) for row in await self._pool.rows(self._sql["holds"], parameters)]


def hold_of(row: Row) -> Hold:
    """A row of `hold`."""
    return Hold(
        id=row["id"], incident=row["incident_id"], case=row["case_id"], site=site_of(row), reason=row["reason"],
        person=row["person"], placed_by=row["placed_by"], placed_at=row["placed_at"], until=row["until"],
        released_at=row["released_at"], released_by=row["released_by"], release_reason=row["release_reason"],
    )  # fmt: skip
