"""Which incidents are open, kept beside the messages of the outbox and changed in the same transaction.

So a message of an incident is on disk exactly when the next run knows of it: nothing is raised and then forgotten, and
nothing is known that was never told. What a run finds here it goes on with, or clears.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

import structlog

from gridwatch.bus.errors import MalformedMessage
from gridwatch.bus.message import OutgoingMessage
from gridwatch.bus.wire import decode_incident
from gridwatch.domain import Incident, OpenIncident, Phase

log = structlog.get_logger(__name__)

TABLE: Final = """
CREATE TABLE IF NOT EXISTS open_incident (
    id TEXT PRIMARY KEY,
    camera TEXT NOT NULL,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    content_type TEXT NOT NULL,
    seen_at REAL NOT NULL
) STRICT
"""


def note(db: sqlite3.Connection, incidents: Iterable[tuple[Incident, OutgoingMessage]], at: datetime) -> None:
    """Remember the latest message of each that is open, forget each that is cleared."""
    for incident, message in incidents:
        if incident.phase is Phase.CLEARED:
            db.execute("DELETE FROM open_incident WHERE id = ?", (str(incident.id),))
            continue
        db.execute(
            "INSERT OR REPLACE INTO open_incident (id, camera, topic, payload, content_type, seen_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (str(incident.id), incident.camera, message.topic, message.payload, message.content_type, at.timestamp()),
        )


def touch(db: sqlite3.Connection, camera: str, at: datetime) -> None:
    """The incidents of that camera were still watched at `at`."""
    db.execute("UPDATE open_incident SET seen_at = ? WHERE camera = ?", (at.timestamp(), camera))


def salvage(db: sqlite3.Connection, values: Sequence[object]) -> bool:
    """Store a row that was found in a damaged file, unless it is of another table. Whether it was one of this."""
    kinds = (str, str, str, bytes, str, int | float)
    if len(values) != len(kinds) or not all(isinstance(one, kind) for one, kind in zip(values, kinds, strict=True)):
        return False
    db.execute("INSERT OR IGNORE INTO open_incident VALUES (?, ?, ?, ?, ?, ?)", values)
    return True


def load(db: sqlite3.Connection) -> tuple[OpenIncident, ...]:
    """All that is open, in the order in which it occurred. What cannot be read is logged and dropped."""
    found: list[OpenIncident] = []
    rows = db.execute("SELECT id, topic, payload, content_type, seen_at FROM open_incident").fetchall()
    for number, topic, payload, content_type, seen_at in rows:
        try:
            latest = decode_incident(topic, payload, content_type)
        except MalformedMessage as error:
            log.error("open_incident_unreadable", incident=number, reason=str(error), effect="it will not be cleared")
            db.execute("DELETE FROM open_incident WHERE id = ?", (number,))
            continue
        found.append(OpenIncident(latest=latest, seen_at=datetime.fromtimestamp(seen_at, UTC)))
    return tuple(sorted(found, key=lambda one: (one.latest.occurred_at, str(one.latest.id))))
