"""The SQLite file under an outbox: how it is opened, checked, written, and mended when it is damaged."""

import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Final, NamedTuple, Self

import structlog

from gridwatch.bus import open_incidents
from gridwatch.bus.errors import OutboxError
from gridwatch.bus.message import Importance, OutgoingMessage
from gridwatch.bus.salvage import PAGE, Found, Value, is_log_damaged, salvage

log = structlog.get_logger(__name__)

ROW_BYTES: Final = 200
"""What a row costs besides topic and payload: rounded up from SQLite's own (page, index and cell headers)."""
RESERVE: Final = 4 * 1024 * 1024
"""Bytes of a file that only holds room: as much as the log has at most before it is brought into the file."""
_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_NO_ROOM = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
_VERSION = 2
_KEPT = 3
"""Damaged files kept for a person to look at; older ones are deleted."""
# AUTOINCREMENT: ids never come back after a delete, so a reader may remember those it sent.
_TABLE = """
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    content_type TEXT NOT NULL,
    retain INTEGER NOT NULL,
    importance TEXT NOT NULL,
    appended_at REAL NOT NULL,
    set_aside TEXT,
    checksum INTEGER
) STRICT
"""
_INSERT = (
    "INSERT INTO message (id, topic, payload, content_type, retain, importance, appended_at, set_aside, checksum)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


WRONG: Final = "its checksum is wrong: it was damaged on the disk"
_KINDS = (type(None), str, bytes, str, int, str, int | float, str | None, int | None)
_IMPORTANCES = {str(one) for one in Importance}


class DamagedFile(Exception):  # noqa: N818  (names what is wrong)
    """The file is no database, or a broken one."""


class DiskFull(OutboxError):  # noqa: N818  (names what is wrong)
    """Nothing was written, for lack of room."""


class Record(NamedTuple):
    """A row of the table of messages, as it is stored."""

    id: int | None
    topic: str
    payload: bytes
    content_type: str
    retain: int
    importance: str
    appended_at: float
    set_aside: str | None
    checksum: int | None
    """None in rows of version 1."""

    @classmethod
    def of(cls, message: OutgoingMessage, appended_at: float) -> Self:
        """Of a new message."""
        one = cls(
            None, message.topic, message.payload, message.content_type, int(message.retain), str(message.importance),
            appended_at, None, None,
        )  # fmt: skip
        return one._replace(checksum=one.summed())

    @classmethod
    def salvaged(cls, rowid: int, values: Sequence[Value]) -> Self | None:
        """Of what was found in a damaged file; None when it is no row of this table."""
        if len(values) == len(cls._fields) - 1:  # version 1 had no checksum
            values = (*values, None)
        if len(values) != len(_KINDS) or not all(isinstance(*one) for one in zip(values, _KINDS, strict=True)):
            return None
        return cls(rowid, *values[1:])  # type: ignore[arg-type]

    def summed(self) -> int:
        """CRC-32 of what must not change."""
        parts = (self.topic, self.content_type, str(self.retain), self.importance, repr(float(self.appended_at)))
        return zlib.crc32(self.payload, zlib.crc32("\0".join(parts).encode()))

    @property
    def is_whole(self) -> bool:
        """False when anything in it has changed since it was written."""
        return self.importance in _IMPORTANCES and self.checksum in (None, self.summed())

    @property
    def size(self) -> int:
        """Bytes counted against the limit."""
        return cost(self.topic, self.payload)


@dataclass(frozen=True, kw_only=True, slots=True)
class Mended:
    """What became of the records of a damaged file."""

    kept: int
    """Messages that go on as if nothing had been."""
    set_aside: int
    """Messages with a wrong checksum, kept but never sent."""
    missing: int
    """At most so many are gone: numbers between the first and the last that were found nowhere, and unreadable ones."""


def cost(topic: str, payload: bytes) -> int:
    """Bytes that a message counts for."""
    return len(topic.encode()) + len(payload) + ROW_BYTES


def insert(db: sqlite3.Connection, records: Sequence[Record]) -> None:
    """Add rows; one without an id gets the next."""
    db.executemany(_INSERT, records)


class OutboxFile:
    """One connection to the file, of one process. Not thread-safe."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reserve = self._beside(".reserve")
        self._db: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open or create it. Raises DamagedFile, and OutboxError where it is in use or the disk fails."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._finish_mending()
            log_file = self._beside("-wal")
            if log_file.exists() and is_log_damaged(log_file.read_bytes()):
                raise DamagedFile("its write-ahead log")
        except OSError as exc:
            raise OutboxError(f"cannot prepare the folder of outbox {self.path}: {exc.strerror}") from exc
        db = None
        try:
            db = _connect(self.path)
            _prepare(db, self.path)
        except sqlite3.DatabaseError as exc:
            if db is not None:
                db.close()
            code = exc.sqlite_errorcode & 0xFF
            if code in _CORRUPT:
                raise DamagedFile(str(exc)) from exc
            why = "no room on its disk?" if code in _NO_ROOM else "in use by another worker?"
            raise OutboxError(f"cannot open outbox {self.path} ({why}): {exc}") from exc
        except (DamagedFile, OutboxError):
            if db is not None:
                db.close()
            raise
        self._db = db
        if not self._reserve.exists():
            self.keep_reserve()

    @property
    def is_open(self) -> bool:
        """Whether it can be used."""
        return self._db is not None

    def close(self) -> None:
        """Close it; what is in it stays. Safe to call twice."""
        if self._db is not None:
            self._db.close()
            self._db = None

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Raises DamagedFile and OutboxError for whatever goes wrong with the file inside."""
        if self._db is None:
            raise OutboxError(f"outbox {self.path} is not open")
        try:
            yield self._db
        except sqlite3.Error as exc:
            code = getattr(exc, "sqlite_errorcode", 0) & 0xFF
            if code in _CORRUPT:
                raise DamagedFile(str(exc)) from exc
            if code in _NO_ROOM:
                where = f"is there room on the disk of {self.path.parent}, and is it sound?"
                raise DiskFull(f"outbox {self.path}: {exc}: {where}") from exc
            raise OutboxError(f"outbox {self.path}: {exc}") from exc

    @contextmanager
    def writing(self, *, durable: bool) -> Iterator[sqlite3.Connection]:
        """All or nothing, flushed before it returns when `durable`. Raises as `reading`."""
        with self.reading() as db:
            # NORMAL leaves a commit in the WAL without fsync; the next durable commit flushes it too, in order.
            db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException as exc:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                if getattr(exc, "sqlite_errorcode", 0) & 0xFF in _NO_ROOM:
                    _empty_log(db)
                raise

    def use_reserve(self) -> None:
        """Give up the reserve, so that deleting finds room on a full disk: the log must grow before it can shrink."""
        self._reserve.unlink(missing_ok=True)
        if self._db is not None:
            _empty_log(self._db)

    def keep_reserve(self) -> None:
        """Take RESERVE bytes of the disk, where it has them."""
        if self._db is not None:
            _empty_log(self._db)
        try:
            with self._reserve.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, RESERVE)
        except OSError as exc:
            self._reserve.unlink(missing_ok=True)
            log.warning("outbox_has_no_reserve", path=str(self.path), reason=exc.strerror, bytes=RESERVE)

    def mend(self, why: str, at: datetime, last_id: int = 0) -> Mended:
        """Replace a damaged file by one with all that can be read of it, keep the damaged one beside it, and open.

        Whenever it is interrupted, the next `open` finds the damaged file as it was or finishes. `last_id`: the last
        number known to be given out. Raises OutboxError when there is no room for it; nothing is lost then.
        """
        self.close()
        fresh = self._beside(".mending")
        try:
            for tail in ("", "-journal"):
                fresh.with_name(fresh.name + tail).unlink(missing_ok=True)
            mended = self._fill(fresh, last_id)
            _flush(fresh)
            fresh.replace(self._beside(".mended"))
            self._finish_mending(at.strftime(".corrupt-%Y%m%dT%H%M%S%fZ"))
        except (sqlite3.Error, OSError) as exc:
            raise OutboxError(f"cannot mend the damaged outbox {self.path}: {exc}: is there room on its disk?") from exc
        log.critical("outbox_mended", path=str(self.path), why=why, kept=mended.kept, set_aside=mended.set_aside,
                     missing_at_most=mended.missing, damaged_file=f"{self.path}.corrupt-*")  # fmt: skip
        self.open()
        return mended

    def _fill(self, fresh: Path, last_id: int) -> Mended:
        wal = self._beside("-wal")
        db = sqlite3.connect(fresh, isolation_level=None)
        try:
            _create(db)
            db.execute("BEGIN")
            with self.path.open("rb") as file:
                main = mmap(file.fileno(), 0, access=ACCESS_READ) if self.path.stat().st_size else b""
                unreadable = _copy(salvage(main, wal.read_bytes() if wal.exists() else b""), db)
            kept, aside, first, last = db.execute(
                "SELECT count(*) FILTER (WHERE set_aside IS NULL), count(*) FILTER (WHERE set_aside = ?),"
                " min(id), max(id) FROM message", (WRONG,),
            ).fetchone()  # fmt: skip
            span = 0 if first is None else last - first + 1
            total = db.execute("SELECT count(*) FROM message").fetchone()[0]
            if last_id > (last or 0):
                db.execute("DELETE FROM sqlite_sequence")
                db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('message', ?)", (last_id,))
            db.execute("COMMIT")
            return Mended(kept=kept, set_aside=aside, missing=span - total + unreadable)
        finally:
            db.close()

    def _finish_mending(self, suffix: str = ".corrupt") -> None:
        """Put the mended file in place: all that is left to do once it is whole and flushed."""
        mended = self._beside(".mended")
        if not mended.exists():
            return
        for tail in ("", "-wal"):
            damaged = self._beside(tail)
            if damaged.exists():
                kept = self._beside(suffix + tail)
                kept.unlink(missing_ok=True)
                kept.hardlink_to(damaged)
        # First the log: beside the mended file it would be taken for its own.
        self._beside("-wal").unlink(missing_ok=True)
        mended.replace(self.path)
        for old in sorted(self.path.parent.glob(f"{self.path.name}.corrupt*[!l]"))[:-_KEPT]:
            log.warning("outbox_damaged_file_deleted", path=str(old), kept=_KEPT)
            old.unlink()
            old.with_name(f"{old.name}-wal").unlink(missing_ok=True)

    def _beside(self, tail: str) -> Path:
        return self.path.with_name(self.path.name + tail)


def _connect(path: Path) -> sqlite3.Connection:
    # One second: a restarted worker waits for the lock of the one before it, no longer.
    db = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
    try:
        for statement in (
            "PRAGMA locking_mode = EXCLUSIVE",
            f"PRAGMA page_size = {PAGE}",
            "PRAGMA journal_mode = WAL",
            "PRAGMA journal_size_limit = 16777216",
            # A picture that was sent is gone from the disk, and from what is read of a damaged file.
            "PRAGMA secure_delete = ON",
        ):
            db.execute(statement)
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    """Check it, and create what is not there."""
    health = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if health != "ok":
        raise DamagedFile(health)
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version not in (0, 1, _VERSION):
        raise OutboxError(f"outbox {path} was written by a newer gridwatch (version {version})")
    db.execute("BEGIN IMMEDIATE")
    if version == 1:
        db.execute("ALTER TABLE message ADD COLUMN checksum INTEGER")
    _create(db)
    db.execute("COMMIT")


def _create(db: sqlite3.Connection) -> None:
    db.execute(_TABLE)
    db.execute(open_incidents.TABLE)
    db.execute(f"PRAGMA user_version = {_VERSION}")


def _copy(found: Iterable[Found], db: sqlite3.Connection) -> int:
    """Store what was found. How many could not be read at all."""
    unreadable = 0
    for row, is_older in found:
        if row is None:
            unreadable += 1
            continue
        if open_incidents.salvage(db, row.values):
            continue
        record = Record.salvaged(row.rowid, row.values)
        if record is None or (is_older and not record.is_whole):
            continue
        if record.is_whole:
            db.execute("DELETE FROM message WHERE id = ? AND set_aside = ?", (record.id, WRONG))
        else:
            record = record._replace(set_aside=WRONG)
        db.execute(_INSERT.replace("INSERT", "INSERT OR IGNORE"), record)
    return unreadable


def _empty_log(db: sqlite3.Connection) -> None:
    """Bring the log into the file and cut it to nothing, where there is room for that."""
    with suppress(sqlite3.Error):
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _flush(path: Path) -> None:
    """Name and content on disk."""
    for one in (path, path.parent):
        descriptor = os.open(one, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
