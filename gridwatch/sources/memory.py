"""Which incident a foreign subject became, on disk: the same one after a restart, and for whatever comes again.

A row is written before its incident is told and marked after, so that one which was not told yet is told under the
same id, and one that was is known.
"""

import hashlib
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from gridwatch.domain import GridwatchError

MOST: Final = 200_000
"""Subjects remembered at most; the oldest go first."""
KEPT: Final = timedelta(days=14)
"""Twice as long as a broker keeps messages for a session that is away."""
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS known (
    source TEXT NOT NULL, subject TEXT NOT NULL, incident TEXT NOT NULL, occurred_at REAL NOT NULL,
    told INTEGER NOT NULL, at REAL NOT NULL, PRIMARY KEY (source, subject)
) STRICT, WITHOUT ROWID
"""


class SourceMemoryError(GridwatchError):
    """The file cannot be read or written."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """The latest incident of a subject."""

    incident: UUID
    occurred_at: datetime
    told: bool
    """It was put into the outbox."""


class SourceMemory:
    """A small file of one process. For one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open or make the file. Raises SourceMemoryError."""
        try:
            self._db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=1.0)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute(_TABLE)
        except sqlite3.Error as exc:
            raise SourceMemoryError(f"{self._path} cannot hold what sources told: {exc}; move it away") from exc

    def close(self) -> None:
        """What is in it stays. Safe to call twice."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def find(self, source: str, subject: str) -> Known | None:
        """Its latest incident. Raises SourceMemoryError."""
        statement = "SELECT incident, occurred_at, told FROM known WHERE source = ? AND subject = ?"
        row = self._run(statement, (source, _digest(subject)))
        if row is None:
            return None
        return Known(incident=UUID(row[0]), occurred_at=datetime.fromtimestamp(row[1], UTC), told=bool(row[2]))

    def begin(self, source: str, subject: str, known: Known, at: datetime) -> None:
        """Its incident is about to be told; on disk when it returns. Raises SourceMemoryError."""
        values = (source, _digest(subject), str(known.incident), known.occurred_at.timestamp(), False, at.timestamp())
        self._run("PRAGMA synchronous = FULL", ())
        self._run("INSERT OR REPLACE INTO known VALUES (?, ?, ?, ?, ?, ?)", values)

    def told(self, source: str, subject: str) -> None:
        """Its incident is in the outbox. Not flushed: forgotten, it is told again under the same id."""
        self._run("PRAGMA synchronous = NORMAL", ())
        self._run("UPDATE known SET told = 1 WHERE source = ? AND subject = ?", (source, _digest(subject)))

    def forget(self, before: datetime, most: int = MOST) -> None:
        """What has not been told of since, and the oldest beyond `most`. Raises SourceMemoryError."""
        self._run("DELETE FROM known WHERE at < ?", (before.timestamp(),))
        self._run("DELETE FROM known WHERE at <= (SELECT at FROM known ORDER BY at DESC LIMIT 1 OFFSET ?)", (most,))

    def _run(self, statement: str, values: tuple[str | float, ...]) -> tuple[str, float, int] | None:
        if self._db is None:
            raise SourceMemoryError(f"{self._path} is not open")
        try:
            row: tuple[str, float, int] | None = self._db.execute(statement, values).fetchone()
        except sqlite3.Error as exc:
            raise SourceMemoryError(f"{self._path} cannot hold what sources told: {exc}") from exc
        return row


def _digest(subject: str) -> str:
    """Who knows what a stranger calls things: only a hash of it is kept."""
    return hashlib.sha256(subject.encode("utf-8", "surrogatepass")).hexdigest()
