"""What there is: sites, cameras, grids, and the words for it all."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from gridwatch.api.access import LoggedIn, SiteQuery, scope_of
from gridwatch.api.context import Ctx
from gridwatch.api.errors import problems
from gridwatch.api.views import CameraView, GridView, LabelsView, LabelView, SiteView
from gridwatch.domain import CHINESE, CameraState, CaseStep, IncidentKind, Phase, Role, Severity, SiteLevel

router = APIRouter(tags=["tree"])

_ROLES_CHINESE = {
    Role.OPERATOR: "值班员",
    Role.OFFICER: "民警",
    Role.GRID_WORKER: "网格员",
    Role.INTEGRATOR: "集成方",
    Role.ADMINISTRATOR: "管理员",
    Role.AUDITOR: "审计员",
}


@router.get("/v1/sites", responses=problems(400, 401, 403, 404))
async def sites(ctx: Ctx, login: LoggedIn, query: Annotated[SiteQuery, Query()]) -> list[SiteView]:
    """The account's site, or the one asked for, and every site below it, in path order."""
    scope = await scope_of(ctx, login, query.site)
    return [SiteView.of(one) for one in await ctx.services.directory.sites(scope)]


@router.get("/v1/cameras", responses=problems(400, 401, 403, 404))
async def cameras(ctx: Ctx, login: LoggedIn, query: Annotated[SiteQuery, Query()]) -> list[CameraView]:
    """Cameras with their latest health, by site and id."""
    scope = await scope_of(ctx, login, query.site)
    return [CameraView.of(one) for one in await ctx.services.directory.cameras(scope)]


@router.get("/v1/grids", responses=problems(401))
async def grids(
    ctx: Ctx,
    _login: LoggedIn,
    at: Annotated[
        AwareDatetime | None, Query(description="As they were then, e.g. a case's `opened_at`; default: as they are.")
    ] = None,
) -> list[GridView]:
    """Every grid by code, as GeoJSON polygons, with the unit and the people responsible.

    Grids are not bound to sites: whoever sees a case may look up who is responsible for its grid.
    """
    directory = ctx.services.directory
    return [GridView.of(one) for one in await (directory.grids() if at is None else directory.grids_at(at))]


def _labels(values: Iterable[StrEnum]) -> dict[StrEnum, LabelView]:
    chinese = CHINESE | _ROLES_CHINESE
    return {value: LabelView(en=value.replace("_", " ").capitalize(), zh=chinese[value]) for value in values}


@router.get("/v1/labels", responses=problems(401))
async def labels(_login: LoggedIn) -> LabelsView:
    """English and Chinese for every value a person is shown."""
    return LabelsView.model_validate({
        "kind": _labels(IncidentKind), "severity": _labels(Severity), "phase": _labels(Phase),
        "step": _labels(CaseStep), "camera_state": _labels(CameraState), "site_level": _labels(SiteLevel),
        "role": _labels(Role),
    })  # fmt: skip
