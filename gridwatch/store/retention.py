"""Deleting what is over its time: rows in bounded batches, each with its audit entry, then the files nobody names."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gridwatch.domain import AuditEntry, Clock, PageKey, RetentionPolicy
from gridwatch.store.errors import RetentionRefused
from gridwatch.store.evidence import EvidenceBytes
from gridwatch.store.holds import HOLDS_LOCK
from gridwatch.store.locks import Exclusive
from gridwatch.store.pool import Connection, Pool
from gridwatch.store.queries import queries
from gridwatch.store.rows import audit_row, site_columns

_OWNER_LOCK = 0x67726972
CHORE = "retention"
BATCH = 200
"""Incidents of one transaction: some tens of milliseconds."""
FILES = 50
"""Files of one transaction."""
CHUNKS = 20
"""Chunks of one transaction: each is a dozen locks, and a server has some thousand."""
ARRIVING = timedelta(hours=1)
"""Bytes that came this lately may have their incident on the way."""
UNNAMED = timedelta(days=8)
"""Bytes whose incident may still come stay, below every floor too: a day more than the broker keeps a session."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Removal:
    """What one batch deleted."""

    incidents: int
    messages: int
    evidence: int
    """Rows that named pictures and clips."""
    last: PageKey
    """Where the next batch goes on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlook:
    """What a run would delete by one policy."""

    incidents: int
    held: int
    """Over their time and kept by a hold."""
    in_open_cases: int
    """Among `incidents`: their cases are neither closed nor evaluated."""
    oldest: datetime | None


class RetentionStore:
    """Deletes incidents, their messages and their evidence. Cases stay, and remember how many incidents they had."""

    def __init__(self, pool: Pool, files: EvidenceBytes, clock: Clock) -> None:
        self._pool = pool
        self._files = files
        self._clock = clock
        self._sql = queries("retention")
        self._audit = queries("accounts")["add_audit"]
        self.exclusive = Exclusive(pool, _OWNER_LOCK)

    async def last_run(self) -> datetime | None:
        """When a run last came to its end."""
        row = await self._pool.row(self._sql["chore"], {"name": CHORE})
        return None if row is None else row["finished_at"]

    async def preview(self, policies: Sequence[RetentionPolicy], older_than: timedelta | None = None) -> list[Outlook]:
        """For each policy, what `remove` would delete now."""
        found = []
        for index, policy in enumerate(policies):
            parameters = self._which(policies, index, _age(policy, older_than))
            row = await self._pool.row(self._sql["preview"], parameters)
            assert row is not None  # noqa: S101 (an aggregate gives a row)
            found.append(Outlook(**row))
        return found

    async def remove(
        self, policies: Sequence[RetentionPolicy], index: int, after: PageKey | None, by: AuditEntry,
        older_than: timedelta | None = None,
    ) -> Removal | None:  # fmt: skip
        """Delete the oldest incidents after `after` that `policies[index]` lets go; None when there are no more.

        They are older than `older_than`, or than the policy's ceiling. `by` says who and why in the audit, where what
        was deleted is written in the same transaction. Raises RetentionRefused, with nothing done, below the floor.
        """
        parameters = self._which(policies, index, _age(policies[index], older_than))
        parameters |= {
            "after_at": after.at if after else None, "after_id": after.id if after else None, "limit": BATCH,
        }  # fmt: skip
        async with self._pool.transaction("cannot delete what is over its time") as connection:
            await connection.execute(self._sql["lock_holds"], {"key": HOLDS_LOCK})
            rows = await (await connection.execute(self._sql["expired"], parameters)).fetchall()
            if not rows:
                return None
            times = [row["occurred_at"] for row in rows]
            gone = {
                "ids": [row["incident_id"] for row in rows], "times": times, "first": times[0], "last": times[-1],
                "now": parameters["now"],
            }  # fmt: skip
            messages = (await connection.execute(self._sql["delete_messages"], gone)).rowcount
            named = await (await connection.execute(self._sql["delete_evidence"], gone)).fetchone()
            await connection.execute(self._sql["delete_incidents"], gone)
            removal = Removal(
                incidents=len(rows), messages=messages, evidence=named["evidence"] if named else 0,
                last=PageKey(at=times[-1], id=rows[-1]["incident_id"]),
            )  # fmt: skip
            await self._say(connection, by, "retention.delete", _told(policies[index], removal, times))
        return removal

    async def remove_files(self, by: AuditEntry) -> int | None:
        """Delete some of the files that lost their last row, and say how many; None when none is left.

        A row goes before its file and remembers the file until that is gone: a crash between leaves work, not a lie.
        """
        now = self._clock.now()
        async with self._pool.transaction("cannot delete evidence files") as connection:
            parameters = {"arrived_before": now - ARRIVING, "limit": FILES}
            rows = await (await connection.execute(self._sql["doomed_files"], parameters)).fetchall()
            if not rows:
                return None
            spared = [row["sha256"] for row in rows if row["named"]]
            doomed = [row["sha256"] for row in rows if not row["named"]]
            # Whoever brings the same bytes meanwhile waits for these rows, and writes the file anew afterwards.
            for sha256 in doomed:
                await self._files.delete(sha256)
            await connection.execute(self._sql["spare_files"], {"files": spared})
            await connection.execute(self._sql["forget_files"], {"files": doomed})
            if doomed:
                await self._say(connection, by, "retention.delete_files", f"{len(doomed)} files")
        return len(doomed)

    async def doom_unnamed(self, policies: Sequence[RetentionPolicy], by: AuditEntry) -> int:
        """Mark files whose incident never came; how many. They go with the next `remove_files`.

        Nothing tells where and of what they are, so they stay for the longest floor of all.
        """
        now = self._clock.now()
        kept = max(UNNAMED, *(policy.floor for policy in policies))
        total = 0
        while True:
            parameters = {"name": CHORE, "upto": now - kept, "now": now, "limit": 1000}
            async with self._pool.transaction("cannot look for evidence that no incident names") as connection:
                row = await (await connection.execute(self._sql["doom_unnamed"], parameters)).fetchone()
                if row is None or row["reached"] is None:
                    return total
                await connection.execute(self._sql["reach_chore"], {"name": CHORE, "reached_at": row["reached"]})
                if row["files"]:
                    subject = f"{row['files']} files of no incident, {kept.days} days old"
                    await self._say(connection, by, "retention.unnamed", subject)
            total += row["files"]

    async def forget_chunks(self, policies: Sequence[RetentionPolicy]) -> int:
        """Drop what TimescaleDB keeps of days of which nothing is left; how many. There is none on plain PostgreSQL.

        Nothing below the least floor is looked at.
        """
        before = self._clock.now() - min((one.floor for one in policies), default=timedelta(0))
        total = 0
        while True:
            row = await self._pool.row(self._sql["forget_chunks"], {"before": before, "most": CHUNKS})
            if row is None or not row["chunks"]:
                return total
            total += row["chunks"]

    async def adopt(self) -> int:
        """Take up files that the database does not know, as after a restore; how many. They count as arrived now."""
        total = 0
        async for names in self._files.names():
            if names:
                parameters = {"files": names, "now": self._clock.now()}
                total += await self._pool.execute(self._sql["adopt_files"], parameters)
        return total

    async def finish(self) -> None:
        """Remember that a run came to its end now."""
        await self._pool.execute(self._sql["finish_chore"], {"name": CHORE, "finished_at": self._clock.now()})

    def _which(self, policies: Sequence[RetentionPolicy], index: int, age: timedelta) -> dict[str, object]:
        now = self._clock.now()
        earlier = [{**site_columns(one.site), "kinds": list(one.kinds)} for one in policies[:index]]
        return {
            **site_columns(policies[index].site), "kinds": list(policies[index].kinds), "before": now - age,
            "earlier": json.dumps(earlier), "now": now,
        }  # fmt: skip

    async def _say(self, connection: Connection, by: AuditEntry, action: str, subject: str) -> None:
        entry = AuditEntry(
            at=self._clock.now(), account=by.account, action=action, subject=subject, reason=by.reason
        )  # fmt: skip
        await connection.execute(self._audit, audit_row(entry))


def _age(policy: RetentionPolicy, older_than: timedelta | None) -> timedelta:
    if older_than is None:
        return policy.ceiling
    if older_than < policy.floor:
        raise RetentionRefused(
            f"{policy.name} keeps everything for {policy.floor.days} days at least; {older_than.days} days are refused"
        )
    return older_than


def _told(policy: RetentionPolicy, removal: Removal, times: Sequence[datetime]) -> str:
    return (
        f"{policy.name} ({policy.site}, {', '.join(policy.kinds) or 'every kind'}): {removal.incidents} incidents of "
        f"{times[0].isoformat()} to {times[-1].isoformat()}, {removal.messages} messages, {removal.evidence} evidence"
    )
