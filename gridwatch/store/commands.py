"""What commands over the broker leave in the database."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from gridwatch.domain import Acknowledgement, AuditEntry, Clock, SitePath
from gridwatch.store.pool import Pool
from gridwatch.store.queries import queries
from gridwatch.store.rows import site_columns

_REMEMBERED: Final = timedelta(days=8)
"""Longer than a broker keeps a message for a recorder that is away, and than a command may live."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenAnswer:
    """An answer that was given."""

    essence: str
    """Of the command (`domain.Command.essence`): another wish under the same id is another matter."""
    payload: bytes


class CommandStore:
    """Acknowledgements, answers and their audit. Each method is one transaction."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._sql = queries("commands")

    async def note(self, message_sha256: str, entry: AuditEntry) -> None:
        """Write `entry` into the audit, unless that was done for a message of that hash."""
        parameters = {
            "sha256": message_sha256, "at": entry.at, "account": entry.account, "action": entry.action,
            "subject": entry.subject, "reason": entry.reason, "forget": self._clock.now() - _REMEMBERED,
        }  # fmt: skip
        await self._pool.execute(self._sql["note_message"], parameters)

    async def acknowledge(self, incident: UUID, site: SitePath, camera: str, account: str) -> Acknowledgement | None:
        """Say that `account` has seen it, and learn who did so first; None when that camera has no such incident."""
        parameters = {
            "incident": incident, "camera": camera, "account": account, "at": self._clock.now(), **site_columns(site),
        }  # fmt: skip
        row = await self._pool.row(self._sql["acknowledge"], parameters)
        return None if row is None else Acknowledgement(at=row["acknowledged_at"], by=row["acknowledged_by"])

    async def answer(self, command: UUID) -> GivenAnswer | None:
        """What was answered to it."""
        row = await self._pool.row(self._sql["answer"], {"command": command})
        return None if row is None else GivenAnswer(essence=row["essence"], payload=row["payload"])

    async def keep_answer(self, command: UUID, answer: GivenAnswer) -> GivenAnswer:
        """Keep it, unless another recorder was faster; what is to be given."""
        now = self._clock.now()
        parameters = {
            "command": command, "essence": answer.essence, "payload": answer.payload, "at": now,
            "forget": now - _REMEMBERED,
        }  # fmt: skip
        row = await self._pool.row(self._sql["keep_answer"], parameters)
        assert row is not None  # noqa: S101 (INSERT ... RETURNING gives the row)
        return GivenAnswer(essence=row["essence"], payload=row["payload"])
