"""How much happened: incidents by time, kind and grid, and what cameras saw by the minute."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, ClassVar, Self

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from gridwatch.api.access import SiteField, Watcher, scope_of
from gridwatch.api.context import Ctx
from gridwatch.api.count_views import CountsView, GridCountsView, GridCountView, KindCountsView, ObservationView
from gridwatch.api.errors import NotFound, problems
from gridwatch.api.text import Line
from gridwatch.domain import IncidentKind
from gridwatch.store.statistics import Bucket, CountFilter

router = APIRouter(tags=["counts"])

_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


class PeriodQuery(BaseModel):
    """A period, not too long for one answer. An unknown parameter is refused: a mistyped filter would tell too much."""

    model_config = ConfigDict(extra="forbid")
    longest: ClassVar[timedelta] = timedelta(days=2)

    since: AwareDatetime = Field(
        description="From this on; ISO 8601 with `Z` or an offset (`%2B08:00`).", examples=["2026-03-01T00:00:00Z"]
    )
    until: AwareDatetime = Field(description="Before this.", examples=["2026-03-02T00:00:00Z"])

    @model_validator(mode="after")
    def _is_a_period(self) -> Self:
        if self.until <= self.since:
            raise ValueError("until is not after since")
        if self.since < _FIRST or self.until > _LAST:
            raise ValueError(f"give times from {_FIRST.year} to {_LAST.year}")
        longest = self._longest()
        if self.until - self.since > longest:
            raise ValueError(f"the period is longer than {longest.days} days; ask for parts of it")
        return self

    def _longest(self) -> timedelta:
        return self.longest


class DaysQuery(PeriodQuery):
    """What counts over days are asked with."""

    longest: ClassVar[timedelta] = timedelta(days=1100)

    site: SiteField = None
    kind: list[IncidentKind] = Field(default=[], description="Only these kinds; repeat the parameter for several.")


class CountQuery(DaysQuery):
    """What counts by time are asked with: at most 93 days of hours, or 1100 days."""

    bucket: Bucket = Field(default=Bucket.DAY, description="How long each count reaches.")

    def _longest(self) -> timedelta:
        return timedelta(days=93) if self.bucket is Bucket.HOUR else self.longest


@router.get("/v1/counts", responses=problems(400, 401, 403, 404))
async def counts(ctx: Ctx, login: Watcher, query: Annotated[CountQuery, Query()]) -> CountsView:
    """Incidents of a site and all below it by kind, in buckets that begin before `until`; the first contains `since`.

    Those that retention has deleted since are counted too.
    """
    scope = await scope_of(ctx, login, query.site)
    begin = _begin(query.since, query.bucket)
    where = CountFilter(scope=scope, since=begin, until=query.until, kinds=tuple(query.kind))
    found = await ctx.services.counts.by_time(where, query.bucket)
    items = [KindCountsView(kind=one.kind, counts=list(one.counts)) for one in found]
    return CountsView(site=str(scope), bucket=query.bucket, begin=begin, items=items)


@router.get("/v1/counts/grids", responses=problems(400, 401, 403, 404))
async def grid_counts(ctx: Ctx, login: Watcher, query: Annotated[DaysQuery, Query()]) -> GridCountsView:
    """Incidents by grid, as for a heat map, in days that begin before `until`; the first contains `since`.

    Incidents outside every grid are left out; those that retention has deleted since are counted too.
    """
    scope = await scope_of(ctx, login, query.site)
    begin = _begin(query.since, Bucket.DAY)
    where = CountFilter(scope=scope, since=begin, until=query.until, kinds=tuple(query.kind))
    found = await ctx.services.counts.by_grid(where)
    items = [GridCountView(grid=one.grid, incidents=one.incidents) for one in found]
    return GridCountsView(site=str(scope), begin=begin, items=items)


@router.get("/v1/cameras/{camera_id}/observations", responses=problems(401, 403, 404))
async def observations(
    ctx: Ctx, login: Watcher, camera_id: Annotated[Line, Path(max_length=63)], query: Annotated[PeriodQuery, Query()]
) -> list[ObservationView]:
    """What a camera saw in each minute that begins in [since, until), at most two days; kept for 90 days."""
    own = login.account.site
    if not any(one.id == camera_id for one in await ctx.services.directory.cameras(own)):
        raise NotFound(f"There is no camera {camera_id} among those this account sees.", "Take an id from /v1/cameras.")
    found = await ctx.services.observations.observations(camera_id, query.since, query.until)
    # A camera may have hung elsewhere then.
    return [ObservationView.of(one) for one in found if own.contains(one.site)]


def _begin(at: datetime, bucket: Bucket) -> datetime:
    """Of the bucket that contains `at`."""
    hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return hour if bucket is Bucket.HOUR else hour.replace(hour=0)
