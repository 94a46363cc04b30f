"""Whether stored evidence is what it was: each file read and hashed again, from time to time."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from gridwatch.domain import AuditEntry, Clock
from gridwatch.store.errors import EvidenceAltered
from gridwatch.store.evidence import EvidenceBytes
from gridwatch.store.locks import Exclusive
from gridwatch.store.pool import Connection, Pool
from gridwatch.store.queries import queries
from gridwatch.store.rows import audit_row

_OWNER_LOCK = 0x67726973
AUDITED_AS = "integrity"
"""Stands in the audit for the account of what is found."""


class Damage(StrEnum):
    """What can have become of a file."""

    CHANGED = "changed"  # its bytes no longer have their hash
    MISSING = "missing"  # it was stored, and is gone


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """One file that was looked at."""

    sha256: str
    bytes: int
    """Read; 0 when there is no file."""
    damage: Damage | None


class IntegrityStore:
    """Checks evidence files, the longest unchecked first; what it finds is kept with the file and in the audit."""

    def __init__(self, pool: Pool, files: EvidenceBytes, clock: Clock) -> None:
        self._pool = pool
        self._files = files
        self._clock = clock
        self._sql = queries("integrity")
        self._audit = queries("accounts")["add_audit"]
        self.exclusive = Exclusive(pool, _OWNER_LOCK)

    async def check(self, every: timedelta, limit: int) -> list[Checked]:
        """Look at up to `limit` files not looked at for `every`; none is left to look at when fewer come back."""
        parameters = {"checked_before": self._clock.now() - every, "limit": limit}
        rows = await self._pool.rows(self._sql["due_files"], parameters)
        return [await self._check(row["sha256"], row["damage"], stored=row["stored_at"] is not None) for row in rows]

    async def stored(self, sha256: str) -> None:
        """Its genuine bytes were written just now; said in the audit where they mend what was known to be damaged."""
        now = self._clock.now()
        async with self._pool.transaction("cannot keep that an evidence file was stored") as connection:
            row = await (await connection.execute(self._sql["file_stored"], {"sha256": sha256, "now": now})).fetchone()
            if row is not None and row["damage"] is not None:
                await self._say(connection, sha256, None, "delivered again")

    async def damaged(self) -> int:
        """How many files are known to be changed or missing."""
        row = await self._pool.row(self._sql["damaged"])
        return 0 if row is None else int(row["files"])

    async def _check(self, sha256: str, before: str | None, *, stored: bool) -> Checked:
        size, damage = 0, None
        try:
            data = await self._files.get(sha256)
        except EvidenceAltered:
            damage = Damage.CHANGED
        else:
            size = 0 if data is None else len(data)
            # What never came is not missing: its incident told of it, and the bytes may be on the way.
            damage = Damage.MISSING if data is None and stored else None
        await self._keep(sha256, before, damage, there=size > 0)
        return Checked(sha256=sha256, bytes=size, damage=damage)

    async def _keep(self, sha256: str, before: str | None, damage: Damage | None, *, there: bool) -> None:
        now = self._clock.now()
        parameters = {"sha256": sha256, "now": now, "damage": damage, "there": there}
        async with self._pool.transaction("cannot keep what an evidence file was found to be") as connection:
            await connection.execute(self._sql["file_checked"], parameters)
            if damage != before:
                await self._say(connection, sha256, damage, damage or "genuine again")

    async def _say(self, connection: Connection, sha256: str, damage: Damage | None, what: str) -> None:
        named = await (await connection.execute(self._sql["named_by"], {"sha256": sha256})).fetchall()
        incidents = ", ".join(str(row["incident_id"]) for row in named) or "no incident"
        entry = AuditEntry(
            at=self._clock.now(), account=AUDITED_AS, action="evidence.damaged" if damage else "evidence.mended",
            subject=sha256, reason=f"{what}; named by {incidents}",
        )  # fmt: skip
        await connection.execute(self._audit, audit_row(entry))
