"""Legal holds as JSON."""

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import Field

from gridwatch.api.views import Utc, View
from gridwatch.domain import Hold


class HoldView(View):
    """A legal hold."""

    id: UUID
    incident: UUID | None = Field(description="Held by itself; null for a hold on a case.")
    case: UUID | None = Field(description="All its incidents are held; null for a hold on an incident.")
    site: str
    reason: str
    person: str = Field(description="Who asked for it.")
    placed_by: str
    placed_at: Utc
    until: Utc = Field(description="From then on it holds nothing.")
    holds: bool = Field(description="False once it has ended or was released.")
    released_at: Utc | None
    released_by: str | None
    release_reason: str | None

    @classmethod
    def of(cls, hold: Hold, now: datetime) -> Self:
        """`hold` as it is at `now`."""
        return cls(
            id=hold.id, incident=hold.incident, case=hold.case, site=str(hold.site), reason=hold.reason,
            person=hold.person, placed_by=hold.placed_by, placed_at=hold.placed_at, until=hold.until,
            holds=hold.holds_at(now), released_at=hold.released_at, released_by=hold.released_by,
            release_reason=hold.release_reason,
        )  # fmt: skip
