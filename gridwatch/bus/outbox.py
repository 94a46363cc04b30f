"""The outbox: messages on disk until the broker has them, and beside them which incidents are open.

One SQLite file, owned by one process. `append` returns after the bytes are on disk (WAL, synchronous=FULL), so a
process killed the moment after loses nothing.
"""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

import structlog

from gridwatch.bus import open_incidents
from gridwatch.bus.errors import OutboxError, OutboxFull
from gridwatch.bus.lanes import Waiting
from gridwatch.bus.message import Importance, OutgoingMessage
from gridwatch.bus.outbox_entry import Appended, OutboxEntry, OutboxStats
from gridwatch.bus.outbox_file import ROW_BYTES, WRONG, DamagedFile, DiskFull, OutboxFile, Record, cost, insert
from gridwatch.bus.wire import encode_evidence, encode_incident
from gridwatch.domain import Clock, Incident, OpenIncident

log = structlog.get_logger(__name__)

DEFAULT_MAX_AGE: Final = timedelta(days=14)
_SHARE = {Importance.UPDATE: 0.8, Importance.EVIDENCE: 0.9, Importance.INCIDENT: 0.98, Importance.ALARM: 1.0}
"""How full the outbox may become by messages of each importance; the rest is reserved for the more important."""
_ROOM_AGAIN = 0.4
"""Below this share it no longer counts as full: halfway to where it refuses first, so that it does not flutter."""
_ONE = (
    "SELECT id, topic, payload, content_type, retain, importance, appended_at, set_aside, checksum FROM message"
    " WHERE id = ? AND set_aside IS NULL"
)
_SOME = (
    "SELECT id, topic, payload, content_type, retain, importance, appended_at, set_aside, checksum FROM message"
    " WHERE id > ? AND set_aside IS NULL ORDER BY id LIMIT ?"
)
_EXPIRE_BATCH = 500
"""Messages deleted in one transaction: appending waits meanwhile."""

_Result = TypeVar("_Result")


@dataclass(eq=False, slots=True)
class _Append:
    """A call of `append` and what became of it; None as long as nobody has tried."""

    messages: Sequence[OutgoingMessage]
    incidents: Sequence[Incident]
    outcome: Appended | OutboxError | None = None


class Outbox:
    """A bounded, durable queue of messages. Thread-safe; one process at a time.

    A damaged file mends itself, on opening and while it is used: damaged records are set aside, the rest goes on.
    """

    def __init__(self, path: Path, max_bytes: int, clock: Clock, max_age: timedelta = DEFAULT_MAX_AGE) -> None:
        """`max_age`: how long updates and evidence may wait; raised and cleared incidents wait for ever."""
        self._path = path
        self._max_bytes = max_bytes
        self._max_age = max_age.total_seconds()
        self._clock = clock
        self._lock = threading.Lock()
        # Taken in this order, before `_lock`: who appends for all, and who may say what there is to append.
        self._appending = threading.Lock()
        self._queueing = threading.Lock()
        self._queue: list[_Append] = []
        self._file = OutboxFile(path)
        self._bytes = self._count = self._aside = self._last_id = 0
        self._refused = dict.fromkeys(Importance, 0)
        self._expired = self._damaged = 0
        self._shedding = self._opened = False

    def open(self) -> None:
        """Open or create the file, and mend it where it is damaged. Raises OutboxError."""
        with self._lock:
            if not self._file.is_open:
                self._open_file()
                self._opened = True

    def close(self) -> None:
        """Close the file; what is in it stays. Safe to call twice."""
        with self._lock:
            self._opened = False
            self._file.close()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def append(self, messages: Sequence[OutgoingMessage], incidents: Sequence[Incident] = ()) -> Appended:
        """Store messages in order, all in one transaction; they are on disk when it returns.

        So is what of `incidents` is open now (`open_incidents`), also of a refused update. Their messages are the
        first of `messages`, in the same order.

        Updates and evidence for which there is no room are left out and counted; raises OutboxFull, with nothing
        stored, when a raised or cleared incident does not fit, and OutboxError when the disk fails.
        """
        own = _Append(messages, incidents)
        with self._queueing:
            self._queue.append(own)
        with self._appending:
            if own.outcome is None:  # nobody else has stored it with theirs
                with self._queueing:
                    batch, self._queue = self._queue, []
                self._store(batch)
        if isinstance(own.outcome, Appended):
            return own.outcome
        raise own.outcome or AssertionError("a batch has an outcome for each")

    def put_incident(self, incident: Incident, pictures: Sequence[bytes] = ()) -> Appended:
        """Store an incident and the pictures it names, in one transaction. Raises MessageRefused and as `append`."""
        messages = [encode_incident(incident), *(encode_evidence(incident, one) for one in pictures)]
        return self.append(messages, [incident])

    def open_incidents(self) -> tuple[OpenIncident, ...]:
        """What was raised and not cleared, oldest first. Raises OutboxError."""
        return self._read(open_incidents.load)

    def touch(self, camera: str, at: datetime) -> None:
        """The open incidents of `camera` were still watched at `at`. Not flushed: a power cut may forget it."""
        self._write(lambda db: open_incidents.touch(db, camera, at), durable=False)

    def waiting(self, limit: int, after: int = 0) -> list[Waiting]:
        """Up to `limit` waiting messages with ids above `after`, without their bytes. Raises OutboxError."""
        rows = self._read(
            lambda db: db.execute(
                "SELECT id, topic, appended_at FROM message WHERE id > ? AND set_aside IS NULL ORDER BY id LIMIT ?",
                (after, limit),
            ).fetchall()
        )
        return [Waiting(id=number, topic=topic, appended_at=at) for number, topic, at in rows]

    def read(self, ids: Sequence[int]) -> list[OutboxEntry]:
        """These messages, in the order of `ids`, without those that are no longer waiting. Raises OutboxError.

        One that was damaged on the disk is set aside and not among them.
        """

        def work(db: sqlite3.Connection) -> list[Record]:
            found = (db.execute(_ONE, (one,)).fetchone() for one in ids)
            return [Record(*row) for row in found if row is not None]

        return self._entries(self._read(work))

    def peek(self, limit: int, after: int = 0) -> list[OutboxEntry]:
        """Up to `limit` waiting messages with ids above `after`, oldest first. Raises and sets aside as `read`."""
        found = self._read(lambda db: db.execute(_SOME, (after, limit)).fetchall())
        return self._entries([Record(*row) for row in found])

    def forget(self, ids: Sequence[int]) -> None:
        """Delete messages the broker has. Not flushed by itself: a crash may bring some back, never lose one."""
        if not ids:
            return
        try:
            self._write(lambda db: self._delete(db, ids), durable=False)
        except DiskFull:
            with self._lock:
                self._file.use_reserve()
            try:
                self._write(lambda db: self._delete(db, ids), durable=False)
            finally:
                with self._lock:
                    self._file.keep_reserve()

    def expire(self) -> int:
        """Delete updates and evidence older than `max_age`. How many. Raises OutboxError.

        Raised and cleared incidents are never given up for their age: they say what happened, however late.
        """
        before = self._clock.now().timestamp() - self._max_age
        total = 0
        while ids := self._read(lambda db: _expired(db, before)):
            self.forget(ids)
            total += len(ids)
        if total:
            self._expired += total
            log.error("outbox_expired", path=str(self._path), messages=total, max_age_seconds=self._max_age)
        return total

    def set_aside(self, entry: int, reason: str) -> None:
        """Keep a message the broker will never take out of the way, with the reason. Raises OutboxError."""
        self._set_aside([entry], reason)

    def stats(self) -> OutboxStats:
        """How full it is. Raises OutboxError."""
        oldest = self._read(_oldest)
        with self._lock:
            return OutboxStats(
                count=self._count,
                bytes=self._bytes,
                oldest_age=0.0 if oldest is None else max(0.0, self._clock.now().timestamp() - oldest),
                refused_updates=self._refused[Importance.UPDATE],
                refused_evidence=self._refused[Importance.EVIDENCE],
                refused_full=self._refused[Importance.INCIDENT] + self._refused[Importance.ALARM],
                set_aside=self._aside,
                expired=self._expired,
                damaged=self._damaged,
                is_full=self._shedding and self._bytes >= self._max_bytes * _ROOM_AGAIN,
                max_bytes=self._max_bytes,
            )

    def _store(self, batch: Sequence["_Append"]) -> None:
        """All calls that came while the one before was flushed, in one transaction: a flush costs the same for all."""
        at = self._clock.now()
        for one in batch:
            one.outcome = OutboxError(f"outbox {self._path}: nothing was stored")
        try:
            outcomes = self._write(lambda db: [self._append(db, one, at) for one in batch], durable=True)
        except OutboxError as exc:
            outcomes = [exc for _ in batch]
        for one, outcome in zip(batch, outcomes, strict=True):
            one.outcome = outcome

    def _append(self, db: sqlite3.Connection, one: "_Append", at: datetime) -> "Appended | OutboxError":
        try:
            stored = [Record.of(each, at.timestamp()) for each in self._select_what_fits(one.messages)]
        except OutboxFull as exc:
            return exc
        insert(db, stored)
        open_incidents.note(db, zip(one.incidents, one.messages, strict=False), at)
        self._bytes += sum(each.size for each in stored)
        self._count += len(stored)
        if stored:
            (self._last_id,) = db.execute("SELECT last_insert_rowid()").fetchone()
        return Appended(stored=len(stored), refused=len(one.messages) - len(stored))

    def _select_what_fits(self, messages: Sequence[OutgoingMessage]) -> list[OutgoingMessage]:
        stored: list[OutgoingMessage] = []
        size = 0
        refused = []
        for message in messages:
            own = cost(message.topic, message.payload)
            if self._bytes + size + own <= self._max_bytes * _SHARE[message.importance]:
                stored.append(message)
                size += own
            elif message.importance in (Importance.INCIDENT, Importance.ALARM):
                self._count_refused([message.importance])
                raise OutboxFull(
                    f"outbox {self._path} holds {self._bytes} of {self._max_bytes} bytes and has no room for an "
                    "incident: reach the broker, or raise services.outbox.max_bytes"
                )
            else:
                refused.append(message.importance)
        self._count_refused(refused)
        return stored

    def _count_refused(self, refused: Sequence[Importance]) -> None:
        for importance in refused:
            self._refused[importance] += 1
        if refused and not self._shedding:
            log.error("outbox_refuses", path=str(self._path), first=str(refused[0]), bytes=self._bytes)
        elif not refused and self._shedding and self._bytes < self._max_bytes * _ROOM_AGAIN:
            log.warning("outbox_has_room_again", path=str(self._path), refused=sum(self._refused.values()))
        else:
            return
        self._shedding = bool(refused)

    def _entries(self, records: Sequence[Record]) -> list[OutboxEntry]:
        damaged = [one.id for one in records if not one.is_whole and one.id is not None]
        if damaged:
            log.critical("outbox_records_damaged", path=str(self._path), entries=damaged)
            self._set_aside(damaged, WRONG)
            self._damaged += len(damaged)
        return [_entry(one) for one in records if one.is_whole]

    def _set_aside(self, ids: Sequence[int], reason: str) -> None:
        def work(db: sqlite3.Connection) -> None:
            done = db.executemany(
                "UPDATE message SET set_aside = ? WHERE id = ? AND set_aside IS NULL", [(reason, one) for one in ids]
            ).rowcount
            self._count -= done
            self._aside += done

        self._write(work, durable=True)

    def _delete(self, db: sqlite3.Connection, ids: Sequence[int]) -> None:
        for one in ids:
            row = db.execute(
                "DELETE FROM message WHERE id = ?"
                " RETURNING length(CAST(topic AS BLOB)) + length(payload), set_aside IS NULL", (one,)
            ).fetchone()  # fmt: skip
            if row is not None:
                self._bytes -= row[0] + ROW_BYTES
                self._count -= row[1]
                self._aside -= not row[1]

    def _read(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        return self._use(self._file.reading, work)

    def _write(self, work: Callable[[sqlite3.Connection], _Result], *, durable: bool) -> _Result:
        """All or nothing, on disk and in what is counted."""
        return self._use(lambda: self._file.writing(durable=durable), work)

    def _use(
        self,
        use: Callable[[], AbstractContextManager[sqlite3.Connection]],
        work: Callable[[sqlite3.Connection], _Result],
    ) -> _Result:
        """Do `work`, once more if the file turns out to be damaged and is mended."""
        with self._lock:
            for is_last in (False, True):
                counted = (self._bytes, self._count, self._aside)
                try:
                    if self._opened and not self._file.is_open:  # a damaged file could not be mended for lack of room
                        self._open_file()
                    with use() as db:
                        return work(db)
                except DamagedFile as exc:
                    if is_last:
                        raise OutboxError(f"outbox {self._path} is damaged again: is its disk failing?") from exc
                    self._mend(exc)
                except BaseException:
                    self._bytes, self._count, self._aside = counted
                    raise
            raise AssertionError("the second try returns or raises")

    def _open_file(self) -> None:
        try:
            self._file.open()
            with self._file.reading() as db:
                self._recount(db)
        except DamagedFile as exc:
            self._mend(exc)

    def _mend(self, why: DamagedFile) -> None:
        mended = self._file.mend(str(why), self._clock.now(), self._last_id)
        self._damaged += mended.set_aside + mended.missing
        with self._file.reading() as db:
            self._recount(db)

    def _recount(self, db: sqlite3.Connection) -> None:
        self._count, self._aside, self._bytes, self._last_id = db.execute(
            "SELECT count(*) FILTER (WHERE set_aside IS NULL), count(set_aside),"
            " coalesce(sum(length(CAST(topic AS BLOB)) + length(payload) + ?), 0), coalesce(max(id), 0) FROM message",
            (ROW_BYTES,),
        ).fetchone()


def _oldest(db: sqlite3.Connection) -> float | None:
    row = db.execute("SELECT appended_at FROM message WHERE set_aside IS NULL ORDER BY id LIMIT 1").fetchone()
    return None if row is None else float(row[0])


def _expired(db: sqlite3.Connection, before: float) -> list[int]:
    """Some of the updates and pictures appended before that time."""
    oldest = db.execute("SELECT appended_at FROM message ORDER BY id LIMIT 1").fetchone()
    if oldest is None or oldest[0] >= before:
        return []
    rows = db.execute(
        "SELECT id FROM message WHERE appended_at < ? AND importance IN (?, ?) LIMIT ?",
        (before, Importance.UPDATE, Importance.EVIDENCE, _EXPIRE_BATCH),
    ).fetchall()
    return [one[0] for one in rows]


def _entry(record: Record) -> OutboxEntry:
    message = OutgoingMessage(
        topic=record.topic,
        payload=record.payload,
        content_type=record.content_type,
        retain=bool(record.retain),
        importance=Importance(record.importance),
    )
    return OutboxEntry(id=record.id or 0, message=message, appended_at=datetime.fromtimestamp(record.appended_at, UTC))
