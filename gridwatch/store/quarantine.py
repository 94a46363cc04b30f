"""Messages that could not be used, set aside for a person."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from gridwatch.domain import AuditEntry, Clock
from gridwatch.store.pool import Pool
from gridwatch.store.queries import queries
from gridwatch.store.rows import audit_row

log = structlog.get_logger(__name__)

_KEPT_BYTES = 65_536
"""As much of a bad message as is kept; a sound one is smaller, but for a picture."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BadMessage:
    """A message to be set aside."""

    topic: str
    content_type: str | None
    payload: bytes
    reason: str
    """What is wrong with it, in a line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class QuarantinedMessage:
    """A message that was set aside."""

    id: int
    """Grows in the order of setting aside."""
    at: datetime
    """When it first came."""
    last_at: datetime
    """When it last came."""
    seen: int
    """How often it was set aside: by each recorder, and again when the broker gave it again."""
    topic: str
    content_type: str | None
    payload: bytes
    """Its first 64 KiB."""
    bytes: int
    """Of all of it."""
    reason: str

    @property
    def whole(self) -> bool:
        """Whether nothing was cut off."""
        return len(self.payload) == self.bytes


class QuarantineStore:
    """The newest ten thousand messages that could not be used."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._sql = queries("quarantine")

    async def add(self, messages: Sequence[BadMessage]) -> None:
        """Set them aside, all or none; one that is there already (topic, type and bytes) is counted instead."""
        if not messages:
            return
        now = self._clock.now()
        async with self._pool.transaction("cannot set messages aside") as connection, connection.cursor() as cursor:
            # Sorted by what is locked, so that two recorders never wait for each other in a ring.
            rows = [_row(one, now) for one in sorted(messages, key=_fingerprint)]
            await cursor.executemany(self._sql["add"], rows)
            dropped = max(0, cursor.rowcount)
        for one in messages:
            log.warning("message_quarantined", topic=one.topic, bytes=len(one.payload), reason=one.reason)
        if dropped:
            log.error("quarantine_full", dropped=dropped, remedy="gridwatch quarantine list")

    async def newest(self, limit: int) -> list[QuarantinedMessage]:
        """Newest first."""
        return [QuarantinedMessage(**row) for row in await self._pool.rows(self._sql["newest"], {"limit": limit})]

    async def message(self, number: int) -> QuarantinedMessage | None:
        """One message; None when it is not (or no longer) there."""
        row = await self._pool.row(self._sql["message"], {"id": number})
        return None if row is None else QuarantinedMessage(**row)

    async def explain(self, number: int, reason: str, audit: AuditEntry) -> None:
        """Give it a new reason, and write down who looked at it."""
        await self._settle("explain", {"id": number, "reason": _clean(reason)}, audit)

    async def remove(self, number: int, audit: AuditEntry) -> None:
        """Take it out, and write down who did so and why, both or neither. One that is gone stays gone."""
        await self._settle("remove", {"id": number}, audit)

    async def _settle(self, statement: str, parameters: dict[str, object], audit: AuditEntry) -> None:
        async with self._pool.transaction("cannot settle a message set aside") as connection:
            await connection.execute(self._sql[statement], parameters)
            await connection.execute(queries("accounts")["add_audit"], audit_row(audit))


def _row(message: BadMessage, now: datetime) -> dict[str, object]:
    return {
        "at": now,
        "topic": _clean(message.topic),
        "content_type": None if message.content_type is None else _clean(message.content_type),
        "payload": message.payload[:_KEPT_BYTES],
        "bytes": len(message.payload),
        "reason": _clean(message.reason),
        "fingerprint": _fingerprint(message),
    }


def _fingerprint(message: BadMessage) -> bytes:
    """SHA-256 over topic, content type and the whole payload, each with its length."""
    digest = hashlib.sha256()
    for text in (message.topic, message.content_type or ""):
        part = text.encode(errors="replace")
        digest.update(len(part).to_bytes(4, "big") + part)
    digest.update(message.payload)
    return digest.digest()


def _clean(text: str) -> str:
    """What PostgreSQL can hold: no NUL, no half of a surrogate pair."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
