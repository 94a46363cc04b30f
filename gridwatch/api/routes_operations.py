"""For those who run it: audit, health, metrics."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import AwareDatetime

from gridwatch.api.access import AuditReader, is_loopback, login_of, require
from gridwatch.api.context import Ctx, HealthCheck
from gridwatch.api.errors import Forbidden, problems
from gridwatch.api.views import AuditView, StatusView
from gridwatch.domain import Role, SiteLevel

log = structlog.get_logger(__name__)
router = APIRouter(tags=["operations"])

CHECK_SECONDS = 2.5
"""More than a port's own two seconds."""
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@router.get("/v1/audit", responses=problems(401, 403))
async def audit(
    ctx: Ctx,
    login: AuditReader,
    since: Annotated[
        AwareDatetime, Query(description="From this time on; ISO 8601 with `Z` or an offset.")
    ] = _LONG_AGO,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> list[AuditView]:
    """Who logged in, viewed evidence or took a step, when and why; newest first.

    Entries are kept for the whole district, so the account must be bound to the district.
    """
    if login.account.site.level is not SiteLevel.DISTRICT:
        raise Forbidden("The audit is the district's.", "Log in with an account that is bound to the district.")
    return [AuditView.of(entry) for entry in await ctx.services.audit.entries(since, limit)]


@router.get("/healthz", responses={503: {"model": StatusView, "description": "A part does not work."}})
async def health(ctx: Ctx, response: Response) -> StatusView:
    """Whether the API and what it stands on work. Needs no login and tells no details."""
    checks: dict[str, HealthCheck] = {"database": ctx.services.directory.ready, **ctx.services.checks}
    everything = {**checks, **ctx.services.concerns}
    results = await asyncio.gather(*(_works(name, check) for name, check in everything.items()))
    works = dict(zip(everything, results, strict=True))
    status = "failing" if not all(works[name] for name in checks) else "ok" if all(results) else "degraded"
    response.status_code = 503 if status == "failing" else 200
    response.headers["Cache-Control"] = "no-store"
    parts = {name: "ok" if works[name] else "failing" for name in everything}
    return StatusView.model_validate({"status": status, "parts": parts})


async def _works(name: str, check: HealthCheck) -> bool:
    # Not waited for once it is late: cancelling it may itself wait for what hangs.
    checking = asyncio.create_task(_checked(name, check), name=f"health-{name}")
    done, _ = await asyncio.wait({checking}, timeout=CHECK_SECONDS)
    if not done:
        checking.cancel()
        log.warning("health_check_late", part=name)
    return bool(done) and checking.result()


async def _checked(name: str, check: HealthCheck) -> bool:
    try:
        return await check()
    except Exception as error:  # noqa: BLE001  a check that breaks is a part that fails; the others still count
        log.warning("health_check_failed", part=name, error=repr(error))
        return False


@router.get(
    "/metrics",
    response_class=Response,
    responses={**problems(401, 403), 200: {"description": "Prometheus text.", "content": {"text/plain": {}}}},
)
async def metrics(
    request: Request,
    ctx: Ctx,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))],
) -> Response:
    """Figures for Prometheus: open to this machine, elsewhere to administrators with a bearer token."""
    if not is_loopback(request):
        login = await login_of(ctx, bearer.credentials if bearer else None)
        require(login, frozenset({Role.ADMINISTRATOR}), "read metrics")
    return Response(generate_latest(ctx.services.registry), media_type=CONTENT_TYPE_LATEST)
