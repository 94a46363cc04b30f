"""Legal holds: what must not be deleted, why, for whom and until when."""

import uuid
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from gridwatch.api.access import HoldKeeper, HoldReader, Login, SiteQuery, scope_of
from gridwatch.api.context import Context, Ctx
from gridwatch.api.errors import BadRequest, Conflict, NotFound, problems
from gridwatch.api.hold_views import HoldView
from gridwatch.api.text import Line
from gridwatch.domain import Hold, SitePath

router = APIRouter(tags=["holds"])

_Stated = Annotated[Line, StringConstraints(strip_whitespace=True, min_length=3, max_length=500)]


class HoldQuery(SiteQuery):
    """Filters of the list."""

    all: bool = Field(default=False, description="True: those that have ended or were released too.")
    limit: int = Field(default=100, ge=1, le=500)


class HoldRequest(BaseModel):
    """A hold to place, on an incident or on all incidents of a case."""

    model_config = ConfigDict(extra="forbid")

    incident: UUID | None = None
    case: UUID | None = None
    reason: _Stated = Field(description="Why; kept in the audit.")
    person: _Stated = Field(description="Who asked for it and answers for it.")
    until: AwareDatetime = Field(description="It ends at this moment.")

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        if (self.incident is None) == (self.case is None):
            raise ValueError("give exactly one of incident and case")
        return self


class ReleaseRequest(BaseModel):
    """Why a hold is lifted before its end."""

    model_config = ConfigDict(extra="forbid")

    reason: _Stated


@router.get("/v1/holds", responses=problems(400, 401, 403, 404))
async def holds(ctx: Ctx, login: HoldReader, query: Annotated[HoldQuery, Query()]) -> list[HoldView]:
    """Legal holds, the latest placed first."""
    scope = await scope_of(ctx, login, query.site)
    now = ctx.clock.now()
    found = await ctx.services.holds.holds(scope, None if query.all else now, query.limit)
    return [HoldView.of(one, now) for one in found]


@router.post("/v1/holds", status_code=201, responses=problems(400, 401, 403, 404))
async def place_hold(ctx: Ctx, login: HoldKeeper, wanted: HoldRequest) -> HoldView:
    """Keep an incident, or all incidents of a case, and their evidence from being deleted before `until`."""
    now = ctx.clock.now()
    if wanted.until <= now:
        raise BadRequest(f"The hold would end at {wanted.until.isoformat()}, in the past.", "Give a later `until`.")
    hold = Hold(
        id=uuid.uuid4(), incident=wanted.incident, case=wanted.case, site=await _site(ctx, login, wanted),
        reason=wanted.reason, person=wanted.person, placed_by=login.account.name, placed_at=now, until=wanted.until,
    )  # fmt: skip
    if not await ctx.services.holds.place(hold):
        raise _unknown()
    return HoldView.of(hold, now)


@router.post("/v1/holds/{hold_id}/release", responses=problems(401, 403, 404, 409))
async def release_hold(ctx: Ctx, login: HoldKeeper, hold_id: UUID, wanted: ReleaseRequest) -> HoldView:
    """Lift a hold before its end. What it kept follows its retention again, at once."""
    found = await ctx.services.holds.hold(hold_id)
    if found is None or not login.account.site.contains(found.site):
        raise NotFound(f"There is no hold {hold_id} among those this account sees.", "Take an id from /v1/holds.")
    released = await ctx.services.holds.release(hold_id, login.account.name, wanted.reason)
    if released is None:
        raise Conflict(f"The hold {hold_id} has ended or was released already.", "Nothing is left to do.")
    return HoldView.of(released, ctx.clock.now())


async def _site(ctx: Context, login: Login, wanted: HoldRequest) -> SitePath:
    site: SitePath | None = None
    if wanted.incident is not None:
        history = await ctx.services.archive.history(wanted.incident)
        site = history[-1].incident.site if history else None
    elif wanted.case is not None:
        case = await ctx.services.cases.case(wanted.case)
        site = case.site if case else None
    if site is None or not login.account.site.contains(site):
        raise _unknown()
    return site


def _unknown() -> NotFound:
    return NotFound(
        "There is no such incident or case among those this account sees.",
        "Take its id from /v1/incidents or /v1/cases; what was deleted cannot be held.",
    )
