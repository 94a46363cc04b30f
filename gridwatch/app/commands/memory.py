"""What a worker remembers of commands over restarts: what it answered, and which rules are mute. One SQLite file."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

import structlog

from gridwatch.domain import Clock, Command, GridwatchError, Mute

log = structlog.get_logger(__name__)

ANSWERS: Final = 1000
"""Commands remembered at most: a worker whose cameras get more than that in their lifetime says that it is busy."""
PICTURES: Final = 32
"""Of these, snapshots."""
_LONGER: Final = timedelta(minutes=1)
"""How much longer than a command may live its answer is remembered: more than clocks may differ by."""
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS answer (
    command TEXT PRIMARY KEY,
    essence TEXT NOT NULL,
    payload BLOB NOT NULL,
    picture BLOB,
    forget_at REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS mute (
    camera TEXT NOT NULL,
    rule TEXT NOT NULL,
    until REAL NOT NULL,
    PRIMARY KEY (camera, rule)
) STRICT;
"""


class MemoryFailed(GridwatchError):  # noqa: N818  (reads as what happened)
    """The file cannot be read or written; the message names it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Remembered:
    """What was answered."""

    essence: str
    """Of the command; see `domain.Command.essence`."""
    payload: bytes
    picture: bytes | None


class CommandMemory:
    """Thread-safe; one process at a time, which the worker's lock sees to. What is kept is on disk on return."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open or create the file. A damaged one is renamed: mutes end early then. Raises MemoryFailed."""
        with self._lock:
            try:
                self._db = self._connect()
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError) or not self._path.exists():
                    raise MemoryFailed(f"{self._path} cannot be opened: {error}") from error
                aside = self._path.with_name(f"{self._path.name}.corrupt-{self._clock.now():%Y%m%dT%H%M%S%fZ}")
                self._path.rename(aside)
                log.error("command_memory_set_aside", path=str(aside), why=str(error), effect="no rule is mute")
                self._db = self._connect()

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    def answer(self, command: UUID) -> Remembered | None:
        """What was answered to it; None for one that is new, or forgotten since it expired. Raises MemoryFailed."""
        with self._errors() as db:
            row = db.execute(
                "SELECT essence, payload, picture FROM answer WHERE command = ?", (str(command),)
            ).fetchone()
        return None if row is None else Remembered(essence=row[0], payload=row[1], picture=row[2])

    def has_room(self, *, for_picture: bool) -> bool:
        """Whether one more can be remembered. Raises MemoryFailed."""
        self.forget()
        with self._errors() as db:
            answers, pictures = db.execute("SELECT count(*), count(picture) FROM answer").fetchone()
        return answers < ANSWERS and (not for_picture or pictures < PICTURES)

    def forget(self) -> None:
        """Delete what was answered to commands that have expired, pictures too. Raises MemoryFailed."""
        with self._errors() as db:
            db.execute("DELETE FROM answer WHERE forget_at < ?", (self._clock.now().timestamp(),))

    def remember(self, command: Command, answer: Remembered) -> None:
        """Keep it until the command has expired for certain. Raises MemoryFailed."""
        forget_at = (command.expires_at + _LONGER).timestamp()
        with self._errors() as db:
            db.execute(
                "INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?, ?)",
                (str(command.id), answer.essence, answer.payload, answer.picture, forget_at),
            )

    def mutes(self) -> dict[tuple[str, str], Mute]:
        """By camera and rule, those that have ended too. Raises MemoryFailed."""
        with self._errors() as db:
            rows = db.execute("SELECT camera, rule, until FROM mute").fetchall()
        return {
            (camera, rule): Mute(rule=rule, until=datetime.fromtimestamp(until, UTC)) for camera, rule, until in rows
        }

    def keep_mute(self, camera: str, mute: Mute) -> None:
        """Keep it instead of an earlier one of that rule. Raises MemoryFailed."""
        with self._errors() as db:
            db.execute("DELETE FROM mute WHERE until < ?", (self._clock.now().timestamp(),))
            db.execute("INSERT OR REPLACE INTO mute VALUES (?, ?, ?)", (camera, mute.rule, mute.until.timestamp()))

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=1.0, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA secure_delete = ON")
            db.executescript(_TABLES)
        except BaseException:
            db.close()
            raise
        return db

    @contextmanager
    def _errors(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._db is None:
                raise MemoryFailed(f"{self._path} is not open")
            try:
                yield self._db
            except sqlite3.Error as error:
                raise MemoryFailed(f"{self._path} cannot be used: {error}") from error
