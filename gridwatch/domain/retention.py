"""How long incidents and their evidence are kept, and what stops their deletion."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from gridwatch.domain.incident import IncidentKind
from gridwatch.domain.site import SitePath


@dataclass(frozen=True, kw_only=True, slots=True)
class RetentionPolicy:
    """What incidents of some kinds at some sites are kept for. Of several in order, the first that fits one counts."""

    name: str
    """As it stands in the audit."""
    site: SitePath
    """This site and everything below it."""
    kinds: tuple[IncidentKind, ...]
    """Empty: every kind."""
    floor: timedelta
    """Nothing younger is deleted, by anybody. Days are 24 hours: neither leap days nor daylight saving move them."""
    ceiling: timedelta
    """What is older is deleted, unless held. Never below the floor."""

    def __post_init__(self) -> None:
        if self.ceiling < self.floor:
            raise ValueError(f"policy {self.name}: the ceiling {self.ceiling} is below the floor {self.floor}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Hold:
    """A legal hold: an incident, or all incidents of a case, and their evidence are not deleted before its end."""

    id: UUID
    incident: UUID | None
    """Exactly one of incident and case."""
    case: UUID | None
    site: SitePath
    """Of the incident or case: who sees that site sees the hold."""
    reason: str
    person: str
    """Who asked for it and answers for it: an official, not somebody in a picture."""
    placed_by: str
    """Account."""
    placed_at: datetime
    until: datetime
    """From this moment on it holds nothing."""
    released_at: datetime | None = None
    """When it was lifted before its end."""
    released_by: str | None = None
    release_reason: str | None = None

    def __post_init__(self) -> None:
        if (self.incident is None) == (self.case is None):
            raise ValueError("a hold is on an incident or on a case")

    def holds_at(self, now: datetime) -> bool:
        """True until it ends or is released."""
        return self.released_at is None and now < self.until

    @property
    def subject(self) -> str:
        """What is held, for the audit: `incident/<id>` or `case/<id>`."""
        return f"case/{self.case}" if self.incident is None else f"incident/{self.incident}"
