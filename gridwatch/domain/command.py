"""Commands to whoever has a camera, and what is answered."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Final
from uuid import UUID

from gridwatch.domain.incident import Evidence
from gridwatch.domain.site import SitePath


class CommandName(StrEnum):
    """What may be asked for."""

    ACKNOWLEDGE = "acknowledge"  # an incident was seen, and somebody deals with it
    SNAPSHOT = "snapshot"  # a masked picture of the camera, now
    MUTE = "mute"  # a rule raises nothing until a time
    RELOAD = "reload"  # the worker reads its configuration anew


class Outcome(StrEnum):
    """What became of a command."""

    DONE = "done"  # it took effect, or had before
    MALFORMED = "malformed"  # it cannot be read, or says what the contract does not have
    SWITCHED_OFF = "switched_off"  # the deployment takes no commands
    NOT_ALLOWED = "not_allowed"  # the account may not do that there
    LATE = "late"  # it expired before it could be carried out
    ID_REUSED = "id_reused"  # another command had that id
    UNKNOWN = "unknown"  # there is no such incident or rule
    BUSY = "busy"  # too many at once; nothing was done
    FAILED = "failed"  # it was tried, and nothing has changed


MAX_LIFETIME: Final = {
    CommandName.ACKNOWLEDGE: timedelta(hours=24),  # from a substation whose link is down
    CommandName.SNAPSHOT: timedelta(minutes=10),
    CommandName.MUTE: timedelta(minutes=10),
    CommandName.RELOAD: timedelta(minutes=10),
}
"""How far ahead a command may expire; it is remembered for so long."""
MAX_MUTE: Final = timedelta(hours=24)
"""A rule that stays quiet for longer should be taken out of the configuration."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Acknowledge:
    """Whoever asks has seen this incident."""

    incident: UUID


@dataclass(frozen=True, kw_only=True, slots=True)
class TakeSnapshot:
    """Show what the camera sees now."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MuteRule:
    """Raise nothing by this rule until then; a time that has passed ends a mute."""

    rule: str
    until: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Reload:
    """Read the configuration anew, for all cameras of the worker that has this one."""


Wish = Acknowledge | TakeSnapshot | MuteRule | Reload


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """Somebody wants something of whoever has a camera."""

    id: UUID
    """Of this wish: sent again under the same id, it takes effect once and is answered alike."""
    site: SitePath
    camera: str
    account: str
    """Who asks, as the broker knows them: their name there."""
    wish: Wish
    reason: str
    asked_at: datetime
    expires_at: datetime

    @property
    def name(self) -> CommandName:
        """What kind of wish it is."""
        return _NAMES[type(self.wish)]

    @property
    def essence(self) -> str:
        """What is the same when it is asked again: who wants what of which camera. SHA-256, in hex."""
        return sha256(repr((str(self.site), self.camera, self.account, self.wish)).encode()).hexdigest()


_NAMES: Final[dict[type[Wish], CommandName]] = {
    Acknowledge: CommandName.ACKNOWLEDGE,
    TakeSnapshot: CommandName.SNAPSHOT,
    MuteRule: CommandName.MUTE,
    Reload: CommandName.RELOAD,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Acknowledgement:
    """Who said first that an incident was seen."""

    at: datetime
    by: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Mute:
    """A rule that raises nothing."""

    rule: str
    until: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Reloaded:
    """What a reload has changed, and what it could not."""

    changed: tuple[str, ...]
    """Cameras with other rules, zones or limits than before."""
    needs_restart: tuple[str, ...]
    """What differs in the configuration and stays as it was until the worker is started again."""


Detail = Acknowledgement | Evidence | Mute | Reloaded
"""What there is to say beyond the outcome; the evidence is that of a snapshot, whose bytes come beside the answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What became of a command."""

    command: UUID | None
    """None when it could not be read."""
    name: CommandName
    site: SitePath
    camera: str
    account: str
    """Who asked."""
    node: str
    """Who answers: a worker, or a recorder."""
    outcome: Outcome
    reason: str
    """A line for people; empty when done."""
    at: datetime
    detail: Detail | None = None
