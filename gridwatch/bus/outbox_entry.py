"""What an outbox holds and how it is doing."""

from dataclasses import dataclass
from datetime import datetime

from gridwatch.bus.message import OutgoingMessage


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
    """How full it is. Counts of what was refused, expired and damaged are since it was opened."""

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
    """Messages the broker will never take, or damaged, kept for a person to look at."""
    expired: int
    """Updates and evidence that became older than `max_age`."""
    damaged: int
    """Messages that were damaged on the disk: set aside, or gone (then at most so many)."""
    is_full: bool
    """Something was refused, and it has not become much emptier since."""
    max_bytes: int

    @property
    def lost(self) -> int:
        """Messages that will not arrive: refused, expired or damaged."""
        return self.refused_updates + self.refused_evidence + self.expired + self.damaged
