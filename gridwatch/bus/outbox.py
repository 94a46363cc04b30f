"""The outbox: messages on disk until the broker has them, and beside them which incidents are open.

One SQLite file, owned by one process. `append` returns after the bytes are on disk (WAL, synchronous=FULL), so a
process killed the moment after loses nothing.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from gridwatch.bus import open_incidents
from gridwatch.bus.errors import OutboxError, OutboxFull
from gridwatch.bus.message import Importance, OutgoingMessage
from gridwatch.bus.wire import encode_evidence, encode_incident
from gridwatch.domain import Clock, Incident, OpenIncident

log = structlog.get_logger(__name__)

_SHARE = {Importance.UPDATE: 0.8, Importance.EVIDENCE: 0.9, Importance.INCIDENT: 1.0}
"""How full the outbox may become by messages of each importance; the rest is reserved for the more important."""
_ROW_BYTES = 200
"""What a row costs besides topic and payload: rounded up from SQLite's own (page, index and cell headers)."""
_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_VERSION = 1
# AUTOINCREMENT: ids never come back after a delete, so a reader may remember the last one it sent.
_TABLE = """
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    content_type TEXT NOT NULL,
    retain INTEGER NOT NULL,
    importance TEXT NOT NULL,
    appended_at REAL NOT NULL,
    set_aside TEXT
) STRICT
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class OutboxEntry:
    """A stored message."""

    id: int
    """Grows in the order of appending, never used twice."""
    message: OutgoingMessage
    appended_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Appended:
    """What became of the messages of one call."""

    stored: int
    refused: int
    """Updates or evidence for which there was no room."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OutboxStats:
    """How full it is. Counts of refusals are since it was opened."""

    count: int
    """Messages waiting."""
    bytes: int
    """Of messages waiting and set aside, as counted against `max_bytes`."""
    oldest_age: float
    """Seconds since the oldest waiting message was appended, 0 when none waits."""
    refused_updates: int
    refused_evidence: int
    refused_full: int
    """Calls that raised OutboxFull."""
    set_aside: int
    """Messages the broker will never take, kept for a person to look at."""


class Outbox:
    """A bounded, durable first-in-first-out queue of messages. Thread-safe; one process at a time."""

    def __init__(self, path: Path, max_bytes: int, clock: Clock) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._bytes = 0
        self._refused = dict.fromkeys(Importance, 0)
        self._shedding = False

    def open(self) -> None:
        """Open or create the file. A damaged one is renamed and replaced. Raises OutboxError."""
        with self._lock:
            if self._db is not None:
                return
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._db, self._bytes = self._connect()
            except _Damaged as exc:
                self._set_file_aside(str(exc))
                self._db, self._bytes = self._connect()
            except OSError as exc:
                raise OutboxError(f"cannot make the folder of outbox {self._path}: {exc.strerror}") from exc

    def close(self) -> None:
        """Close the file; what is in it stays. Safe to call twice."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def append(self, messages: Sequence[OutgoingMessage], incidents: Sequence[Incident] = ()) -> Appended:
        """Store messages in order, all in one transaction; they are on disk when it returns.

        So is what of `incidents`, whose messages these are, is open now (`open_incidents`), also of a refused update.

        Updates and evidence for which there is no room are left out and counted; raises OutboxFull, with nothing
        stored, when a raised or cleared incident does not fit, and OutboxError when the disk fails.
        """
        now = self._clock.now().timestamp()
        with self._lock, self._transaction(durable=True) as db:
            stored, size = self._select_what_fits(messages)
            db.executemany(
                "INSERT INTO message (topic, payload, content_type, retain, importance, appended_at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                [(m.topic, m.payload, m.content_type, m.retain, m.importance, now) for m in stored],
            )
            open_incidents.note(db, incidents, self._clock.now())
            self._bytes += size
        return Appended(stored=len(stored), refused=len(messages) - len(stored))

    def put_incident(self, incident: Incident, pictures: Sequence[bytes] = ()) -> Appended:
        """Store an incident and the pictures it names, in one transaction. Raises MessageRefused and as `append`."""
        messages = [encode_incident(incident), *(encode_evidence(incident, one) for one in pictures)]
        return self.append(messages, [incident])

    def open_incidents(self) -> tuple[OpenIncident, ...]:
        """What was raised and not cleared, oldest first. Raises OutboxError."""
        with self._lock, self._errors() as db:
            return open_incidents.load(db)

    def touch(self, camera: str, at: datetime) -> None:
        """The open incidents of `camera` were still watched at `at`. Not flushed: a power cut may forget it."""
        with self._lock, self._transaction(durable=False) as db:
            open_incidents.touch(db, camera, at)

    def peek(self, limit: int, after: int = 0) -> list[OutboxEntry]:
        """Up to `limit` waiting messages with ids above `after`, oldest first. Raises OutboxError."""
        with self._lock, self._errors() as db:
            rows = db.execute(
                "SELECT id, topic, payload, content_type, retain, importance, appended_at FROM message"
                " WHERE id > ? AND set_aside IS NULL ORDER BY id LIMIT ?",
                (after, limit),
            ).fetchall()
        return [_entry(*row) for row in rows]

    def forget(self, ids: Sequence[int]) -> None:
        """Delete messages the broker has. Not flushed by itself: a crash may bring some back, never lose one."""
        if not ids:
            return
        with self._lock, self._transaction(durable=False) as db:
            for one in ids:
                row = db.execute(
                    "DELETE FROM message WHERE id = ? RETURNING length(CAST(topic AS BLOB)) + length(payload)", (one,)
                ).fetchone()
                self._bytes -= row[0] + _ROW_BYTES if row else 0

    def set_aside(self, entry: int, reason: str) -> None:
        """Keep a message the broker will never take out of the way, with the reason. Raises OutboxError."""
        with self._lock, self._transaction(durable=True) as db:
            db.execute("UPDATE message SET set_aside = ? WHERE id = ?", (reason, entry))

    def stats(self) -> OutboxStats:
        """How full it is. Raises OutboxError."""
        with self._lock, self._errors() as db:
            waiting, aside, oldest = db.execute(
                "SELECT count(*) FILTER (WHERE set_aside IS NULL), count(set_aside),"
                " min(appended_at) FILTER (WHERE set_aside IS NULL) FROM message"
            ).fetchone()
            age = 0.0 if oldest is None else max(0.0, self._clock.now().timestamp() - oldest)
            return OutboxStats(
                count=waiting,
                bytes=self._bytes,
                oldest_age=age,
                refused_updates=self._refused[Importance.UPDATE],
                refused_evidence=self._refused[Importance.EVIDENCE],
                refused_full=self._refused[Importance.INCIDENT],
                set_aside=aside,
            )

    def _select_what_fits(self, messages: Sequence[OutgoingMessage]) -> tuple[list[OutgoingMessage], int]:
        stored: list[OutgoingMessage] = []
        size = 0
        refused = []
        for message in messages:
            cost = len(message.topic.encode()) + len(message.payload) + _ROW_BYTES
            if self._bytes + size + cost <= self._max_bytes * _SHARE[message.importance]:
                stored.append(message)
                size += cost
            elif message.importance is Importance.INCIDENT:
                self._count_refused([Importance.INCIDENT])
                raise OutboxFull(
                    f"outbox {self._path} holds {self._bytes} of {self._max_bytes} bytes and has no room for an "
                    "incident: reach the broker, or raise services.outbox_max_bytes"
                )
            else:
                refused.append(message.importance)
        self._count_refused(refused)
        return stored, size

    def _count_refused(self, refused: Sequence[Importance]) -> None:
        for importance in refused:
            self._refused[importance] += 1
        if refused and not self._shedding:
            log.error("outbox_refuses", path=str(self._path), first=str(refused[0]), bytes=self._bytes)
        elif not refused and self._shedding and self._bytes < self._max_bytes * min(_SHARE.values()) / 2:
            log.warning("outbox_has_room_again", path=str(self._path), refused=sum(self._refused.values()))
        else:
            return
        self._shedding = bool(refused)

    def _connect(self) -> tuple[sqlite3.Connection, int]:
        db = None
        try:
            # One second: a restarted worker waits for the lock of the one before it, no longer.
            db = sqlite3.connect(self._path, timeout=1.0, isolation_level=None, check_same_thread=False)
            for statement in (
                "PRAGMA locking_mode = EXCLUSIVE",
                "PRAGMA journal_mode = WAL",
                "PRAGMA synchronous = FULL",
                "PRAGMA journal_size_limit = 16777216",
            ):
                db.execute(statement)
            return db, self._prepare(db)
        except sqlite3.DatabaseError as exc:
            if db is not None:
                db.close()
            if exc.sqlite_errorcode & 0xFF in _CORRUPT:
                raise _Damaged(str(exc)) from exc
            raise OutboxError(f"cannot open outbox {self._path} (in use by another worker?): {exc}") from exc
        except (_Damaged, OutboxError):
            if db is not None:
                db.close()
            raise

    def _prepare(self, db: sqlite3.Connection) -> int:
        """Check, create when new, and return the bytes counted against the limit."""
        health = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if health != "ok":
            raise _Damaged(health)
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, _VERSION):
            raise OutboxError(f"outbox {self._path} was written by a newer gridwatch (version {version})")
        db.execute("BEGIN IMMEDIATE")
        db.execute(_TABLE)
        db.execute(open_incidents.TABLE)
        db.execute(f"PRAGMA user_version = {_VERSION}")
        db.execute("COMMIT")
        total = db.execute(
            "SELECT coalesce(sum(length(CAST(topic AS BLOB)) + length(payload) + ?), 0) FROM message", (_ROW_BYTES,)
        ).fetchone()
        return int(total[0])

    def _set_file_aside(self, why: str) -> None:
        suffix = self._clock.now().strftime(".corrupt-%Y%m%dT%H%M%S%fZ")
        for tail in ("", "-wal", "-shm"):
            file = self._path.with_name(self._path.name + tail)
            if file.exists():
                file.rename(file.with_name(file.name + suffix))
        log.critical("outbox_corrupt_set_aside", path=str(self._path), suffix=suffix, why=why)

    @contextmanager
    def _errors(self) -> Iterator[sqlite3.Connection]:
        if self._db is None:
            raise OutboxError(f"outbox {self._path} is not open")
        try:
            yield self._db
        except sqlite3.Error as exc:
            raise OutboxError(f"outbox {self._path}: {exc}") from exc

    @contextmanager
    def _transaction(self, *, durable: bool) -> Iterator[sqlite3.Connection]:
        """All or nothing, on disk and in `_bytes`; flushed before it returns when `durable`."""
        before = self._bytes
        with self._errors() as db:
            # NORMAL leaves a commit in the WAL without fsync; the next durable commit flushes it too, in order.
            db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                self._bytes = before
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise


def _entry(
    entry: int, topic: str, payload: bytes, content_type: str, retain: int, importance: str, appended_at: float
) -> OutboxEntry:
    message = OutgoingMessage(
        topic=topic,
        payload=payload,
        content_type=content_type,
        retain=bool(retain),
        importance=Importance(importance),
    )
    return OutboxEntry(id=entry, message=message, appended_at=datetime.fromtimestamp(appended_at, UTC))


class _Damaged(Exception):  # noqa: N818  (names what is wrong)
    """The file is no database, or a broken one."""
